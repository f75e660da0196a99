"""What is known of a copy, kept beside it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from dockcfgd.roots.index import Index, forget_index


@pytest.fixture
def target(tmp_path: Path) -> str:
    (tmp_path / "dockcfgd").mkdir()
    return str(tmp_path)


def test_a_file_is_the_same_by_inode_and_time(target: str) -> None:
    largest = (1 << 64) - 1
    with Index(target) as index:
        index.put(b"a/\xff", (7, 8, 16))
        index.put(b"b", (largest, 8, 0))
        index.commit()
    with Index(target) as index:
        assert index.same(b"a/\xff", 7, 8) == (7, 8, 16)
        assert index.same(b"a/\xff", 7, 9) is None
        assert index.same(b"a/\xff", 6, 8) is None
        assert index.same(b"b", largest, 8) is not None
        assert index.same(b"c", 7, 8) is None
        index.drop(b"b")
        assert index.same(b"b", largest, 8) is None


def test_what_is_not_on_disk_yet_is_not_kept(target: str) -> None:
    with Index(target) as index:
        index.put(b"a", (1, 2, 0))
    with Index(target) as index:
        assert index.same(b"a", 1, 2) is None


def test_a_damaged_one_is_begun_anew(target: str) -> None:
    Path(target, "dockcfgd/copied.db").write_bytes(b"no such thing" * 1000)
    with Index(target) as index:
        index.put(b"a", (1, 2, 0))
        index.commit()
    with Index(target) as index:
        assert index.same(b"a", 1, 2) is not None
    forget_index(target)
    assert list(Path(target, "dockcfgd").iterdir()) == []
    forget_index(target)


def test_a_disk_that_fails_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"copied\.db"):
        Index(str(tmp_path / "nowhere"))


def test_many_files_do_not_fill_the_memory(target: str) -> None:
    tracemalloc.start()
    with Index(target) as index:
        for number in range(20_000):
            index.put(b"overlay2/%064x/diff/usr/share/%d" % (number, number), (number, 1, 0))
        index.commit()
        held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 1 << 20
