from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator

import pytest
import zstandard

from dockcfgd.migration.layer_filter import keep_top_layer
from dockcfgd.migration.tar_members import BadArchive

LAYERS = [b"lowest layer" * 1000, b"middle" * 7000, b"top" * 3]
DIFF_IDS = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in LAYERS]


def archive_of(files: list[tuple[str, bytes]], *, kind: int = tarfile.USTAR_FORMAT) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=kind) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def oci(*, kind: int = tarfile.USTAR_FORMAT) -> bytes:
    layers = [
        (f"blobs/sha256/{diff[7:]}", data) for diff, data in zip(DIFF_IDS, LAYERS, strict=True)
    ]
    return archive_of(
        [*layers, ("blobs/sha256/config", b"{}"), ("manifest.json", b"[]")], kind=kind
    )


def old_layout() -> bytes:
    layers = [(f"{number}/layer.tar", data) for number, data in enumerate(LAYERS)]
    return archive_of([("0/json", b"{}"), *layers[::-1], ("manifest.json", b"[]")])


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def filtered(data: bytes, *, size: int = 1000, layers: list[str] = DIFF_IDS) -> dict[str, bytes]:
    output = io.BytesIO()
    keep_top_layer(
        pieces(data, size), output, compressor=zstandard.ZstdCompressor(level=1), layers=layers
    )
    reader = zstandard.ZstdDecompressor().stream_reader(output.getvalue(), read_across_frames=True)
    with tarfile.open(fileobj=io.BytesIO(reader.read())) as archive:
        return {entry.name: _content(archive, entry) for entry in archive}


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(entry)
    assert stream is not None
    return stream.read()


@pytest.mark.parametrize("size", [1, 512, 100_000])
@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_layers_known_by_name(size: int, kind: int) -> None:
    assert filtered(oci(kind=kind), size=size) == {
        f"blobs/sha256/{DIFF_IDS[-1][7:]}": LAYERS[-1],
        "blobs/sha256/config": b"{}",
        "manifest.json": b"[]",
    }


@pytest.mark.parametrize("size", [1, 100_000])
def test_layers_known_by_content(size: int) -> None:
    assert filtered(old_layout(), size=size) == {
        "0/json": b"{}",
        "2/layer.tar": LAYERS[-1],
        "manifest.json": b"[]",
    }


def test_an_unknown_layout_passes_whole() -> None:
    data = archive_of([("layers/gzip", LAYERS[0]), ("index", b"x")])
    assert filtered(data) == {"layers/gzip": LAYERS[0], "index": b"x"}


def test_a_top_layer_that_is_also_a_lower_one_stays() -> None:
    layers = [DIFF_IDS[0], DIFF_IDS[1], DIFF_IDS[0]]
    assert f"blobs/sha256/{DIFF_IDS[0][7:]}" in filtered(oci(), layers=layers)


def test_what_is_kept_passes_unchanged() -> None:
    data = archive_of([("a", b"1"), ("b", b"2" * 600)])
    output = io.BytesIO()
    keep_top_layer([data], output, compressor=zstandard.ZstdCompressor(), layers=DIFF_IDS)
    result = zstandard.ZstdDecompressor().stream_reader(output.getvalue(), read_across_frames=True)
    content = result.read()
    assert data.startswith(content)
    assert not any(data[len(content) :])


def test_long_names_and_sizes_beyond_eight_gibibytes_are_understood() -> None:
    name = "x" * 300 + "/layer.tar"
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        assert filtered(archive_of([(name, LAYERS[0]), ("kept", b"k")], kind=kind)) == {
            "kept": b"k"
        }


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"no archive, but long enough" * 100])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(BadArchive):
        filtered(data)
