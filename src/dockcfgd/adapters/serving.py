"""Whether the engine's process runs, asked before each call to it: that may wake a stopped one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.systemd import DOCKER_SERVICE

if TYPE_CHECKING:
    from dockcfgd.ports import Systemd

__all__ = ["Serving"]

_KNOWN_SECONDS = 0.5
_START_TIME = 19  # field 22, counted behind the command's closing bracket


class Serving:
    """Tells whether docker.service has a process.

    systemd's answer counts for half a second more, as long as that very process is there: one plan
    may take hundreds of calls.
    """

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._pid, self._ticks, self._until = 0, 0, 0.0

    def __call__(self) -> bool:
        """Whether it runs; not where systemd does not answer."""
        if time.monotonic() < self._until and _ticks(self._pid) == self._ticks:
            return True
        try:
            self._pid = self._systemd.unit(DOCKER_SERVICE).main_pid
        except SystemdFailure:
            self._pid = 0
        self._ticks = _ticks(self._pid) if self._pid else 0
        self._until = time.monotonic() + _KNOWN_SECONDS if self._ticks else 0.0
        return self._pid > 0


def _ticks(pid: int) -> int:
    """Give when a living process started, as proc(5) has it; 0 for none, or none to be seen."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[_START_TIME])
