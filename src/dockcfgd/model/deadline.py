"""Until when a proven change may wait for an operator's word, over restarts and clock jumps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

__all__ = ["Deadline", "Times"]

_STEADY_SECONDS = 1.0  # a clock that is only kept right is off by less


class Times(Protocol):
    """What of a clock (ports.Clock) a deadline goes by."""

    def now(self) -> float:
        """Seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, counted by the machine from its boot."""

    def boot(self) -> str:
        """Give a name of this boot of the machine."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """`seconds` from when it was set.

    Within the boot that it was set in, the clock that never jumps counts; in a later one the time
    of day, of which no more than `seconds` can be left.
    """

    seconds: float
    at: float
    boot: str
    monotonic: float

    @classmethod
    def after(cls, seconds: float, clock: Times) -> Deadline:
        """Set one that begins now."""
        return cls(seconds, clock.now() + seconds, clock.boot(), clock.monotonic() + seconds)

    @classmethod
    def by_time_of_day(cls, at: float) -> Deadline:
        """Give one of which nothing but the time of day is known."""
        return cls(math.inf, at, "", 0.0)

    def here(self, clock: Times) -> Deadline:
        """Give it by the clock of this boot, and `at` by the time of day as it is set now.

        `left` is the same, and goes down from now on.
        """
        left = self.left(clock)
        at = clock.now() + left
        if clock.boot() != self.boot:
            return Deadline(self.seconds, at, clock.boot(), clock.monotonic() + left)
        return self if abs(at - self.at) < _STEADY_SECONDS else replace(self, at=at)

    def left(self, clock: Times) -> float:
        """Give the seconds that are left, 0 when it is over."""
        if clock.boot() == self.boot:
            return max(self.monotonic - clock.monotonic(), 0.0)
        return min(max(self.at - clock.now(), 0.0), self.seconds)
