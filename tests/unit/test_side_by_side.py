"""Doing the same for many things, a few at a time."""

from __future__ import annotations

import threading

import pytest

from dockcfgd.side_by_side import side_by_side


def test_every_item_is_done_once() -> None:
    done: list[int] = []
    side_by_side(done.append, range(1000))
    assert sorted(done) == list(range(1000))
    side_by_side(done.append, [])


def test_two_are_done_at_the_same_time() -> None:
    both = threading.Barrier(2)

    def meet(_: int) -> None:
        both.wait(20)

    side_by_side(meet, range(2))


def test_the_first_error_is_raised_and_no_more_is_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"^\d+$"):
        side_by_side(work, range(1000))
    assert len(begun) < 10
