"""The program that copies ahead what containers have written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dockcfgd.layers import first_copy
from dockcfgd.layers.ahead import Transfer
from dockcfgd.layers.errors import LayerRefused
from dockcfgd.layers.first_copy import Filesystem
from dockcfgd.layers.staying import ahead_of, staying

ID = "{:064x}"
BIG = 128 << 10
Share = Callable[[int, int], bool]


def shares_nothing(_source: int, _target: int) -> bool:
    return False


class Root:
    """A data-root with containers of overlay2 on it."""

    def __init__(self, top: Path) -> None:
        self.path = top / "docker"
        self.staging = top / "docker/dockcfgd/t.staging"
        self.said: list[dict[str, object]] = []

    def copy(self, kind: str = "ext4", share: Share = shares_nothing) -> None:
        """Copy ahead on a filesystem of that kind, on which all is old enough."""
        filesystem = Filesystem(
            lambda _: kind, doubt_ns=-1_000_000_000, transfer=Transfer(share=share)
        )
        first_copy.first_copy(self.job, say=self.said.append, filesystem=filesystem)

    def container(self, number: int, *, disposable: bool = False) -> Path:
        """Make one; give the folder of what it has written."""
        identity, mount = ID.format(number), ID.format(number + 1000)
        config = {"ID": identity, "Driver": "overlay2", "Name": f"/c{number}", "State": {}}
        self._put(f"containers/{identity}/config.v2.json", json.dumps(config))
        host = json.dumps({"AutoRemove": disposable})
        self._put(f"containers/{identity}/hostconfig.json", host)
        mounts = f"image/overlay2/layerdb/mounts/{identity}"
        self._put(f"{mounts}/mount-id", mount)
        self._put(f"{mounts}/init-id", f"{mount}-init")
        self._put(f"overlay2/{mount}-init/link", "A" * 26)
        self._put(f"overlay2/{mount}/lower", "l/" + "A" * 26)
        for layer in (mount, f"{mount}-init"):
            (self.path / "overlay2" / layer / "diff").mkdir()
        return self.path / "overlay2" / mount / "diff"

    def _put(self, path: str, text: str) -> None:
        where = self.path / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    @property
    def job(self) -> dict[str, object]:
        return {
            "root": str(self.path),
            "driver": "overlay2",
            "staging": str(self.staging),
            "target": "fuse-overlayfs",
            "sources": {},
        }

    def ahead(self, number: int) -> list[str]:
        folder = Path(ahead_of(str(self.staging), ID.format(number)))
        return sorted(json.loads((folder / "index.json").read_text())) if folder.exists() else []


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_each_container_that_stays_is_copied_ahead(root: Root) -> None:
    (root.container(1) / "data").write_bytes(os.urandom(BIG))
    (root.container(2) / "data").write_bytes(os.urandom(BIG))
    (root.container(3, disposable=True) / "data").write_bytes(os.urandom(BIG))
    root.copy()
    assert [root.ahead(number) for number in (1, 2, 3)] == [["data"], ["data"], []]
    assert [(one["item"], one["done"]) for one in root.said] == [("c1", 0), ("c2", 1), ("", 2)]


def test_one_that_is_being_removed_does_no_harm(root: Root) -> None:
    root.container(1)
    (root.container(2) / "data").write_bytes(os.urandom(BIG))
    (root.path / "image/overlay2/layerdb/mounts" / ID.format(1) / "mount-id").unlink()
    root.copy()
    assert (root.ahead(1), root.ahead(2)) == ([], ["data"])
    (root.path / "containers" / ID.format(1) / "config.v2.json").unlink()
    assert list(staying(root.path, "overlay2")) == [ID.format(2)]


@pytest.mark.parametrize("name", ["config.v2.json", "hostconfig.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 8])
def test_one_whose_files_are_damaged_is_no_container(root: Root, name: str, content: bytes) -> None:
    root.container(1)
    (root.container(2) / "data").write_bytes(os.urandom(BIG))
    (root.path / "containers" / ID.format(1) / name).write_bytes(content)
    assert staying(root.path, "overlay2") == {ID.format(2): "c2"}
    root.copy()
    assert (root.ahead(1), root.ahead(2)) == ([], ["data"])


def test_a_copy_of_a_containers_folder_is_no_container(root: Root) -> None:
    root.container(1)
    there = root.path / "containers" / ID.format(1)
    shutil.copytree(there, there.with_suffix(".bak"))
    assert staying(root.path, "overlay2") == {ID.format(1): "c1"}


def test_one_that_has_lost_its_writable_layer_is_none_that_stays(root: Root) -> None:
    root.container(1)
    root.container(2)
    shutil.rmtree(root.path / "image/overlay2/layerdb/mounts" / ID.format(1))
    assert staying(root.path, "overlay2") == {ID.format(2): "c2"}


def test_where_a_mapping_would_not_show_nothing_goes_ahead(root: Root) -> None:
    (root.container(1) / "data").write_bytes(os.urandom(BIG))
    root.copy("tmpfs")
    assert root.ahead(1) == []


@pytest.mark.parametrize("number", [1, 2])
def test_what_cannot_be_stored_is_told_where_blocks_are_shared(root: Root, number: int) -> None:
    first, second = root.container(1), root.container(2)
    # Each folder is gone through by the names in it, and the larger file comes first.
    (first / "a").write_bytes(os.urandom(BIG))
    (first / "b").mkdir()
    ((first / "b") if number == 1 else second).joinpath(".wh.mine").write_text("x")
    with pytest.raises(LayerRefused, match=r"\.wh\."):
        root.copy(share=lambda _source, _target: True)


def test_where_blocks_are_shared_nothing_is_copied(root: Root) -> None:
    for number in (1, 2):
        (root.container(number) / "data").write_bytes(os.urandom(BIG))
    tried: list[int] = []

    def share(source: int, _target: int) -> bool:
        tried.append(source)
        return True

    root.copy(share=share)
    assert len(tried) == 1
    assert [root.ahead(number) for number in (1, 2)] == [[], []]
    assert not list(Path(root.staging).rglob("0"))
    assert [one["item"] for one in root.said] == ["c1", "c2", ""]


def test_what_cannot_be_stored_is_told_where_nothing_goes_ahead(root: Root) -> None:
    (root.container(1) / ".wh.mine").write_text("x")
    with pytest.raises(LayerRefused, match=r"\.wh\."):
        root.copy("zfs")


def test_the_kind_of_a_filesystem_is_found() -> None:
    if Path("/dev/shm").is_mount():
        assert first_copy.filesystem_of("/dev/shm") == "tmpfs"
    assert first_copy.filesystem_of("/proc/self/fd") == "proc"


def test_it_needs_the_standard_library_only_and_says_what_is_wrong(
    root: Root, tmp_path: Path
) -> None:
    (root.container(1) / ".wh.mine").write_text("x")
    job = tmp_path / "job"
    job.write_text(json.dumps(root.job))
    done = subprocess.run(
        [sys.executable, "-I", "-S", first_copy.__file__, job],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert ".wh." in json.loads(done.stdout.splitlines()[-1])["why"]
