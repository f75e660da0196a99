"""When a change that the surroundings prevented is tried again: each time after a longer while."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockcfgd.ports import Clock

__all__ = ["Patience"]

_SHORTEST = {"edited": 0.5, "failed": 30.0}
_LONGEST = 300.0


class Patience:
    """Waits for one desired state at a time, named by its digest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._digest, self._pause, self._until = "", 0.0, 0.0
        self._waiting = False
        self.reason = ""
        """Why the last attempt failed."""

    def lose(self, digest: str, reason: str, *, edited: bool) -> None:
        """Note an attempt that failed; `edited`: only because somebody else wrote meanwhile."""
        self.reason = reason
        shortest = _SHORTEST["edited" if edited else "failed"]
        before = self._pause if digest == self._digest else 0.0
        self._pause = min(max(2 * before, shortest), _LONGEST)
        self._digest, self._until = digest, self._clock.monotonic() + self._pause
        self._waiting = True

    def regain(self) -> None:
        """Note that an attempt succeeded, or that there is to be no other."""
        self._digest, self._pause, self._until = "", 0.0, 0.0
        self._waiting = False

    def holds(self, digest: str) -> bool:
        """Whether it is too early to try this again."""
        return digest == self._digest and self._clock.monotonic() < self._until

    @property
    def left(self) -> float | None:
        """Seconds until the next attempt; None where none is due."""
        return max(self._until - self._clock.monotonic(), 0.0) if self._waiting else None

    def end_wait(self) -> None:
        """Let the next attempt happen now."""
        self._waiting, self._until = False, 0.0
