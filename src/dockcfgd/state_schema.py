"""The tables of the state file. A migration, once released, is never changed: add another."""

from __future__ import annotations

__all__ = ["MIGRATIONS", "TABLES"]

MIGRATIONS = (
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
    # Whose the files are, as JSON; the paths, which another --config-file changes; evidence of
    # failures.
    """
    ALTER TABLE generations ADD COLUMN uid INTEGER;
    ALTER TABLE generations ADD COLUMN daemon_json_owned TEXT;
    ALTER TABLE generations ADD COLUMN drop_in_owned TEXT;
    ALTER TABLE generations ADD COLUMN daemon_json_path TEXT NOT NULL DEFAULT '';
    ALTER TABLE generations ADD COLUMN drop_in_path TEXT NOT NULL DEFAULT '';
    CREATE INDEX step_log_by_transaction ON step_log (txn);
    CREATE TABLE evidence (
        number INTEGER PRIMARY KEY, txn TEXT NOT NULL, moment TEXT NOT NULL, at REAL NOT NULL,
        document TEXT NOT NULL
    );
    """,
    # What the plan said does not come back, as JSON.
    """
    ALTER TABLE transactions ADD COLUMN irreversible TEXT NOT NULL DEFAULT '[]';
    """,
)

TABLES = {
    "generations": "number, created, digest, origin, comment, actor, uid, verdict, reason, impact,"
    " document, managed, daemon_json, daemon_json_owned, daemon_json_path, drop_in, drop_in_owned,"
    " drop_in_path, owns_drop_in",
    "transactions": "id, generation, impact, steps, way_back, commit_action, started, finished,"
    " verdict, reason, invocation, confirm, deadline, irreversible",
    "step_log": "number, txn, direction, position, name, began, ended, state, outcome",
    "failures": "digest, engine, reason",
    "facts": "name, value",
    "evidence": "number, txn, moment, at, document",
}
"""Every column that is used, by table."""
