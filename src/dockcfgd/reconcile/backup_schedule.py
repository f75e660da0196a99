"""When a backup is due by schedule. One that was missed is made once, as soon as it can be."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from dockcfgd.model.errors import CalendarFailure

if TYPE_CHECKING:
    from dockcfgd.effects import Effects
    from dockcfgd.state_file import StateFile

__all__ = ["BackupSchedule"]

_SINCE = "backup-schedule"


class BackupSchedule:
    """The schedule in force, and from when on its next moment counts; kept over restarts."""

    def __init__(self, effects: Effects, state: StateFile) -> None:
        self._effects, self._state = effects, state
        self._expression = ""
        self._next: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """For how long there is nothing to do; None for ever."""
        if self._next is None:
            return None
        return max(self._next - self._effects.clock.now(), 0.0)

    def note(self, expression: str) -> None:
        """Take in the expression; a new one counts from now on, as any does by a clock set back."""
        now = self._effects.clock.now()
        known, _, since = self._state.fact(_SINCE).rpartition(" ")
        if expression != known or (since and float(since) > now):
            since = repr(now)
            self._state.remember(_SINCE, f"{expression} {since}" if expression else "")
        elif expression == self._expression:
            return
        self._expression = expression
        self._next = self._after(float(since)) if expression else None

    def take(self) -> str:
        """Give a name for the backup that is due, empty where none is; then it is no longer."""
        now = self._effects.clock.now()
        if self._next is None or self._next > now:
            return ""
        self._state.remember(_SINCE, f"{self._expression} {now!r}")
        self._next = self._after(now)
        return secrets.token_hex(8)

    def _after(self, moment: float) -> float | None:
        try:
            return self._effects.calendar.next_after(self._expression, moment)
        except CalendarFailure:
            return None  # the desired state is refused with the reason
