"""Room on the state file's filesystem that is kept for the way back.

A change may fill its own disk: backup, copies of writable layers. What it takes to undo that has to
be written down too, or the engine would stay stopped until somebody makes room.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dockcfgd.model.errors import FileFailure

__all__ = ["hold", "release_where_low"]

_BYTES = 1024 * 1024
_LOW = 256 * 1024
_NAME = "reserve"


def hold(folder: str) -> None:
    """Have the reserve in `folder`; FileFailure with ENOSPC where there is no room for it."""
    where = Path(folder, _NAME)
    try:
        if where.exists() and where.stat().st_blocks * 512 >= _BYTES:
            return
        descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        _remove(where)
        why = error.strerror or str(error)
        raise FileFailure(
            what="reserve room in", path=str(where), errno=error.errno or 0, why=why
        ) from error


def release_where_low(folder: str) -> None:
    """Give the reserve up where hardly any room is left; nothing is raised."""
    with contextlib.suppress(OSError):
        seen = os.statvfs(folder)
        if seen.f_bavail * seen.f_frsize < _LOW:
            _remove(Path(folder, _NAME))


def _remove(where: Path) -> None:
    with contextlib.suppress(OSError):
        where.unlink()
