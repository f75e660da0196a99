"""Generations: every desired state that was tried, what it left, and how it ended.

Generation 0 is what was there before dockcfgd first wrote.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dockcfgd.model.kept import RECORD, record_from_text
from dockcfgd.model.status import LastTransaction, StepView, Verdict
from dockcfgd.model.steps import ReloadEngine, from_json
from dockcfgd.ownership_json import ownership_from_json, ownership_to_json
from dockcfgd.planning.effective import Reloaded
from dockcfgd.planning.foreign_json import read_json
from dockcfgd.planning.outage import PastTransaction
from dockcfgd.planning.target import Applied
from dockcfgd.retention import prune
from dockcfgd.state_file import SET_ASIDE, StateFile, read_only

if TYPE_CHECKING:
    import sqlite3

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.files import FileState, Ownership
    from dockcfgd.planning.target import Target

__all__ = [
    "Generation",
    "History",
    "Unproven",
    "Unread",
    "last_status",
    "past_transactions",
    "read_applied",
    "read_past",
    "read_reloads",
]

_APPLIED, _HELD, _STATUS, _ADOPTED = "applied", "held", "status", "adopted"
_SLOWEST = "slowest start"
_SHOWN_AFTER = "status kept after"
# One transaction is open at a time, so they ended in the order of their rows. Their times tell
# nothing of it: the clock may have been set.
_ENDED_LAST = "SELECT id FROM transactions WHERE finished IS NOT NULL ORDER BY rowid DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation's number, the digest of its desired state, its verdict (empty: none yet)."""

    number: int
    digest: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unread:
    """No engine ran, the next one reads it; `ran` is the run that was the newest (empty: none).

    It was written in the boot `boot`, at `monotonic` on its clock that never jumps, and at `at` by
    the time of day. The boot is empty where an older release did not keep it.
    """

    ran: str
    boot: str = ""
    monotonic: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Unproven:
    """What is in force was written while no engine ran, and none has run on it since.

    `generation` is its number, `proven` that of the one that an engine ran on last, `ran` the
    engine's newest run when it was written (empty: not known).
    """

    generation: int
    proven: int
    ran: str


