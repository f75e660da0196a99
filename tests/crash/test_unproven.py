"""What was written while the engine was down, and how its next start proves it or takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockcfgd.model.status import Condition, Verdict
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

BAD = '[engine]\nmetrics-addr = "127.0.0.1:9323"'
BOUND = "failed to start daemon: listen tcp 127.0.0.1:9323: bind: address already in use"


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    host = FakeHost(daemon_json='{"debug": true, "labels": ["rack=7"]}')
    host.run("web", restart="always")
    host.refuse_start(lambda config: BOUND if "metrics-addr" in str(config) else None)
    return Lives(tmp_path, host)


class TestBoot:
    def to_the_engines_start(self, lives: Lives) -> None:
        lives.host.crash()
        lives.host.clock.reboot()
        lives.host.systemd.start_waits = True

    def test_nothing_is_written_before_the_engine_is_up(self, lives: Lives) -> None:
        before = lives.files
        self.to_the_engines_start(lives)
        lives.want(BAD)
        status = lives.look()
        assert status.condition is Condition.PENDING
        assert (status.reason or "").startswith("waiting for the engine: ")
        assert lives.files == before
        lives.host.systemd.boot()
        status = lives.look()
        assert status.condition is Condition.REJECTED
        assert BOUND in (status.reason or "")
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert lives.files == before
        assert lives.host.names(running=True) == ["web"]

    def test_a_good_one_is_made_when_it_is_up(self, lives: Lives) -> None:
        self.to_the_engines_start(lives)
        lives.want('[engine]\nlog-driver = "local"')
        lives.look()
        assert "log-driver" not in lives.files.document
        lives.host.systemd.boot()
        assert lives.look().condition is Condition.IN_SYNC
        assert lives.files.document["log-driver"] == "local"
