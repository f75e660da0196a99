"""How fast a long step goes, and how long it will still take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.status import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pace"]

_SOON = 2.0
"""Before this many seconds of work nothing is guessed."""


class Pace:
    """Tells it of one step after the other, from what they report."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._step: tuple[str, str] = ("", "")
        self._since, self._first = 0.0, 0

    def of(self, step: str, *, item: str, done: int, total: int, unit: str) -> Progress:
        """Give how far a step is. One that begins anew is measured anew."""
        now = self._monotonic()
        if (step, unit) != self._step or done < self._first:
            self._step, self._since, self._first = (step, unit), now, done
        told = Progress(step, item, done, total, unit)
        elapsed, advance = now - self._since, done - self._first
        if elapsed < _SOON or advance <= 0:
            return told
        rate = advance / elapsed
        left = max(total - done, 0) / rate
        return Progress(step, item, done, total, unit, rate=round(rate, 3), left=round(left, 1))
