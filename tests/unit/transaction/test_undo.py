from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockcfgd.model.deadline import Deadline
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.files import ABSENT, Tag
from dockcfgd.model.undo import Before, FileBack, FolderBack, Note, WayBack
from dockcfgd.transaction.undo import Undo
from tests.support.killing import killed_at_line

OLD = Before(b'{"debug": true}', 0, 0, 0o640, {"user.note": b"\x00keep"})
WAY_BACK = WayBack(
    transaction="t1",
    pid=42,
    files=(
        FileBack("/etc/docker/daemon.json", OLD, (Tag("a" * 64, 0, 0, 0o640),)),
        FileBack("/etc/systemd/system/docker.service.d/zz-dockcfgd.conf", None, (ABSENT,)),
    ),
    folders=(FolderBack("/var/lib/docker", "vfs", "/var/lib/docker/aside"),),
    reload_units=True,
)


@pytest.fixture
def undo(tmp_path: Path) -> Undo:
    return Undo(str(tmp_path))


def test_what_is_stored_is_read(undo: Undo) -> None:
    assert (undo.stored, undo.read()) == (False, None)
    undo.store(WAY_BACK)
    assert undo.stored
    assert undo.read() == WAY_BACK


def test_it_is_plain_files_for_root_alone(undo: Undo, tmp_path: Path) -> None:
    undo.store(WAY_BACK)
    folder = tmp_path / "undo"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "0-daemon.json").read_bytes() == OLD.content
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert json.loads((folder / "way-back.json").read_text())["transaction"] == "t1"


def test_cleared_the_folder_is_empty(undo: Undo, tmp_path: Path) -> None:
    undo.store(WAY_BACK)
    undo.clear()
    assert (undo.stored, undo.read()) == (False, None)
    assert list((tmp_path / "undo").iterdir()) == []


def test_a_deadline_is_added(undo: Undo) -> None:
    deadline = Deadline(300.0, 1234.5, "boot-1", 400.25)
    undo.await_confirmation(deadline)
    assert not undo.stored
    undo.store(WAY_BACK)
    undo.await_confirmation(deadline)
    read = undo.read()
    assert read is not None
    assert read.deadline == deadline
    assert read.files == WAY_BACK.files
    undo.await_confirmation(None)
    assert undo.read() == WAY_BACK


def test_a_deadline_of_an_older_release_is_the_time_of_day(undo: Undo, tmp_path: Path) -> None:
    undo.store(WAY_BACK)
    undo.await_confirmation(Deadline(300.0, 1234.5, "boot-1", 400.25))
    path = tmp_path / "undo" / "way-back.json"
    document = json.loads(path.read_text())
    assert document["confirm_until"] == 1234.5, "all that an older release reads"
    del document["confirm_within"]
    path.write_text(json.dumps(document))
    read = undo.read()
    assert read is not None
    assert read.deadline == Deadline.by_time_of_day(1234.5)


@pytest.mark.parametrize("harm", ["{", '{"schema": 2}', '{"schema": 1}', "[]"])
def test_a_damaged_list_is_not_used(undo: Undo, tmp_path: Path, harm: str) -> None:
    undo.store(WAY_BACK)
    (tmp_path / "undo" / "way-back.json").write_text(harm)
    with pytest.raises(FileFailure, match=r"cannot use .*way-back\.json: it is damaged or of"):
        undo.read()


def test_damaged_old_content_is_not_used(undo: Undo, tmp_path: Path) -> None:
    undo.store(WAY_BACK)
    (tmp_path / "undo" / "0-daemon.json").write_text("{}")
    with pytest.raises(FileFailure, match=r"old content of /etc/docker/daemon\.json is damaged"):
        undo.read()


def test_one_process_at_a_time(undo: Undo, tmp_path: Path) -> None:
    other = Undo(str(tmp_path))
    assert undo.lock()
    assert undo.lock()
    assert not other.lock()
    undo.close()
    assert other.lock()
    other.close()


def test_a_note_is_about_one_transaction(undo: Undo, tmp_path: Path) -> None:
    note = Note("t1", 5.0, "abc", ("/etc/docker/daemon.json",))
    assert undo.note("t1") is None
    undo.leave_note(note)
    assert undo.note("t1") == note
    assert undo.note("t2") is None
    undo.forget_note()
    assert undo.note("t1") is None
    (tmp_path / "recovered.json").write_text("{")
    assert undo.note("t1") is None


def test_killed_at_any_line_it_is_whole_or_not_there(tmp_path: Path) -> None:
    lines = 0
    while True:
        folder = tmp_path / str(lines)
        killed = killed_at_line(lines, lambda at=folder: Undo(str(at)).store(WAY_BACK))  # type: ignore[misc]
        undo = Undo(str(folder))
        assert undo.read() in ([None, WAY_BACK] if killed else [WAY_BACK])
        undo.store(WAY_BACK)
        assert undo.read() == WAY_BACK
        if not killed:
            break
        lines += 1
    assert lines > 30
    print(f"undo: {lines} of {lines} places to be killed at, 0 failed")


def test_killed_at_any_line_of_its_end_it_is_whole_or_gone(tmp_path: Path) -> None:
    lines, seen = 0, set()
    while True:
        folder = tmp_path / str(lines)
        Undo(str(folder)).store(WAY_BACK)
        killed = killed_at_line(lines, lambda at=folder: Undo(str(at)).clear())  # type: ignore[misc]
        undo = Undo(str(folder))
        left = undo.read()
        assert left in (None, WAY_BACK)
        seen.add(left is None)
        undo.clear()
        assert list((folder / "undo").iterdir()) == []
        if not killed:
            break
        lines += 1
    assert seen == {True, False}


def test_what_is_jotted_down_needs_no_state_folder(tmp_path: Path) -> None:
    """It is for the time when no disk takes a note."""
    state, memory = tmp_path / "state", str(tmp_path / "run")
    state.write_text("in the way")
    note = Note("t1", 5.0, "run-1")
    Undo(str(state), memory).jot_start(note)
    later = Undo(str(state), memory)
    assert later.jotted("t1") == note
    assert later.jotted("t2") is None
    state.unlink()
    state.mkdir()
    later.forget_note()
    assert later.jotted("t1") is None


def test_without_a_folder_in_memory_nothing_is_jotted_down(undo: Undo, tmp_path: Path) -> None:
    undo.jot_start(Note("t1", 5.0, "run-1"))
    assert undo.jotted("t1") is None
    assert list(tmp_path.iterdir()) == []
