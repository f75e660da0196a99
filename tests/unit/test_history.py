"""What the state file tells of transactions that were applied."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from dockcfgd.chronicle import read_generation
from dockcfgd.history import History, past_transactions, read_past
from dockcfgd.model import steps as do
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Plan
from dockcfgd.model.status import Status
from dockcfgd.planning.outage import last_outage
from dockcfgd.state_file import StateFile
from dockcfgd.state_schema import MIGRATIONS
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


_SAID = ("the build cache is not moved", "containers with --rm that run now end")


def test_what_a_plan_said_does_not_come_back_stays_with_its_transaction(tmp_path: Path) -> None:
    state = StateFile(str(tmp_path / "state.db"))
    journal = Journal(state)
    plan = Plan(impact=Impact.MIGRATE, steps=(do.NoteRunning(),), irreversible=_SAID)
    opened = journal.open("t", plan, generation=1, commit_action={}, invocation="", now=1.0)
    assert opened.irreversible == _SAID
    assert journal.unfinished() == opened
    journal.close("t", verdict="applied", reason=None, now=2.0)
    newest = journal.newest()
    assert newest is not None
    assert newest.irreversible == _SAID
    History(state).keep_status(Status(version="1", pid=7, since=5.0, last=newest).document())
    assert History(state).last_shown() == newest
    state.close()


def test_of_a_transaction_of_an_older_release_nothing_is_said(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    connection = sqlite3.connect(path, isolation_level=None)
    for script in MIGRATIONS[:3]:
        connection.executescript(script)
    connection.execute("PRAGMA user_version = 3")
    connection.execute(
        "INSERT INTO generations (number, created, digest, origin, comment, actor)"
        " VALUES (1, 1, 'd', 'desired', '', '')"
    )
    connection.execute(
        "INSERT INTO transactions (id, generation, impact, steps, way_back, commit_action, started,"
        " finished, verdict, invocation)"
        " VALUES ('t', 1, 'migrate', '[]', '[]', '{}', 1, 2, 'applied', '')"
    )
    connection.close()
    state = StateFile(path)
    newest = Journal(state).newest()
    assert newest is not None
    assert newest.irreversible == ()
    history = History(state)
    document = Status(version="1", pid=7, since=5.0, last=newest).document()
    last = document["last"]
    assert isinstance(last, dict)
    del last["irreversible"]
    history.keep_status(document)
    assert history.last_shown() == newest
    state.close()
    (shown,) = read_generation(path, 1)["transactions"]
    assert shown["irreversible"] == []


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
