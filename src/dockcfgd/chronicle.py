"""What the state file tells of the past, read beside the daemon, with the secrets taken out.

Two sides of a comparison are `Side`s: the files of a generation, or those on disk now.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.engine_keys.secrets import redact_text, secret_values, secrets_in_text
from dockcfgd.model.errors import StateFileFailure
from dockcfgd.model.files import Ownership, digest_of
from dockcfgd.model.steps import from_json
from dockcfgd.ownership_json import ownership_from_json
from dockcfgd.planning.foreign_json import read_json
from dockcfgd.planning.secrecy import redacted
from dockcfgd.planning.wording import step_name
from dockcfgd.state_file import read_only
from dockcfgd.state_schema import MIGRATIONS

if TYPE_CHECKING:
    import sqlite3

    from dockcfgd.model.desired import Json

__all__ = ["KeptFile", "Side", "last_path", "read_generation", "read_history", "read_side"]

_NAMES = {"daemon_json": "daemon.json", "drop_in": "drop-in"}


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A managed file at some time: `content` None where it was not there. `path` may be empty."""

    path: str
    content: bytes | None
    owned: Ownership | None

    @property
    def secrets(self) -> frozenset[str]:
        """Give the secrets in it."""
        text = (self.content or b"").decode("utf-8-sig", errors="replace")
        try:
            document = read_json(text or "{}")
        except ValueError:
            return secrets_in_text(text)
        return secret_values((), document) | secrets_in_text(text)


@dataclass(frozen=True, slots=True)
class Side:
    """Both files by name, what they are called together, and what else is secret in them."""

    name: str
    files: dict[str, KeptFile]

    @property
    def secrets(self) -> frozenset[str]:
        """Give the secrets in both."""
        return frozenset().union(*(file.secrets for file in self.files.values()))


def read_history(path: str) -> list[dict[str, Any]]:
    """Give all generations, newest first, as the history document has them.

    StateFileFailure if unreadable.
    """
    with read_only(path) as connection:
        _refuse_other(connection, path)
        rows = connection.execute("SELECT * FROM generations ORDER BY number DESC").fetchall()
        took = _took(connection)
        in_force, known = _in_force(connection), _secrets(rows)
    return [_generation(row, took, in_force=in_force, known=known) for row in rows]


def read_generation(path: str, number: int | None) -> dict[str, Any]:
    """Give all that is kept of a generation (None: the newest) as the `show` document has it.

    StateFileFailure if unreadable, or there is none of that number.
    """
    with read_only(path) as connection:
        _refuse_other(connection, path)
        row = _row(connection, number)
        rows = connection.execute("SELECT * FROM generations").fetchall()
        transactions = connection.execute(
            "SELECT * FROM transactions WHERE generation = ? ORDER BY rowid", (row["number"],)
        ).fetchall()
        evidence = {one["id"]: _evidence(connection, one["id"]) for one in transactions}
        found = [file for kept in evidence.values() for _, _, files in kept for file in files]
        known = _secrets(rows).union(*(file.secrets for file in found))
        took, in_force = _took(connection), _in_force(connection)
        generation = _generation(row, took, in_force=in_force, known=known)
        shown = [_transaction(connection, one, evidence[one["id"]], known) for one in transactions]
    files = _files(row).items() if row["verdict"] == "applied" else ()
    return {
        "schema": 1,
        **generation,
        "files": [{"name": name, **_shown(file, known)} for name, file in files],
        "transactions": shown,
    }


def read_side(path: str, number: int) -> Side:
    """Give the files that a generation left, or, if it failed, those that were there then.

    StateFileFailure if unreadable, or nothing is known of them.
    """
    with read_only(path) as connection:
        _refuse_other(connection, path)
        row = _row(connection, number)
        if row["verdict"] == "applied":
            return Side(f"generation {number}", _files(row))
        newest = connection.execute(
            "SELECT id FROM transactions WHERE generation = ? ORDER BY rowid DESC", (number,)
        ).fetchall()
        for one in newest:
            for moment, _, files in _evidence(connection, one["id"]):
                if moment == "failed":
                    names = dict(zip(_NAMES.values(), files, strict=False))
                    return Side(f"generation {number}, when it failed", names)
    became = row["verdict"] or "not tried"
    raise StateFileFailure(
        f"cannot compare generation {number}: it was {became}, so no files of it are kept;"
        f" see dockcfgctl show {number}"
    )


def last_path(path: str) -> str:
    """Give where daemon.json lay for the newest generation that was in force; empty if not known.

    StateFileFailure if unreadable.
    """
    with read_only(path) as connection:
        _refuse_other(connection, path)
        row = connection.execute(
            "SELECT daemon_json_path FROM generations WHERE verdict = 'applied'"
            " ORDER BY number DESC LIMIT 1"
        ).fetchone()
    return str(row["daemon_json_path"]) if row else ""


def _refuse_other(connection: sqlite3.Connection, path: str) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version != len(MIGRATIONS):
        what = "newer" if version > len(MIGRATIONS) else "older"
        raise StateFileFailure(
            f"cannot read {path}: it is of {'an' if what == 'older' else 'a'} {what} dockcfgd"
            f" (schema {version}); the one that is installed brings it up to date when it starts"
        )


