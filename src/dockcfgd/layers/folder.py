"""Going about a folder tree by open folders, so that no path is too long and no link is followed.

What a container wrote is hostile: its folders may be nested deeper than a path can say, and where
one tree has a folder the other may have a link out of the tree.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["Cursor", "Spot", "parts_of", "status_or_none", "walk"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in an open folder; valid for as long as the folder stays open."""

    folder: int
    name: bytes

    @property
    def path(self) -> bytes:
        """A path of bounded length that leads there in this process."""
        return b"/proc/self/fd/%d/%s" % (self.folder, self.name)

    def status(self) -> os.stat_result:
        """Look at it, without following a link."""
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)

    def open(self, flags: int, mode: int = 0o600) -> int:
        """Open it, without following a link; reading leaves its access time alone."""
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.name, flags, mode, dir_fd=self.folder)


class Cursor:
    """One open folder at or below `root`, moved name by name. A context manager."""

    def __init__(self, root: bytes) -> None:
        self.folder = os.open(root, _FOLDER)
        self._at: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.folder)

    def down(self, name: bytes) -> None:
        """Go into a folder; OSError where it is none, or a link."""
        self._replace(name)
        self._at.append(name)

    def up(self) -> bytes:
        """Go back to the folder that holds this one, and return this one's name."""
        self._replace(b"..")
        return self._at.pop()

    def go(self, parts: list[bytes]) -> int:
        """Go to the folder with this path below the root and return it, open."""
        same = 0
        for here, there in zip(self._at, parts, strict=False):
            if here != there:
                break
            same += 1
        while len(self._at) > same:
            self.up()
        for name in parts[same:]:
            self.down(name)
        return self.folder

    def names(self) -> list[bytes]:
        """List this folder, in order."""
        return sorted(os.fsencode(name) for name in os.listdir(self.folder))

    def _replace(self, name: bytes) -> None:
        folder = os.open(name, _FOLDER, dir_fd=self.folder)
        os.close(self.folder)
        self.folder = folder


def parts_of(path: bytes) -> list[bytes]:
    """Split a path below a root; the root itself, b"", has no parts."""
    return path.split(b"/") if path else []


def status_or_none(spot: Spot) -> os.stat_result | None:
    """Look at a spot that may be empty, as one is whose name is longer than can be."""
    try:
        return spot.status()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENAMETOOLONG}:
            return None
        raise


def walk(cursor: Cursor) -> Iterator[tuple[bytes, Spot, os.stat_result]]:
    """Give all that is below the cursor's folder, the folder itself first as b"".

    A folder comes before what it holds, and names come in order. A spot is valid until the next one
    is asked for.
    """
    root = Spot(cursor.folder, b".")
    yield b"", root, root.status()
    prefix: list[bytes] = []
    left = [cursor.names()[::-1]]
    while left:
        if not left[-1]:
            left.pop()
            if prefix:
                prefix.pop()
                cursor.up()
            continue
        name = left[-1].pop()
        spot = Spot(cursor.folder, name)
        status = spot.status()
        yield b"/".join((*prefix, name)), spot, status
        if stat.S_ISDIR(status.st_mode):
            cursor.down(name)
            prefix.append(name)
            left.append(cursor.names()[::-1])
