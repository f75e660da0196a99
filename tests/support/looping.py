"""Work that a test does beside a running main loop, and waits that end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.adapters.bus import Loop

T = TypeVar("T")


def until(holds: Callable[[], object], *, seconds: float = 5) -> None:
    """Wait until `holds()`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def while_looping(loop: Loop, work: Callable[[], T]) -> T:
    """Run the loop here, and `work` in a thread; give what it gives, raise what it raises."""
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(work)
        future.add_done_callback(lambda _: loop.call_soon(loop.quit))
        loop.run()
        return future.result()
