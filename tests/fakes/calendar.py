"""Calendar expressions of a few simple forms."""

from __future__ import annotations

from dockcfgd.model.errors import CalendarFailure

__all__ = ["FakeCalendar"]

_DAY = 86400.0


class FakeCalendar:
    """ports.Calendar for `HH:MM` (each day, in UTC) and `never`."""

    def next_after(self, expression: str, moment: float) -> float | None:
        if expression == "never":
            return None
        hours, colon, minutes = expression.partition(":")
        if not colon or not hours.isdecimal() or not minutes.isdecimal():
            raise CalendarFailure(expression, "it is not understood")
        at = int(hours) * 3600.0 + int(minutes) * 60.0
        today = moment // _DAY * _DAY
        return next(day + at for day in (today, today + _DAY) if day + at > moment)
