"""A clock that only moves when somebody sleeps."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

__all__ = ["FakeClock"]


class FakeClock:
    """ports.Clock. `at` has something done when the time comes; `slept` sums up all sleeps.

    `jump` is what happens to the time of day when somebody sets it.
    """

    def __init__(self, *, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._boots = 1
        self.slept = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def boot(self) -> str:
        return f"boot-{self._boots}"

    def sleep(self, seconds: float) -> None:
        self.slept += max(seconds, 0.0)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, doing what falls due in its order and at its time."""
        end = self._monotonic + max(seconds, 0.0)
        while self._due and self._due[0][0] <= end:
            due, _, action = heapq.heappop(self._due)
            self._move(max(due, self._monotonic))
            action()
        self._move(max(end, self._monotonic))

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something in `seconds` from now."""
        heapq.heappush(self._due, (self._monotonic + seconds, next(self._numbers), action))

    def jump(self, seconds: float) -> None:
        """Set the time of day."""
        self._now += seconds

    def reboot(self, *, off: float = 5.0) -> None:
        """Boot the machine, which was off for a while."""
        self.advance(off)
        self._boots += 1
        self._due = [
            (moment - self._monotonic, number, action) for moment, number, action in self._due
        ]
        self._monotonic = 0.0

    def _move(self, moment: float) -> None:
        self._now += moment - self._monotonic
        self._monotonic = moment
