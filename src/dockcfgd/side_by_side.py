"""Doing the same for many things, a few at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["side_by_side"]

_T = TypeVar("_T")
_MOST = 4


def side_by_side(work: Callable[[_T], None], items: Iterable[_T]) -> None:
    """Do `work` for each item, in any order, and raise the first error, after which none is begun.

    No pool of concurrent.futures: importing it takes longer than what this is used for.
    """
    left = list(items)[::-1]
    failures: list[BaseException] = []

    def work_on() -> None:
        while left and not failures:
            try:
                item = left.pop()
            except IndexError:
                return
            try:
                work(item)
            except BaseException as failure:  # noqa: BLE001 -- raised below, in the caller's thread
                failures.append(failure)

    count = min(_MOST, 2 * (os.cpu_count() or 1), len(left))
    others = [threading.Thread(target=work_on) for _ in range(count - 1)]
    for other in others:
        other.start()
    work_on()
    for other in others:
        other.join()
    if failures:
        raise failures[0]
