from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.journal import killed, last_line, lines, started_since, telling_line
from dockcfgd.model.systemd import JournalLine

if TYPE_CHECKING:
    from pathlib import Path

CHATTER = 'time="2025-03-01T10:00:00.1Z" level=info msg="Starting up"'
WARNING = 'time="2025-03-01T10:00:00.2Z" level=warning msg="no swap limit support"'
REASON = "failed to start daemon: error initializing graphdriver: driver not supported: btrfs"
BYE = 'time="2025-03-01T10:00:00.3Z" level=info msg="Daemon shutdown complete"'
RELOAD = 'time="2025-03-01T10:00:00.4Z" level=error msg="Error reconfiguring the daemon"'


@pytest.mark.parametrize(
    ("lines", "telling"),
    [
        ([], ""),
        (["", "  "], ""),
        ([CHATTER], CHATTER),
        ([CHATTER, WARNING, REASON], REASON),
        ([CHATTER, REASON, BYE], REASON),
        ([REASON, CHATTER, RELOAD, BYE], RELOAD),
        ([CHATTER, BYE], BYE),
        (
            [CHATTER, "panic: nil map", "", "goroutine 1 [running]:", "\tmain.go:7"],
            "panic: nil map",
        ),
    ],
)
def test_the_line_that_tells_the_reason(lines: list[str], telling: str) -> None:
    assert telling_line(lines) == telling


def program(folder: Path, body: str) -> str:
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_only_the_units_own_process_of_one_invocation_is_asked(tmp_path: Path) -> None:
    body = f"""echo "$@" >> {tmp_path}/asked; [ "$1" = --sync ] || echo '{REASON}'"""
    line = last_line("docker.service", invocation="ab12", program=program(tmp_path, body))
    assert line == REASON
    sync, ask = (tmp_path / "asked").read_text().splitlines()
    assert sync == "--sync"
    assert {"_SYSTEMD_UNIT=docker.service", "_SYSTEMD_INVOCATION_ID=ab12"} < set(ask.split())


def test_what_containers_log_by_the_engines_process_is_not_asked_for(tmp_path: Path) -> None:
    """Their lines come by the journal's own protocol, with the engine's unit (journald driver)."""
    asked = program(tmp_path, f"""[ "$1" = --sync ] || echo "$@" >> {tmp_path}/asked""")
    last_line("docker.service", invocation="ab12", program=asked)
    lines("docker.service", since=0, most=5, program=asked)
    for ask in (tmp_path / "asked").read_text().splitlines():
        assert "_TRANSPORT=stdout" in ask.split()


def test_a_process_that_ended_before_the_journal_knew_its_invocation(tmp_path: Path) -> None:
    entries = [
        {"MESSAGE": "failed before", "_SYSTEMD_INVOCATION_ID": "aa"},
        {"MESSAGE": [0x66, 0xFF]},
        {"MESSAGE": REASON},
        {"MESSAGE": None},
    ]
    (tmp_path / "entries").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    body = f"""case "$*" in *json*) cat {tmp_path}/entries;; esac"""
    asked = program(tmp_path, body)
    assert last_line("docker.service", invocation="bb", program=asked) == REASON
    assert last_line("docker.service", program=asked) == ""


def test_another_invocations_line_is_no_reason(tmp_path: Path) -> None:
    entry = json.dumps({"MESSAGE": REASON, "_SYSTEMD_INVOCATION_ID": "aa"})
    body = f"""case "$*" in *json*) echo '{entry}';; esac"""
    line = last_line("docker.service", invocation="bb", program=program(tmp_path, body))
    assert line == ""


def test_without_a_journal_there_is_no_line(tmp_path: Path) -> None:
    assert last_line("docker.service", program=str(tmp_path / "missing")) == ""
    assert last_line("docker.service", program=program(tmp_path, "exit 1")) == ""


def test_bytes_that_are_no_text_do_not_hide_the_reason(tmp_path: Path) -> None:
    body = r"printf 'cannot open \377 there\n'"
    line = last_line("docker.service", program=program(tmp_path, body))
    assert line == "cannot open \N{REPLACEMENT CHARACTER} there"


