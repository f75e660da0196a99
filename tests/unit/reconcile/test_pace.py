"""How fast a long step goes, and how long it will still take."""

from __future__ import annotations

from dockcfgd.model.status import Progress
from dockcfgd.reconcile.pace import Pace


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_guessed_in_the_first_two_seconds() -> None:
    time = Time()
    pace = Pace(time)
    pace.of("copy", item="web", done=0, total=1000, unit="bytes")
    time.now += 1.9
    told = pace.of("copy", item="web", done=500, total=1000, unit="bytes")
    assert told == Progress("copy", "web", 500, 1000, "bytes")


def test_rate_and_time_left_are_those_since_the_step_began() -> None:
    time = Time()
    pace = Pace(time)
    pace.of("copy", item="web", done=100, total=1000, unit="bytes")
    time.now += 4
    told = pace.of("copy", item="db", done=500, total=1000, unit="bytes")
    assert (told.rate, told.left) == (100.0, 5.0)


def test_another_step_and_one_that_begins_anew_are_measured_anew() -> None:
    time = Time()
    pace = Pace(time)
    pace.of("copy", item="", done=0, total=10, unit="containers")
    time.now += 5
    assert pace.of("copy", item="", done=5, total=10, unit="containers").left == 5.0
    assert pace.of("start", item="", done=6, total=10, unit="containers").left is None
    time.now += 5
    assert pace.of("start", item="", done=7, total=10, unit="containers").rate == 0.2
    assert pace.of("start", item="", done=0, total=10, unit="containers").rate is None
    time.now += 5
    assert pace.of("start", item="", done=0, total=10, unit="containers").rate is None


def test_more_than_there_was_said_to_be_leaves_nothing() -> None:
    time = Time()
    pace = Pace(time)
    pace.of("copy", item="", done=0, total=10, unit="bytes")
    time.now += 2
    assert pace.of("copy", item="", done=20, total=10, unit="bytes").left == 0.0
