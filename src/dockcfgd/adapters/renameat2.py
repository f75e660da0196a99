"""The two renames that Python lacks: both names at once, and never over a file (rename(2))."""

from __future__ import annotations

import ctypes
import errno
import os

__all__ = ["exchange", "rename_to_free_name"]

_AT_FDCWD = -100
_NO_REPLACE = 1
_EXCHANGE = 2

_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: str, other: str) -> None:
    """Swap two files of one filesystem in one step. OSError; EINVAL where that cannot be done."""
    _renameat2(one, other, _EXCHANGE)


def rename_to_free_name(source: str, target: str) -> None:
    """Rename a file, FileExistsError where something has the name already."""
    try:
        _renameat2(source, target, _NO_REPLACE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # The filesystem has no such rename; a hard link refuses a taken name everywhere.
        os.link(source, target, follow_symlinks=False)
        os.unlink(source)


def _renameat2(source: str, target: str, flags: int) -> None:
    old, new = os.fsencode(source), os.fsencode(target)
    if _libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, ctypes.c_uint(flags)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source, None, target)
