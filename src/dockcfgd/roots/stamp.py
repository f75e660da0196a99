"""What tells a folder from what it is once something was made in it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["stamp_of"]


def stamp_of(path: str) -> str:
    """Give the folder's inode and time of change; "" for one that cannot be seen."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_ino}.{status.st_mtime_ns}"
