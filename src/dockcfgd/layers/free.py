"""Deletes what a storage driver made; a program.

    python3 -I -S free.py FOLDER...

It needs the standard library only, and more rights than dockcfgd's own service has: subvolumes are
deleted as such, and what is immutable too. It says, one JSON object a line,

    {"done": LAYERS, "total": LAYERS, "bytes": BYTES, "subvolumes": COUNT}    now and then, and last
    {"left": "PATH: REASON"}                          for each folder that could not be deleted

and exits 0 if nothing is left. What has something mounted in it stays. Killed, it leaves less than
there was; doing it again goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import struct
import sys
import time
from collections.abc import Iterator, Sequence

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from dockcfgd.layers.folder import Cursor, Spot
from dockcfgd.layers.removal import remove
from dockcfgd.mount_points import mount_points

__all__ = ["main"]

_BETWEEN = 0.25
_BLOCK = 512
_SUBVOLUME_INODE = 256
_BTRFS = 0x9123683E
_DESTROY = 0x5000940F  # BTRFS_IOC_SNAP_DESTROY
_NAME = 4088
# Folders that hold layers one level further down than other drivers have them.
_OF_LAYERS = {"dir", "subvolumes"}


class _Count:
    """What is done, said now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.bytes, self.subvolumes = total, 0, 0, 0
        self._said = 0.0

    def say(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._said >= _BETWEEN:
            self._said = now
            _print(
                {
                    "done": self.done,
                    "total": self.total,
                    "bytes": self.bytes,
                    "subvolumes": self.subvolumes,
                }
            )


def main(folders: Sequence[str]) -> int:
    """Delete the folders."""
    left = []
    free = []
    for folder in folders:
        mounted = _mounted_below(folder)
        if mounted:
            left.append(f"{folder}: {mounted} is mounted in it")
        elif os.path.lexists(folder):
            free.append(folder)
    pieces = [piece for folder in free for piece in _pieces(folder)]
    count = _Count(len(pieces))
    for piece in [*pieces, *free]:
        count.say()
        try:
            _delete(piece, count)
        except OSError as error:
            left.append(f"{piece}: {error.strerror or error}")
        if count.done < count.total:
            count.done += 1
    count.say(last=True)
    for one in left:
        _print({"left": one})
    return 1 if left else 0


def _pieces(folder: str) -> Iterator[str]:
    """Give what a folder has two levels down, or deeper where layers are: what is done counts."""
    for first in _folders(folder):
        for second in _folders(first):
            if os.path.basename(second) in _OF_LAYERS:
                yield from _folders(second)
            else:
                yield second


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(one.path for one in entries if one.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _delete(path: str, count: _Count) -> None:
    if not os.path.lexists(path):
        return
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        spot = Spot(parent, os.fsencode(os.path.basename(path)))
        if _destroyed(spot):
            count.subvolumes += 1
            return
        count.bytes += _size(spot, count)
        remove(spot)
    finally:
        os.close(parent)


def _size(spot: Spot, count: _Count) -> int:
    """Add up the blocks of all that is at a spot; destroy the subvolumes on the way."""
    status = spot.status()
    total = status.st_blocks * _BLOCK
    if not stat.S_ISDIR(status.st_mode):
        return total
    with Cursor(spot.path) as cursor:
        folders, size = _inside(cursor, count)
        left = [folders]
        total += size
        while left:
            if left[-1]:
                cursor.down(left[-1].pop())
                folders, size = _inside(cursor, count)
                left.append(folders)
                total += size
                continue
            left.pop()
            if left:
                cursor.up()
    return total


def _inside(cursor: Cursor, count: _Count) -> tuple[list[bytes], int]:
    """Give the folders in the cursor's folder that stay, and the blocks of all that does."""
    folders, total = [], 0
    for name in cursor.names():
        spot = Spot(cursor.folder, name)
        status = spot.status()
        if stat.S_ISDIR(status.st_mode):
            if _destroyed(spot):
                count.subvolumes += 1
                continue
            folders.append(name)
        # Of a file with many names each counts a part, and the last one the rest.
        total += status.st_blocks * _BLOCK // max(1, status.st_nlink)
    return folders, total


def _destroyed(spot: Spot) -> bool:
    """Delete a subvolume as one; whether it was one and is gone."""
    status = spot.status()
    folder = stat.S_ISDIR(status.st_mode)
    if status.st_ino != _SUBVOLUME_INODE or not folder or len(spot.name) >= _NAME:
        return False
    # Python takes more than 1024 bytes only where they can be changed.
    named = bytearray(struct.pack(f"q{_NAME}s", 0, spot.name))
    try:
        fcntl.ioctl(spot.folder, _DESTROY, named)
    except OSError:
        # No btrfs, or subvolumes lie in it: then it is emptied first, as any folder is.
        return False
    return True


def _mounted_below(folder: str) -> str:
    points = [point for point, _ in mount_points()]
    return next((one for one in points if one == folder or one.startswith(f"{folder}/")), "")


def _print(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
