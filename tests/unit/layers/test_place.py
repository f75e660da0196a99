"""A writable layer is found only where everything is laid out as known."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dockcfgd.layers import Place, UnknownFormat, place_of

ID = "a1" * 32
MOUNT = "b2" * 32
LINK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lay_out(root: Path) -> Path:
    mounts = root / "image/overlay2/layerdb/mounts" / ID
    mounts.mkdir(parents=True)
    (mounts / "mount-id").write_text(MOUNT)
    (mounts / "init-id").write_text(f"{MOUNT}-init")
    (mounts / "parent").write_text("sha256:" + "0" * 64)
    for name in (MOUNT, f"{MOUNT}-init"):
        (root / "overlay2" / name / "diff").mkdir(parents=True)
    (root / "overlay2" / MOUNT / "lower").write_text(f"l/{LINK}:l/{LINK[::-1]}")
    (root / "overlay2" / f"{MOUNT}-init" / "link").write_text(LINK)
    os.utime(mounts / "mount-id", ns=(1, 1_234_567_891))
    return mounts


def test_found(tmp_path: Path) -> None:
    lay_out(tmp_path)
    place = place_of(str(tmp_path), "overlay2", ID)
    assert place == Place("overlay2", str(tmp_path), MOUNT, f"{MOUNT}-init", 1_234_567_891)
    assert place.tree == f"{tmp_path}/overlay2/{MOUNT}/diff"
    assert place.base == f"{tmp_path}/overlay2/{MOUNT}-init/diff"
    assert Place.from_document(place.document()) == place


def test_an_image_without_layers_has_no_parent(tmp_path: Path) -> None:
    (lay_out(tmp_path) / "parent").unlink()
    assert place_of(str(tmp_path), "overlay2", ID).mount_id == MOUNT


def _rewrite(name: str, text: str) -> Callable[[Path, Path], None]:
    def spoil(_: Path, mounts: Path) -> None:
        (mounts / name).write_text(text)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_rewrite("mount-id", "../../etc"), "mount-id holds no ID"),
        (_rewrite("init-id", MOUNT), "init-id is not mount-id"),
        (_rewrite("parent", "sha512:1"), "parent holds no chain ID"),
        (_rewrite("new-in-next-release", "x"), "unknown file new-in-next-release"),
        (lambda _, mounts: (mounts / "mount-id").unlink(), "no readable mount-id"),
        (lambda _, mounts: shutil.rmtree(mounts), "there is no such folder"),
        (lambda root, _: shutil.rmtree(root / f"overlay2/{MOUNT}/diff"), "it is no folder"),
        (
            lambda root, _: (root / f"overlay2/{MOUNT}/lower").write_text(f"l/{LINK[::-1]}"),
            "not its init layer",
        ),
        (
            lambda root, _: (root / f"overlay2/{MOUNT}-init/link").write_text("../x"),
            "link is no link",
        ),
    ],
)
def test_refused(tmp_path: Path, spoil: Callable[[Path, Path], object], said: str) -> None:
    spoil(tmp_path, lay_out(tmp_path))
    with pytest.raises(UnknownFormat, match=f"{said}.*re-create the container") as refused:
        place_of(str(tmp_path), "overlay2", ID)
    assert str(refused.value).startswith(f"cannot find the writable layer of container {ID}: ")


@pytest.mark.parametrize(
    ("driver", "container"), [("zfs", ID), ("devicemapper", ID), ("overlay2", ID[:12])]
)
def test_unknown_drivers_and_short_ids(tmp_path: Path, driver: str, container: str) -> None:
    lay_out(tmp_path)
    with pytest.raises(UnknownFormat):
        place_of(str(tmp_path), driver, container)


def test_a_folder_is_no_subvolume(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "image/overlay2").rename(tmp_path / "image/btrfs")
    for name in (MOUNT, f"{MOUNT}-init"):
        (tmp_path / "btrfs/subvolumes" / name).mkdir(parents=True)
    with pytest.raises(UnknownFormat, match="it is no subvolume"):
        place_of(str(tmp_path), "btrfs", ID)


@pytest.mark.parametrize("document", [{}, {"driver": "aufs"}])
def test_no_place(document: dict[str, str]) -> None:
    whole = {"root": "/", "mount_id": "m", "init_id": "i", "made_ns": 0} if document else {}
    with pytest.raises((KeyError, ValueError)):
        Place.from_document(whole | document)
