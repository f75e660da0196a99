"""Wait for something to become true, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_for"]

T = TypeVar("T")


def wait_for(
    predicate: Callable[[], T], timeout: float = 15.0, *, what: str = "", interval: float = 0.05
) -> T:
    """Call *predicate* until it returns something true, and return that.

    Raises TimeoutError, naming *what* was awaited and what was seen last.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            awaited = what or getattr(predicate, "__name__", "condition")
            raise TimeoutError(f"cannot go on: no {awaited} within {timeout:g} s, last {value!r}")
        time.sleep(interval)
