"""A container that is made anew has the log of the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

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
