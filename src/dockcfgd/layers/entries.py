"""What a container changed, as a sequence of operations on the image's tree.

A folder comes before what lies in it, so each operation finds its folder made; the root, b"", is
first. Done in order on the image's tree they give the tree that the container saw, and done again,
or after a part of them was done, they give the same.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from dockcfgd.layers.attributes import Attributes
from dockcfgd.layers.folder import Spot

__all__ = ["Changes", "Deletion", "Entry", "Operation", "content", "measured", "weight"]


@dataclass(frozen=True, slots=True)
class Deletion:
    """There is nothing at `path` any more."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """At `path` is what lies at `spot`, which is valid until the next operation is asked for.

    A folder is joined with what was there, unless it is `opaque`: then it starts empty. Everything
    else takes the place of what was there. With `same_as` it is another name of that file, which
    came before.
    """

    path: bytes
    spot: Spot
    status: os.stat_result
    xattrs: Mapping[str, bytes]
    flags: int = 0
    same_as: bytes | None = None
    opaque: bool = False

    @property
    def attributes(self) -> Attributes:
        """What the file is beside its content."""
        status = self.status
        return Attributes(
            mode=status.st_mode,
            uid=status.st_uid,
            gid=status.st_gid,
            atime_ns=status.st_atime_ns,
            mtime_ns=status.st_mtime_ns,
            xattrs=self.xattrs,
            flags=self.flags,
        )


Operation = Deletion | Entry


class Changes(Protocol):
    """The changes of one writable layer."""

    def operations(self) -> Iterator[Operation]:
        """Give the operations in order; LayerRefused where something cannot be carried over."""

    def measure(self) -> tuple[int, int]:
        """Count the operations and the bytes of content, as `weight` has them."""


def weight(status: os.stat_result) -> int:
    """Give the bytes of content that a file takes: holes count nothing."""
    return min(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0


def measured(operations: Iterable[Operation]) -> tuple[int, int]:
    """Count operations and the bytes of content in them, a file with several names once."""
    count = size = 0
    for operation in operations:
        count += 1
        size += content(operation)
    return count, size


def content(operation: Operation) -> int:
    """Give the bytes of content that an operation brings."""
    if isinstance(operation, Deletion) or operation.same_as is not None:
        return 0
    return weight(operation.status)
