"""Doing the same for several things of the engine's, a few of them at once."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["THREADS", "at_once"]

# What the names of the threads begin with.
THREADS = "at-once"

_T = TypeVar("_T")
_R = TypeVar("_R")


def at_once(
    work: Callable[[_T], _R], items: Iterable[_T], *, most: int, done: Callable[[_T, _R], None]
) -> None:
    """Do `work` for each item, at most `most` of them at a time, begun in their order.

    `done` is called in the caller's thread with each item and what came of it, as it comes. The
    first error of either is raised: none is begun any more, and what was begun has come to its end.
    """
    left = iter(items)
    with ThreadPoolExecutor(most, THREADS) as pool:
        begun = {pool.submit(work, item): item for item in islice(left, most)}
        while begun:
            ended, _ = wait(begun, return_when=FIRST_COMPLETED)
            for future in ended:
                done(begun.pop(future), future.result())
            begun |= {pool.submit(work, item): item for item in islice(left, most - len(begun))}