class History:
    """The generations of a state file."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def begin_with(self, daemon_json: FileState, drop_in: FileState, *, now: float) -> None:
        """Keep what is there as generation 0, for as long as nothing was ever written."""
        if self._state.rows(
            "SELECT 1 FROM transactions UNION ALL"
            " SELECT 1 FROM generations WHERE number > 0 AND verdict = 'applied'"
        ):
            return
        document = _document(daemon_json.content)
        with self._state.write() as connection:
            connection.execute(
                "REPLACE INTO generations (number, created, digest, origin, comment, actor,"
                " verdict, document) VALUES (0, ?, '', 'original', '', '', 'applied', ?)",
                (now, json.dumps(document)),
            )
            drop = drop_in.content if drop_in.present else None
            _keep_files(connection, 0, daemon_json, drop_in, drop)

    def newest(self) -> Generation:
        """Give the newest generation; number 0 with an empty digest where there is none."""
        rows = self._state.rows("SELECT * FROM generations ORDER BY number DESC LIMIT 1")
        return _generation(rows[0]) if rows else Generation(0, "", "", "")

    def add(
        self,
        *,
        digest: str,
        origin: str,
        comment: str,
        actor: str,
        now: float,
        uid: int | None = None,
    ) -> int:
        """Add a generation, give its number. `actor`, `uid`: who asked, if somebody did."""
        with self._state.write() as connection:
            cursor = connection.execute(
                "INSERT INTO generations (number, created, digest, origin, comment, actor, uid)"
                " VALUES ((SELECT max(1, coalesce(max(number), 0) + 1) FROM generations),"
                " ?, ?, ?, ?, ?, ?)",
                (now, digest, origin, comment, actor, uid),
            )
            prune(connection)
            return int(cursor.lastrowid or 0)

    def judge(self, number: int, *, verdict: str, reason: str | None, impact: str) -> None:
        """Note how a generation ended."""
        with self._state.write() as connection:
            connection.execute(
                "UPDATE generations SET verdict = ?, reason = ?, impact = ? WHERE number = ?",
                (verdict, reason, impact, number),
            )

    def mark_applied(
        self,
        number: int,
        target: Target,
        daemon_json: FileState,
        drop_in: FileState,
        *,
        held: str,
        now: float,
        invocation: str | Unread = "",
    ) -> None:
        """Note that a generation is in force, what it left, and what an operator holds from now on.

        `held` is the digest of a desired state that is not to be applied; empty: none is on hold.
        `invocation` is the engine's run that surely has it all in force; empty: not known.
        """
        fact: dict[str, Any] = {"generation": number, "at": now, "invocation": invocation}
        if isinstance(invocation, Unread):
            before = self._last_proven()
            fact |= {"invocation": None, "ran": invocation.ran, "before": before}
            fact |= {"boot": invocation.boot, "monotonic": invocation.monotonic}
        with self._state.write() as connection:
            connection.execute(
                "UPDATE generations SET document = ?, managed = ?,"
                " owns_drop_in = ?, verdict = 'applied', reason = NULL WHERE number = ?",
                (
                    json.dumps(target.document or {}),
                    json.dumps(sorted(target.managed)),
                    int(target.drop_in is not None),
                    number,
                ),
            )
            _keep_files(connection, number, daemon_json, drop_in, target.drop_in)
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (_APPLIED, json.dumps(fact)))
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (_HELD, held))

    def applied_generation(self) -> tuple[int, float | None]:
        """Give the generation in force and since when; 0 and None before the first."""
        text = self._state.fact(_APPLIED)
        if not text:
            return 0, None
        fact = json.loads(text)
        return int(fact["generation"]), float(fact["at"])

    @property
    def unread(self) -> Unread | None:
        """Give how the generation in force was written, if an engine has yet to read it."""
        fact = self._in_force()
        if fact.get("invocation", "") is not None:
            return None
        boot, monotonic = fact.get("boot", ""), fact.get("monotonic", 0.0)
        return Unread(fact.get("ran", ""), boot, monotonic, fact["at"])

    def mark_read(self, *, invocation: str, reason: str | None) -> None:
        """Note that the generation in force is not to be taken for unproven any more, and why.

        `reason` is None where an engine has begun on it; `invocation` is its run, empty if unknown.
        """
        fact = self._in_force()
        kept = {"generation": fact["generation"], "at": fact["at"], "invocation": invocation}
        with self._state.write() as connection:
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (_APPLIED, json.dumps(kept)))
            connection.execute(
                "UPDATE generations SET reason = ? WHERE number = ? AND verdict = 'applied'",
                (reason, fact["generation"]),
            )

    @property
    def unproven(self) -> Unproven | None:
        """Give what is in force if it is unread and another generation was in force before it."""
        fact = self._in_force()
        before = fact.get("before")
        if before is None or before.get("generation", 0) == fact["generation"]:
            return None
        return Unproven(fact["generation"], before.get("generation", 0), fact["ran"])

    def take_back_unproven(self, *, verdict: str, reason: str | None) -> None:
        """Let the generation that was proven last be in force again, and on hold what was then.

        Those that were written since get the verdict. Fine if that is done already.
        """
        unproven = self.unproven
        if unproven is None:
            return
        fact = dict(self._in_force()["before"])
        held = fact.pop("held")
        with self._state.write() as connection:
            connection.execute(
                "UPDATE generations SET verdict = ?, reason = ? WHERE verdict = 'applied'"
                " AND number > ? AND number <= ?",
                (verdict, reason, unproven.proven, unproven.generation),
            )
            connection.execute("DELETE FROM facts WHERE name = ?", (_APPLIED,))
            if fact:
                value = json.dumps(fact)
                connection.execute("INSERT INTO facts VALUES (?, ?)", (_APPLIED, value))
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (_HELD, held))

    def _in_force(self) -> dict[str, Any]:
        text = self._state.fact(_APPLIED)
        return dict(json.loads(text)) if text else {}

    def _last_proven(self) -> dict[str, Any] | None:
        """Give what was noted of the generation that an engine ran on last, and what was on hold.

        None where an older release did not keep it.
        """
        fact = self._in_force()
        if fact.get("invocation", "") is None:
            return fact.get("before")
        return {**fact, "held": self.held}

    def applied(self) -> Applied:
        """Give what the generation in force left."""
        number = self.applied_generation()[0]
        text = self._state.fact(_APPLIED)
        left = self.left_by(number) or Applied()
        applied = _run_by(left, json.loads(text)) if text else left
        applied = _with_adopted(applied, self._state.fact(_ADOPTED), self.digest_of(number))
        slowest, kept = self._state.fact(_SLOWEST), self._state.fact(RECORD)
        return replace(applied, slowest_start=float(slowest or 0), kept=record_from_text(kept))

    def note_start(self, seconds: float) -> None:
        """Note how long a start of the engine took; the slowest is kept."""
        if seconds > float(self._state.fact(_SLOWEST) or 0):
            self._state.remember(_SLOWEST, str(seconds))

    def adopt(self, digest: str, *, invocation: str, comment: str, now: float) -> None:
        """Note a desired state made of hand edits before it is written; once is enough."""
        self._state.remember(_ADOPTED, json.dumps({"digest": digest, "under": invocation}))
        if self.newest().digest != digest:
            self.add(digest=digest, origin="adopted", comment=comment, actor="", now=now)

    def adopted_by(self, number: int) -> str:
        """Give the comment of a generation that was made of hand edits, empty for others."""
        rows = self._state.rows(
            "SELECT comment FROM generations WHERE number = ? AND origin = 'adopted'", number
        )
        return str(rows[0]["comment"]) if rows else ""

    def left_by(self, number: int) -> Applied | None:
        """Give what an applied generation left.

        None for one that is not known or was never in force.
        """
        rows = self._state.rows(
            "SELECT * FROM generations WHERE number = ? AND verdict = 'applied'", number
        )
        return _applied(rows[0]) if rows else None

    def never_in_force(self, number: int) -> str:
        """Say why a generation cannot be brought back; empty where it can."""
        rows = self._state.rows("SELECT verdict, reason FROM generations WHERE number = ?", number)
        if not rows:
            known = self._state.rows(
                "SELECT min(number) AS a, max(number) AS z FROM generations WHERE number > 0"
            )[0]
            kept = f"0 and {known['a']} to {known['z']} are kept" if known["a"] else "none is kept"
            return f"there is no generation {number}: {kept}"
        verdict, reason = rows[0]["verdict"], rows[0]["reason"]
        if verdict == "applied":
            return ""
        became = f"it was {verdict}" if verdict else "it was never applied"
        return f"generation {number} was never in force: {became}{f', {reason}' * bool(reason)}"

    @property
    def set_aside(self) -> str:
        """What became of a damaged state file, until an operator's word; empty else."""
        return self._state.fact(SET_ASIDE)

    def begin_anew(self) -> None:
        """Let things go on with a new history after a damaged one, on an operator's word."""
        if self.set_aside:
            self._state.remember(SET_ASIDE, "")

    def digest_of(self, number: int) -> str:
        """Give a generation's digest; empty for one that is not known."""
        rows = self._state.rows("SELECT digest FROM generations WHERE number = ?", number)
        return str(rows[0]["digest"]) if rows else ""

    def before(self, number: int) -> int | None:
        """Give the number of the generation that was in force before `number`.

        None if there is none.
        """
        rows = self._state.rows(
            "SELECT number FROM generations WHERE verdict = 'applied' AND number < ?"
            " ORDER BY number DESC LIMIT 1",
            number,
        )
        return int(rows[0]["number"]) if rows else None

    def failure(self, digest: str, engine: str) -> str:
        """Give why this desired state failed on this engine; empty if it did not."""
        rows = self._state.rows(
            "SELECT reason FROM failures WHERE digest = ? AND engine = ?", digest, engine
        )
        return str(rows[0]["reason"]) if rows else ""

    def remember_failure(self, digest: str, engine: str, reason: str) -> None:
        """Note that this desired state failed, so that it is not tried again by itself."""
        with self._state.write() as connection:
            connection.execute("REPLACE INTO failures VALUES (?, ?, ?)", (digest, engine, reason))

    def forget_failure(self, digest: str) -> None:
        """Let this desired state be tried again."""
        with self._state.write() as connection:
            connection.execute("DELETE FROM failures WHERE digest = ?", (digest,))

    @property
    def held(self) -> str:
        """The digest that is on hold."""
        return self._state.fact(_HELD)

    def last_shown(self) -> LastTransaction | None:
        """Give what the last kept status has as its last transaction.

        None where another one has ended since it was kept.
        """
        newest = self._state.rows(_ENDED_LAST)
        if self._state.fact(_SHOWN_AFTER) != (newest[0]["id"] if newest else ""):
            return None
        kept = json.loads(self._state.fact(_STATUS) or "{}")
        last = kept.get("last")
        if not last or last["verdict"] is None:
            return None
        read = {
            "verdict": Verdict(last["verdict"]),
            "steps": tuple(StepView(**step) for step in last["steps"]),
            # An older release did not keep it.
            "irreversible": tuple(last.get("irreversible", ())),
        }
        return LastTransaction(**{**last, **read})

    def keep_status(self, document: dict[str, Json]) -> None:
        """Keep the last known status for times without the daemon."""
        with self._state.write() as connection:
            newest = connection.execute(_ENDED_LAST).fetchone()
            facts = {_STATUS: json.dumps(document), _SHOWN_AFTER: newest["id"] if newest else ""}
            connection.executemany("REPLACE INTO facts VALUES (?, ?)", facts.items())


