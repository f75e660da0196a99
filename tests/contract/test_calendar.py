"""Calendar expressions: systemd's own reading, and the fake's."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.calendar import SystemdCalendar
from dockcfgd.model.errors import CalendarFailure
from tests.fakes.calendar import FakeCalendar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.ports import Calendar

_REAL = pytest.param(SystemdCalendar(), id="systemd")
_NOW = 1_800_000_000.0  # 2027-01-15 08:00 in UTC, a Friday
_HOUR = 3600.0


@pytest.fixture(autouse=True)
def _universal_time() -> Iterator[None]:
    yield from _zone("UTC")


def _zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize("calendar", [_REAL, pytest.param(FakeCalendar(), id="fake")])
class TestBoth:
    def test_later_today(self, calendar: Calendar) -> None:
        assert calendar.next_after("12:00", _NOW) == _NOW + 4 * _HOUR

    def test_tomorrow(self, calendar: Calendar) -> None:
        assert calendar.next_after("07:30", _NOW) == _NOW + 23.5 * _HOUR

    def test_the_moment_itself_is_over(self, calendar: Calendar) -> None:
        assert calendar.next_after("08:00", _NOW) == _NOW + 24 * _HOUR
        assert calendar.next_after("08:00", _NOW - 1) == _NOW

    def test_what_is_not_understood(self, calendar: Calendar) -> None:
        with pytest.raises(CalendarFailure, match="cannot read the calendar expression 'noon'"):
            calendar.next_after("noon", _NOW)


@pytest.mark.parametrize("calendar", [_REAL])
class TestSystemd:
    def test_week_days(self, calendar: Calendar) -> None:
        assert calendar.next_after("Sat,Sun 02:00", _NOW) == _NOW + 18 * _HOUR

    def test_never_again(self, calendar: Calendar) -> None:
        assert calendar.next_after("2020-01-01", _NOW) is None

    def test_what_looks_like_an_option_is_an_expression(self, calendar: Calendar) -> None:
        with pytest.raises(CalendarFailure):
            calendar.next_after("--help", _NOW)

    def test_the_time_zone_is_the_machines(self, calendar: Calendar) -> None:
        for _ in _zone("Europe/Berlin"):
            assert calendar.next_after("12:00", _NOW) == _NOW + 3 * _HOUR


def test_a_missing_program_is_said() -> None:
    before = os.environ["PATH"]
    os.environ["PATH"] = "/nonexistent"
    try:
        with pytest.raises(CalendarFailure, match="systemd-analyze cannot be run"):
            SystemdCalendar().next_after("12:00", _NOW)
    finally:
        os.environ["PATH"] = before
