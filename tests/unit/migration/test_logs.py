"""A container that is made anew has the log of the one before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dockcfgd.migration.kept_logs import forget_logs, keep_logs, look_in_too, put_logs
from dockcfgd.migration.logs import carry_logs
from dockcfgd.model.errors import FileFailure

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (OLD, NEW):
        (tmp_path / "containers" / name).mkdir(parents=True)
    return tmp_path


def folder(root: Path, name: str) -> Path:
    return root / "containers" / name


def carry(root: Path) -> None:
    carry_logs(str(root), before=OLD, now=NEW)


def refuse_links(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the filesystem refuse every second name."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.link", refuse)


def test_the_files_of_both_drivers_come_along_with_those_that_were_rotated(root: Path) -> None:
    for name in (f"{OLD}-json.log", f"{OLD}-json.log.1", f"{OLD}-json.log.2.gz"):
        (folder(root, OLD) / name).write_text(name)
    (folder(root, OLD) / f"{OLD}-json.log").chmod(0o640)
    (folder(root, OLD) / "config.v2.json").write_text("{}")
    (folder(root, OLD) / "local-logs").mkdir()
    (folder(root, OLD) / "local-logs/container.log").write_bytes(bytes(range(256)) * 1000)
    carry(root)
    carry(root)
    new = folder(root, NEW)
    assert sorted(path.name for path in new.iterdir()) == [
        f"{NEW}-json.log", f"{NEW}-json.log.1", f"{NEW}-json.log.2.gz", "local-logs",
    ]  # fmt: skip
    assert (new / f"{NEW}-json.log").read_text() == f"{OLD}-json.log"
    assert (new / f"{NEW}-json.log").stat().st_mode & 0o777 == 0o640
    assert (new / "local-logs/container.log").read_bytes() == bytes(range(256)) * 1000
    assert (folder(root, OLD) / f"{OLD}-json.log.1").exists()


def test_a_log_that_is_there_stays(root: Path) -> None:
    (folder(root, OLD) / f"{OLD}-json.log").write_text("of before")
    (folder(root, NEW) / f"{NEW}-json.log").write_text("of now")
    carry(root)
    assert (folder(root, NEW) / f"{NEW}-json.log").read_text() == "of now"


def test_on_another_host_there_is_none(tmp_path: Path) -> None:
    folder(tmp_path, NEW).mkdir(parents=True)
    carry(tmp_path)
    assert list(folder(tmp_path, NEW).iterdir()) == []


def test_where_it_cannot_be_copied_the_file_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder(root, OLD) / f"{OLD}-json.log").write_text("of before")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.copy_file_range", full)
    with pytest.raises(FileFailure, match=r"copy the log to .*json\.log: No space left"):
        carry(root)
    assert list(folder(root, NEW).iterdir()) == []


def log(root: Path, name: str) -> Path:
    return folder(root, name) / f"{name}-json.log"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    made = tmp_path / "kept" / "change"
    made.mkdir(parents=True)
    return made


def keep(root: Path, kept: Path) -> None:
    keep_logs(str(kept), str(root), [OLD])


def put(root: Path, kept: Path) -> None:
    put_logs(str(kept), str(root), before=OLD, now=NEW)


def end_and_remove(root: Path) -> None:
    with log(root, OLD).open("a") as file:
        file.write("last words\n")
    for path in sorted(folder(root, OLD).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder(root, OLD).rmdir()


def test_a_log_that_goes_with_its_container_is_kept_up_to_its_end(root: Path, kept: Path) -> None:
    log(root, OLD).write_text("of before\n")
    Path(f"{log(root, OLD)}.1.gz").write_text("rotated")
    (folder(root, OLD) / "local-logs").mkdir()
    (folder(root, OLD) / "local-logs/container.log").write_text("local")
    keep(root, kept)
    keep(root, kept)
    end_and_remove(root)
    put(root, kept)
    put(root, kept)
    assert log(root, NEW).read_text() == "of before\nlast words\n"
    assert Path(f"{log(root, NEW)}.1.gz").read_text() == "rotated"
    assert (folder(root, NEW) / "local-logs/container.log").read_text() == "local"
    forget_logs(str(kept))
    assert not list((root / "dockcfgd").iterdir())
    assert log(root, NEW).read_text() == "of before\nlast words\n"


def test_what_was_rotated_since_is_kept_anew(root: Path, kept: Path) -> None:
    log(root, OLD).write_text("first")
    keep(root, kept)
    log(root, OLD).rename(f"{log(root, OLD)}.1")
    log(root, OLD).write_text("second\n")
    keep(root, kept)
    end_and_remove(root)
    put(root, kept)
    assert log(root, NEW).read_text() == "second\nlast words\n"
    assert Path(f"{log(root, NEW)}.1").read_text() == "first"


def test_it_is_found_where_the_data_root_was_renamed(root: Path, kept: Path) -> None:
    log(root, OLD).write_text("of before\n")
    keep(root, kept)
    end_and_remove(root)
    inner = root.parent / "renamed"
    root.rename(inner)
    kept = inner / kept.relative_to(root)
    look_in_too(str(kept), str(inner))
    put(inner, kept)
    assert log(inner, NEW).read_text() == "of before\nlast words\n"
    forget_logs(str(kept))
    assert not list((inner / "dockcfgd").iterdir())


def test_on_another_filesystem_it_is_copied(
    root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(root, OLD).write_text("of before\n")
    keep(root, kept)
    end_and_remove(root)

    refuse_links(monkeypatch, errno.EXDEV)
    put(root, kept)
    assert log(root, NEW).read_text() == "of before\nlast words\n"
    assert log(root, NEW).stat().st_nlink == 1


def test_where_there_are_no_second_names_it_is_not_kept(
    root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(root, OLD).write_text("of before\n")

    refuse_links(monkeypatch, errno.EXDEV)
    keep(root, kept)
    put(root, kept)
    assert not log(root, NEW).exists()
    forget_logs(str(kept))


def test_a_full_disk_is_told_before_anything_is_stopped(
    root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(root, OLD).write_text("of before\n")

    refuse_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(FileFailure, match=r"keep the log in .*json\.log: No space left"):
        keep(root, kept)


def test_the_folders_of_a_further_stop_and_of_a_backup_belong_to_their_change(
    root: Path, kept: Path
) -> None:
    log(root, OLD).write_text("of before\n")
    (kept / "again").mkdir()
    (kept / "disposable").mkdir()
    keep(root, kept / "again")
    assert (kept / "logs.json").exists()
    keep(root, kept / "disposable")
    assert [path.name for path in (root / "dockcfgd").iterdir()] == ["change"]
    put(root, kept)
    assert log(root, NEW).read_text() == "of before\n"
