"""What of the past is kept: enough to go back and to understand, and a bounded amount of it.

Kept are generation 0, the one in force, the one before it and the one proven last, those on hold or
under way, and the newest; of transactions, evidence and failures the newest, and what belongs to a
kept generation.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["GENERATIONS", "prune"]

GENERATIONS = 100
_TRANSACTIONS = 200
_TIMED = 30
_EVIDENCE = 20
_FAILURES = 100


def prune(connection: sqlite3.Connection) -> None:
    """Remove what is no longer kept, within the transaction that the connection is in."""
    run = connection.execute
    in_force, proven = _in_force(connection)
    run(
        "DELETE FROM generations WHERE number NOT IN (0, :in_force, :proven)"
        " AND number NOT IN (SELECT number FROM generations ORDER BY number DESC LIMIT :kept)"
        " AND number IS NOT (SELECT max(number) FROM generations"
        "   WHERE verdict = 'applied' AND number < :in_force)"
        " AND number NOT IN (SELECT generation FROM transactions WHERE finished IS NULL)"
        " AND number IS NOT (SELECT max(number) FROM generations WHERE digest <> ''"
        "   AND digest = (SELECT value FROM facts WHERE name = 'held'))",
        {"in_force": in_force, "proven": proven, "kept": GENERATIONS},
    )
    run(
        "DELETE FROM transactions WHERE finished IS NOT NULL"
        " AND id NOT IN (SELECT id FROM transactions ORDER BY rowid DESC LIMIT :most)"
        " AND id NOT IN (SELECT id FROM transactions WHERE verdict = 'applied'"
        "   AND impact IN ('restart', 'migrate')"
        "   ORDER BY rowid DESC LIMIT :timed)"
        # Of each kept generation the first, which brought it, and the last.
        " AND rowid NOT IN (SELECT min(rowid) FROM transactions WHERE generation IN"
        "   (SELECT number FROM generations) GROUP BY generation)"
        " AND rowid NOT IN (SELECT max(rowid) FROM transactions WHERE generation IN"
        "   (SELECT number FROM generations) GROUP BY generation)",
        {"most": _TRANSACTIONS, "timed": _TIMED},
    )
    run("DELETE FROM step_log WHERE txn NOT IN (SELECT id FROM transactions)")
    run(
        "DELETE FROM evidence WHERE txn NOT IN (SELECT id FROM transactions)"
        " OR number NOT IN (SELECT number FROM evidence ORDER BY number DESC LIMIT ?)",
        (_EVIDENCE,),
    )
    run(
        "DELETE FROM failures WHERE rowid NOT IN"
        " (SELECT rowid FROM failures ORDER BY rowid DESC LIMIT ?)",
        (_FAILURES,),
    )
    run("PRAGMA incremental_vacuum").fetchall()


def _in_force(connection: sqlite3.Connection) -> tuple[int, int]:
    """Give the generation in force, and the one that an engine ran on last."""
    row = connection.execute("SELECT value FROM facts WHERE name = 'applied'").fetchone()
    if row is None:
        return 0, 0
    fact = json.loads(row["value"])
    proven = (fact.get("before") or fact).get("generation", 0)
    return int(fact["generation"]), int(proven)
