"""A change is open that another release began, with a step that this one does not know."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockcfgd.model.status import Condition, Phase, Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.reconcile.requests import Confirm, Resume
from tests.crash.lives import Lives
from tests.fakes.cuts import Crash
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.reconcile.requests import Request

OURS, THEIRS = '"@": "NoteRunning"', '"@": "NoteEverything"'
RESTARTED = f"after: restart {DOCKER_SERVICE}"


def renamed(lives: Lives, old: str, new: str) -> str:
    """Call a step of the open change otherwise; give the change."""
    with contextlib.closing(sqlite3.connect(lives.settings.state_file)) as connection, connection:
        (name, steps), *_ = connection.execute(
            "SELECT id, steps FROM transactions WHERE finished IS NULL"
        )
        assert old in steps
        told = steps.replace(old, new)
        connection.execute("UPDATE transactions SET steps = ? WHERE id = ?", (told, name))
    return str(name)


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    """Killed right after the engine was restarted, and replaced by an older release."""
    lives = Lives(tmp_path, FakeHost(daemon_json='{"debug": true}'))
    lives.host.run("web", restart="always")
    lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')

    def kill(label: str) -> None:
        if label == RESTARTED:
            raise Crash(label)

    lives.host.cuts.watch(kill)
    assert lives.live() is None
    lives.host.cuts.unwatch()
    lives.host.cuts.restart()
    return lives


def check_left_alone(lives: Lives, status: Status, change: str) -> None:
    assert (status.condition, status.phase) == (Condition.DEGRADED, Phase.IDLE)
    assert status.reason is not None
    assert status.reason.startswith(
        f"cannot end change {change}: another release of dockcfgd began it"
    )
    assert "'NoteEverything'" in status.reason
    assert "install that release again, or a newer one" in status.reason
    assert lives.files.document == {"debug": True, "log-driver": "local"}


def test_it_is_left_alone_and_told_what_to_do(lives: Lives) -> None:
    change = renamed(lives, OURS, THEIRS)
    lives.host.systemd.jobs.clear()
    check_left_alone(lives, lives.look(), change)
    check_left_alone(lives, lives.later(400), change)
    check_left_alone(lives, lives.apply(), change)
    assert lives.ended[-1] == ("apply-1", "degraded")
    assert f"cannot end change {change}" in lives.say(partial(Confirm, ""))
    assert lives.host.systemd.jobs == []


def test_the_release_that_began_it_finishes_it(lives: Lives) -> None:
    change = renamed(lives, OURS, THEIRS)
    check_left_alone(lives, lives.look(), change)
    renamed(lives, THEIRS, OURS)
    assert lives.look().condition is Condition.DEGRADED
    assert lives.later().condition is Condition.IN_SYNC
    verdicts = {one.last.verdict for one in lives.told if one.last and one.last.verdict}
    assert verdicts == {Verdict.ROLLED_BACK, Verdict.APPLIED}
    assert lives.host.names(running=True) == ["web"]


def test_the_engine_starts_on_the_old_files_although_dockcfgd_lives(lives: Lives) -> None:
    renamed(lives, OURS, THEIRS)

    def restart_meanwhile(answered: Callable[[str], None]) -> Request:
        def restart(why: str) -> None:
            lives.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
            answered(why)

        return Resume(restart)

    status = lives.live(word=restart_meanwhile)
    assert "is taken back" in lives.recovered[-1]
    assert lives.files.document == {"debug": True}
    assert status is not None
    assert status.condition is Condition.DEGRADED
    renamed(lives, THEIRS, OURS)
    assert lives.look().condition is Condition.DEGRADED
    assert lives.later().condition is Condition.IN_SYNC
    assert lives.files.document == {"debug": True, "log-driver": "local"}
