"""Which files of a copy were whole, and on disk, when a pass ended.

In a file beside the copy's mark (marks.py), for there may be millions of them and the program that
copies is to stay small.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Index", "Known", "forget_index"]

Known = tuple[int, int, int]
"""Inode, time of last change, flags."""

_NAME = "dockcfgd/copied.db"
_WITH_IT = ("", "-journal")
_TABLE = (
    "CREATE TABLE IF NOT EXISTS copied"
    " (path BLOB PRIMARY KEY, inode INTEGER, changed INTEGER, flags INTEGER) WITHOUT ROWID"
)
_GET = "SELECT inode, changed, flags FROM copied WHERE path = ?"
_PUT = "REPLACE INTO copied VALUES (?, ?, ?, ?)"
_CACHE = "PRAGMA cache_size = -8192"


class Index:
    """What is known of the copy in a folder, which bears its mark. A context manager.

    What is put is kept by `commit` only. One that is damaged is begun anew. OSError.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        try:
            self._opened = self._open()
        except sqlite3.DatabaseError:
            forget_index(target)
            with _failing(target):
                self._opened = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def same(self, path: bytes, inode: int, changed: int) -> Known | None:
        """Give what was put for a path if it is still the same file."""
        with _failing(self._target):
            known: Known | None = self._opened.execute(_GET, (path,)).fetchone()
        return known if known is not None and known[:2] == (_signed(inode), changed) else None

    def put(self, path: bytes, known: Known) -> None:
        """Note a file that is whole."""
        with _failing(self._target):
            self._opened.execute(_PUT, (path, _signed(known[0]), *known[1:]))

    def drop(self, path: bytes) -> None:
        """Forget what was put for a path."""
        with _failing(self._target):
            self._opened.execute("DELETE FROM copied WHERE path = ?", (path,))

    def commit(self) -> None:
        """Keep what was put; all files that it is about are on disk."""
        with _failing(self._target):
            self._opened.execute("COMMIT")
            self._opened.execute("BEGIN")

    def _open(self) -> sqlite3.Connection:
        opened = sqlite3.connect(Path(self._target, _NAME), isolation_level=None)
        try:
            for statement in (_CACHE, _TABLE, "BEGIN"):
                opened.execute(statement)
        except BaseException:
            opened.close()
            raise
        return opened


def forget_index(target: str) -> None:
    """Remove it; nothing there is fine. OSError."""
    for suffix in _WITH_IT:
        Path(target, _NAME + suffix).unlink(missing_ok=True)


def _signed(inode: int) -> int:
    """Give an inode's number as SQLite can hold it."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


@contextlib.contextmanager
def _failing(target: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(0, str(error), f"{target}/{_NAME}") from error
