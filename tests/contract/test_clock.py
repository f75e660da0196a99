"""ports.Clock: the machine's and the simulated one."""

from __future__ import annotations

import time

import pytest

from dockcfgd.adapters.clock import SystemClock
from dockcfgd.ports import Clock
from tests.fakes import FakeClock


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_a_sleep_takes_its_time(clock: Clock) -> None:
    now, monotonic = clock.now(), clock.monotonic()
    clock.sleep(0.05)
    assert 0.049 <= clock.monotonic() - monotonic < 1
    assert 0.04 <= clock.now() - now < 1


def test_no_time_is_no_sleep(clock: Clock) -> None:
    monotonic = clock.monotonic()
    clock.sleep(0)
    clock.sleep(-5)
    assert clock.monotonic() - monotonic < 0.04


def test_a_long_sleep_attends_to_other_things() -> None:
    attended: list[float] = []
    clock = SystemClock(attend=lambda: attended.append(time.monotonic()))
    began = clock.monotonic()
    clock.sleep(1.2)
    assert [round(moment - began) for moment in attended] == [0, 1, 1]


def test_a_sleep_of_no_time_attends_to_other_things() -> None:
    attended: list[float] = []
    SystemClock(attend=lambda: attended.append(0.0)).sleep(0)
    assert attended == [0.0]


def test_the_simulated_one_does_what_falls_due() -> None:
    clock = FakeClock()
    done: list[tuple[str, float]] = []
    began = clock.monotonic()
    clock.at(2, lambda: done.append(("second", clock.monotonic() - began)))
    clock.at(1, lambda: done.append(("first", clock.monotonic() - began)))
    clock.sleep(1.5)
    assert done == [("first", 1)]
    clock.sleep(1.5)
    assert done == [("first", 1), ("second", 2)]
