from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.serving import Serving
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.host import UnitState
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Systemd(type(FakeHost().systemd)):  # type: ignore[misc]  # only `unit` matters here
    """Knows one process, and counts who asks."""

    def __init__(self, pid: int) -> None:
        self.pid, self.asked, self.answers = pid, 0, True

    def unit(self, name: str) -> UnitState:
        self.asked += 1
        if not self.answers:
            raise SystemdFailure(what="ask", name="x", why="gone")
        return UnitState(name, "loaded", "active", "running", main_pid=self.pid)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started
        started.kill()


def test_many_questions_in_a_row_are_one_to_systemd(process: subprocess.Popen[bytes]) -> None:
    systemd = _Systemd(process.pid)
    serving = Serving(systemd)
    assert all(serving() for _ in range(100))
    assert systemd.asked == 1


def test_an_old_answer_does_not_count(process: subprocess.Popen[bytes]) -> None:
    systemd = _Systemd(process.pid)
    serving = Serving(systemd)
    assert serving()
    time.sleep(0.6)
    assert serving()
    assert systemd.asked == 2


def test_a_process_that_ended_is_noticed_at_once(process: subprocess.Popen[bytes]) -> None:
    systemd = _Systemd(process.pid)
    serving = Serving(systemd)
    assert serving()
    process.kill()
    process.wait()
    systemd.pid = 0
    assert not serving()


def test_no_process_and_no_answer() -> None:
    systemd = _Systemd(0)
    assert not Serving(systemd)()
    systemd.answers = False
    assert not Serving(systemd)()