def _keep_files(
    connection: sqlite3.Connection,
    number: int,
    daemon_json: FileState,
    drop_in: FileState,
    drop_in_content: bytes | None,
) -> None:
    connection.execute(
        "UPDATE generations SET daemon_json = ?, daemon_json_owned = ?, daemon_json_path = ?,"
        " drop_in = ?, drop_in_owned = ?, drop_in_path = ? WHERE number = ?",
        (
            daemon_json.content if daemon_json.present else None,
            ownership_to_json(daemon_json.ownership),
            daemon_json.path,
            drop_in_content,
            None if drop_in_content is None else ownership_to_json(drop_in.ownership),
            drop_in.path,
            number,
        ),
    )


def _generation(row: sqlite3.Row) -> Generation:
    return Generation(
        number=int(row["number"]),
        digest=str(row["digest"]),
        verdict=str(row["verdict"] or ""),
        reason=str(row["reason"] or ""),
    )


def _document(content: bytes) -> dict[str, Json]:
    try:
        document = read_json(content.decode("utf-8-sig") or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _applied(row: sqlite3.Row) -> Applied:
    return Applied(
        document=json.loads(row["document"]),
        managed=frozenset(tuple(path) for path in json.loads(row["managed"])),
        daemon_json=row["daemon_json"],
        drop_in=row["drop_in"],
        owns_drop_in=bool(row["owns_drop_in"]),
        daemon_json_owned=_owned(row, "daemon_json_owned"),
        drop_in_owned=_owned(row, "drop_in_owned"),
    )


def _owned(row: sqlite3.Row, column: str) -> Ownership | None:
    """Give what is kept of a file's owner; a file of an older release, read beside it, has none."""
    return ownership_from_json(row[column]) if column in row.keys() else None  # noqa: SIM118 -- a Row


def _with_adopted(applied: Applied, fact: str, in_force: str) -> Applied:
    known = json.loads(fact) if fact else {}
    if not known or known["digest"] == in_force:
        return applied
    return replace(applied, adopted=known["digest"], adopted_under=known["under"])


def _run_by(left: Applied, fact: dict[str, Any]) -> Applied:
    """Add the engine's run to what a generation left; older state files do not have it."""
    return replace(left, invocation=str(fact.get("invocation") or ""))


def last_status(path: str) -> dict[str, Any] | None:
    """Give the last status kept in the state file at `path`, None if none was.

    StateFileFailure if unreadable.
    """
    with read_only(path) as connection:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (_STATUS,)).fetchone()
    return None if row is None else dict(json.loads(row["value"]))


