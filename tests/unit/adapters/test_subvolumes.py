"""What the kernel says of subvolumes, and which of them containerd shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockcfgd.adapters.containerd import subvolume_of
from dockcfgd.adapters.protobuf import Fields, decoded, encoded
from dockcfgd.adapters.subvolumes import described, subvolumes

# Of Linux: `snapshots/1`, and `active/2`, which is a snapshot of it. btrfs subvolume list says the
# same of them.
UUID = "66910caec73b1640af234830725c9385"
OF_ALL = "05000000000000000001000000000000070000000000000000000000000000"
FIRST = "0001000000000000" + "31".ljust(512, "0") + OF_ALL + "00" + UUID + "00" * 16
SECOND = (
    "0101000000000000" + "32".ljust(512, "0") + OF_ALL + "00" + "1dfe674fe4162047acf95cb84486d862"
) + UUID


def test_a_snapshot_names_what_it_is_of() -> None:
    first, second = (described(bytes.fromhex(one).ljust(504, b"\0")) for one in (FIRST, SECOND))
    assert (first.id, first.uuid.hex(), first.origin) == (256, UUID, bytes(16))
    assert (second.id, second.origin) == (257, first.uuid)


def test_folders_are_none(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("1")
    assert list(subvolumes(str(tmp_path))) == []


def mount(kind: str, *options: str) -> Fields:
    return decoded(encoded((1, kind), (2, "/dev/sda2"), *((4, option) for option in options)))


@pytest.mark.parametrize(
    ("mounts", "shown"),
    [
        ([mount("btrfs", "subvolid=262")], 262),
        ([mount("btrfs", "ro", "subvolid=265", "subvol=/active/4")], 265),
        ([mount("btrfs", "subvol=/active/4")], 0),
        ([mount("btrfs", "subvolid=/")], 0),
        ([mount("bind", "subvolid=262")], 0),
        ([], 0),
    ],
)
def test_a_mount_shows_one_by_its_id(mounts: list[Fields], shown: int) -> None:
    assert subvolume_of(mounts) == shown
