"""What changes of the storage have left below a data-root, beside the data of drivers."""

from __future__ import annotations

from pathlib import Path

from dockcfgd.model.errors import FileFailure

__all__ = ["is_mark", "left_overs"]

_OURS = "dockcfgd"
# What a copy of a data-root leaves of itself (roots/marks.py).
_MARKS = {"copied.db", "copy.json"}


def left_overs(root: str) -> list[str]:
    """Give the folders of dockcfgd in a data-root: set-aside data, and what is to be deleted.

    While no change is under way none of them is needed but for going back. FileFailure where the
    data-root cannot be read.
    """
    where = Path(root, _OURS)
    try:
        return sorted(str(path) for path in where.iterdir()) if where.is_dir() else []
    except OSError as error:
        why = error.strerror or str(error)
        number = error.errno or 0
        raise FileFailure(what="list", path=str(where), errno=number, why=why) from error


def is_mark(path: str) -> bool:
    """Whether one of these is a mark only: it may go, but nobody need be told."""
    return Path(path).name in _MARKS
