"""Bytes of files, with their holes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.layers.contents import copy_content, same_content, segments

MB = 1 << 20
pieces = st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=50)), max_size=4)


def make(path: Path, parts: list[tuple[int, bytes]], size: int) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for block, data in parts:
        os.pwrite(file, data, block * 4096)
    os.ftruncate(file, size)
    return file


@given(parts=pieces, other=pieces, size=st.integers(0, 50 * 4096))
def test_copies_are_the_same_and_others_are_not(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[int, bytes]],
    other: list[tuple[int, bytes]],
    size: int,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    one, two = make(folder / "one", parts, size), make(folder / "two", other, size)
    copy = os.open(folder / "copy", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    told: list[int] = []
    copy_content(one, copy, size=size, told=told.append)
    assert (folder / "copy").read_bytes() == (folder / "one").read_bytes()
    assert sum(told) <= size
    assert same_content(one, copy, size=size)
    equal = (folder / "one").read_bytes() == (folder / "two").read_bytes()
    assert same_content(one, two, size=size) == equal
    for file in (one, two, copy):
        os.close(file)


def test_three_gigabytes_of_hole_stay_one(tmp_path: Path) -> None:
    size = 3 << 30
    one = make(tmp_path / "one", [(0, b"start"), (500_000, b"middle")], size)
    if len(list(segments(one, size))) == 1:
        pytest.skip("this filesystem has no holes")
    copy = os.open(tmp_path / "copy", os.O_RDWR | os.O_CREAT)
    copy_content(one, copy, size=size, told=lambda _: None)
    assert os.fstat(copy).st_size == size
    assert os.fstat(copy).st_blocks * 512 < MB
    assert same_content(one, copy, size=size)
    os.pwrite(copy, b"x", size - 5)
    assert not same_content(one, copy, size=size)
    os.close(one)
    os.close(copy)
