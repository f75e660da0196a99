from __future__ import annotations

import pytest

from dockcfgd.migration.inventory import Image, Inventory
from dockcfgd.migration.space import (
    BackupNeed,
    Need,
    Room,
    Way,
    Written,
    backup_refusal,
    copies_of_layer,
    estimate,
    files_wanted,
    inode_refusal,
    layer_sizes,
    refusal,
    restore_refusal,
    store_need,
    store_refusal,
)
from dockcfgd.model.desired import Json
from tests.unit.migration.documents_of import container

GIB = 1024**3
BASE = Image(id="base", layers=("a",), size=1 * GIB)
APP = Image(id="app", layers=("a", "b"), size=3 * GIB)
OTHER = Image(id="other", layers=("a", "c"), size=2 * GIB)
SIZES = {"base": (GIB,), "app": (GIB, 2 * GIB), "other": (GIB, GIB)}
MARGIN = 64 * 1024**2
NOTHING = Written()


def with_margin(size: int) -> int:
    return size + size // 20 + MARGIN


def test_shared_layers_count_once() -> None:
    need = estimate(
        Inventory(images=(BASE, APP, OTHER)), SIZES, target_driver="overlay2", written=NOTHING
    )
    assert need.backup == with_margin(4 * GIB)
    assert need.data_root == with_margin(8 * GIB)  # staging and target


def test_vfs_keeps_a_whole_copy_for_each_layer_and_container() -> None:
    need = estimate(
        Inventory(images=(BASE, APP, OTHER)), SIZES, target_driver="vfs", written=NOTHING
    )
    assert need.data_root == with_margin(4 * GIB + (1 + 3 + 2) * GIB)
    one = container("c", Image="app")
    more = estimate(
        Inventory(images=(BASE, APP, OTHER), containers=(one,)),
        SIZES,
        target_driver="vfs",
        written=NOTHING,
    )
    assert more.data_root - need.data_root >= 5 * 3 * GIB
    assert more.backup == need.backup


def test_what_containers_have_written_counts_for_both() -> None:
    written = Written(bytes=40 * GIB, copies=80 * GIB)
    need = estimate(Inventory(images=(BASE,)), SIZES, target_driver="overlay2", written=written)
    assert need == Need(
        backup=with_margin(41 * GIB), data_root=with_margin(82 * GIB), written=40 * GIB
    )


def test_what_is_copied_into_containerds_store_needs_room_there() -> None:
    images = Inventory(images=(BASE,))
    need = store_need(images, SIZES, snapshotter="overlayfs", written=40 * GIB)
    assert need == with_margin(42 * GIB)
    text = store_refusal(need, GIB, root="/r", snapshotter="overlayfs", written=40 * GIB)
    assert "the images and what containers have written (40.0 GiB) take up to 44.2 GiB" in text


@pytest.mark.parametrize(
    ("way", "host", "driver", "sharing", "copies"),
    [
        (Way.IN_PLACE, {}, "overlay2", False, 1),
        (Way.IN_PLACE, {}, "vfs", False, 1),
        (Way.IN_PLACE, {}, "vfs", True, 0),
        # It is committed, and staged from that, whatever the filesystem can do.
        (Way.IN_PLACE, {"AutoRemove": True}, "overlay2", True, 3),
        (Way.ANEW, {}, "overlay2", True, 3),
        (Way.ANEW, {}, "vfs", False, 5),
    ],
)
def test_how_often_it_is_copied(
    way: Way, host: dict[str, Json], driver: str, *, sharing: bool, copies: int
) -> None:
    one = container("c", host=host)
    assert copies_of_layer(one, way, target_driver=driver, sharing=sharing) == copies


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([2, 0, 1], (1, 2)),  # the newest first; the one without a size made no layer
        ([2], (2, 0)),
        ([5, 4, 3, 2], (3, 0)),  # more than there are layers: not believed
        ([], (3, 0)),
    ],
)
def test_layer_sizes_from_the_history(sizes: list[int], expected: tuple[int, ...]) -> None:
    image = Image(id="i", layers=("a", "b"), size=sum(expected))
    assert layer_sizes(image, [{"Size": size} for size in sizes]) == expected


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (Room(backup=10 * GIB, data_root=10 * GIB, shared=False), ""),
        (Room(backup=7 * GIB, data_root=7 * GIB, shared=True), ""),
        (Room(backup=6 * GIB, data_root=6 * GIB, shared=True), "6.0 GiB free"),
        (Room(backup=1 * GIB, data_root=10 * GIB, shared=False), "/backups has 1.0 GiB free"),
        (Room(backup=10 * GIB, data_root=4 * GIB, shared=False), "/root has 4.0 GiB free"),
    ],
)
def test_refusal(room: Room, why: str) -> None:
    need = Need(backup=2 * GIB, data_root=5 * GIB)
    text = refusal(need, room, directory="/backups", root="/root", target_driver="vfs")
    assert (why in text) if why else text == ""
    assert "written" not in text
    more = Need(backup=2 * GIB, data_root=5 * GIB, written=GIB)
    text = refusal(more, room, directory="/backups", root="/root", target_driver="vfs")
    assert ("the images and what containers have written (1.0 GiB)" in text) is bool(why)


COUNTS = {"base": (100,), "app": (100, 20), "other": (100, 3)}


def test_files_count_as_bytes_do() -> None:
    images = (BASE, APP, OTHER)
    one = container("c", Image="app")
    alone = files_wanted(Inventory(images=images), COUNTS, target_driver="overlay2")
    assert alone == 123 + 123 // 20 + 1000
    copied = files_wanted(Inventory(images=images), COUNTS, target_driver="vfs")
    assert copied == (100 + 120 + 103) + 323 // 20 + 1000
    more = files_wanted(Inventory(images=images, containers=(one,)), COUNTS, target_driver="vfs")
    assert more - copied >= 5 * 120


def test_too_few_inodes_are_refused_with_what_to_do() -> None:
    assert inode_refusal(10, None, root="/r", target_driver="vfs") == ""
    assert inode_refusal(10, 10, root="/r", target_driver="vfs") == ""
    why = inode_refusal(11, 10, root="/r", target_driver="vfs")
    assert "/r has 10 inodes free" in why
    assert "docker image prune" in why


_NONE = Room(backup=0, data_root=0, shared=True)
_NO_BACKUP = Room(backup=0, data_root=1000 * GIB, shared=False)
_NO_STAGING = Room(backup=1000 * GIB, data_root=0, shared=False)


@pytest.mark.parametrize(
    ("room", "mended"),
    [
        (_NONE, "docker image prune -a frees unused images, and backup.directory may be on"),
        (_NO_BACKUP, "dockcfgctl backup prune removes older ones, and backup.directory may be"),
        (_NO_STAGING, "docker image prune -a frees unused images"),
    ],
)
def test_each_refusal_for_want_of_room_says_what_makes_some(room: Room, mended: str) -> None:
    need = BackupNeed(images=GIB, layers=GIB, volumes=GIB)
    assert mended in backup_refusal(need, room, directory="/backups", root="/r")
    other = Need(backup=GIB, data_root=GIB)
    assert mended in refusal(other, room, directory="/backups", root="/r", target_driver="vfs")


def test_so_do_those_of_a_store_and_of_a_restore() -> None:
    mended = "docker image prune -a frees unused images"
    assert mended in store_refusal(GIB, 0, root="/r", snapshotter="overlayfs", written=0)
    assert mended in restore_refusal(GIB, 0, root="/r", driver="overlay2")