_PAST = (
    "SELECT id, steps, finished FROM transactions WHERE verdict = 'applied'"
    " AND impact IN ('restart', 'migrate') ORDER BY rowid DESC LIMIT 30"
)
_TIMES = "SELECT txn, position, began, ended FROM step_log WHERE direction = 'forward'"


def past_transactions(state: StateFile) -> list[PastTransaction]:
    """Give the latest applied restarts and migrations, newest first."""
    return _past(state.rows(_PAST), state.rows(_TIMES))


def read_past(path: str) -> list[PastTransaction]:
    """Give what `past_transactions` gives, without the daemon. StateFileFailure if unreadable."""
    with read_only(path) as connection:
        rows = connection.execute(_PAST).fetchall()
        return _past(rows, connection.execute(_TIMES).fetchall())


def _past(rows: list[sqlite3.Row], log: list[sqlite3.Row]) -> list[PastTransaction]:
    past = []
    for row in rows:
        try:
            steps = tuple(from_json(step) for step in json.loads(row["steps"]))
        except (KeyError, TypeError):
            continue  # a step of another release
        times = {
            int(entry["position"]): (float(entry["began"]), float(entry["ended"]))
            for entry in log
            if entry["txn"] == row["id"] and entry["ended"] is not None
        }
        past.append(PastTransaction(row["id"], steps, times, float(row["finished"])))
    return past


