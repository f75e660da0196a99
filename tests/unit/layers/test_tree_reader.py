"""What a whole tree is found to have changed, where several names share a file."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from dockcfgd.layers import tree_reader
from dockcfgd.layers.ahead import copy_ahead
from dockcfgd.layers.attributes import read_flags
from dockcfgd.layers.folder import Spot
from dockcfgd.layers.place import Form
from dockcfgd.layers.styles import style_of
from dockcfgd.layers.tree_reader import ComparedTree

NAMES = ("one", "two", "far/three", "far/four")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    (folder / "far").mkdir(parents=True)
    (folder / "one").write_text("shared\n")
    for name in NAMES[1:]:
        (folder / name).hardlink_to(folder / "one")
    return folder


@pytest.fixture
def tree(base: Path) -> Path:
    copy = base.with_name("tree")
    shutil.copytree(base, copy)
    for name in NAMES[1:]:
        (copy / name).unlink()
        (copy / name).hardlink_to(copy / "one")
    for name in (".", "far"):
        shutil.copystat(base / name, copy / name)
    return copy


def changed(tree: Path, base: Path) -> list[str]:
    return [entry.path.decode() for entry in ComparedTree(str(tree), str(base)).operations()]


@pytest.mark.parametrize("text", ["other\n", "shared\n"])
def test_one_that_parts_leaves_the_others_where_they_are(tree: Path, base: Path, text: str) -> None:
    (tree / "one").unlink()
    (tree / "one").write_text(text)
    for name in ("one", "."):
        shutil.copystat(base / name, tree / name)
    assert changed(tree, base) == ["", "one"]


def test_a_file_that_becomes_a_pipe_is_looked_at_again(
    tree: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(spot: Spot, status: os.stat_result) -> int:
        if spot.name == b"one" and stat.S_ISREG(spot.status().st_mode):
            (tree / "one").unlink()
            os.mkfifo(tree / "one")
        return read_flags(spot, status)

    monkeypatch.setattr(tree_reader, "read_flags", meanwhile)
    changes = ComparedTree(str(tree), str(base))
    copy_ahead(changes, style_of(Form.TREE), str(tmp_path / "ahead"), until=0)
    assert "one" in [entry.path.decode() for entry in changes.operations()]


def test_what_is_written_through_one_name_is_written_through_all(tree: Path, base: Path) -> None:
    (tree / "one").write_text("other\n")
    shutil.copystat(base, tree)
    assert changed(tree, base) == ["", "far", *sorted(NAMES[2:]), "one", "two"]


def test_a_new_name_comes_with_all_that_it_shares_a_file_with(tree: Path, base: Path) -> None:
    (tree / "new").hardlink_to(tree / "two")
    shutil.copystat(base, tree)
    assert changed(tree, base) == ["", "far", *sorted(NAMES[2:]), "new", "one", "two"]


def test_a_clock_that_was_ahead_when_the_layer_was_made_hides_nothing(
    tree: Path, base: Path
) -> None:
    """Of the same size and time, and its ctime lies before that of the layer."""
    (base / "plain").write_text("image\n")
    (tree / "plain").write_text("OTHER\n")
    for name in ("plain", "."):
        shutil.copystat(base / name, tree / name)
    ahead = time.time_ns() + 3_600_000_000_000
    found = ComparedTree(str(tree), str(base), made_ns=ahead).operations()
    assert "plain" in {entry.path.decode() for entry in found}
