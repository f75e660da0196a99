"""Copying a folder tree that may change meanwhile, over and over until the copy is the same.

A pass copies what differs from the pass before. What tells is the inode and its ctime, which no
program can set: size and time of change can lie, as after `touch -d` or a write through a mapping.
A file counts as copied only if its ctime is older than the sync that the pass began with: one that
is mapped and written in between would show no other ctime.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from dockcfgd.layers.attributes import (
    Attributes,
    read_flags,
    read_xattrs,
    set_attributes,
    set_flags,
    unprotect,
)
from dockcfgd.layers.contents import copy_content
from dockcfgd.layers.entries import weight
from dockcfgd.layers.folder import Cursor, Spot, parts_of
from dockcfgd.layers.removal import remove
from dockcfgd.model.errors import FileFailure
from dockcfgd.roots.index import Index
from dockcfgd.roots.marks import FOLDER
from dockcfgd.roots.owners import Misfit, NoPlace, Owners, is_content

__all__ = ["Tally", "TreeCopy"]

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
# The engine's own are not touched in the copy, those of a filesystem are not the engine's.
_KEPT = frozenset({FOLDER.encode(), b"lost+found"})
_REMAPPED = re.compile(rb"\d+\.\d+")
_GONE = frozenset({errno.ENOENT, errno.ESTALE, errno.ENXIO, errno.ENODATA})

Told = Callable[[int], None]


@dataclass
class Tally:
    """How much a pass copied: files, and bytes of content."""

    files: int = 0
    bytes: int = 0


class _Changed(Exception):
    """A file is not what it was when its folder was read."""


@dataclass
class _Folder:
    """A folder in both trees, open, with the names that are still to be done."""

    source: int
    target: int
    path: bytes
    status: os.stat_result
    names: list[bytes]
    there: set[bytes]
    touched: bool = field(default=False)
    content: bool = field(default=False)


class TreeCopy:
    """One pass from `source` to `target`, two folders that are there.

    `index` has what the passes before have copied, and gets what this one copies. What lies in
    `mounts`, paths below `source`, and in the folders `emptied` is left out, but not the folder
    itself. `until` is when the sync before the pass began, in nanoseconds; None: nothing changes
    the tree any more, and what does is an error. With `owners` the files get others, and folders of
    further data-roots (UID.GID) are left out at the top.
    """

    def __init__(  # noqa: PLR0913 -- what a pass depends on
        self,
        source: str,
        target: str,
        *,
        index: Index,
        until: int | None,
        mounts: Collection[bytes],
        emptied: Collection[bytes],
        told: Told,
        owners: Owners | None = None,
    ) -> None:
        self._owners = owners
        self._top, self._goal = source, target
        self._index, self._until, self._told = index, until, told
        self._mounts, self._emptied = frozenset(mounts), frozenset(emptied)
        self._first: dict[tuple[int, int], bytes] = {}
        self._flags: dict[bytes, int] = {}
        self.tally = Tally()

    def run(self) -> Tally:
        """Do it; FileFailure with the path in the source."""
        source, target = (os.open(one, _OPEN) for one in (self._top, self._goal))
        folders = [self._entered(source, target, b"", os.fstat(source))]
        with Cursor(os.fsencode(self._goal)) as self._links:
            while folders:
                here = folders[-1]
                path = here.path
                try:
                    if here.names:
                        name = here.names.pop()
                        path = b"/".join(filter(None, (here.path, name)))
                        inner = self._entry(here, name, path)
                        if inner is not None:
                            folders.append(inner)
                    else:
                        folders.pop()
                        self._leave(here)
                except OSError as error:
                    raise self._failed(path, error) from error
            if self._until is None:
                self._set_flags()
        return self.tally

    # Folders

    def _entered(self, source: int, target: int, path: bytes, status: os.stat_result) -> _Folder:
        names = sorted(map(os.fsencode, os.listdir(source))) if path not in self._emptied else []
        there = set(map(os.fsencode, os.listdir(target)))
        names = [name for name in names if not self._kept(path, name)]
        old = {name for name in there - set(names) if not self._kept(path, name)}
        for name in old:
            remove(Spot(target, name))
        return _Folder(source, target, path, status, names, there, touched=bool(old))

    def _kept(self, folder: bytes, name: bytes) -> bool:
        """Whether a name at the top is no part of the copy, in neither tree."""
        if folder:
            return False
        return name in _KEPT or (self._owners is not None and _REMAPPED.fullmatch(name) is not None)

    def _go_in(self, here: _Folder, name: bytes, path: bytes) -> _Folder:
        goal = Spot(here.target, name)
        if name not in here.there or not stat.S_ISDIR(goal.status().st_mode):
            self._make_room(here, name)
            os.mkdir(name, 0o700, dir_fd=here.target)
        source = os.open(name, _OPEN, dir_fd=here.source)
        target = os.open(name, _OPEN, dir_fd=here.target)
        inner = self._entered(source, target, path, os.fstat(source))
        inner.content = here.content or is_content(path)
        return inner

    def _leave(self, here: _Folder) -> None:
        try:
            spot, goal = Spot(here.source, b"."), Spot(here.target, b".")
            if here.touched or not self._same(here.path, here.status):
                self._touch(here)
                flags = read_flags(spot, here.status)
                attributes = _attributes(here.status, spot)
                set_attributes(goal, self._owned(here.path, attributes, content=here.content))
                self._note(here.path, here.status, flags)
        finally:
            os.close(here.source)
            os.close(here.target)

    # What is in them

    def _entry(self, here: _Folder, name: bytes, path: bytes) -> _Folder | None:
        spot = Spot(here.source, name)
        try:
            status = spot.status()
            if path in self._mounts:
                self._leave_out(here, name, status)
                return None
            if stat.S_ISDIR(status.st_mode):
                return self._go_in(here, name, path)
            self._file(here, spot, path, status)
        except _Changed:
            self._gone(here, name, path)
        except OSError as error:
            if self._until is None or error.errno not in _GONE:
                raise
            self._gone(here, name, path)
        return None

    def _gone(self, here: _Folder, name: bytes, path: bytes) -> None:
        if self._until is None:
            why = "it changes although no engine runs"
            raise FileFailure(what="copy", path=self._shown(path), errno=0, why=why)
        self._make_room(here, name)

    def _leave_out(self, here: _Folder, name: bytes, status: os.stat_result) -> None:
        """Make a place for what something is mounted on; its own attributes cannot be seen."""
        if stat.S_ISDIR(status.st_mode) and name not in here.there:
            self._touch(here)
            os.mkdir(name, 0o700, dir_fd=here.target)

    def _file(self, here: _Folder, spot: Spot, path: bytes, status: os.stat_result) -> None:
        same = spot.name in here.there and self._same(path, status)
        key = (status.st_dev, status.st_ino)
        first = self._first.get(key) if status.st_nlink > 1 else None
        if same:
            pass
        elif first is not None:
            self._make_room(here, spot.name)
            *above, name = parts_of(first)
            os.link(name, spot.name, src_dir_fd=self._links.go(above), dst_dir_fd=here.target,
                    follow_symlinks=False)  # fmt: skip
            self._note(path, status, read_flags(spot, status))
        else:
            self._copy(here, spot, path, status)
        if status.st_nlink > 1:
            self._first.setdefault(key, path)

    def _copy(self, here: _Folder, spot: Spot, path: bytes, status: os.stat_result) -> None:
        goal, kind = Spot(here.target, spot.name), stat.S_IFMT(status.st_mode)
        self._make_room(here, spot.name)
        if kind == stat.S_IFREG:
            status = self._content(spot, goal, status)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(spot.name, dir_fd=spot.folder), goal.name, dir_fd=goal.folder)
        else:
            os.mknod(goal.name, kind | 0o600, status.st_rdev, dir_fd=goal.folder)
        flags = read_flags(spot, status)
        attributes = _attributes(status, spot)
        set_attributes(goal, self._owned(path, attributes, content=here.content))
        self._note(path, status, flags)
        self.tally.files += 1
        self.tally.bytes += weight(status)

    def _content(self, spot: Spot, goal: Spot, seen: os.stat_result) -> os.stat_result:
        source = spot.open(os.O_RDONLY | os.O_NOATIME | os.O_NONBLOCK)
        try:
            status = os.fstat(source)
            if status.st_ino != seen.st_ino or not stat.S_ISREG(status.st_mode):
                raise _Changed
            target = goal.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                copy_content(source, target, size=status.st_size, told=self._told)
            except OSError as error:
                if error.errno == errno.EIO and os.fstat(source).st_size < status.st_size:
                    raise _Changed from error
                raise
            finally:
                os.close(target)
        finally:
            os.close(source)
        return status

    def _owned(self, path: bytes, attributes: Attributes, *, content: bool) -> Attributes:
        if self._owners is None:
            return attributes
        if not content:
            return self._owners.of_engine(path, attributes)
        try:
            return self._owners.of_content(attributes)
        except NoPlace as error:
            where = self._shown(path)
            raise Misfit(what="copy", path=where, errno=0, why=str(error)) from error

    # What is known

    def _make_room(self, here: _Folder, name: bytes) -> None:
        self._touch(here)
        remove(Spot(here.target, name))
        here.there.discard(name)

    @staticmethod
    def _touch(here: _Folder) -> None:
        """Let a folder be changed: one that was copied to its end before may forbid it."""
        if not here.touched:
            unprotect(Spot(here.target, b"."))
        here.touched = True

    def _same(self, path: bytes, status: os.stat_result) -> bool:
        known = self._index.same(path, status.st_ino, status.st_ctime_ns)
        if known is not None and known[2]:
            self._flags[path] = known[2]
        return known is not None

    def _note(self, path: bytes, status: os.stat_result, flags: int) -> None:
        if flags:
            self._flags[path] = flags
        if self._until is None:
            return
        if status.st_ctime_ns < self._until:
            self._index.put(path, (status.st_ino, status.st_ctime_ns, flags))
        else:
            self._index.drop(path)

    def _set_flags(self) -> None:
        """Set those that forbid changes last of all."""
        with Cursor(os.fsencode(self._goal)) as cursor:
            for path, flags in self._flags.items():
                *above, name = parts_of(path) or [b"."]
                set_flags(Spot(cursor.go(above), name), flags)

    def _shown(self, path: bytes) -> str:
        return f"{self._top}/{os.fsdecode(path)}"

    def _failed(self, path: bytes, error: OSError) -> FileFailure:
        why = error.strerror or str(error)
        return FileFailure(what="copy", path=self._shown(path), errno=error.errno or 0, why=why)


def _attributes(status: os.stat_result, spot: Spot) -> Attributes:
    return Attributes(
        mode=status.st_mode,
        uid=status.st_uid,
        gid=status.st_gid,
        atime_ns=status.st_atime_ns,
        mtime_ns=status.st_mtime_ns,
        xattrs=read_xattrs(spot),
    )
