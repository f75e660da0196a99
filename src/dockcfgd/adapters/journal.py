"""The journal's lines of a unit's own process, read with journalctl."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["last_line", "telling_line"]

_LINES = 200
_PATIENCE = 5.0

# The engine logs in logfmt; what ends it goes to standard error as plain text. A long trace follows
# a Go panic.
_CHATTER = re.compile(r'^time="?[^ ]+ level=(trace|debug|info)\b')
_PANIC = re.compile(r"^(panic|fatal error): ")


def last_line(unit: str, *, invocation: str = "", program: str = "journalctl") -> str:
    """Give the line that tells most of how the unit's process ended; empty where none is found.

    Lines of the process itself only, none of systemd's about the unit; of one invocation (its ID in
    hex), if given.
    """
    matches = [f"_SYSTEMD_UNIT={unit}"]
    if invocation:
        matches.append(f"_SYSTEMD_INVOCATION_ID={invocation}")
    # What a process wrote just before its end may still be on its way into the files.
    _output(program, "--sync")
    command = (program, "--quiet", "--no-pager", "--output=cat", f"--lines={_LINES}", *matches)
    return telling_line(_output(*command).splitlines())


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


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
