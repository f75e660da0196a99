"""The state file: one SQLite database, every commit on disk before the call returns."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.model.errors import StateFileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StateFile", "read_only"]

_MIGRATIONS = (
    """
    CREATE TABLE generations (
        number INTEGER PRIMARY KEY, created REAL NOT NULL, digest TEXT NOT NULL,
        origin TEXT NOT NULL, comment TEXT NOT NULL,
        actor TEXT NOT NULL, verdict TEXT, reason TEXT, impact TEXT,
        document TEXT NOT NULL DEFAULT '{}', managed TEXT NOT NULL DEFAULT '[]',
        daemon_json BLOB, drop_in BLOB, owns_drop_in INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE transactions (
        id TEXT PRIMARY KEY, generation INTEGER NOT NULL, impact TEXT NOT NULL, steps TEXT NOT NULL,
        way_back TEXT NOT NULL, commit_action TEXT NOT NULL, started REAL NOT NULL, finished REAL,
        verdict TEXT, reason TEXT, invocation TEXT NOT NULL
    );
    CREATE TABLE step_log (
        number INTEGER PRIMARY KEY, txn TEXT NOT NULL, direction TEXT NOT NULL,
        position INTEGER NOT NULL, name TEXT NOT NULL,
        began REAL NOT NULL, ended REAL, state TEXT NOT NULL, outcome TEXT
    );
    CREATE TABLE failures (
        digest TEXT NOT NULL, engine TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (digest, engine)
    );
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    """
    ALTER TABLE transactions ADD COLUMN confirm REAL NOT NULL DEFAULT 0;
    ALTER TABLE transactions ADD COLUMN deadline TEXT;
    """,
)


class StateFile:
    """The open state file.

    All methods raise StateFileFailure where the disk or the file is to blame.
    """

    def __init__(self, path: str) -> None:
        """Open or make the file (0600) and bring its schema up to date.

        A newer schema is refused.
        """
        with _translated(path):
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            Path(path).chmod(0o600)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
        self.path = path
        self._migrate()

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction of the database: all of it is on disk at the end, or none."""
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Give the rows of a query."""
        with _translated(self.path):
            return self._connection.execute(query, values).fetchall()

    def fact(self, name: str) -> str:
        """Give a single remembered text, empty if there is none."""
        rows = self.rows("SELECT value FROM facts WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a single text under a name."""
        with self.write() as connection:
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _migrate(self) -> None:
        version = int(self.rows("PRAGMA user_version")[0][0])
        if version > len(_MIGRATIONS):
            raise StateFileFailure(
                f"cannot use {self.path}: it was written by a newer dockcfgd"
                f" (schema {version}); install that one"
            )
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            with _translated(self.path):
                self._connection.executescript(
                    f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;"
                )


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StateFileFailure(f"cannot use {path}: {error}") from error


@contextmanager
def read_only(path: str) -> Iterator[sqlite3.Connection]:
    """Open a state file for reading beside the daemon.

    StateFileFailure if it is not there or not ours to read.
    """
    with _translated(path):
        Path(path).stat()
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()
