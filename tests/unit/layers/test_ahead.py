"""Content that is copied ahead: taken where the file is the same, and only there."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dockcfgd.layers.ahead import Ahead, SharesBlocks, Transfer, copy_ahead
from dockcfgd.layers.contents import copy_content
from dockcfgd.layers.errors import LayerRefused
from dockcfgd.layers.overlay_reader import OverlayUpper
from dockcfgd.layers.place import Form
from dockcfgd.layers.styles import style_of
from dockcfgd.layers.writer import Writer

BIG = 256 << 10
STYLE = style_of(Form.TREE)


class Trial:
    """A layer, what is copied ahead of it, and what a writer then makes."""

    def __init__(self, top: Path) -> None:
        self.source, self.store, self.target = top / "source", top / "ahead", top / "target"
        self.source.mkdir()
        self.target.mkdir()
        self.clock = 0
        # Have content copied, whatever this runs on.
        self.transfer = Transfer(share=lambda _source, _target: False)

    def write(self, name: str, content: bytes) -> Path:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def first(self, *, before: bool = False) -> None:
        """Copy ahead; `before`: with what is there having changed after the sync began."""
        until = 0 if before else time.time_ns() + 1_000_000_000
        changes = OverlayUpper(str(self.source))
        copy_ahead(changes, STYLE, str(self.store), until=until, transfer=self.transfer)

    @property
    def stored(self) -> int:
        return len([path for path in self.store.iterdir() if path.name != "index.json"])

    def carry(self) -> int:
        """Write the target; give how many files were taken."""
        before = self.stored
        taken = Ahead(str(self.store))
        with Writer(str(self.target), STYLE, told=lambda _: None, ahead=taken) as writer:
            writer.write(OverlayUpper(str(self.source)).operations())
        return before - self.stored

    def same(self) -> bool:
        paths = {path.relative_to(self.source) for path in self.source.rglob("*")}
        there = {path.relative_to(self.target) for path in self.target.rglob("*")}
        return paths == there and all(self._same(path) for path in paths)

    def _same(self, path: Path) -> bool:
        one, other = self.source / path, self.target / path
        first, second = one.lstat(), other.lstat()
        kept = [
            (got.st_mode, got.st_uid, got.st_gid, got.st_nlink, got.st_mtime_ns, got.st_size)
            for got in (first, second)
        ]
        content = one.is_dir() or one.read_bytes() == other.read_bytes()
        attributes = [
            {name: os.getxattr(where, name) for name in os.listxattr(where)}
            for where in (one, other)
        ]
        return kept[0] == kept[1] and content and attributes[0] == attributes[1]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_large_files_go_ahead_with_all_that_they_are(trial: Trial) -> None:
    first = trial.write("srv/data", os.urandom(BIG))
    os.chown(first, 1000, 1001)
    first.chmod(0o4750)
    os.setxattr(first, "user.mark", b"x")
    os.link(first, trial.source / "srv/other-name")
    sparse = trial.write("srv/sparse", b"")
    with sparse.open("r+b") as file:
        file.seek(10 * BIG)
        file.write(os.urandom(BIG))
    trial.write("etc/small", b"small")
    trial.first()
    assert trial.stored == 2
    assert trial.carry() == 2
    assert trial.same()
    assert (trial.target / "srv/sparse").stat().st_blocks * 512 < 2 * BIG


def test_what_changed_since_is_copied_again(trial: Trial) -> None:
    trial.write("kept", os.urandom(BIG))
    changed = trial.write("changed", os.urandom(BIG))
    replaced = trial.write("replaced", os.urandom(BIG))
    gone = trial.write("gone", os.urandom(BIG))
    trial.first()
    times = changed.stat()
    changed.write_bytes(os.urandom(BIG))
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    new = trial.write("new", os.urandom(BIG))
    new.replace(replaced)
    gone.unlink()
    assert trial.carry() == 1
    assert trial.same()


def test_what_is_written_through_a_mapping_after_the_sync_is_seen(trial: Trial) -> None:
    path = trial.write("mapped", bytes(BIG))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0] = 1
        os.sync()
        trial.first()
        mapped[1] = 2
        mapped.flush()
    assert trial.stored == 1
    assert trial.carry() == 0
    assert trial.same()


def test_what_changed_after_the_sync_does_not_count(trial: Trial) -> None:
    trial.write("hot", os.urandom(BIG))
    trial.first(before=True)
    assert trial.stored == 0
    assert trial.carry() == 0
    assert trial.same()


def test_done_twice_it_is_what_it_is_done_once(trial: Trial) -> None:
    trial.write("data", os.urandom(BIG))
    trial.first()
    trial.first()
    assert trial.stored == 1
    assert trial.carry() == 1
    assert trial.carry() == 0
    assert trial.same()


def test_what_lies_at_the_place_gives_way(trial: Trial) -> None:
    trial.write("data", os.urandom(BIG))
    trial.first()
    (trial.target / "data").mkdir()
    (trial.target / "data/inside").write_text("x")
    assert trial.carry() == 1
    assert trial.same()


def test_a_damaged_copy_is_not_used(trial: Trial) -> None:
    trial.write("data", os.urandom(BIG))
    trial.first()
    os.truncate(trial.store / "0", BIG - 1)
    assert trial.carry() == 0
    assert trial.same()


def test_a_file_that_goes_while_it_is_read_is_left_out(trial: Trial) -> None:
    trial.write("a", os.urandom(BIG))
    going = trial.write("b", os.urandom(BIG))
    trial.write("c", os.urandom(BIG))

    def copied(source: int, target: int, *, size: int, told: Callable[[int], None]) -> None:
        if going.exists() and os.fstat(source).st_ino == going.stat().st_ino:
            os.truncate(going, 10)
        copy_content(source, target, size=size, told=told)

    trial.transfer = replace(trial.transfer, copy=copied)
    trial.first()
    assert trial.carry() == 2
    assert trial.same()


def test_what_cannot_be_stored_is_told_while_the_engine_serves(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/.wh.mine").write_text("x")
    changes = OverlayUpper(str(tmp_path / "source"))
    with pytest.raises(LayerRefused, match=r"\.wh\."):
        copy_ahead(changes, style_of(Form.FUSE_OVERLAY), str(tmp_path / "ahead"), until=0)


def test_where_files_share_blocks_nothing_is_copied(trial: Trial) -> None:
    trial.transfer = Transfer(share=lambda _source, _target: True)
    trial.write("data", os.urandom(BIG))
    with pytest.raises(SharesBlocks):
        trial.first()
    assert trial.carry() == 0 or trial.same()
