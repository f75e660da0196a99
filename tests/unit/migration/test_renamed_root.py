"""A data-root gets another name, and its old one again, from wherever it was cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockcfgd.migration.renamed_root import MARK, rename_back, rename_root
from dockcfgd.migration.root_paths import mend
from dockcfgd.model.errors import FileFailure


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "one"
    for number in ("c1", "100000.100000/containers/c2"):
        folder = top / number if "/" in number else top / "containers" / number
        folder.mkdir(parents=True)
        config = {
            "Name": "/web",
            "LogPath": f"{top}/containers/c1/log",
            "ResolvConfPath": f"{top}/containers/c1/resolv.conf",
            "Path": f"{top}/is an argument",
            "MountPoints": {
                "/v": {"Source": f"{top}/volumes/v/_data", "Spec": {"Source": f"{top}/volumes"}},
                "/w": {"Source": f"{top}-beside/volumes", "Type": "bind"},
            },
        }
        host = {
            "Binds": [f"{top}/containers:{top}/containers:ro", "named:/v", f"{top}:/all"],
            "Mounts": [{"Type": "bind", "Source": str(top)}, {"Type": "volume", "Source": "v"}],
        }
        (folder / "config.v2.json").write_text(json.dumps(config))
        (folder / "hostconfig.json").write_text(json.dumps(host))
    return top


def content(top: Path) -> dict[str, object]:
    files = [path for path in top.rglob("*") if path.is_file()]
    return {str(path.relative_to(top)): json.loads(path.read_text()) for path in files}


def test_containers_name_the_new_place(root: Path, tmp_path: Path) -> None:
    new = tmp_path / "deep" / "two"
    rename_root(str(root), str(new), "T1")
    assert not root.exists()
    for folder in (new / "containers/c1", new / "100000.100000/containers/c2"):
        config = json.loads((folder / "config.v2.json").read_text())
        assert config["LogPath"] == f"{new}/containers/c1/log"
        assert config["Path"] == f"{root}/is an argument"
        assert config["MountPoints"]["/v"]["Source"] == f"{new}/volumes/v/_data"
        assert config["MountPoints"]["/v"]["Spec"]["Source"] == f"{new}/volumes"
        assert config["MountPoints"]["/w"]["Source"] == f"{root}-beside/volumes"
        host = json.loads((folder / "hostconfig.json").read_text())
        assert host["Binds"] == [
            f"{new}/containers:{root}/containers:ro",
            "named:/v",
            f"{new}:/all",
        ]
        assert [one["Source"] for one in host["Mounts"]] == [str(new), "v"]


def test_back_it_is_what_it_was(root: Path, tmp_path: Path) -> None:
    before, new = content(root), tmp_path / "two"
    (new / "only" / "folders").mkdir(parents=True)
    for _ in range(2):
        rename_root(str(root), str(new), "T1")
        rename_root(str(root), str(new), "T1")
        rename_back(str(root), str(new), "T1")
        rename_back(str(root), str(new), "T1")
        assert content(root) == before
        assert not new.exists()


def test_cut_off_between_its_effects(root: Path, tmp_path: Path) -> None:
    before, new = content(root), tmp_path / "two"
    (root / MARK).parent.mkdir()
    (root / MARK).write_text('{"schema": 1, "name": "T1"}')
    rename_back(str(root), str(new), "T1")
    assert content(root) == before
    rename_root(str(root), str(new), "T1")
    new.rename(root)  # back, and cut off before the containers' files were mended
    rename_back(str(root), str(new), "T1")
    assert content(root) == before


def test_another_change_is_left_alone(root: Path, tmp_path: Path) -> None:
    new = tmp_path / "two"
    rename_root(str(root), str(new), "T1")
    rename_back(str(root), str(new), "T2")
    assert new.exists()
    assert not root.exists()


def test_what_came_into_the_old_place_is_set_aside(root: Path, tmp_path: Path) -> None:
    before, new = content(root), tmp_path / "two"
    rename_root(str(root), str(new), "T1")
    root.mkdir()
    (root / "file").write_text("somebody's")
    rename_back(str(root), str(new), "T1")
    assert content(root) == before
    assert (tmp_path / "one.beside-T1" / "file").read_text() == "somebody's"


def test_a_place_that_is_taken(root: Path, tmp_path: Path) -> None:
    new = tmp_path / "two"
    new.mkdir()
    (new / "file").write_text("somebody's")
    before = content(root)
    with pytest.raises(FileFailure, match="cannot move"):
        rename_root(str(root), str(new), "T1")
    rename_back(str(root), str(new), "T1")
    assert content(root) == before
    assert (new / "file").read_text() == "somebody's"


def test_mending_leaves_owner_and_mode(root: Path) -> None:
    path = root / "containers/c1/hostconfig.json"
    path.chmod(0o640)
    inode = path.stat().st_ino
    mend(str(root), before="/nowhere", after="/there")
    assert path.stat().st_ino == inode
    mend(str(root), before=str(root), after="/there")
    assert path.stat().st_mode & 0o7777 == 0o640


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 8])
def test_mending_leaves_a_damaged_file_as_it_is(root: Path, content: bytes) -> None:
    (root / "containers/c0").mkdir()
    damaged, sound = root / "containers/c0/config.v2.json", root / "containers/c1/config.v2.json"
    damaged.write_bytes(content)
    mend(str(root), before=str(root), after="/there")
    assert damaged.read_bytes() == content
    assert "/there/volumes/v/_data" in sound.read_text()
