"""The journal of transactions: an intent on disk before each effect, an outcome after it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from dockcfgd.model.deadline import Deadline
from dockcfgd.model.errors import OfAnotherRelease
from dockcfgd.model.plan import BackStep, way_back_from_json, way_back_to_json
from dockcfgd.model.status import LastTransaction, StepView, Verdict
from dockcfgd.model.steps import ProveEngine, RemoveFile, WriteFile, from_json, to_json
from dockcfgd.planning.wording import step_name
from dockcfgd.retention import prune

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json
    from dockcfgd.model.plan import Plan
    from dockcfgd.model.steps import Step
    from dockcfgd.state_file import StateFile

__all__ = ["Journal", "OpenTransaction"]

FORWARD, BACK = "forward", "back"
_RETURNING = "returning"


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that has not ended.

    Its plan as stored, how far it got, the outcomes of its steps by kind.

    `begun` is the index of the last forward step that has begun (-1: none), `completed` how many of
    them are done, `returning` whether the way back is gone, `undone` its steps that are done. Of
    those only what was found in files is among the outcomes: the rest was for the life it was in.
    `invocation` is the engine's one before it. `confirm` is for how many seconds the proven change
    waits for an operator's word (0: it does not), `deadline` until when, once it does.
    `irreversible` is what its plan said does not come back.
    """

    id: str
    generation: int
    impact: str
    steps: tuple[Step, ...]
    way_back: tuple[BackStep, ...]
    commit_action: dict[str, Json]
    started: float
    invocation: str
    begun: int = -1
    completed: int = 0
    returning: bool = False
    undone: frozenset[int] = frozenset()
    outcomes: dict[str, Json] = field(default_factory=dict)
    confirm: float = 0.0
    deadline: Deadline | None = None
    irreversible: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether the new state was proven, or needs no proof, and still is the one to keep."""
        return not self.returning and self.proven_before(self.completed)

    def proven_before(self, index: int) -> bool:
        """Whether no step from `index` on can show any more that the new state is wrong."""
        proofs = [at for at, step in enumerate(self.steps) if isinstance(step, ProveEngine)]
        return index > (proofs[-1] if proofs else len(self.steps) - 1)


class Journal:
    """The transactions of a state file."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def open(
        self,
        identity: str,
        plan: Plan,
        *,
        generation: int,
        commit_action: dict[str, Json],
        invocation: str,
        now: float,
        confirm: float = 0.0,
    ) -> OpenTransaction:
        """Store a transaction and its way back before its first effect."""
        with self._state.write() as connection:
            connection.execute(
                "INSERT INTO transactions (id, generation, impact, steps, way_back, commit_action,"
                " started, invocation, confirm, irreversible)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    identity,
                    generation,
                    plan.impact.word,
                    json.dumps([to_json(step) for step in plan.steps]),
                    json.dumps(way_back_to_json(plan.way_back)),
                    json.dumps(commit_action),
                    now,
                    invocation,
                    confirm,
                    json.dumps(plan.irreversible),
                ),
            )
        return OpenTransaction(
            id=identity,
            generation=generation,
            impact=plan.impact.word,
            steps=plan.steps,
            way_back=plan.way_back,
            commit_action=commit_action,
            started=now,
            invocation=invocation,
            confirm=confirm,
            irreversible=plan.irreversible,
        )

    def await_confirmation(self, transaction: str, deadline: Deadline) -> None:
        """Note that a proven transaction waits for an operator's word, and until when."""
        with self._state.write() as connection:
            connection.execute(
                "UPDATE transactions SET deadline = ? WHERE id = ?",
                (json.dumps(asdict(deadline)), transaction),
            )

    def confirm(self, transaction: str) -> None:
        """Note that the word came: from now on it is only brought to its end."""
        with self._state.write() as connection:
            connection.execute(
                "UPDATE transactions SET deadline = NULL, confirm = 0 WHERE id = ?", (transaction,)
            )

    def begin(
        self, transaction: str, direction: str, position: int, step: Step, *, now: float
    ) -> int:
        """Note that a step begins, give the entry's number."""
        with self._state.write() as connection:
            cursor = connection.execute(
                "INSERT INTO step_log (txn, direction, position, name, began, state)"
                " VALUES (?, ?, ?, ?, ?, 'running')",
                (transaction, direction, position, step_name(step), now),
            )
            return int(cursor.lastrowid or 0)

    def end(self, entry: int, *, state: str, outcome: Json, now: float) -> None:
        """Note how the step of an entry ended: `done` or `failed`."""
        with self._state.write() as connection:
            connection.execute(
                "UPDATE step_log SET ended = ?, state = ?, outcome = ? WHERE number = ?",
                (now, state, json.dumps(outcome), entry),
            )

    def slowest_start(self, transaction: str) -> float:
        """Give the seconds of the transaction's slowest start of the engine, 0 without one."""
        rows = self._state.rows(
            "SELECT outcome FROM step_log WHERE txn = ? AND state = 'done' AND outcome IS NOT NULL",
            transaction,
        )
        outcomes = [json.loads(row["outcome"]) for row in rows]
        started = [one for one in outcomes if isinstance(one, dict) and "started" in one]
        return max((float(one["seconds"]) for one in started), default=0.0)

    def go_back(self, transaction: str, cause: str, reason: str) -> None:
        """Note why the way back is gone, the first time that this is said."""
        if self.why_back(transaction) == ("", ""):
            self._state.remember(_RETURNING, json.dumps([transaction, cause, reason]))

    def why_back(self, transaction: str) -> tuple[str, str]:
        """Give cause and reason of a transaction's way back; empty where it has not begun."""
        known = json.loads(self._state.fact(_RETURNING) or '["", "", ""]')
        return (known[1], known[2]) if known[0] == transaction else ("", "")

    def close(self, transaction: str, *, verdict: str, reason: str | None, now: float) -> None:
        """Note the verdict; the transaction is over. What is no longer kept goes with it."""
        with self._state.write() as connection:
            connection.execute(
                "UPDATE transactions SET finished = ?, verdict = ?, reason = ? WHERE id = ?",
                (now, verdict, reason, transaction),
            )
            prune(connection)

    def keep_evidence(
        self, transaction: str, moment: str, document: dict[str, Json], *, now: float
    ) -> None:
        """Keep what was to be seen at a bad moment of a transaction; once for each moment."""
        with self._state.write() as connection:
            connection.execute(
                "INSERT INTO evidence (txn, moment, at, document) SELECT ?1, ?2, ?3, ?4"
                " WHERE NOT EXISTS (SELECT 1 FROM evidence WHERE txn = ?1 AND moment = ?2)",
                (transaction, moment, now, json.dumps(document)),
            )

    def unfinished(self) -> OpenTransaction | None:
        """Give the transaction that has not ended, if there is one.

        OfAnotherRelease where this one cannot read what is to be done.
        """
        rows = self._state.rows(
            "SELECT * FROM transactions WHERE finished IS NULL ORDER BY rowid LIMIT 1"
        )
        if not rows:
            return None
        row = rows[0]
        try:
            steps: tuple[Step, ...] = tuple(from_json(step) for step in json.loads(row["steps"]))
            way_back = way_back_from_json(json.loads(row["way_back"]))
            deadline = Deadline(**json.loads(row["deadline"])) if row["deadline"] else None
        except (KeyError, TypeError) as error:
            raise OfAnotherRelease(row["id"], str(error)) from error
        log = self._state.rows("SELECT * FROM step_log WHERE txn = ? ORDER BY number", row["id"])
        back = [entry for entry in log if entry["direction"] == BACK]
        log = [entry for entry in log if entry["direction"] == FORWARD]
        outcomes: dict[str, Json] = {}
        for entry in log:
            if entry["outcome"] is not None and entry["state"] == "done":
                outcomes[type(steps[entry["position"]]).__name__] = json.loads(entry["outcome"])
        for entry in back:
            step = way_back[entry["position"]].step
            found = json.loads(entry["outcome"] or "null") if entry["state"] == "done" else None
            if found is not None and isinstance(step, WriteFile | RemoveFile):
                outcomes[type(step).__name__] = found
        finished = {entry["position"] for entry in log if entry["state"] == "done"}
        return OpenTransaction(
            id=row["id"],
            generation=row["generation"],
            impact=row["impact"],
            steps=steps,
            way_back=way_back,
            commit_action=json.loads(row["commit_action"]),
            started=row["started"],
            invocation=row["invocation"],
            begun=max((entry["position"] for entry in log), default=-1),
            completed=len(finished),
            returning=bool(back) or self.why_back(row["id"]) != ("", ""),
            undone=frozenset(entry["position"] for entry in back if entry["state"] == "done"),
            outcomes=outcomes,
            confirm=row["confirm"],
            deadline=deadline,
            irreversible=tuple(json.loads(row["irreversible"])),
        )

    def newest(self) -> LastTransaction | None:
        """Give the transaction that ended last, whatever the clock said."""
        rows = self._state.rows(
            "SELECT * FROM transactions WHERE finished IS NOT NULL ORDER BY rowid DESC LIMIT 1"
        )
        if not rows:
            return None
        row = rows[0]
        return LastTransaction(
            transaction=row["id"],
            generation=row["generation"],
            verdict=Verdict(row["verdict"]),
            impact=row["impact"],
            reason=row["reason"],
            started=row["started"],
            finished=row["finished"],
            steps=self.views(row["id"], now=row["finished"]),
            irreversible=tuple(json.loads(row["irreversible"])),
        )

    def ended_well(self) -> frozenset[str]:
        """Give the transactions that are over, on the old state or the new one."""
        rows = self._state.rows(
            "SELECT id FROM transactions WHERE finished IS NOT NULL AND verdict != 'degraded'"
        )
        return frozenset(row["id"] for row in rows)

    def views(self, transaction: str, *, now: float) -> tuple[StepView, ...]:
        """Give the steps as a person reads them, in the order they were done."""
        rows = self._state.rows("SELECT * FROM step_log WHERE txn = ? ORDER BY number", transaction)
        return tuple(
            StepView(
                name=f"undo: {row['name']}" if row["direction"] == BACK else row["name"],
                state=row["state"],
                seconds=round(max((row["ended"] or now) - row["began"], 0.0), 3),
            )
            for row in rows
        )
