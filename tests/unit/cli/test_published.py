from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.cli import published
from dockcfgd.settings import Settings
from tests.unit.cli.surroundings import golden, input_view, living, started_ticks

IN_SYNC = golden("status", "in-sync")


def daemon(pid: int, ticks: int) -> dict[str, Any]:
    return {"daemon": {"pid": pid, "started_ticks": ticks}}


def test_alive_is_the_process_that_published_it() -> None:
    ticks = started_ticks(os.getpid())
    assert published.alive(daemon(os.getpid(), ticks))
    assert not published.alive(daemon(os.getpid(), ticks - 1))  # the number was used again


def test_an_ended_process_is_not_alive_even_before_it_is_reaped() -> None:
    process = subprocess.Popen([sys.executable, "-ISc", "pass"])
    document = daemon(process.pid, started_ticks(process.pid))
    while "Z" not in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split():
        time.sleep(0.01)
    assert not published.alive(document)
    process.wait()
    assert not published.alive(document)


def test_a_name_with_brackets_does_not_confuse_it(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to(Path(sys.executable).resolve())
    code = "import sys; sys.stdin.read()"
    with subprocess.Popen([program, "-ISc", code], stdin=subprocess.PIPE) as process:
        assert published.alive(daemon(process.pid, started_ticks(process.pid)))


@pytest.mark.parametrize("document", [{}, {"daemon": None}, {"daemon": {"pid": "1"}}])
def test_no_process_is_not_alive(document: dict[str, Any]) -> None:
    assert not published.alive(document)


def test_a_document_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    assert published.read(str(tmp_path)) is None
    file = tmp_path / "status.json"
    for broken in (b"", b"{", b"[]", b"\xff"):
        file.write_bytes(broken)
        assert published.read(str(tmp_path)) is None
    file.write_text('{"schema": 1}')
    assert published.read(str(tmp_path)) == {"schema": 1}


def inputs(folder: Path) -> dict[str, Any]:
    names = [folder / "a.toml", folder / "conf.toml"]
    return {
        "desired": {
            "files": [input_view(path) for path in names if path.exists()],
            "folders": [input_view(folder), input_view(folder / "absent")],
        }
    }


def test_any_change_of_the_inputs_shows(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    file = folder / "a.toml"
    file.write_text("schema = 1\n")
    seen = inputs(folder)
    assert published.changed_input(seen) is None

    file.write_text("schema = 2\n")
    assert published.changed_input(seen) == str(file)

    seen = inputs(folder)
    (folder / "b.toml").touch()
    assert published.changed_input(seen) == str(folder)

    seen = inputs(folder)
    new = tmp_path / "new"
    new.write_text("schema = 2\n")
    new.replace(file)
    assert published.changed_input(seen) == str(file)

    seen = inputs(folder)
    (folder / "absent").mkdir()
    changed = published.changed_input(seen)
    assert changed in {str(folder), str(folder / "absent")}

    seen = inputs(folder)
    file.unlink()
    assert published.changed_input(seen) == str(file)


def test_changed_inputs_are_never_the_old_in_sync(tmp_path: Path) -> None:
    document = living(IN_SYNC)
    assert published.fresh(document) == document
    document["desired"]["folders"].append({**input_view(tmp_path), "mtime_ns": 1})
    fresh = published.fresh(document)
    assert fresh["condition"] == "pending"
    assert fresh["reason"] == f"files changed, not looked at yet: {tmp_path}"
    assert published.exit_code(fresh) == 4
    assert document["condition"] == "in-sync"


def test_a_dead_daemon_is_stopped() -> None:
    fresh = published.fresh(living(IN_SYNC) | daemon(os.getpid(), 1))
    assert (fresh["daemon"], fresh["phase"], fresh["condition"]) == (None, "stopped", "in-sync")
    assert published.exit_code(fresh) == 3


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("in-sync", 0),
        ("unmanaged", 0),
        ("pending-held", 4),
        ("drifted", 4),
        ("rejected-refused", 1),
        ("rejected-rolled-back", 1),
        ("degraded", 1),
        ("applying", 4),
        ("planning-at-start", 4),
        ("stopped-last-known", 3),
        ("stopped-nothing-known", 3),
    ],
)
def test_exit_codes(case: str, code: int) -> None:
    assert published.exit_code(golden("status", case)) == code


def test_a_regular_look_does_not_disturb_the_answer() -> None:
    assert published.exit_code({**IN_SYNC, "phase": "planning"}) == 0
    newer = {**IN_SYNC["desired"], "generation": 4}
    assert published.exit_code({**IN_SYNC, "phase": "planning", "desired": newer}) == 4


def test_nothing_known_has_all_keys() -> None:
    assert set(published.unknown()) == set(IN_SYNC)
    assert json.loads(json.dumps(published.unknown())) == golden("status", "stopped-nothing-known")


def test_settings_come_from_the_environment() -> None:
    assert Settings.from_environment({}) == Settings()
    settings = Settings.from_environment(
        {"DOCKCFGD_CONFIG_DIRS": "/a:/b", "DOCKCFGD_RUNTIME_DIR": "/r", "DOCKCFGD_STATE_DIR": "/s"}
    )
    assert settings.config_dirs == ("/a", "/b")
    assert (settings.status_json, settings.state_file) == ("/r/status.json", "/s/state.db")
