from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from dockcfgd.migration.folders import forget_older, obstacle, put_back, set_aside
from dockcfgd.model.errors import FileFailure

Tree = dict[str, str]


def fill(root: Path, files: Tree) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tree(root: Path) -> Tree:
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


def of(driver: str, mark: str) -> Tree:
    state = json.dumps({"Driver": driver, "mark": mark})
    return {
        f"{driver}/l/{mark}": mark,
        f"image/{driver}/repositories.json": mark,
        f"containers/{driver}-{mark}/config.v2.json": state,
        f"containers/{driver}-{mark}/log": mark,
    }


SHARED = {"volumes/v/file": "data", "network/files/db": "net", "containers/odd/x": "no config"}
OLD = of("overlay2", "old") | {"buildkit/cache.db": "old"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path, SHARED | OLD)
    return tmp_path


def test_only_what_belongs_to_the_driver_moves(root: Path) -> None:
    fill(root, of("vfs", "other"))
    set_aside(str(root), "overlay2", str(root / "aside"))
    left = {name: text for name, text in tree(root).items() if not name.startswith("aside/")}
    assert left == SHARED | of("vfs", "other")
    moved = tree(root / "aside")
    moved.pop("moves.json")
    assert moved == OLD


def test_there_and_back(root: Path) -> None:
    before = tree(root)
    for driver in ("vfs", "overlay2"):
        set_aside(str(root), driver, str(root / "aside" / driver))
    # The engine ran on the new driver meanwhile.
    fill(root, of("vfs", "new") | {"buildkit/cache.db": "new", "volumes/w/file": "later"})
    for driver in ("vfs", "overlay2"):
        put_back(str(root), driver, str(root / "aside" / driver))
    assert tree(root) == before | {"volumes/w/file": "later"}
    assert sorted(path.name for path in (root / "aside").iterdir()) == []


@pytest.mark.parametrize("order", [("vfs", "overlay2"), ("overlay2", "vfs")])
def test_older_data_of_the_target_comes_back_too(root: Path, order: tuple[str, str]) -> None:
    fill(root, of("vfs", "older"))
    before = tree(root)
    for driver in order:
        set_aside(str(root), driver, str(root / f"aside-{driver}"))
    fill(root, of("vfs", "new") | {"buildkit/cache.db": "new"})
    for driver in order:
        put_back(str(root), driver, str(root / f"aside-{driver}"))
    assert tree(root) == before


def test_nothing_is_thrown_away_that_was_never_set_aside(root: Path) -> None:
    before = tree(root)
    put_back(str(root), "overlay2", str(root / "aside"))
    assert tree(root) == before


def test_doing_it_twice_is_doing_it_once(root: Path) -> None:
    before, aside = tree(root), str(root / "aside")
    set_aside(str(root), "overlay2", aside)
    once = tree(root)
    set_aside(str(root), "overlay2", aside)
    assert tree(root) == once
    put_back(str(root), "overlay2", aside)
    fill(root, of("overlay2", "made-later"))
    put_back(str(root), "overlay2", aside)
    assert tree(root) == before | of("overlay2", "made-later")


@pytest.mark.parametrize("moved", range(5))
def test_a_move_that_was_cut_off_is_finished_or_undone(root: Path, moved: int) -> None:
    before, aside = tree(root), root / "aside"
    set_aside(str(root), "overlay2", str(aside))
    whole = tree(root)
    recorded = json.loads((aside / "moves.json").read_text())["paths"]
    assert len(recorded) == 4

    def cut_off() -> None:
        """Be where a crash after `moved` renames leaves it."""
        for path in recorded[moved:]:
            if (aside / path).exists():
                (root / path).parent.mkdir(exist_ok=True)
                (aside / path).rename(root / path)

    cut_off()
    set_aside(str(root), "overlay2", str(aside))
    assert tree(root) == whole
    cut_off()
    put_back(str(root), "overlay2", str(aside))
    assert tree(root) == before


@pytest.mark.parametrize("back", range(5))
def test_a_way_back_that_was_cut_off_is_finished(root: Path, back: int) -> None:
    before, aside = tree(root), root / "aside"
    set_aside(str(root), "overlay2", str(aside))
    recorded = json.loads((aside / "moves.json").read_text())["paths"]
    fill(root, of("overlay2", "new"))  # what has been made since, and goes
    for path in recorded[:back]:
        if (root / path).exists():
            (root / path).rename(root / f"gone-{path.replace('/', '-')}")
        (aside / path).rename(root / path)
    put_back(str(root), "overlay2", str(aside))
    left = {name: text for name, text in tree(root).items() if not name.startswith("gone-")}
    assert left == before


def test_a_rename_across_filesystems_is_told(root: Path) -> None:
    shm = Path("/dev/shm") / f"dockcfgd-{os.getpid()}"  # a filesystem that every Linux has
    try:
        with pytest.raises(FileFailure, match="different filesystems"):
            set_aside(str(root), "overlay2", str(shm))
    finally:
        shutil.rmtree(shm)


def test_a_link_in_the_place_of_a_folder_is_an_obstacle(root: Path) -> None:
    assert obstacle(str(root), "overlay2") == ""
    (root / "vfs").symlink_to("/elsewhere")
    assert str(root / "vfs") in obstacle(str(root), "vfs")
    assert obstacle(str(root), "overlay2") == ""


@pytest.mark.parametrize("path", ["image", "image/overlay2", "dockcfgd", "overlay2", "containers"])
def test_what_is_on_the_way_to_a_drivers_data_may_be_no_link(root: Path, path: str) -> None:
    where = root / path
    if where.exists():
        where.rename(root / "elsewhere")
    where.symlink_to(root / "elsewhere")
    assert obstacle(str(root), "overlay2").startswith(f"{where} is a link")


def test_a_broken_record_is_no_licence_to_delete(root: Path) -> None:
    fill(root, {"aside/moves.json": "{"})
    before = tree(root)
    with pytest.raises(FileFailure, match="list of moves"):
        put_back(str(root), "overlay2", str(root / "aside"))
    assert tree(root) == before


def test_older_states_go_whatever_one_of_them_is_about(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works in a thread of its own, where nobody would take its error."""
    lstat, names = Path.lstat, [root / "dockcfgd" / name for name in ("T1", "T2", "T3")]
    for folder in names:
        (folder / "vfs").mkdir(parents=True)

    def failing(path: Path) -> os.stat_result:
        if path == names[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", failing)
    forget_older(str(names[2]))
    monkeypatch.undo()
    assert [folder.exists() for folder in names] == [True, False, True]