def read_reloads(path: str) -> list[Reloaded]:
    """Give what the reload events of applied transactions showed, newest first.

    StateFileFailure if unreadable.
    """
    with read_only(path) as connection:
        rows = connection.execute(
            "SELECT invocation, steps FROM transactions WHERE verdict = 'applied'"
            " AND impact = 'reload' ORDER BY rowid DESC LIMIT 100"
        ).fetchall()
    return [Reloaded(row["invocation"], _told(row["steps"])) for row in rows]


def _told(steps: str) -> dict[KeyPath, Json]:
    """Give what the last reload of a transaction had to show, and did."""
    told: dict[KeyPath, Json] = {}
    for stored in json.loads(steps):
        try:
            step = from_json(stored)
        except (KeyError, TypeError):
            continue  # a step of another release
        if isinstance(step, ReloadEngine):
            told = {one.path: one.value for one in step.expect}
    return told


def read_applied(path: str) -> Applied:
    """Give what the generation in force left, for a preview without the daemon.

    StateFileFailure if unreadable.
    """
    names = (_APPLIED, _ADOPTED, _SLOWEST, RECORD)
    with read_only(path) as connection:
        query = "SELECT name, value FROM facts WHERE name IN (?, ?, ?, ?)"
        rows = connection.execute(query, names).fetchall()
        facts = dict.fromkeys(names, "") | {str(one["name"]): str(one["value"]) for one in rows}
        if not facts[_APPLIED]:
            return Applied()
        in_force = json.loads(facts[_APPLIED])
        number = in_force["generation"]
        row = connection.execute("SELECT * FROM generations WHERE number = ?", (number,)).fetchone()
    if row is None:
        return Applied()
    applied = _with_adopted(_run_by(_applied(row), in_force), facts[_ADOPTED], str(row["digest"]))
    return replace(
        applied,
        slowest_start=float(facts[_SLOWEST] or 0),
        kept=record_from_text(facts[RECORD]),
    )
