from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from dockcfgd.migration import archive
from dockcfgd.migration.archive import Entry, Manifest
from dockcfgd.model.errors import FileFailure

FACTS = Manifest(created=5.0, engine="26.1.5", api="1.45", storage="overlay2")


def backup(directory: Path, name: str, *, created: float = 5.0) -> str:
    folder = str(directory / name)
    archive.open_folder(folder)
    entry = archive.write_archive(folder, "images.tar.zst", [b"a" * 100_000, b"", b"b"])
    archive.write_document(folder, "containers/c.json", {"a": [1, None, "x"]})
    facts = Manifest(created, FACTS.engine, FACTS.api, FACTS.storage)
    archive.finish(folder, facts, known=[entry])
    return folder


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    folder = backup(tmp_path, "one")
    manifest = archive.read_manifest(folder)
    assert [entry.path for entry in manifest.files] == ["containers/c.json", "images.tar.zst"]
    assert (manifest.created, manifest.storage) == (5.0, "overlay2")
    assert archive.read_documents(folder, "containers") == [{"a": [1, None, "x"]}]
    assert b"".join(archive.read_archive(folder, manifest.files[1])) == b"a" * 100_000 + b"b"
    assert archive.verify(folder) == ()


def test_secrets_are_for_root_alone(tmp_path: Path) -> None:
    folder = Path(backup(tmp_path, "one"))
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_dir()} == {0o700}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_zstd_program_understands_the_archive(tmp_path: Path) -> None:
    folder = backup(tmp_path, "one")
    command = ["zstd", "-dc", f"{folder}/images.tar.zst"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == b"a" * 100_000 + b"b"


def test_a_folder_without_manifest_is_incomplete(tmp_path: Path) -> None:
    backup(tmp_path, "whole")
    archive.open_folder(str(tmp_path / "half"))
    found = {one.id: one.complete for one in archive.list_backups(str(tmp_path))}
    assert found == {"whole": True, "half": False}
    with pytest.raises(FileFailure, match="half"):
        archive.read_manifest(str(tmp_path / "half"))


@pytest.mark.parametrize("document", [{}, {"schema": 2, "complete": True}, {"schema": 1}])
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, document: dict[str, int]) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(FileFailure, match="schema 1"):
        archive.read_manifest(str(tmp_path))


def test_damage_is_found(tmp_path: Path) -> None:
    folder = Path(backup(tmp_path, "one"))
    content = bytearray((folder / "images.tar.zst").read_bytes())
    content[-3] ^= 1
    (folder / "images.tar.zst").write_bytes(content)
    (folder / "containers/c.json").unlink()
    complaints = archive.verify(str(folder))
    assert [line.rpartition(": ")[2] for line in complaints] == ["missing", "its checksum is wrong"]
    (folder / "images.tar.zst").write_bytes(content + b"x")
    assert "bytes instead of" in archive.verify(str(folder))[1]


def test_reading_damaged_data_fails(tmp_path: Path) -> None:
    folder = backup(tmp_path, "one")
    entry = archive.read_manifest(folder).files[1]
    wrong = Entry(entry.path, entry.size, "0" * 64)
    with pytest.raises(FileFailure, match="checksum"):
        list(archive.read_archive(folder, wrong))
    Path(folder, entry.path).write_bytes(b"no zstd")
    with pytest.raises(FileFailure, match=r"images\.tar\.zst"):
        list(archive.read_archive(folder, entry))


def test_nothing_appears_under_its_name_before_it_is_whole(tmp_path: Path) -> None:
    folder = str(tmp_path / "one")
    archive.open_folder(folder)

    def stream() -> object:
        yield b"x"
        assert not Path(folder, "images.tar.zst").exists()
        raise OSError(5, "broken")

    with pytest.raises(FileFailure):
        archive.write_archive(folder, "images.tar.zst", stream())  # type: ignore[arg-type]
    assert not Path(folder, "images.tar.zst").exists()


def test_pruning_keeps_the_newest_and_those_in_use(tmp_path: Path) -> None:
    for number in range(5):
        backup(tmp_path, f"b{number}", created=float(number))
    archive.open_folder(str(tmp_path / "half"))
    assert archive.prune(str(tmp_path), keep=2, in_use=["b0"]) == ("b2", "b1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b0", "b3", "b4", "half"]
    for identity in ("b0", "b4", "half", "none"):
        archive.remove_incomplete(str(tmp_path), identity)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b0", "b3", "b4"]
    assert archive.prune(str(tmp_path), keep=2, in_use=[]) == ("b0",)


def test_newest_first(tmp_path: Path) -> None:
    for name, created in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        backup(tmp_path, name, created=created)
    listed = archive.list_backups(str(tmp_path))
    assert [one.id for one in listed] == ["b", "c", "a"]
    assert all(one.bytes > 0 for one in listed)


def test_one_under_way_is_listed_while_its_files_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tmp_path / "half"
    archive.open_folder(str(half))
    (half / "layers" / "x.part").write_bytes(b"12")
    (half / "layers" / "y").write_bytes(b"345")
    lstat = os.lstat

    def renamed(path: str) -> os.stat_result:
        if str(path).endswith(".part"):
            Path(path).unlink()
        return lstat(path)

    monkeypatch.setattr(os, "lstat", renamed)
    assert [(one.id, one.bytes) for one in archive.list_backups(str(tmp_path))] == [("half", 3)]


def test_the_filesystems_own_folder_is_no_backup(tmp_path: Path) -> None:
    """As in a directory of backups that is a disk of its own."""
    backup(tmp_path, "one")
    (tmp_path / "lost+found").mkdir()
    assert [one.id for one in archive.list_backups(str(tmp_path))] == ["one"]
    archive.remove(str(tmp_path), {"lost+found"})
    assert (tmp_path / "lost+found").exists()


def test_no_directory_is_no_backup(tmp_path: Path) -> None:
    assert archive.list_backups(str(tmp_path / "none")) == ()


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".", "a b", "ünï", "x" * 60, "%2F", "x" * 242, "x" * 5000, "数" * 28]
)
def test_every_name_makes_a_file_name(tmp_path: Path, name: str) -> None:
    made = archive.file_name(name)
    folder = str(tmp_path)
    archive.write_archive(folder, f"{made}.tar.zst", [b"content"])
    archive.write_document(folder, f"{made}.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {f"{made}.json", f"{made}.tar.zst"}


@pytest.mark.parametrize("start", ["data", "数", "a数", "aa数"])
def test_a_shortened_file_name_tells_how_the_name_begins(start: str) -> None:
    beginning, _, digest = archive.file_name(start * 100).partition("+")
    assert len(digest) == 64
    assert (start * 100).encode().startswith(unquote_to_bytes(beginning))
    assert archive.file_name("x" * 242) == "x" * 242


def test_file_names_differ_where_names_do() -> None:
    long, longer = "x" * 300, "x" * 301
    names = ["a/b", "a%2Fb", ".", "%2E", "..", "%2E%2E", long, longer, archive.file_name(long)]
    assert len({archive.file_name(name) for name in names}) == len(names)
