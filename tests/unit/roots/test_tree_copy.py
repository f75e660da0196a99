"""Copying a tree over and over until the copy is the same."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockcfgd.layers.attributes import IMMUTABLE, read_flags, set_flags
from dockcfgd.layers.folder import Spot
from dockcfgd.roots.index import Index
from dockcfgd.roots.marks import FOLDER
from dockcfgd.roots.tree_copy import Tally, TreeCopy
from tests.support.layer_store import btrfs_folder

FAR_FUTURE = 1 << 62
AT_FDCWD = -100


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "file").write_text("one")
    (top / "a" / "b" / "deep").write_text("two")
    os.link(top / "a" / "file", top / "hard")
    (top / "soft").symlink_to("/nowhere")
    os.mkfifo(top / "fifo")
    with (top / "sparse").open("wb") as file:
        file.truncate(5 << 20)
        file.seek(4 << 20)
        file.write(b"x")
    os.utime(top / "a" / "file", ns=(1_000_000_001, 2_000_000_003))
    (top / "a").chmod(0o2750)
    (top / "hard").chmod(0o4755)
    (tmp_path / "target").mkdir()
    return top


@pytest.fixture
def target(source: Path) -> Path:
    return source.parent / "target"


class Passes:
    """Passes over one pair of folders, each knowing what the one before had."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target
        (target / FOLDER).mkdir(exist_ok=True)

    def live(
        self,
        *,
        until: int = FAR_FUTURE,
        mounts: tuple[bytes, ...] = (),
        emptied: tuple[bytes, ...] = (),
    ) -> Tally:
        return self._run(until, mounts, emptied)

    def last(self) -> Tally:
        return self._run(None, (), ())

    def _run(
        self, until: int | None, mounts: tuple[bytes, ...], emptied: tuple[bytes, ...]
    ) -> Tally:
        with Index(str(self.target)) as index:
            copy = TreeCopy(
                str(self.source),
                str(self.target),
                index=index,
                until=until,
                mounts=mounts,
                emptied=emptied,
                told=lambda _: None,
            )
            tally = copy.run()
            index.commit()
        return tally

    def knows(self, name: str) -> bool:
        status = (self.source / name).lstat()
        with Index(str(self.target)) as index:
            return index.same(name.encode(), status.st_ino, status.st_ctime_ns) is not None


