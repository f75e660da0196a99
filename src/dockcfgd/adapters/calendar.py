"""systemd's calendar expressions, read by systemd itself (`systemd-analyze calendar`)."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime

from dockcfgd.model.errors import CalendarFailure

__all__ = ["SystemdCalendar"]

_PROGRAM = "systemd-analyze"
_SECONDS = 10.0
_NEXT, _IN_UTC = "Next elapse:", "(in UTC):"


class SystemdCalendar:
    """Calendar expressions in the machine's own time zone (ports.Calendar)."""

    def next_after(self, expression: str, moment: float) -> float | None:
        """Give when the expression next elapses after `moment`, None for never again."""
        # --base-time is there from systemd 244 on.
        command = [_PROGRAM, "calendar", f"--base-time=@{moment:.0f}", "--", expression]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
                env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CalendarFailure(expression, f"{_PROGRAM} cannot be run: {error}") from error
        if done.returncode != 0:
            raise CalendarFailure(expression, done.stderr.strip() or "it is not understood")
        return _elapse(expression, done.stdout)


def _elapse(expression: str, told: str) -> float | None:
    lines = {
        label: line.partition(label)[2].strip()
        for line in told.splitlines()
        for label in (_NEXT, _IN_UTC)
        if label in line
    }
    text = lines.get(_IN_UTC) or lines.get(_NEXT, "")
    if text == "never":
        return None
    try:
        moment = datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError as error:
        raise CalendarFailure(expression, f"{_PROGRAM} answers {text!r}") from error
    return moment.timestamp()
