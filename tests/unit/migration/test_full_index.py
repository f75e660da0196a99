from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from dockcfgd.migration.full_index import with_full_index
from dockcfgd.migration.tar_members import BadArchive


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(config: str) -> bytes:
    document = {"schemaVersion": 2, "config": {"digest": config}, "layers": []}
    return json.dumps(document).encode()


def archive(blobs: list[bytes], index: Any, *, last: bytes = b"[]") -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        members = {f"blobs/sha256/{digest_of(blob)[7:]}": blob for blob in blobs}
        members |= {} if index is None else {"index.json": json.dumps(index).encode()}
        for name, content in (members | {"manifest.json": last}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return output.getvalue()


def completed(content: bytes, *, chunk: int = 700) -> dict[str, bytes]:
    chunks = [content[at : at + chunk] for at in range(0, len(content), chunk)]
    whole = b"".join(with_full_index(chunks))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        return {
            member.name: file.read() if (file := tar.extractfile(member)) else b"" for member in tar
        }


def listed(members: dict[str, bytes]) -> list[str]:
    return [one["digest"] for one in json.loads(members["index.json"])["manifests"]]


def test_images_without_a_name_are_added() -> None:
    named, nameless = manifest("sha256:a"), manifest("sha256:b")
    layer = bytes(2_000_000)
    entry = {"digest": digest_of(named), "annotations": {"io.containerd.image.name": "app:1"}}
    before = archive([named, layer, nameless], {"schemaVersion": 2, "manifests": [entry]})
    after = completed(before)
    index = json.loads(after["index.json"])
    assert index["manifests"][0] == entry
    assert index["manifests"][1:] == [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest_of(nameless),
            "size": len(nameless),
        }
    ]
    assert after[f"blobs/sha256/{digest_of(layer)[7:]}"] == layer
    assert after["manifest.json"] == b"[]"


def test_manifests_of_an_image_for_many_platforms_are_no_images() -> None:
    inner = manifest("sha256:a")
    many = json.dumps({"manifests": [{"digest": digest_of(inner)}]}).encode()
    before = archive([inner, many], {"manifests": [{"digest": digest_of(many)}]})
    assert listed(completed(before)) == [digest_of(many)]


def test_an_index_that_lacks_nothing_stays() -> None:
    one = manifest("sha256:a")
    index = {"schemaVersion": 2, "manifests": [{"digest": digest_of(one)}]}
    assert json.loads(completed(archive([one], index))["index.json"]) == index


@pytest.mark.parametrize(
    "blob",
    [
        b'{"manifests": null, "config": {}}',
        b'{"manifests": 5}',
        b'{"manifests": ["no object"]}',
        b'{"config": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_blob_that_is_like_an_index_and_none_passes(blob: bytes) -> None:
    index = {"schemaVersion": 2, "manifests": None}
    members = completed(archive([blob], index))
    assert members[f"blobs/sha256/{digest_of(blob)[7:]}"] == blob
    assert json.loads(members["index.json"]) == index


def test_an_archive_of_an_older_engine_passes() -> None:
    before = archive([b"layer"], None)
    after = completed(before)
    assert "index.json" not in after
    assert after["manifest.json"] == b"[]"


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(BadArchive):
        list(with_full_index([b"no archive"]))
