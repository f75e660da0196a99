"""Several things are done at once, and told of in the caller's thread."""

from __future__ import annotations

import threading

import pytest

from dockcfgd.migration.at_once import THREADS, at_once


def test_as_many_as_are_allowed_are_done_at_once() -> None:
    both, told = threading.Barrier(2), dict[int, str]()

    def work(number: int) -> str:
        both.wait(20)
        assert threading.current_thread().name.startswith(THREADS)
        return str(number)

    def done(number: int, came: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        told[number] = came

    at_once(work, range(8), most=2, done=done)
    assert told == {number: str(number) for number in range(8)}
    at_once(work, [], most=2, done=done)


def test_after_an_error_none_is_begun_and_what_was_begun_ends() -> None:
    both, ended = threading.Barrier(2), list[int]()

    def work(number: int) -> None:
        both.wait(20)
        ended.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"^[01]$"):
        at_once(work, range(1000), most=2, done=lambda *_: None)
    assert sorted(ended) == [0, 1]


def test_who_is_told_may_end_it() -> None:
    begun = list[int]()

    def done(*_: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        at_once(begun.append, range(1000), most=2, done=done)
    assert len(begun) == 2
