"""The bytes in files: copied without filling holes, and compared."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator

__all__ = ["copy_content", "same_content", "segments", "share_content"]

_CHUNK = 8 << 20
_COMPARE = 1 << 18
_CLONE = 0x40049409
_CANNOT = frozenset(
    {errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ETXTBSY}
)


def copy_content(source: int, target: int, *, size: int, told: Callable[[int], None]) -> None:
    """Copy an open file's `size` bytes into a new, empty one; holes stay holes.

    The blocks are shared where the filesystem can do that. `told` gets the bytes of each piece.
    """
    if not size:
        return
    if share_content(source, target):
        told(size)
        return
    for start, end in segments(source, size):
        _copy_range(source, target, start=start, end=end, told=told)
    os.ftruncate(target, size)


def share_content(source: int, target: int) -> bool:
    """Let an empty file have the blocks of another; whether the filesystem can do that."""
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def segments(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Give where an open file of `size` bytes has data, as starts and ends."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
            end = min(os.lseek(file, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno not in _CANNOT:
                raise
            start, end = end, size
        if start < end:
            yield start, end


def same_content(one: int, other: int, *, size: int) -> bool:
    """Compare two open files of `size` bytes; what is a hole in both is not read."""
    here, there = list(segments(one, size)), list(segments(other, size))
    return _same_in(here, one, other) and (here == there or _same_in(there, one, other))


def _same_in(parts: list[tuple[int, int]], one: int, other: int) -> bool:
    for start, end in parts:
        for position in range(start, end, _COMPARE):
            count = min(_COMPARE, end - position)
            if os.pread(one, count, position) != os.pread(other, count, position):
                return False
    return True


def _copy_range(
    source: int, target: int, *, start: int, end: int, told: Callable[[int], None]
) -> None:
    position = start
    while position < end:
        count = min(_CHUNK, end - position)
        done = _copy_piece(source, target, position=position, count=count)
        if not done:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        position += done
        told(done)


def _copy_piece(source: int, target: int, *, position: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, position, position)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    data = memoryview(os.pread(source, count, position))
    written = 0
    while written < len(data):
        written += os.pwrite(target, data[written:], position + written)
    return written
