"""Two thousand generations: the file stays small, and nothing that is needed is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockcfgd.history import History, Unproven, Unread
from dockcfgd.model import steps as do
from dockcfgd.model.files import ABSENT, FileKind, FileState, Tag
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Plan
from dockcfgd.planning.target import Target
from dockcfgd.retention import GENERATIONS
from dockcfgd.state_file import StateFile
from dockcfgd.transaction.journal import FORWARD, Journal

_PATH = "/etc/docker/daemon.json"
_MANY = 2000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(tmp_path)
    with tempfile.TemporaryDirectory(dir=where) as name:
        yield Path(name)


def file(content: bytes) -> FileState:
    return FileState(_PATH, FileKind.REGULAR, Tag("x", 1, 2, 0o600), content)


NO_FILE = FileState("/drop-in", FileKind.ABSENT, ABSENT)
TARGET = Target({}, None, frozenset(), frozenset(), owns_drop_in=False)


@dataclass
class Past:
    """A state file being filled."""

    state: StateFile

    def __post_init__(self) -> None:
        self.history, self.journal = History(self.state), Journal(self.state)

    def add(self, number: int, *, verdict: str) -> int:
        """Try a generation with a file of its own, and all that belongs to it."""
        content = (f"{number} " * 3000).encode()
        generation = self.history.add(
            digest=f"digest-{number}", origin="desired", comment="", actor="", now=float(number)
        )
        if verdict == "refused":
            self.history.judge(generation, verdict=verdict, reason="no", impact="none")
            return generation
        step = do.WriteFile(_PATH, content, (ABSENT,))
        plan = Plan(impact=Impact.RESTART, steps=(step,))
        name = f"t{number}"
        self.journal.open(
            name, plan, generation=generation, commit_action={}, invocation="", now=float(number)
        )
        entry = self.journal.begin(name, FORWARD, 0, step, now=float(number))
        self.journal.end(entry, state="done", outcome=None, now=number + 0.5)
        if verdict == "applied":
            self.history.mark_applied(
                generation, TARGET, file(content), NO_FILE, held="", now=float(number)
            )
        else:
            self.journal.keep_evidence(name, "failed", {"engine": [], "x": "y" * 20_000}, now=0.0)
            self.history.judge(generation, verdict=verdict, reason="no", impact="restart")
            self.history.remember_failure(f"digest-{number}", "28", "no")
        self.journal.close(name, verdict=verdict, reason=None, now=number + 1.0)
        return generation

    def leave_for_the_next_start(self, number: int) -> int:
        """Write a generation while no engine runs."""
        generation = self.history.add(
            digest=f"digest-{number}", origin="desired", comment="", actor="", now=float(number)
        )
        self.history.mark_applied(
            generation,
            TARGET,
            file(b""),
            NO_FILE,
            held="",
            now=float(number),
            invocation=Unread("a1"),
        )
        return generation

    def numbers(self) -> list[int]:
        rows = self.state.rows("SELECT number FROM generations ORDER BY number")
        return [row["number"] for row in rows]

    def count(self, table: str) -> int:
        return len(self.state.rows(f"SELECT 1 FROM {table}"))  # noqa: S608 -- a name of this test


def sizes(path: Path) -> int:
    return sum(found.stat().st_size for found in path.parent.glob("state.db*"))


@pytest.mark.timeout(240)
def test_the_file_stays_bounded_and_what_is_needed_is_kept(folder: Path) -> None:
    path = folder / "state.db"
    state = StateFile(str(path))
    past = Past(state)
    past.history.begin_with(file(b"first"), NO_FILE, now=0.0)
    verdicts = ("applied", "refused", "applied", "rolled-back")
    early, most = 0, 0
    for number in range(1, _MANY + 1):
        past.add(number, verdict=verdicts[number % 4])
        if number == _MANY // 4:
            early = sizes(path)
        most = max(most, sizes(path)) if number % 50 == 0 else most
    assert past.numbers() == [0, *range(_MANY - GENERATIONS + 1, _MANY + 1)]
    assert most < early * 1.2, (early, most)
    assert most < 25 * 1024 * 1024, most
    assert past.count("transactions") <= 300
    assert past.count("step_log") == past.count("transactions")
    assert past.count("evidence") == 20
    assert past.count("failures") == 100
    first = past.history.left_by(0)
    assert first is not None
    assert first.daemon_json == b"first"
    assert first.daemon_json_owned is not None
    assert first.daemon_json_owned.mode == 0o600
    print(f"{_MANY} generations: at most {most / 1e6:.1f} MB, after a quarter {early / 1e6:.1f} MB")
    state.close()


@pytest.mark.timeout(120)
def test_what_is_in_force_before_it_held_or_open_outlives_all_that_came_after(
    folder: Path,
) -> None:
    state = StateFile(str(folder / "state.db"))
    past = Past(state)
    past.history.begin_with(file(b"first"), NO_FILE, now=0.0)
    before, in_force = past.add(1, verdict="applied"), past.add(2, verdict="applied")
    held = past.add(3, verdict="refused")
    state.remember("held", "digest-3")
    under_way = past.history.add(digest="d", origin="desired", comment="", actor="", now=4.0)
    past.journal.open(
        "open", Plan(impact=Impact.NONE), generation=under_way, commit_action={}, invocation="",
        now=4.0,
    )  # fmt: skip
    for number in range(5, 5 + GENERATIONS * 2):
        past.add(number, verdict="refused")
    assert past.numbers()[:5] == [0, before, in_force, held, under_way]
    assert len(past.numbers()) == GENERATIONS + 5
    assert past.history.before(in_force) == before
    unfinished = past.journal.unfinished()
    assert unfinished is not None
    assert unfinished.id == "open"
    assert past.history.never_in_force(7).startswith("there is no generation 7: 0 and ")
    state.close()


@pytest.mark.timeout(120)
def test_what_an_engine_ran_on_last_outlives_all_that_none_has_run_on(folder: Path) -> None:
    state = StateFile(str(folder / "state.db"))
    past = Past(state)
    past.history.begin_with(file(b"first"), NO_FILE, now=0.0)
    proven = past.add(1, verdict="applied")
    later = range(2, GENERATIONS + 10)
    newest = [past.leave_for_the_next_start(number) for number in later][-1]
    assert past.numbers()[:2] == [0, proven]
    assert past.history.unproven == Unproven(newest, proven, "a1")
    past.history.take_back_unproven(verdict="rolled-back", reason="no")
    assert past.history.applied_generation() == (proven, 1.0)
    assert past.history.unproven is None
    assert past.history.before(newest + 1) == proven
    state.close()


@pytest.mark.timeout(120)
def test_one_generation_kept_for_years_against_drift(folder: Path) -> None:
    path = folder / "state.db"
    state = StateFile(str(path))
    past = Past(state)
    generation = past.add(1, verdict="applied")
    for number in range(1000):
        name = f"drift-{number}"
        step = do.WriteFile(_PATH, bytes(5000), (ABSENT,))
        past.journal.open(
            name,
            Plan(impact=Impact.RELOAD, steps=(step,)),
            generation=generation,
            commit_action={},
            invocation="",
            now=float(number),
        )
        past.journal.close(name, verdict="applied", reason=None, now=float(number))
    assert past.count("transactions") <= 202
    assert state.rows("SELECT 1 FROM transactions WHERE id = 't1'")
    assert sizes(path) < 8 * 1024 * 1024
    state.close()
