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
from collections.abc import Iterator
from dataclasses import dataclass

from dockcfgd.layers.attributes import read_flags, read_xattrs
from dockcfgd.layers.contents import same_content
from dockcfgd.layers.entries import Deletion, Entry, Operation, measured
from dockcfgd.layers.folder import Cursor, Spot, parts_of, status_or_none
from dockcfgd.layers.link_groups import LinkGroups

__all__ = ["ComparedTree"]


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
    """Names of a folder that are still to be compared, last first."""

    names: list[bytes]
    in_base: bool


class _Comparison:
    """One pass over both trees, in step."""

    def __init__(self, tree: Cursor, base: Cursor, *, made_ns: int) -> None:
        self._tree = tree
        self._base = base
        self._made_ns = made_ns

    def changed(self) -> set[bytes]:
        """Give all paths below the root where something else is now, or nothing."""
        found: set[bytes] = set()
        links = LinkGroups()
        prefix: list[bytes] = []
        levels = [self._level(in_base=True)]
        while levels:
            level = levels[-1]
            if not level.names:
                self._leave(levels, prefix)
                continue
            name = level.names.pop()
            path = b"/".join((*prefix, name))
            here, there = Spot(self._tree.folder, name), Spot(self._base.folder, name)
            now = status_or_none(here)
            before = status_or_none(there) if level.in_base else None
            if now is None:
                found.add(path)
                continue
            if before is None or self._differs(here, now, there, before):
                found.add(path)
            if stat.S_ISDIR(now.st_mode):
                prefix.append(name)
                levels.append(self._enter(name, before))
            else:
                links.add(path, now, before)
        return found | links.changed_with(found)

    def _enter(self, name: bytes, before: os.stat_result | None) -> _Level:
        in_base = before is not None and stat.S_ISDIR(before.st_mode)
        self._tree.down(name)
        if in_base:
            self._base.down(name)
        return self._level(in_base=in_base)

    def _leave(self, levels: list[_Level], prefix: list[bytes]) -> None:
        level = levels.pop()
        if not prefix:
            return
        prefix.pop()
        self._tree.up()
        if level.in_base:
            self._base.up()

    def _level(self, *, in_base: bool) -> _Level:
        names = set(self._tree.names())
        if in_base:
            names.update(self._base.names())
        return _Level(sorted(names, reverse=True), in_base)

    def _differs(
        self, here: Spot, now: os.stat_result, there: Spot, before: os.stat_result
    ) -> bool:
        if (now.st_ino, now.st_ctime_ns) == (before.st_ino, before.st_ctime_ns) and (
            now.st_dev != before.st_dev
        ):
            return False
        if _visible(now) != _visible(before):
            return True
        if max(now.st_ctime_ns, before.st_ctime_ns) < self._made_ns:
            return False
        return (
            read_xattrs(here) != read_xattrs(there)
            or read_flags(here, now) != read_flags(there, before)
            or not _same_inside(here, there, now)
        )


def _visible(status: os.stat_result) -> tuple[int, ...]:
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_rdev,
        status.st_mtime_ns,
        size,
    )


def _same_inside(here: Spot, there: Spot, status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode):
        targets = [os.readlink(spot.name, dir_fd=spot.folder) for spot in (here, there)]
        return targets[0] == targets[1]
    if not stat.S_ISREG(status.st_mode):
        return True
    one = here.open(os.O_RDONLY | os.O_NOATIME)
    try:
        other = there.open(os.O_RDONLY | os.O_NOATIME)
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
