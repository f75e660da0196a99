"""A proven change waits for its word while dockcfgd is dead and something starts the engine."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Phase, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.reconcile.requests import Cancel, Confirm
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

OLD = '[engine]\nlog-driver = "json-file"'
NEW = '[engine]\nlog-driver = "local"\n[policy]\nconfirm-timeout = "2m"'


@pytest.fixture
def waiting(tmp_path: Path) -> Lives:
    return made_to_wait(tmp_path / "waiting")


def made_to_wait(folder: Path) -> Lives:
    folder.mkdir()
    lives = Lives(folder, FakeHost())
    lives.host.run("web", restart="always")
    lives.want(OLD)
    assert lives.look().condition is Condition.IN_SYNC
    lives.want(NEW)
    assert lives.look().phase is Phase.AWAITING_CONFIRMATION
    return lives


def boot(lives: Lives, *, after: float) -> str:
    """Lose power, boot after a time; give the log driver that the engine starts with."""
    lives.host.power_cut()
    lives.host.clock.advance(after)
    lives.host.boot()
    process = lives.host.dockerd.process
    assert process is not None
    return str(process.config.get("log-driver", "json-file"))


def test_within_its_time_the_engine_starts_on_the_new_state(waiting: Lives) -> None:
    assert boot(waiting, after=60) == "local"
    assert "awaits confirmation until" in waiting.recovered[-1]
    assert waiting.look().phase is Phase.AWAITING_CONFIRMATION
    assert waiting.say(partial(Confirm, "")) == ""
    assert boot(waiting, after=1000) == "local"


def test_after_its_time_the_engine_starts_on_the_old_state(waiting: Lives) -> None:
    assert boot(waiting, after=121) == "json-file"
    status = waiting.look()
    assert status.last is not None
    assert (status.condition, status.reason) == (Condition.REJECTED, "not confirmed in time")
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert waiting.files.document == {"log-driver": "json-file"}
    assert waiting.host.names(running=True) == ["web"]


@pytest.mark.timeout(300)
def test_a_cancel_that_is_cut_off_never_leaves_a_mix(tmp_path: Path) -> None:
    """From its first effect on the change is not waited for any more, whatever its deadline."""
    tried, number, seen = 0, 0, set()
    every = 1 if os.environ.get("DOCKCFGD_PROOF") == "1" else 3
    while True:
        waiting = made_to_wait(tmp_path / str(number))
        waiting.host.cuts.restart(crash_at=number)
        if waiting.live(word=partial(Cancel, "", "root")) is not None:
            break
        driver = boot(waiting, after=0)
        assert waiting.files.document["log-driver"] == driver, f"cut at {number}"
        status = waiting.look()
        # A cancel that was noted goes on, also where the engine began on the new state.
        waits = status.phase is Phase.AWAITING_CONFIRMATION
        assert waits or status.condition is Condition.REJECTED, f"cut at {number}"
        left = waiting.files.document["log-driver"]
        assert left == ("local" if waits else "json-file"), f"cut at {number}"
        seen.add(driver)
        tried, number = tried + 1, number + every
    print(f"cancel: {tried} of {number} places to lose power at, 0 failed")
    assert seen == {"local", "json-file"}


@pytest.mark.timeout(300)
def test_a_confirmation_that_is_cut_off_never_leaves_a_mix(tmp_path: Path) -> None:
    """Files of `apply` lie on disk only once it is confirmed: no newer desired state by that."""
    tried, number, every = 0, 0, 1 if os.environ.get("DOCKCFGD_PROOF") == "1" else 2
    seen = set()
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        lives = Lives(folder, FakeHost())
        lives.want(OLD)
        assert lives.look().condition is Condition.IN_SYNC
        file = ("50-more.toml", 'schema = 1\n[engine]\nlog-driver = "local"\n')
        assert lives.apply(file, confirm=120.0).phase is Phase.AWAITING_CONFIRMATION
        lives.host.cuts.restart(crash_at=number)
        if lives.live(word=partial(Confirm, "")) is not None:
            break
        lives.host.cuts.restart(crash_at=None)
        status = lives.look()
        waits = status.phase is Phase.AWAITING_CONFIRMATION
        assert waits or status.condition is Condition.IN_SYNC, f"cut at {number}: {status.reason}"
        assert lives.files.document["log-driver"] == "local", f"cut at {number}"
        seen.add(waits)
        status = lives.later(121)
        left = lives.files.document["log-driver"]
        assert left == ("json-file" if waits else "local"), f"cut at {number}"
        tried, number = tried + 1, number + every
    print(f"confirm: {tried} of {number} places to be killed at, 0 failed")
    assert seen == {True, False}


def test_started_by_hand_after_its_time(waiting: Lives) -> None:
    waiting.host.clock.advance(121)
    waiting.host.systemd.reset_failed(DOCKER_SERVICE)
    waiting.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    assert waiting.files.document == {"log-driver": "json-file"}
    assert "is taken back" in waiting.recovered[-1]


def test_a_clock_that_was_set_does_not_end_its_time(waiting: Lives) -> None:
    """Within a boot, dockcfgd being away: as it does itself."""
    waiting.host.clock.jump(7200)
    waiting.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    assert "awaits confirmation until" in waiting.recovered[-1]
    assert waiting.look().phase is Phase.AWAITING_CONFIRMATION
    assert waiting.files.document["log-driver"] == "local"
    waiting.host.clock.jump(-90_000)
    waiting.host.clock.advance(121)
    waiting.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    assert "is taken back" in waiting.recovered[-1]
    assert waiting.files.document["log-driver"] == "json-file"
