"""What the state file tells of transactions that were applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.history import past_transactions, read_past
from dockcfgd.model import steps as do
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Plan
from dockcfgd.planning.outage import last_outage
from dockcfgd.state_file import StateFile
from dockcfgd.transaction.journal import FORWARD, Journal

if TYPE_CHECKING:
    from pathlib import Path

_PLAN = Plan(impact=Impact.RESTART, steps=(do.NoteRunning(), do.RestartEngine(90.0, bridged=True)))


def _transaction(journal: Journal, name: str, *, began: float, verdict: str) -> None:
    journal.open(name, _PLAN, generation=1, commit_action={}, invocation="", now=began)
    for position, step in enumerate(_PLAN.steps):
        entry = journal.begin(name, FORWARD, position, step, now=began + position)
        journal.end(entry, state="done", outcome=None, now=began + position + 0.75)
    journal.close(name, verdict=verdict, reason=None, now=began + 9)


def test_the_newest_applied_one_is_what_a_plan_is_compared_with(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    state = StateFile(path)
    journal = Journal(state)
    _transaction(journal, "first", began=100.0, verdict="applied")
    _transaction(journal, "second", began=200.0, verdict="applied")
    _transaction(journal, "failed", began=300.0, verdict="rolled-back")
    past = past_transactions(state)
    assert [one.id for one in past] == ["second", "first"]
    outage = last_outage(_PLAN.steps, past)
    assert outage is not None
    assert (outage.of, outage.seconds, outage.what, outage.at) == ("second", 0.8, "engine", 209.0)
    state.close()
    assert read_past(path) == past


def test_a_clock_that_was_put_back_leaves_the_order(tmp_path: Path) -> None:
    state = StateFile(str(tmp_path / "state.db"))
    journal = Journal(state)
    _transaction(journal, "first", began=200.0, verdict="applied")
    _transaction(journal, "second", began=100.0, verdict="applied")
    assert [one.id for one in past_transactions(state)] == ["second", "first"]
    newest = journal.newest()
    assert newest is not None
    assert newest.transaction == "second"
    state.close()
