"""Maintenance windows: whether one is open, and when the next one opens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model.errors import CalendarFailure, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.policy import Window
    from dockcfgd.ports import Calendar

__all__ = ["ALWAYS", "Opening", "opening", "unreadable", "unreadable_schedule"]


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a window is open; where not, why one waits and when the next opens, if ever."""

    open: bool
    reason: str = ""
    next: float | None = None


ALWAYS = Opening(open=True)


def opening(windows: Iterable[Window], calendar: Calendar, now: float) -> Opening:
    """Tell how the windows stand at `now`; without any it is always open.

    One is open from the moment that its expression elapses until its length is over.
    """
    nearest: tuple[float, Window] | None = None
    some = False
    for window in windows:
        some = True
        begun = calendar.next_after(window.expression, now - window.seconds)
        if begun is not None and begun <= now:
            return ALWAYS
        if begun is not None and (nearest is None or begun < nearest[0]):
            nearest = (begun, window)
    if not some:
        return ALWAYS
    if nearest is None:
        return Opening(open=False, reason="no maintenance window will ever open again")
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(nearest[0]))
    reason = f"waits for the maintenance window {nearest[1].text}, which opens {when}"
    return Opening(open=False, reason=reason, next=nearest[0])


def unreadable(windows: Iterable[Window], calendar: Calendar, now: float) -> Iterable[Finding]:
    """Find expressions that systemd does not understand."""
    for window in windows:
        try:
            calendar.next_after(window.expression, now)
        except CalendarFailure as failure:
            yield Finding(
                key="policy.maintenance-windows",
                message=str(failure),
                hint='write a calendar expression and a length, as "Sat,Sun 02:00/2h";'
                " see systemd.time(7)",
            )


def unreadable_schedule(schedule: str, calendar: Calendar, now: float) -> Iterable[Finding]:
    """Find that systemd does not understand when backups are to be made."""
    if not schedule:
        return
    try:
        calendar.next_after(schedule, now)
    except CalendarFailure as failure:
        yield Finding(
            key="backup.schedule",
            message=str(failure),
            hint='write a calendar expression, as "daily" or "Sat 03:00"; see systemd.time(7)',
        )
