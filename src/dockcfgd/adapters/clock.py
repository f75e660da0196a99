"""The system's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["SystemClock"]

_SLICE_SECONDS = 1.0
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class SystemClock:
    """The machine's time (ports.Clock).

    `attend` is called by every sleep, also one of 0 s, and at least every second of it.
    """

    def __init__(self, *, attend: Callable[[], None] | None = None) -> None:
        self._attend = attend

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go backwards, counted by the machine from its boot."""
        return time.monotonic()

    def boot(self) -> str:
        """Give a name of this boot of the machine."""
        return Path(_BOOT_ID).read_text("ascii").strip()

    def sleep(self, seconds: float) -> None:
        """Wait in slices, attending to other things between them."""
        deadline = time.monotonic() + seconds
        while True:
            if self._attend is not None:
                self._attend()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE_SECONDS))
