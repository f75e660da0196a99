"""Clocks for tests that wait for something real."""

from __future__ import annotations

import time


class PlainClock:
    """Real time; counts how often it was asked to sleep."""

    def __init__(self) -> None:
        self.sleeps = 0

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def boot(self) -> str:
        return "boot-1"

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        time.sleep(seconds)


class FastClock(PlainClock):
    """Time that passes twenty times as fast."""

    def monotonic(self) -> float:
        return time.monotonic() * 20

    def boot(self) -> str:
        return "boot-1"

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 20)
