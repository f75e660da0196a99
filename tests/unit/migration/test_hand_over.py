"""Streams that somebody takes in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dockcfgd.migration.hand_over import handed_over

CHUNKS = [bytes([number]) for number in range(50)]


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_all_chunks_arrive_in_order() -> None:
    taken: list[bytes] = []
    with handed_over(taken.extend) as give:
        for chunk in CHUNKS:
            give(chunk)
    assert taken == CHUNKS


def test_the_next_chunk_comes_while_one_is_taken() -> None:
    both = threading.Barrier(2)

    def take(chunks: Iterator[bytes]) -> None:
        next(chunks)
        both.wait(20)
        list(chunks)

    with handed_over(take) as give:
        give(b"1")
        give(b"2")
        both.wait(20)


def test_an_error_of_who_takes_ends_the_stream() -> None:
    def take(chunks: Iterator[bytes]) -> None:
        next(chunks)
        raise OSError(28, "No space left on device")

    given: list[bytes] = []

    def hand() -> None:
        with handed_over(take) as give:
            for chunk in CHUNKS:
                give(chunk)
                given.append(chunk)

    with pytest.raises(OSError, match="No space"):
        hand()
    assert len(given) < len(CHUNKS)


def test_an_error_at_the_end_is_raised_too() -> None:
    def take(chunks: Iterator[bytes]) -> None:
        list(chunks)
        raise ValueError("not understood")

    with pytest.raises(ValueError, match="not understood"), handed_over(take) as give:
        give(b"1")


def test_who_has_enough_gets_no_more() -> None:
    taken: list[bytes] = []
    with handed_over(lambda chunks: taken.append(next(chunks))) as give:
        for chunk in CHUNKS:
            give(chunk)
    assert taken == CHUNKS[:1]


def test_a_stream_that_breaks_lets_who_takes_end() -> None:
    taken: list[bytes] = []

    def break_off() -> None:
        with handed_over(taken.extend) as give:
            give(b"1")
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        break_off()
    assert taken == [b"1"]
