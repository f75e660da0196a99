"""Changes as vfs and btrfs keep them: a whole tree, to be compared with the one it was made from.

Reading every byte of both would take as long as the image is big. A file is known to be as it was
without that when nothing about it has changed since the layer was made (its ctime, which no program
can set), or when it is the same inode with the same ctime in a snapshot. Size and mtime alone prove
nothing: programs set the mtime.

Rejected: trusting size and mtime, as rsync does. Packages with reproducible times replace files by
ones of the same size and time.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dockcfgd.layers.attributes import read_flags, read_xattrs
from dockcfgd.layers.contents import same_content
from dockcfgd.layers.entries import Deletion, Entry, Operation, measured
from dockcfgd.layers.folder import Cursor, Spot, parts_of, status_or_none
from dockcfgd.layers.link_groups import LinkGroups

__all__ = ["ComparedTree"]

# A container that runs may put a pipe into a file's place, and opening that would wait.
_READ = os.O_RDONLY | os.O_NOATIME | os.O_NONBLOCK


class ComparedTree:
    """The changes of the tree at `tree` from the one at `base`.

    `made_ns` is as in Place. The trees are compared once, when they are first asked for.
    """

    def __init__(self, tree: str, base: str, *, made_ns: int = 0) -> None:
        self._tree = os.fsencode(tree)
        self._base = os.fsencode(base)
        self._made_ns = made_ns
        self._paths: list[bytes] | None = None

    def operations(self) -> Iterator[Operation]:
        """Give the operations in order, with all the folders above each."""
        first: dict[tuple[int, int], bytes] = {}
        above: list[bytes] = []
        paths = self._changed()
        with Cursor(self._tree) as cursor:
            yield _entry(b"", Spot(cursor.folder, b"."), None)
            for path in paths:
                *folders, name = parts_of(path)
                del above[_shared(above, folders) :]
                for folder in folders[len(above) :]:
                    spot = Spot(cursor.go(above), folder)
                    above.append(folder)
                    yield _entry(b"/".join(above), spot, None)
                spot = Spot(cursor.go(folders), name)
                status = status_or_none(spot)
                if status is None:
                    yield Deletion(path)
                    continue
                same_as = path
                if stat.S_ISDIR(status.st_mode):
                    above.append(name)
                elif status.st_nlink > 1:
                    same_as = first.setdefault((status.st_dev, status.st_ino), path)
                yield _entry(path, spot, None if same_as == path else same_as)

    def measure(self) -> tuple[int, int]:
        """Count the operations and the bytes of content."""
        return measured(self.operations())

    def _changed(self) -> list[bytes]:
        if self._paths is None:
            with Cursor(self._tree) as tree, Cursor(self._base) as base:
                found = _Comparison(tree, base, made_ns=self._made_ns).changed()
            self._paths = sorted(found, key=parts_of)
        return self._paths


@dataclass(slots=True)
class _Level:
    """Folders of a folder that are still to be compared, the last first."""

    folders: list[tuple[bytes, bool]]
    in_base: bool


class _Comparison:
    """One pass over both trees, in step.

    Images have tens of thousands of files, and containers are down meanwhile: of a file that is as
    it was nothing is looked at but its two status records.
    """

    def __init__(self, tree: Cursor, base: Cursor, *, made_ns: int) -> None:
        self._tree = tree
        self._base = base
        # A clock that was ahead then tells nothing of what came after it was put right.
        self._made_ns = made_ns if made_ns <= time.time_ns() else 0
        self._found: set[bytes] = set()
        self._links = LinkGroups()

    def changed(self) -> set[bytes]:
        """Give all paths below the root where something else is now, or nothing."""
        prefix: list[bytes] = []
        levels = [_Level(self._compare(b"", in_base=True), in_base=True)]
        while levels:
            level = levels[-1]
            if level.folders:
                name, in_base = level.folders.pop()
                prefix.append(name)
                self._tree.down(name)
                if in_base:
                    self._base.down(name)
                inside = self._compare(b"/".join(prefix) + b"/", in_base=in_base)
                levels.append(_Level(inside, in_base=in_base))
                continue
            levels.pop()
            if prefix:
                prefix.pop()
                self._tree.up()
                if level.in_base:
                    self._base.up()
        return self._found | self._links.changed_with(self._found)

    def _compare(self, above: bytes, *, in_base: bool) -> list[tuple[bytes, bool]]:
        """Compare what lies in a folder; give the folders in it, the last first.

        With each, whether the base has a folder there.
        """
        tree, base = self._tree.folder, self._base.folder
        names = set(os.listdir(tree))
        if in_base:
            names.update(os.listdir(base))
        folders = []
        for name in sorted(names):
            now = _status(tree, name)
            before = _status(base, name) if in_base else None
            if now is None:
                self._found.add(above + os.fsencode(name))
                continue
            if before is None or not self._untouched(now, before):
                own = os.fsencode(name)
                here, there = Spot(tree, own), Spot(base, own)
                if before is None or self._differs(here, now, there, before):
                    self._found.add(above + own)
            if stat.S_ISDIR(now.st_mode):
                in_both = before is not None and stat.S_ISDIR(before.st_mode)
                folders.append((os.fsencode(name), in_both))
            elif now.st_nlink > 1 or (before is not None and before.st_nlink > 1):
                self._links.add(above + os.fsencode(name), now, before)
        return folders[::-1]

    def _untouched(self, now: os.stat_result, before: os.stat_result) -> bool:
        """Whether the two records alone tell that nothing is another."""
        if now.st_ino == before.st_ino and now.st_dev != before.st_dev:
            # A snapshot has the inodes of what it is one of, with their ctimes.
            return now.st_ctime_ns == before.st_ctime_ns
        made = self._made_ns
        if now.st_ctime_ns >= made or before.st_ctime_ns >= made:
            return False
        return _visible(now) == _visible(before)

    def _differs(
        self, here: Spot, now: os.stat_result, there: Spot, before: os.stat_result
    ) -> bool:
        if _visible(now) != _visible(before):
            return True
        return (
            read_xattrs(here) != read_xattrs(there)
            or read_flags(here, now) != read_flags(there, before)
            or not _same_inside(here, there, now)
        )


def _status(folder: int, name: str) -> os.stat_result | None:
    """Do what `status_or_none` does, in less time."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return status_or_none(Spot(folder, os.fsencode(name)))


def _visible(status: os.stat_result) -> tuple[int, ...]:
    mode = status.st_mode
    return (
        mode,
        status.st_uid,
        status.st_gid,
        status.st_rdev,
        status.st_mtime_ns,
        0 if stat.S_ISDIR(mode) else status.st_size,
    )


def _same_inside(here: Spot, there: Spot, status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode):
        targets = [os.readlink(spot.name, dir_fd=spot.folder) for spot in (here, there)]
        return targets[0] == targets[1]
    if not stat.S_ISREG(status.st_mode):
        return True
    one = here.open(_READ)
    try:
        other = there.open(_READ)
        try:
            return same_content(one, other, size=status.st_size)
        finally:
            os.close(other)
    finally:
        os.close(one)


def _shared(one: list[bytes], other: list[bytes]) -> int:
    count = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        count += 1
    return count


def _entry(path: bytes, spot: Spot, same_as: bytes | None) -> Entry:
    status = spot.status()
    return Entry(path, spot, status, read_xattrs(spot), read_flags(spot, status), same_as)
