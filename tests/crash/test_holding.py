"""What is held for a maintenance window, and fights with another writer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dockcfgd.model.status import Condition, Status
from tests.crash.lives import DAEMON_JSON, Lives
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

# 1800000000 is 2027-01-15 08:00 in UTC; FakeHost's clock begins an hour later.
_WINDOW = 'maintenance-windows = ["12:00/2h"]'
_RESTART = f'[engine]\nlog-driver = "local"\n[policy]\n{_WINDOW}'


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path, FakeHost())


def _said(status: Status) -> tuple[Condition, str | None]:
    return status.condition, status.reason


class TestWindows:
    def test_a_restart_waits_for_its_window(self, lives: Lives) -> None:
        lives.want(_RESTART)
        condition, reason = _said(lives.look())
        assert condition is Condition.PENDING
        assert str(reason).startswith("waits for the maintenance window 12:00/2h, which opens")
        assert lives.later(2 * 3600).condition is Condition.PENDING
        assert lives.files.daemon_json is None
        assert lives.later(3600).condition is Condition.IN_SYNC
        assert lives.files.document == {"log-driver": "local"}

    def test_an_open_window_is_used_to_its_end(self, lives: Lives) -> None:
        lives.host.clock.advance(5 * 3600 - 120)
        lives.want(_RESTART)
        assert lives.look().condition is Condition.IN_SYNC

    def test_a_window_that_is_over_is_not(self, lives: Lives) -> None:
        lives.host.clock.advance(5 * 3600)
        lives.want(_RESTART)
        assert lives.look().condition is Condition.PENDING

    def test_a_reload_does_not_wait(self, lives: Lives) -> None:
        lives.want(f"[engine]\ndebug = true\n[policy]\n{_WINDOW}")
        assert lives.look().condition is Condition.IN_SYNC

    def test_an_operator_does_not_wait(self, lives: Lives) -> None:
        lives.want(_RESTART)
        assert lives.apply().condition is Condition.IN_SYNC

    def test_one_that_never_opens_is_said(self, lives: Lives) -> None:
        lives.want(_RESTART.replace("12:00", "never"))
        reason = "no maintenance window will ever open again"
        assert _said(lives.look()) == (Condition.PENDING, reason)

    def test_one_that_is_not_understood_is_refused(self, lives: Lives) -> None:
        lives.want(_RESTART.replace("12:00", "noon"))
        status = lives.look()
        assert status.condition is Condition.REJECTED
        assert [error.key for error in status.errors] == ["policy.maintenance-windows"]
        assert status.errors[0].line == 5

    def test_drift_that_takes_a_restart_waits_too(self, lives: Lives) -> None:
        lives.want(f'{_RESTART}\ndrift-max-impact = "restart"')
        lives.apply()
        lives.host.files.put(DAEMON_JSON, '{"log-driver": "journald"}')
        lives.host.dockerd.stop()
        lives.host.systemd.boot()
        assert lives.look().condition is Condition.PENDING
        assert lives.later(3 * 3600).condition is Condition.IN_SYNC


class TestFights:
    @pytest.fixture
    def fighting(self, lives: Lives) -> Lives:
        lives.want("[engine]\ndebug = true")
        assert lives.look().condition is Condition.IN_SYNC
        return lives

    def _edit(self, lives: Lives, **document: object) -> Status:
        lives.host.files.put(DAEMON_JSON, json.dumps(document))
        return lives.later(20)

    def test_a_key_that_is_changed_again_and_again(self, fighting: Lives) -> None:
        for _ in range(3):
            assert self._edit(fighting, debug=False).condition is Condition.IN_SYNC
        for status in (self._edit(fighting, debug=False), fighting.later(5000)):
            assert status.condition is Condition.DEGRADED
            assert str(status.reason).startswith(
                "somebody else keeps changing debug: it is False again, True is wanted"
            )
        assert fighting.files.document == {"debug": False}

    def test_an_operator_ends_it(self, fighting: Lives) -> None:
        for _ in range(4):
            self._edit(fighting, debug=False)
        assert fighting.apply().condition is Condition.IN_SYNC
        assert self._edit(fighting, debug=False).condition is Condition.IN_SYNC

    def test_a_new_desired_state_ends_it(self, fighting: Lives) -> None:
        for _ in range(4):
            self._edit(fighting, debug=False)
        fighting.want("[engine]\ndebug = true\nmtu = 1400")
        assert fighting.look().condition is Condition.IN_SYNC

    def test_one_whose_edits_are_adopted(self, fighting: Lives) -> None:
        fighting.want('[engine]\ndebug = true\n[policy]\non-drift = "adopt"')
        assert fighting.look().condition is Condition.IN_SYNC
        for debug in (False, True, False):
            assert self._edit(fighting, debug=debug).condition is Condition.IN_SYNC
        status = self._edit(fighting, debug=True)
        assert status.condition is Condition.DEGRADED
        assert str(status.reason).startswith("somebody else keeps changing debug: ")
        assert fighting.apply().condition is Condition.IN_SYNC

    def test_seldom_edits_are_put_back(self, fighting: Lives) -> None:
        for _ in range(6):
            assert self._edit(fighting, debug=False).condition is Condition.IN_SYNC
            fighting.host.clock.advance(300)

    def test_there_is_a_bound_over_all_keys(self, fighting: Lives) -> None:
        keys = ["debug", "labels", "max-concurrent-uploads", "max-concurrent-downloads"]
        fighting.want(
            '[engine]\ndebug = true\nlabels = ["a=b"]\n'
            "max-concurrent-uploads = 2\nmax-concurrent-downloads = 2"
        )
        assert fighting.look().condition is Condition.IN_SYNC
        full = fighting.files.document
        conditions = []
        for turn in range(11):
            key = keys[turn % 4]
            left = {name: value for name, value in full.items() if name != key}
            conditions.append(self._edit(fighting, **left).condition)
        assert conditions == [Condition.IN_SYNC] * 10 + [Condition.DEGRADED]