def _row(connection: sqlite3.Connection, number: int | None) -> sqlite3.Row:
    wanted = "(SELECT max(number) FROM generations)" if number is None else "?"
    row: sqlite3.Row | None = connection.execute(
        f"SELECT * FROM generations WHERE number = {wanted}",  # noqa: S608 -- one of the two above
        () if number is None else (number,),
    ).fetchone()
    if row is None:
        if number is None:
            raise StateFileFailure("cannot show anything: no desired state was ever seen here")
        what = f"generation {number}: it is not in the history; see dockcfgctl history"
        raise StateFileFailure(f"cannot show {what}")
    return row


def _in_force(connection: sqlite3.Connection) -> int:
    fact = connection.execute("SELECT value FROM facts WHERE name = 'applied'").fetchone()
    return int(json.loads(fact["value"])["generation"]) if fact else 0


def _took(connection: sqlite3.Connection) -> dict[int, float]:
    """Give how long the first transaction of each generation took."""
    rows = connection.execute(
        "SELECT generation, finished - started AS took FROM transactions"
        " WHERE finished IS NOT NULL ORDER BY rowid DESC"
    )
    return {int(row["generation"]): round(float(row["took"]), 3) for row in rows}


def _secrets(rows: list[sqlite3.Row]) -> frozenset[str]:
    """Give the secrets of every generation: a text may quote what was in force before."""
    return frozenset().union(
        *(file.secrets for row in rows for file in _files(row).values() if file.content)
    )


def _files(row: sqlite3.Row) -> dict[str, KeptFile]:
    return {
        name: KeptFile(
            row[f"{column}_path"], row[column], ownership_from_json(row[f"{column}_owned"])
        )
        for column, name in _NAMES.items()
    }


def _generation(
    row: sqlite3.Row, took: dict[int, float], *, in_force: int, known: frozenset[str]
) -> dict[str, Any]:
    return {
        "generation": row["number"],
        "created": row["created"],
        "digest": row["digest"],
        "origin": row["origin"],
        "verdict": row["verdict"],
        "impact": row["impact"],
        "reason": redact_text(row["reason"] or "", known) or None,
        "comment": redact_text(row["comment"], known),
        "actor": row["actor"],
        "uid": row["uid"],
        "seconds": took.get(row["number"]),
        "applied": row["number"] == in_force,
    }


def _transaction(
    connection: sqlite3.Connection,
    row: sqlite3.Row,
    evidence: list[tuple[str, dict[str, Any], list[KeptFile]]],
    known: frozenset[str],
) -> dict[str, Any]:
    log = connection.execute(
        "SELECT * FROM step_log WHERE txn = ? ORDER BY number", (row["id"],)
    ).fetchall()
    ended = row["finished"]
    return {
        "transaction": row["id"],
        "verdict": row["verdict"],
        "impact": row["impact"],
        "reason": redact_text(row["reason"] or "", known) or None,
        "started": row["started"],
        "finished": ended,
        "seconds": None if ended is None else round(ended - row["started"], 3),
        "plan": [_name_of(step) for step in json.loads(row["steps"])],
        "irreversible": [redact_text(one, known) for one in json.loads(row["irreversible"])],
        "steps": [_step(entry, known) for entry in log],
        "evidence": [
            {
                "moment": moment,
                "at": document["at"],
                "engine": [
                    {**line, "text": redact_text(line["text"], known)}
                    for line in document["engine"]
                ],
                "files": [_shown(file, known) for file in files],
            }
            for moment, document, files in evidence
        ],
    }


def _step(entry: sqlite3.Row, known: frozenset[str]) -> dict[str, Any]:
    outcome: Json = json.loads(entry["outcome"]) if entry["outcome"] else None
    ended = entry["ended"]
    return {
        "name": entry["name"],
        "direction": entry["direction"],
        "state": entry["state"],
        "began": entry["began"],
        "seconds": None if ended is None else round(ended - entry["began"], 3),
        "outcome": redacted(outcome, known),
    }


def _name_of(stored: dict[str, Json]) -> str:
    try:
        return step_name(from_json(stored))
    except (KeyError, TypeError):
        return str(stored.get("@"))  # a step of another release


def _evidence(
    connection: sqlite3.Connection, transaction: str
) -> list[tuple[str, dict[str, Any], list[KeptFile]]]:
    rows = connection.execute(
        "SELECT moment, at, document FROM evidence WHERE txn = ? ORDER BY number", (transaction,)
    ).fetchall()
    kept = []
    for row in rows:
        document = {**json.loads(row["document"]), "at": row["at"]}
        files = [_kept(stored) for stored in document["files"]]
        kept.append((str(row["moment"]), document, files))
    return kept


def _kept(stored: dict[str, Any]) -> KeptFile:
    content = stored["content"]
    owned = stored["owned"]
    return KeptFile(
        path=str(stored["path"]),
        content=None if content is None else base64.b64decode(content),
        owned=None if owned is None else ownership_from_json(json.dumps(owned)),
    )


def _shown(file: KeptFile, known: frozenset[str]) -> dict[str, Any]:
    content = file.content
    if content is None:
        return {"path": file.path, "present": False, "text": None}
    owned = file.owned
    return {
        "path": file.path,
        "present": True,
        "bytes": len(content),
        "sha256": digest_of(content),
        "uid": None if owned is None else owned.uid,
        "gid": None if owned is None else owned.gid,
        "mode": None if owned is None else f"{owned.mode:04o}",
        "attributes": [] if owned is None else [one.name for one in owned.attributes],
        "text": redact_text(content.decode(errors="replace"), known),
    }
