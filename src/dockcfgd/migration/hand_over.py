"""Handing a stream to somebody who takes it in a thread of its own, so that neither waits long."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

__all__ = ["handed_over"]

# Chunks of 1 MiB that may wait.
_AHEAD = 4
_LOOK_SECONDS = 0.2


@contextmanager
def handed_over(take: Callable[[Iterator[bytes]], None]) -> Iterator[Callable[[bytes], None]]:
    """Give what hands a chunk on to `take`. The context ends when `take` has.

    What `take` raises is raised with the next chunk, or at the end. It need not take all of them.
    """
    waiting: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take, _taken(waiting))

        def give(chunk: bytes) -> None:
            if not _put(waiting, chunk, taking):
                taking.result()

        try:
            yield give
        finally:
            _put(waiting, None, taking)
        taking.result()


def _taken(waiting: queue.Queue[bytes | None]) -> Iterator[bytes]:
    while (chunk := waiting.get()) is not None:
        yield chunk


def _put(waiting: queue.Queue[bytes | None], chunk: bytes | None, taking: Future[None]) -> bool:
    """Put a chunk where it is taken; whether anybody takes one still."""
    while not taking.done():
        try:
            waiting.put(chunk, timeout=_LOOK_SECONDS)
        except queue.Full:
            continue
        return True
    return False