def told(top: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    first: dict[int, str] = {}
    for path in sorted(_all(top)):
        name, status = str(path.relative_to(top)), path.lstat()
        whole = stat.S_ISREG(status.st_mode)
        found[name] = (
            status.st_mode,
            status.st_mtime_ns,
            status.st_size if whole else 0,
            whole and status.st_blocks * 512 < status.st_size,
            path.readlink() if path.is_symlink() else None,
            path.read_bytes() if whole else b"",
            _xattrs(path),
            first.setdefault(status.st_ino, name),
        )
    return found


def _all(top: Path) -> Iterator[Path]:
    yield top
    yield from (path for path in top.rglob("*") if path.relative_to(top).parts[0] != FOLDER)


def _xattrs(path: Path) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def _acl(user: int) -> bytes:
    """Give an ACL with one more user, as the kernel has it: version, then tag, rights and ID."""
    entries = [(1, 6, -1), (2, 4, user), (4, 4, -1), (0x10, 4, -1), (0x20, 0, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


def _give(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip(f"this filesystem has no {name}")


def test_the_copy_is_the_same(source: Path, target: Path) -> None:
    tally = Passes(source, target).last()
    assert told(target) == told(source)
    # Two names of one file are one file.
    assert tally.files == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives capabilities")
def test_attributes_acls_and_capabilities_come_along(source: Path, target: Path) -> None:
    given = {
        "a": ("system.posix_acl_default", _acl(1000)),
        "a/file": ("user.mine", b"\0value"),
        "a/b": ("trusted.whose", b"the host's"),
        "a/b/deep": ("security.capability", struct.pack("<5I", 0x0200_0001, 1 << 10, 0, 0, 0)),
        "sparse": ("system.posix_acl_access", _acl(1001)),
    }
    for path, (name, value) in given.items():
        _give(source / path, name, value)
    passes = Passes(source, target)
    passes.live()
    assert {path: _xattrs(target / path) for path in given} == {
        path: dict([one]) for path, one in given.items()
    }
    assert told(target) == told(source)
    # Between passes, and nothing else of the files.
    os.removexattr(source / "a/b/deep", "security.capability")
    _give(source / "sparse", "system.posix_acl_access", _acl(1002))
    _give(source / "fifo", "trusted.new", b"1")
    passes.last()
    assert told(target) == told(source)


_FIEMAP, _SYNC = 0xC020660B, 1
_EXTENTS = 64


def _extents(path: Path) -> list[tuple[int, int]]:
    """Give where a file's blocks are on the disk, and how many bytes from there."""
    asked = bytearray(struct.pack("QQIIII", 0, FAR_FUTURE, _SYNC, 0, _EXTENTS, 0))
    asked += bytes(56 * _EXTENTS)
    with path.open("rb") as file:
        fcntl.ioctl(file, _FIEMAP, asked)
    count = struct.unpack_from("I", asked, 20)[0]
    each = (struct.unpack_from("QQQ", asked, 32 + 56 * number) for number in range(count))
    return [(physical, length) for _, physical, length in each]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_blocks_are_shared_where_the_filesystem_can(tmp_path: Path) -> None:
    with btrfs_folder(tmp_path) as folder:
        source, target = folder / "source", folder / "target"
        source.mkdir()
        target.mkdir()
        (source / "large").write_bytes(os.urandom((4 << 20) + 5))
        Passes(source, target).last()
        assert (target / "large").read_bytes() == (source / "large").read_bytes()
        assert _extents(source / "large")
        assert _extents(target / "large") == _extents(source / "large")


def test_a_second_pass_copies_nothing(source: Path, target: Path) -> None:
    passes = Passes(source, target)
    passes.live()
    seen = {path: path.lstat().st_ino for path in target.rglob("*")}
    assert passes.live() == Tally(0, 0)
    assert passes.last() == Tally(0, 0)
    assert {path: path.lstat().st_ino for path in target.rglob("*")} == seen
    assert told(target) == told(source)


def test_a_change_that_hides_is_found(source: Path, target: Path) -> None:
    passes = Passes(source, target)
    passes.live()
    path = source / "a" / "b" / "deep"
    before = path.lstat()
    with path.open("r+") as file:
        file.write("TWO")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert passes.last().files == 1
    assert (target / "a" / "b" / "deep").read_text() == "TWO"
    assert told(target) == told(source)


def test_everything_that_can_change_between_passes(source: Path, target: Path) -> None:
    passes = Passes(source, target)
    passes.live()
    (source / "fifo").unlink()
    (source / "fifo").write_text("a file now")
    (source / "soft").unlink()
    (source / "soft").mkdir()
    (source / "soft" / "inner").write_text("in a folder that was a link")
    (source / "a").rename(source / "renamed")
    (source / "renamed" / "b" / "deep").unlink()
    (source / "hard").unlink()
    (source / "a").write_text("a file where a folder was")
    os.link(source / "renamed" / "file", source / "other")
    (source / "renamed").chmod(0o700)
    passes.live()
    assert told(target) == told(source)
    passes.last()
    assert told(target) == told(source)


def test_folders_that_changed_places_are_copied_anew(source: Path, target: Path) -> None:
    for name in ("one", "two"):
        (source / name).mkdir()
        (source / name / "file").write_text(name)
        os.utime(source / name / "file", ns=(5, 5))
    passes = Passes(source, target)
    passes.live()
    (source / "one").rename(source / "between")
    (source / "two").rename(source / "one")
    (source / "between").rename(source / "two")
    passes.last()
    assert (target / "one" / "file").read_text() == "two"
    assert told(target) == told(source)


def test_what_may_still_be_written_unseen_is_copied_again(source: Path, target: Path) -> None:
    """A file that changed since the sync may be mapped: its next write shows nowhere."""
    passes = Passes(source, target)
    passes.live(until=0)
    assert not passes.knows("a/file")
    assert passes.last().files == 5
    assert told(target) == told(source)


def test_mounts_are_left_out_until_they_are_gone(source: Path, target: Path) -> None:
    passes = Passes(source, target)
    passes.live(mounts=(b"a/b",))
    assert (target / "a" / "b").is_dir()
    assert list((target / "a" / "b").iterdir()) == []
    passes.last()
    assert told(target) == told(source)


def test_scratch_folders_stay_empty(source: Path, target: Path) -> None:
    (source / "tmp").mkdir(mode=0o700)
    (source / "tmp" / "half an upload").write_text("x")
    Passes(source, target).live(emptied=(b"tmp",))
    assert list((target / "tmp").iterdir()) == []


def test_what_belongs_to_dockcfgd_or_the_filesystem_stays(source: Path, target: Path) -> None:
    for top in (source, target):
        (top / "dockcfgd").mkdir(exist_ok=True)
        (top / "dockcfgd" / "whose").write_text(top.name)
    (target / "lost+found").mkdir()
    (target / "left over").write_text("from an earlier copy")
    Passes(source, target).last()
    assert (target / "dockcfgd" / "whose").read_text() == "target"
    assert (target / "lost+found").exists()
    assert not (target / "left over").exists()


def test_names_of_any_bytes(source: Path, target: Path) -> None:
    name = os.fsdecode(b"\xff a\nname")
    (source / name).write_text("x")
    passes = Passes(source, target)
    passes.live()
    passes.last()
    assert (target / name).read_text() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can set such flags")
def test_a_copy_is_gone_over_again_where_folders_forbid_changes(source: Path, target: Path) -> None:
    """As one that was cut off at its end, or a place that was left."""
    names = ("a", "a/b", "empty")
    locked = [top / name for top in (source, target) for name in names]
    for path in locked:
        path.mkdir(exist_ok=True)
    try:
        for path in locked:
            set_flags(_spot(path), IMMUTABLE)
        Passes(source, target).last()
        assert told(target) == told(source)
        for path in locked:
            assert read_flags(_spot(path), path.stat()) == IMMUTABLE
    finally:
        for path in locked:
            set_flags(_spot(path), 0)


def _spot(path: Path) -> Spot:
    return Spot(AT_FDCWD, os.fsencode(path))


def test_a_link_in_the_place_of_a_folder_is_not_followed(source: Path, target: Path) -> None:
    shutil.rmtree(source / "a")
    (target / "soft").symlink_to(source.parent)
    (source / "soft").unlink()
    (source / "soft").mkdir()
    (source / "soft" / "file").write_text("x")
    Passes(source, target).last()
    assert (target / "soft" / "file").read_text() == "x"
