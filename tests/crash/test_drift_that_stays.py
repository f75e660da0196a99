"""Drift that cannot be put back: what is in force stays known, and nobody is accused of it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

WANTED = '[engine]\ndebug = true\nlabels = ["a=b"]'

PLAIN = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"\n'
DAEMON_JSON = "/etc/docker/daemon.json"


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        lives = Lives(Path(folder), FakeHost())
        lives.want(WANTED)
        assert lives.look().condition is Condition.IN_SYNC
        yield lives


def refuse_local(config: Mapping[str, object]) -> str | None:
    return "no such log driver" if config.get("log-driver") == "local" else None


def edit(lives: Lives) -> None:
    lives.host.files.put(DAEMON_JSON, '{"debug": false, "labels": ["a=b"]}')


def fail(lives: Lives, place: str, times: int) -> None:
    left = [OSError(errno.EROFS, os.strerror(errno.EROFS), "/etc/docker") for _ in range(times)]

    def passed(label: str) -> None:
        if label == place and left:
            raise left.pop()

    lives.host.cuts.watch(passed)


def test_what_is_in_force_stays_ours(lives: Lives) -> None:
    fail(lives, f"before writing {DAEMON_JSON}", 1)
    edit(lives)
    status = lives.look()
    assert status.last is not None
    assert (status.condition, status.last.verdict) == (Condition.DEGRADED, Verdict.ROLLED_BACK)
    # It is given up before it could be put back: what dockcfgd wrote goes all the same.
    lives.want("")
    assert lives.later(301).condition is Condition.IN_SYNC
    assert "labels" not in lives.files.document


def test_it_is_no_fight(lives: Lives) -> None:
    fail(lives, f"before writing {DAEMON_JSON}", 5)
    edit(lives)
    for seconds in (0, 31, 61, 121, 241):
        status = lives.later(seconds)
        assert "somebody else" not in (status.reason or "")
    assert lives.later(301).condition is Condition.IN_SYNC
    assert lives.files.document["debug"] is True


def test_one_that_is_of_no_use_to_try_again_is_no_refusal(lives: Lives) -> None:
    """The state in force was accepted: that it cannot be kept is the host's trouble now."""
    lives.want(f'{PLAIN}drift-max-impact = "restart"')
    assert lives.look().condition is Condition.IN_SYNC
    lives.host.files.put(DAEMON_JSON, '{"log-driver": "journald"}')
    lives.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    lives.host.refuse_start(refuse_local)
    status = lives.look()
    assert status.last is not None
    assert (status.condition, status.last.verdict) == (Condition.DEGRADED, Verdict.ROLLED_BACK)
    assert (status.reason or "").startswith("cannot keep the state in force: ")
    status = lives.later()
    assert status.condition is Condition.DEGRADED
    assert (status.reason or "").startswith("cannot keep the state in force: ")


def test_an_apply_that_waits_for_the_engine_is_not_called_applied(lives: Lives) -> None:
    lives.host.dockerd.hangs = True
    status = lives.apply(("50-more.toml", 'schema = 1\n[engine]\nlog-driver = "local"\n'))
    assert status.last is not None
    assert status.last.verdict is Verdict.REFUSED
    assert "waiting for the engine" in (status.last.reason or "")
    assert "nothing was written" in (status.last.reason or "")
    assert not any(path.endswith("50-more.toml") for path in lives.host.files.snapshot())
    lives.host.dockerd.hangs = False
    assert lives.later().condition is Condition.IN_SYNC
    assert "log-driver" not in lives.files.document


def test_nor_does_it_cost_what_is_in_force(lives: Lives) -> None:
    edit(lives)
    lives.host.dockerd.hangs = True
    status = lives.apply(("50-same.toml", "schema = 1\n[engine]\ndebug = true\n"))
    assert status.last is not None
    assert status.last.verdict is Verdict.REFUSED
    lives.host.dockerd.hangs = False
    lives.want("")
    assert lives.later(61).condition is Condition.IN_SYNC
    assert "labels" not in lives.files.document


class TestAnApplyThatIsRefused:
    FILE = ("50-more.toml", 'schema = 1\n[engine]\nhosts = ["unix:///x"]\n')

    @pytest.fixture
    def failed(self, lives: Lives) -> Lives:
        lives.want(PLAIN)
        lives.host.refuse_start(refuse_local)
        assert lives.look().condition is Condition.REJECTED
        lives.host.dockerd.refusals.clear()
        return lives

    def test_leaves_what_failed_alone(self, failed: Lives) -> None:
        jobs = list(failed.host.systemd.jobs)
        status = failed.apply(self.FILE)
        assert status.last is not None
        assert status.last.verdict is Verdict.REFUSED
        assert failed.later().condition is Condition.REJECTED
        assert failed.host.systemd.jobs == jobs

    def test_leaves_a_degraded_host_alone(self, lives: Lives) -> None:
        lives.want(PLAIN)
        lives.host.refuse_start(refuse_local)
        once = [True]

        def spoil(label: str) -> None:
            if label == f"after: restart {DOCKER_SERVICE}" and once.pop():
                lives.host.refuse_start(lambda _: "the disk is gone")
                once.append(False)

        lives.host.cuts.watch(spoil)
        assert lives.look().condition is Condition.DEGRADED
        lives.host.dockerd.refusals.clear()
        jobs = list(lives.host.systemd.jobs)
        lives.apply(self.FILE)
        status = lives.later()
        assert status.condition is Condition.DEGRADED
        assert "the disk is gone" in (status.reason or "")
        assert lives.host.systemd.jobs == jobs
