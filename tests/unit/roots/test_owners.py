"""Containers get other users: all that is theirs changes hands, and nothing else."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from dockcfgd.layers.attributes import Attributes
from dockcfgd.model.errors import FileFailure
from dockcfgd.roots.copying import copy_live, copy_rest, discard_copy, remove_left
from dockcfgd.roots.owners import NoPlace, Owners

ON = (0, 100000, 65536, 0, 200000, 65536)
OFF = (100000, 0, 65536, 200000, 0, 65536)
DIR, FILE = stat.S_IFDIR, stat.S_IFREG


def what(mode: int, uid: int, gid: int, **xattrs: bytes) -> Attributes:
    named = {name.replace("__", "."): value for name, value in xattrs.items()}
    return Attributes(mode, uid, gid, 0, 0, named)


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)


def test_files_of_containers_there_and_back() -> None:
    before = what(FILE | 0o644, 1000, 33)
    after = Owners(ON).of_content(before)
    assert (after.uid, after.gid) == (101000, 200033)
    assert Owners(OFF).of_content(after) == before


def test_who_has_no_place() -> None:
    with pytest.raises(NoPlace, match="owner 70000"):
        Owners(ON).of_content(what(FILE, 70000, 0))


def test_the_hosts_own_users_stay_who_they_are() -> None:
    assert Owners(OFF).of_content(what(FILE, 0, 5)) == what(FILE, 0, 5)


def test_from_one_range_to_another() -> None:
    moved = Owners((100000, 300000, 65536, 200000, 400000, 65536)).of_content(
        what(FILE, 100001, 200002)
    )
    assert (moved.uid, moved.gid) == (300001, 400002)


def test_acls_and_capabilities_name_users_too() -> None:
    no_id = 0xFFFFFFFF
    list_before = acl((1, 7, no_id), (2, 5, 1000), (4, 5, no_id), (8, 5, 33), (16, 7, no_id))
    before = what(FILE, 0, 0, system__posix_acl_access=list_before)
    after = Owners(ON).of_content(before)
    assert after.xattrs["system.posix_acl_access"] == acl(
        (1, 7, no_id), (2, 5, 101000), (4, 5, no_id), (8, 5, 200033), (16, 7, no_id)
    )
    assert Owners(OFF).of_content(after) == before
    version_2 = struct.pack("<5I", 0x02000001, 1024, 0, 0, 0)
    version_3 = struct.pack("<6I", 0x03000001, 1024, 0, 0, 0, 100000)
    off = Owners(OFF).of_content(what(FILE, 100000, 200000, security__capability=version_3))
    assert off.xattrs["security.capability"] == version_2
    on = Owners(ON).of_content(what(FILE, 0, 0, security__capability=version_2))
    assert on.xattrs["security.capability"] == version_2


@pytest.mark.parametrize(
    ("path", "mode", "after"),
    [
        (b"", 0o710, (0o710, 0, 200000)),
        (b"overlay2", 0o710, (0o710, 0, 200000)),
        (b"overlay2/abc", 0o700, (0o710, 0, 200000)),
        (b"overlay2/l", 0o700, (0o700, 0, 0)),
        (b"containers/abc/mounts", 0o710, (0o710, 0, 200000)),
        (b"containers/abc/checkpoints", 0o700, (0o700, 0, 0)),
        (b"image", 0o700, (0o700, 0, 0)),
        (b"network", 0o750, (0o750, 0, 0)),
    ],
)
def test_the_engines_own_folders(path: bytes, mode: int, after: tuple[int, int, int]) -> None:
    moved = Owners(ON).of_engine(path, what(DIR | mode, 0, 0))
    assert (stat.S_IMODE(moved.mode), moved.uid, moved.gid) == after
    back = Owners(OFF).of_engine(path, moved)
    assert (back.uid, back.gid) == (0, 0)


def test_files_that_a_start_gives_away() -> None:
    given = what(FILE | 0o644, 100000, 200000)
    assert Owners(OFF).of_engine(b"containers/abc/hosts", given) == what(FILE | 0o644, 0, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    top = tmp_path / "docker"
    for path in ("overlay2/abc/diff/etc", "volumes/v/_data", "image", "900000.900000/image"):
        (top / path).mkdir(parents=True)
    (top / "overlay2/abc/diff/etc/passwd").write_text("root")
    (top / "volumes/v/_data/file").write_text("mine")
    os.chown(top / "volumes/v/_data/file", 1000, 1001)
    (top / "overlay2/abc/link").write_text("ABC")
    return top


def _unheard(done: int, total: int) -> None:
    assert done <= total


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def copy(source: Path, target: Path, name: str, shift: tuple[int, ...]) -> None:
    copy_live(str(source), str(target), name, progress=_unheard, shift=shift)
    copy_rest(str(source), str(target), name, progress=_unheard, shift=shift)


def test_a_data_root_into_a_folder_of_its_own_and_back(root: Path) -> None:
    inner = root / "100000.200000"
    copy(root, inner, "T1", ON)
    assert owner(inner) == (0, 200000)
    assert owner(inner / "overlay2/abc/diff/etc/passwd") == (100000, 200000)
    assert owner(inner / "volumes/v/_data/file") == (101000, 201001)
    assert owner(inner / "overlay2/abc/link") == (0, 0)
    assert not (inner / "900000.900000").exists()
    (inner / "volumes/v/_data/new").write_text("made since")
    os.chown(inner / "volumes/v/_data/new", 100005, 200006)
    copy(inner, root, "T2", OFF)
    assert owner(root / "volumes/v/_data/file") == (1000, 1001)
    assert owner(root / "volumes/v/_data/new") == (5, 6)
    assert owner(root / "overlay2/abc") == (0, 0)
    assert (root / "900000.900000/image").exists()
    assert inner.exists()


def test_a_copy_out_of_the_inner_folder_is_removed_alone(root: Path) -> None:
    inner = root / "100000.200000"
    copy(root, inner, "T1", ON)
    (root / "dockcfgd" / "T0").mkdir(parents=True)
    copy(inner, root, "T2", OFF)
    discard_copy(str(inner), str(root), "T2")
    left = sorted(one.name for one in root.iterdir())
    assert left == ["100000.200000", "900000.900000", "dockcfgd"]
    assert [one.name for one in (root / "dockcfgd").iterdir()] == ["T0"]
    assert (inner / "volumes/v/_data/file").read_text() == "mine"


def test_what_was_left_is_removed_and_what_is_used_stays(root: Path) -> None:
    inner = root / "100000.200000"
    copy(root, inner, "T1", ON)
    remove_left(str(root), str(inner))
    assert sorted(one.name for one in root.iterdir()) == ["100000.200000", "900000.900000"]
    assert (inner / "volumes/v/_data/file").read_text() == "mine"
    copy(inner, root, "T2", OFF)
    remove_left(str(inner), str(root))
    assert not inner.exists()
    assert (root / "volumes/v/_data/file").read_text() == "mine"
    beside = root.parent / "beside"
    beside.mkdir()
    remove_left(str(beside), str(root))
    remove_left(str(beside), str(root))
    remove_left(str(root), str(root))
    assert not beside.exists()
    assert (root / "volumes").exists()


def test_a_file_without_a_place_is_named(root: Path) -> None:
    os.chown(root / "volumes/v/_data/file", 70000, 0)
    with pytest.raises(FileFailure, match="volumes/v/_data/file: its owner 70000 has no place"):
        copy(root, root / "100000.200000", "T1", ON)
