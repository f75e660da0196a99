"""Images without layers: saved by dockcfgd, loaded by any engine, and never in anybody's way."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from dockcfgd.migration import layerless, operations
from dockcfgd.migration.archive import read_archive
from dockcfgd.migration.inventory import Image
from dockcfgd.migration.live_backup import Reports, Wish, make_backup
from dockcfgd.migration.restoring import restore_chosen
from dockcfgd.migration.saved_images import load_images, read_images
from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure, FileFailure
from tests.fakes.host import FakeHost

VERSIONS = ("20.10.24", "26.1.5", "28.5.2")
IN_CONTAINERD = '{"features": {"containerd-snapshotter": true}}'


def nothing(**_: object) -> None:
    """Hear how far it is."""


def bare(host: FakeHost, tag: str = "data:1", label: str = "") -> str:
    config: dict[str, Json] = {"Volumes": {"/data": {}}, "Cmd": ["none"], "Labels": {"a": label}}
    return host.dockerd.images.build([], config=config, tag=tag)


def saved(host: FakeHost, folder: Path) -> list[str]:
    """Save all images of a host; give the paths of the archives."""
    operations.back_up_images(
        host.effects.access, folder=str(folder), target_driver="vfs", progress=nothing
    )
    return [entry.path for entry in read_images(str(folder))[1]]


def test_the_engine_saves_none() -> None:
    host = FakeHost()
    bare(host)
    host.image()
    with pytest.raises(EngineFailure, match="empty export"), host.images.save(["data:1"]):
        pass
    with (
        pytest.raises(EngineFailure, match="empty export"),
        host.images.save(["busybox", "data:1"]),
    ):
        pass


@pytest.mark.parametrize("version", VERSIONS)
def test_they_are_in_the_backup_with_their_names(tmp_path: Path, version: str) -> None:
    host, other = FakeHost(version=version), FakeHost(version=version)
    unnamed, named = bare(host, "", "unnamed"), bare(host)
    host.images.tag(named, repository="data", tag="2")
    host.image()
    assert saved(host, tmp_path / "b") == ["images.tar.zst", "images-2.tar.zst"]
    load_images(other.images, folder=str(tmp_path / "b"), progress=nothing)
    assert sorted(other.dockerd.images.find(named).tags) == ["data:1", "data:2"]
    assert other.dockerd.images.find(unnamed).tags == []
    assert other.dockerd.images.find("busybox").layers
    # Nothing new is nothing to save.
    assert len(saved(host, tmp_path / "b")) == 2
    bare(host, "data:3", "later")
    assert saved(host, tmp_path / "b")[2:] == ["images-3.tar.zst"]


def test_where_there_are_no_others_the_engine_is_not_asked(tmp_path: Path) -> None:
    host = FakeHost()
    identity = bare(host)
    assert saved(host, tmp_path / "b") == ["images.tar.zst"]
    (entry,) = read_images(str(tmp_path / "b"))[1]
    content = b"".join(read_archive(str(tmp_path / "b"), entry))
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        manifest, config = opened.extractfile("manifest.json"), identity[7:] + ".json"
        assert manifest is not None
        assert json.load(manifest) == [{"Config": config, "RepoTags": ["data:1"], "Layers": []}]
        assert opened.getnames() == [config, "manifest.json"]


@pytest.mark.parametrize("daemon_json", ["{}", IN_CONTAINERD])
def test_they_are_restored_into_either_store(tmp_path: Path, daemon_json: str) -> None:
    host, other = FakeHost(), FakeHost(daemon_json=daemon_json)
    bare(host)
    host.run("data", image="data:1", layer={"/data": b"1"})
    folder, reports = str(tmp_path / "b"), Reports(print, nothing, print)
    make_backup(host.effects.access, host.folders, Wish(), folder=folder, reports=reports)
    restored = restore_chosen(
        other.effects.access, other.folders, (), folder=folder, reports=reports
    )
    assert not any("other images" in line for line in restored.remarks)
    assert other.dockerd.images.find("data:1").layers == []
    assert other.content("data")["/data"] == b"1"


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_file_that_is_not_the_image_is_told_with_the_way_out(content: bytes | None) -> None:
    host = FakeHost()
    identity = bare(host)
    where = f"/var/lib/docker/image/overlay2/imagedb/content/sha256/{identity[7:]}"
    host.files.delete(where)
    if content is not None:
        host.files.put(where, content)
    image = Image(identity, ("data:1",))
    with pytest.raises(FileFailure, match=r"cannot use .*: .*data:1.* docker rmi data:1"):
        next(layerless.archive_of(host.files, [image], root="/var/lib/docker", driver="overlay2"))
