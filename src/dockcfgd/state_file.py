"""The state file: one SQLite database, every commit on disk before the call returns.

A file that is damaged is set aside and a new one begun, which remembers why (`SET_ASIDE`). It is
never mended: what it would say of the files that are ours could be wrong.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd import reserve
from dockcfgd.model.errors import StateFileDamaged, StateFileFailure
from dockcfgd.state_schema import MIGRATIONS, TABLES
from dockcfgd.state_set_aside import put_in_place, set_aside, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SET_ASIDE", "StateFile", "read_only"]

SET_ASIDE = "set-aside"
"""The fact that says what became of a damaged file before this one; an operator's word ends it."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOG_PAGES = 256
_LOG_BYTES = 1024 * 1024


class StateFile:
    """The state file, opened at its first use, and again after a use that failed.

    All methods raise StateFileFailure where the disk or the file is to blame.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._opened: sqlite3.Connection | None = None

    def hold_reserve(self) -> None:
        """Have some room beside it for a way back; FileFailure where there is none."""
        reserve.hold(str(Path(self.path).parent))

    def close(self) -> None:
        """Close it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction of the database: all of it is on disk at the end, or none."""
        with self._usable() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Give the rows of a query."""
        with self._usable() as connection:
            return connection.execute(query, values).fetchall()

    def fact(self, name: str) -> str:
        """Give a single remembered text, empty if there is none."""
        rows = self.rows("SELECT value FROM facts WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a single text under a name."""
        with self.write() as connection:
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextmanager
    def _usable(self) -> Iterator[sqlite3.Connection]:
        """Give the open file. One that turns out damaged is closed, and set aside at the next use.

        One that fails otherwise in being committed stays open: SQLite rolls it back.
        """
        reserve.release_where_low(str(Path(self.path).parent))
        if self._opened is None:
            self._opened = _open(self.path)
        try:
            with _translated(self.path):
                yield self._opened
        except StateFileDamaged:
            self.close()
            raise


def _open(path: str) -> sqlite3.Connection:
    """Open or make the file (0600) and bring its schema up to date. A newer schema is refused."""
    file = Path(path)
    try:
        with _translated(path):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists() and not unfinished(file):
                _make(file, facts={})
        return _opened(path)
    except StateFileDamaged as damage:
        why = str(damage).removeprefix(f"cannot use {path}: ")
        with _translated(path):
            set_aside(file, make=lambda aside: _make(file, facts={SET_ASIDE: _told(aside, why)}))
        return _opened(path)


def _told(aside: str, why: str) -> str:
    return (
        f"the history was damaged ({why}) and is now {aside}; nothing is changed until you have"
        " looked at `dockcfgctl plan` and say `dockcfgctl apply`, which begins a new history"
    )


def _make(file: Path, *, facts: dict[str, str]) -> None:
    """Make a whole new file and put it in place: one that is empty or half made is damaged."""
    with put_in_place(file) as made, contextlib.closing(_connection(made)) as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN")
        for script in MIGRATIONS:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")


def _connection(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _opened(path: str) -> sqlite3.Connection:
    with _translated(path):
        file = Path(path)
        if not file.exists():
            raise StateFileDamaged(f"cannot use {path}: it is gone, only its log is left")
        if not file.is_file():
            raise StateFileFailure(f"cannot use {path}: it is no file; move it away")
        # The kernel's reason is a better one than SQLite's.
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        if file.stat().st_size == 0:
            raise StateFileDamaged(f"cannot use {path}: it is empty")
        connection = _connection(path)
        try:
            file.chmod(0o600)
            version = _check(connection, path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
            _migrate(connection, path, version)
            _check_tables(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _check(connection: sqlite3.Connection, path: str) -> int:
    """See that it is whole and dockcfgd's before anything is written to it; give its schema."""
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise StateFileDamaged(f"cannot use {path}: {' '.join(found.split())}")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StateFileFailure(
            f"cannot use {path}: it was written by a newer dockcfgd"
            f" (schema {version}); install that one"
        )
    with _ours(path):
        connection.execute("SELECT name, value FROM facts LIMIT 0")
    return version


def _migrate(connection: sqlite3.Connection, path: str, version: int) -> None:
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with _ours(path):
            connection.executescript(
                f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;"
            )


def _check_tables(connection: sqlite3.Connection, path: str) -> None:
    """See that all is there that will be asked for; a file may be whole and yet not ours."""
    with _ours(path):
        for table, columns in TABLES.items():
            connection.execute(f"SELECT {columns} FROM {table} LIMIT 0")  # noqa: S608 -- our own names


@contextmanager
def _ours(path: str) -> Iterator[None]:
    """Take it for damage where a table or column is not what it has to be."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise StateFileDamaged(f"cannot use {path}: {error}") from error


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = StateFileDamaged if code in _DAMAGED else StateFileFailure
        raise kind(f"cannot use {path}: {error}") from error
    except OSError as error:
        raise StateFileFailure(f"cannot use {path}: {error.strerror or error}") from error


@contextmanager
def read_only(path: str) -> Iterator[sqlite3.Connection]:
    """Open a state file for reading beside the daemon.

    StateFileFailure if it is not there or not ours to read.
    """
    with _translated(path):
        file = Path(path).absolute()
        file.stat()
        log = file.with_name(f"{file.name}-wal")
        # On a filesystem that nobody can write to, SQLite would want to make a file for its locks.
        quiet = "&immutable=1" if not log.exists() and not _writable(file.parent) else ""
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro{quiet}", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)
