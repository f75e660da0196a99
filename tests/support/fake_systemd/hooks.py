"""Commands that stand for what a unit's process does."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

from gi.repository import GLib

if TYPE_CHECKING:
    from collections.abc import Callable


def run(command: str, unit: str, ended: Callable[[int, str], None]) -> None:
    """Run a shell command with FAKE_UNIT set; `ended` gets its exit status and last line of output.

    It may leave a process behind that keeps its output open.
    """
    output = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- closed when the command has ended
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        env=os.environ | {"FAKE_UNIT": unit},
    )

    def done(*_: object) -> bool:
        status = process.poll()
        if status is None:
            return True
        output.seek(0)
        lines = output.read().split("\n")
        output.close()
        ended(status, next((line for line in reversed(lines) if line.strip()), ""))
        return False

    GLib.timeout_add(10, done)
