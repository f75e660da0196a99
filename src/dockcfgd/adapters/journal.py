"""The journal's lines of a unit's own process, read with journalctl."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

from dockcfgd.model.systemd import JournalLine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["last_line", "lines", "started_since", "telling_line"]

_LINES = 200
_PATIENCE = 5.0

# The engine logs in logfmt; what ends it goes to standard error as plain text. A long trace follows
# a Go panic.
_CHATTER = re.compile(r'^time="?[^ ]+ level=(trace|debug|info)\b')
# Of systemd: that a unit's process ended, and that a unit failed (sd-messages(3)).
_PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
_UNIT_FAILURE = "d9b373ed55a64feb8242e02dbe79a49c"
# … and that a start of a unit came to its end well.
_STARTED = "39f53479d3a045ac8e11786248231fbf"
_SIGKILL = "9"
# What a unit's process writes itself. By the journal's own protocol the engine passes on what
# containers with the journald driver write, and that has its unit too.
_WRITTEN = "_TRANSPORT=stdout"
_PANIC = re.compile(r"^(panic|fatal error): ")


def last_line(unit: str, *, invocation: str = "", program: str = "journalctl") -> str:
    """Give the line that tells most of how the unit's process ended; empty where none is found.

    Lines of the process itself only, none of systemd's about the unit; of one invocation (its ID in
    hex), if given.
    """
    # What a process wrote just before its end may still be on its way into the files.
    _output(program, "--sync")
    show = (
        program,
        "--quiet",
        "--no-pager",
        f"--lines={_LINES}",
        _WRITTEN,
        f"_SYSTEMD_UNIT={unit}",
    )
    ours = (f"_SYSTEMD_INVOCATION_ID={invocation}",) if invocation else ()
    line = telling_line(_output(*show, "--output=cat", *ours).splitlines())
    if line or not invocation:
        return line
    return telling_line(_unowned(_output(*show, "--output=json")))


def lines(
    unit: str, *, since: float, most: int, program: str = "journalctl"
) -> tuple[JournalLine, ...]:
    """Give the last lines of the unit's process itself since a moment, oldest first."""
    _output(program, "--sync")
    newest = (f"--since=@{since:.6f}", f"--lines={most}")
    asked = (*newest, "--output=json", _WRITTEN, f"_SYSTEMD_UNIT={unit}")
    entries = _output(program, "--quiet", "--no-pager", *asked)
    return tuple(
        JournalLine(
            at=int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6,
            invocation=str(entry.get("_SYSTEMD_INVOCATION_ID", "")),
            text=_text(entry),
        )
        for entry in _entries(entries)
    )


def killed(unit: str, *, invocation: str, program: str = "journalctl") -> bool:
    """Whether SIGKILL of somebody else, or want of memory, ended a run of the unit.

    By what systemd noted of it: a time limit of its own is another result than `signal`.
    """
    _output(program, "--sync")
    of_it = (f"UNIT={unit}", f"INVOCATION_ID={invocation}")
    kinds = (f"MESSAGE_ID={_PROCESS_EXIT}", f"MESSAGE_ID={_UNIT_FAILURE}")
    told = _output(program, "--quiet", "--no-pager", "--output=json", *of_it, *kinds)
    entries = _entries(told)
    results = {entry.get("UNIT_RESULT") for entry in entries}
    by_kill = any(
        (entry.get("EXIT_CODE"), entry.get("EXIT_STATUS")) == ("killed", _SIGKILL)
        for entry in entries
        if entry.get("COMMAND") == "ExecStart"
    )
    return "oom-kill" in results or ("signal" in results and by_kill)


def started_since(unit: str, *, since: float, program: str = "journalctl") -> bool | None:
    """Whether a start of the unit came to its end well since a moment.

    None where the journal does not reach back so far, as one that is kept in memory does not after
    a boot.
    """
    _output(program, "--sync")
    show = (program, "--quiet", "--no-pager", "--lines=1", "--output=json")
    if _output(*show, f"--since=@{since:.6f}", f"UNIT={unit}", f"MESSAGE_ID={_STARTED}").strip():
        return True
    return False if _output(*show, f"--until=@{since:.6f}").strip() else None


def telling_line(lines: Sequence[str]) -> str:
    """Choose a panic's first line, else the last that is more than information, else the last."""
    spoken = [line.strip() for line in lines if line.strip()]
    for line in reversed(spoken):
        if _PANIC.match(line):
            return line
    for line in reversed(spoken):
        if not _CHATTER.match(line):
            return line
    return spoken[-1] if spoken else ""


def _unowned(entries: str) -> list[str]:
    """Give the lines at the end that belong to no invocation.

    The journal asks for the invocation when it reads a line; a process that ends at once is gone by
    then, and some of its lines are without.
    """
    found: list[str] = []
    for entry in reversed(_entries(entries)):
        if "_SYSTEMD_INVOCATION_ID" in entry:
            break
        found.append(_text(entry))
    return found[::-1]


def _entries(told: str) -> list[dict[str, Any]]:
    """Read what journalctl gives as JSON; what a message holds may break a line for Python too."""
    return [json.loads(line) for line in told.split("\n") if line]


def _text(entry: dict[str, Any]) -> str:
    message = entry.get("MESSAGE") or ""
    # What is no text comes as a list of bytes, what is very long not at all.
    return message if isinstance(message, str) else bytes(message).decode(errors="replace")


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
