"""Where a simulated host may be cut off: before and after each of its effects."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Crash", "Cuts"]


class Crash(BaseException):
    """dockcfgd is killed at this instant. No code may catch it."""


class Cuts:
    """Counts the effects of all fakes of a host and ends the process at a chosen one.

    Run a story once without `crash_at` and look at `passed`: its length is the number of places to
    crash at, each a label. Then run it for each number. Tests may also `watch` the places, to do
    something foreign at one of them.
    """

    def __init__(self, *, crash_at: int | None = None) -> None:
        self.passed: list[str] = []
        self.crash_at = crash_at
        self._watchers: list[Callable[[str], None]] = []
        self._counting = threading.Lock()

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call `watcher` with the label of each place that is passed from now on."""
        self._watchers.append(watcher)

    def unwatch(self) -> None:
        """Call no watcher any more."""
        self._watchers.clear()

    def restart(self, *, crash_at: int | None = None) -> None:
        """Count from nought again, as a new process does."""
        self.passed.clear()
        self.crash_at = crash_at

    def at(self, label: str) -> None:
        """Pass a place; Crash where it is the chosen one."""
        with self._counting:
            number = len(self.passed)
            self.passed.append(label)
        for watcher in tuple(self._watchers):
            watcher(label)
        if number == self.crash_at:
            raise Crash(label)