def test_the_last_lines_with_time_and_run(tmp_path: Path) -> None:
    entries = [
        {"MESSAGE": CHATTER, "_SYSTEMD_INVOCATION_ID": "aa", "__REALTIME_TIMESTAMP": "1500000"},
        {"MESSAGE": [0x66, 0xFF], "__REALTIME_TIMESTAMP": "2000000"},
    ]
    (tmp_path / "entries").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    body = f"""echo "$@" >> {tmp_path}/asked; [ "$1" = --sync ] || cat {tmp_path}/entries"""
    found = lines("docker.service", since=1.25, most=50, program=program(tmp_path, body))
    assert found == (
        JournalLine(1.5, "aa", CHATTER),
        JournalLine(2.0, "", "f\N{REPLACEMENT CHARACTER}"),
    )
    asked = (tmp_path / "asked").read_text().splitlines()[1].split()
    assert {"--since=@1.250000", "--lines=50", "_SYSTEMD_UNIT=docker.service"} < set(asked)


def test_without_a_journal_there_are_no_lines(tmp_path: Path) -> None:
    assert lines("docker.service", since=0.0, most=5, program=str(tmp_path / "missing")) == ()


EXIT = {"COMMAND": "ExecStart", "EXIT_CODE": "killed", "EXIT_STATUS": "9"}


@pytest.mark.parametrize(
    ("entries", "tells"),
    [
        ([EXIT, {"UNIT_RESULT": "signal"}], True),
        ([EXIT, {"UNIT_RESULT": "oom-kill"}], True),
        ([EXIT, {"UNIT_RESULT": "timeout"}], False),
        ([{**EXIT, "EXIT_STATUS": "11"}, {"UNIT_RESULT": "signal"}], False),
        ([{**EXIT, "COMMAND": "ExecStartPre"}, {"UNIT_RESULT": "signal"}], False),
        (
            [{**EXIT, "EXIT_CODE": "exited", "EXIT_STATUS": "1"}, {"UNIT_RESULT": "exit-code"}],
            False,
        ),
        ([EXIT], False),
        ([], False),
    ],
)
def test_who_ended_a_run(tmp_path: Path, entries: list[dict[str, str]], *, tells: bool) -> None:
    (tmp_path / "entries").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    body = f"""echo "$@" >> {tmp_path}/asked; [ "$1" = --sync ] || cat {tmp_path}/entries"""
    found = killed("docker.service", invocation="ab12", program=program(tmp_path, body))
    assert found is tells
    _, ask = (tmp_path / "asked").read_text().splitlines()
    assert {"UNIT=docker.service", "INVOCATION_ID=ab12"} < set(ask.split())


def test_without_a_journal_nothing_tells_who_ended_a_run() -> None:
    assert not killed("docker.service", invocation="ab12", program="/nonexistent")


@pytest.mark.parametrize(
    ("finds", "told"), [("--since=", True), ("--until=", False), ("nothing", None)]
)
def test_whether_a_start_came_to_its_end_well(
    tmp_path: Path, *, finds: str, told: bool | None
) -> None:
    body = f"""echo "$@" >> {tmp_path}/asked; case "$*" in *{finds}*) echo '{{}}';; esac"""
    found = started_since("docker.service", since=12.5, program=program(tmp_path, body))
    assert found is told
    asked = (tmp_path / "asked").read_text().splitlines()[1].split()
    assert {"--since=@12.500000", "UNIT=docker.service"} < set(asked)


def test_what_a_message_holds_ends_no_entry(tmp_path: Path) -> None:
    """What is printable journalctl gives as it is."""
    message = "one\u2028two\u2029three"
    entry = {
        "MESSAGE": message,
        "UNIT_RESULT": "oom-kill",
        "__REALTIME_TIMESTAMP": "1000000",
        "_SYSTEMD_INVOCATION_ID": "aa",
    }
    (tmp_path / "entries").write_text(f"{json.dumps(entry, ensure_ascii=False)}\n")
    asked = program(tmp_path, f"""case "$*" in *json*) cat {tmp_path}/entries;; esac""")
    (line,) = lines("docker.service", since=0, most=5, program=asked)
    assert line.text == message
    assert killed("docker.service", invocation="aa", program=asked)
    assert last_line("docker.service", invocation="bb", program=asked) == ""
