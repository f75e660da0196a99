"""A data-root is copied beside its engine, and the copy removed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockcfgd.model.errors import FileFailure
from dockcfgd.roots.copying import copy_live, copy_rest, discard_copy
from dockcfgd.roots.marks import begun_of, copy_begun


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "docker"
    for path in ("overlay2/l", "image", "volumes/v/_data", "tmp", "containers/c1", "dockcfgd/T0"):
        (top / path).mkdir(parents=True)
    (top / "volumes/v/_data/file").write_text("mine")
    (top / "tmp/upload").write_text("half")
    (top / "dockcfgd/T0/old").write_text("set aside")
    config = {"LogPath": f"{top}/containers/c1/c1-json.log", "Name": "/web"}
    (top / "containers/c1/config.v2.json").write_text(json.dumps(config))
    return top


def _unheard(done: int, total: int) -> None:
    assert done <= total


def copy(root: Path, target: Path, name: str = "T1", *, whole: bool = True) -> None:
    copy_live(str(root), str(target), name, progress=_unheard)
    if whole:
        copy_rest(str(root), str(target), name, progress=_unheard)


def test_a_copy_names_its_own_place(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "docker"
    before = (root / "containers/c1/config.v2.json").read_bytes()
    copy(root, target)
    config = json.loads((target / "containers/c1/config.v2.json").read_text())
    assert config["LogPath"] == f"{target}/containers/c1/c1-json.log"
    assert (root / "containers/c1/config.v2.json").read_bytes() == before
    assert (target / "volumes/v/_data/file").read_text() == "mine"
    assert list((target / "tmp").iterdir()) == []
    assert [one.name for one in (target / "dockcfgd").iterdir()] == ["copy.json"]


def test_what_changed_meanwhile_comes_along(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    copy(root, target, whole=False)
    (root / "volumes/v/_data/file").write_text("ours")
    (root / "volumes/w").mkdir()
    copy_rest(str(root), str(target), "T1", progress=_unheard)
    assert (target / "volumes/v/_data/file").read_text() == "ours"
    assert (target / "volumes/w").is_dir()


def test_a_copy_is_removed_and_nothing_else(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    copy(root, target)
    discard_copy(str(root), str(target), "T2")
    assert (target / "volumes").exists()
    discard_copy(str(root), str(target), "T1")
    assert not target.exists()
    discard_copy(str(root), str(target), "T1")
    assert (root / "volumes/v/_data/file").read_text() == "mine"


def test_a_folder_that_was_there_stays(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (target / "lost+found").mkdir(parents=True)
    copy(root, target)
    discard_copy(str(root), str(target), "T1")
    assert [one.name for one in target.iterdir()] == ["lost+found"]


def test_a_half_copy_of_another_change_is_gone_on_with(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    copy(root, target, "T1", whole=False)
    inode = (target / "volumes/v/_data").stat().st_ino
    copy(root, target, "T2")
    assert (target / "volumes/v/_data").stat().st_ino == inode
    assert copy_begun(str(target)).name == "T2"
    discard_copy(str(root), str(target), "T2")
    assert not target.exists()


def test_a_whole_copy_is_not_trusted_to_be_one_still(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    copy(root, target, "T1")
    (target / "volumes/v/_data/file").write_text("an engine wrote there")
    copy(root, target, "T2")
    assert (target / "volumes/v/_data/file").read_text() == "mine"


def test_one_that_an_engine_has_used_is_no_copy_any_more(root: Path, tmp_path: Path) -> None:
    """Else all that was made there since would be cleared away for a new copy."""
    target = tmp_path / "elsewhere"
    copy(root, target, "T1")
    assert begun_of(str(target)) == str(root)
    (target / "tmp").rename(target / "tmp-old")  # as it does at each start
    assert begun_of(str(target)) == ""


def test_the_rest_only_of_what_was_begun(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (target / "somebody's").mkdir(parents=True)
    with pytest.raises(FileFailure, match="no copy that was begun"):
        copy_rest(str(root), str(target), "T1", progress=_unheard)
    assert (target / "somebody's").exists()
