"""Says all that files in a tree are, one line of JSON for the whole; run inside a machine."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["tree_of"]


def tree_of(root: str, *tops: str) -> dict[str, list[Any]]:
    """Give for each path below some tops of a root all that it is.

    That is mode, owner, time, size, holes, device, link, attributes, digest, and the first path
    that the same file was seen at.
    """
    found: dict[str, list[Any]] = {}
    first: dict[tuple[int, int], str] = {}
    for top in tops:
        for path in _below(top):
            status = os.lstat(path)
            name = os.path.relpath(path, root)
            found[name] = _described(path, status)
            if not stat.S_ISDIR(status.st_mode):
                found[name].append(first.setdefault((status.st_dev, status.st_ino), name))
    return found


def _below(top: str) -> Iterator[str]:
    yield top
    for folder, folders, files in os.walk(top):
        for name in sorted((*folders, *files)):
            yield f"{folder}/{name}"


def _described(path: str, status: os.stat_result) -> list[Any]:
    folder, regular = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
    names = os.listxattr(path, follow_symlinks=False)
    attributes = {one: os.getxattr(path, one, follow_symlinks=False).hex() for one in names}
    return [
        status.st_mode,
        status.st_uid,
        status.st_gid,
        0 if folder else status.st_mtime_ns,
        0 if folder else status.st_size,
        # Holes are what makes it less than the size.
        regular and status.st_blocks * 512 < status.st_size // 2,
        status.st_rdev,
        str(Path(path).readlink()) if stat.S_ISLNK(status.st_mode) else "",
        attributes,
        hashlib.sha256(Path(path).read_bytes()).hexdigest() if regular else "",
    ]


if __name__ == "__main__":
    print(json.dumps(tree_of(*sys.argv[1:])))
