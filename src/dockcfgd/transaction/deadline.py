"""Until when a proven change may wait for an operator's word, over restarts and clock jumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockcfgd.ports import Clock

__all__ = ["Deadline"]


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
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        """Set one that begins now."""
        return cls(seconds, clock.now() + seconds, clock.boot(), clock.monotonic() + seconds)

    def here(self, clock: Clock) -> Deadline:
        """Give it by the clock of this boot; `left` is the same, and goes down from now on."""
        if clock.boot() == self.boot:
            return self
        left = self.left(clock)
        return Deadline(self.seconds, clock.now() + left, clock.boot(), clock.monotonic() + left)

    def left(self, clock: Clock) -> float:
        """Give the seconds that are left, 0 when it is over."""
        if clock.boot() == self.boot:
            return max(self.monotonic - clock.monotonic(), 0.0)
        return min(max(self.at - clock.now(), 0.0), self.seconds)
