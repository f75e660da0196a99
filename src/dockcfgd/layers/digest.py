"""A whole tree in one digest, or in one line for each file, to compare what two drivers show."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from dockcfgd.layers.attributes import read_flags, read_xattrs
from dockcfgd.layers.contents import segments
from dockcfgd.layers.folder import Cursor, Spot, walk

__all__ = ["describe_tree", "tree_digest"]

_CHUNK = 1 << 20
_BLOCK = 1 << 12
_PLAIN = frozenset(range(0x21, 0x7F)) - {ord("\\")}


def tree_digest(root: str) -> str:
    """Give a digest of all that `describe_tree` tells."""
    digest = hashlib.sha256()
    for line in describe_tree(root):
        digest.update(os.fsencode(line) + b"\0")
    return digest.hexdigest()


def describe_tree(root: str) -> Iterator[str]:
    """Give one line for everything in the tree, the root first.

    It tells, with blanks between, path, kind, mode, owner, size, device, time of change and of
    access to the nanosecond (not of folders and symlinks, which looking at them may change), the
    chattr flags that are kept, extended attributes, where a link leads, the digest of the content,
    and the first name of a file with several.
    """
    first: dict[tuple[int, int], bytes] = {}
    with Cursor(os.fsencode(root)) as cursor:
        for path, spot, status in walk(cursor):
            name = path
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                name = first.setdefault((status.st_dev, status.st_ino), path)
            facts = [
                stat.filemode(status.st_mode),
                f"{status.st_uid}:{status.st_gid}",
                str(0 if stat.S_ISDIR(status.st_mode) else status.st_size),
                f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}",
                str(status.st_mtime_ns),
                str(status.st_atime_ns if stat.S_ISREG(status.st_mode) else 0),
                f"{read_flags(spot, status):x}",
                *(f"{key}={value.hex()}" for key, value in sorted(read_xattrs(spot).items())),
                _inside(spot, status),
                "" if name == path else f"as {_shown(name)}",
            ]
            yield f"/{_shown(path)} {' '.join(facts)}"


def _shown(path: bytes) -> str:
    """Write a path without blanks, each as different as its bytes."""
    return "".join(chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in path)


def _inside(spot: Spot, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return f"-> {_shown(os.fsencode(os.readlink(spot.name, dir_fd=spot.folder)))}"
    if not stat.S_ISREG(status.st_mode):
        return ""
    file = spot.open(os.O_RDONLY | os.O_NOATIME)
    try:
        return _content(file, status.st_size)
    finally:
        os.close(file)


def _content(file: int, size: int) -> str:
    """Digest all blocks that are not zeros alone: a hole and zeros are the same."""
    digest = hashlib.sha256()
    position = 0
    for start, end in segments(file, size):
        position = max(position, start - start % _BLOCK)
        while position < end:
            data = os.pread(file, _CHUNK, position)
            for offset in range(0, len(data), _BLOCK):
                block = data[offset : offset + _BLOCK]
                if block.count(0) != len(block):
                    digest.update(b"%d:" % (position + offset) + block)
            position += _CHUNK
    return digest.hexdigest()
