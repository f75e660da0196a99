"""Probes in services of their own, as this daemon's has neither network nor the host's folders."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.adapters import dial
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.probes import CommandEnd, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.adapters.systemd import ProgramEnd, SystemdBus
    from dockcfgd.model.probes import Endpoint

__all__ = ["UnitProbes"]

_AT_ONCE = 1000  # of a command line's length, and of the files that a process may open
_DIAL_SECONDS = 30.0
_LONGEST_LINE = 300
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127  # of the shell


class UnitProbes:
    """ports.Probes by systemd's transient units. `folder` is only root's to write to."""

    def __init__(self, systemd: SystemdBus, folder: str) -> None:
        self._systemd = systemd
        self._output = Path(folder) / "probe.txt"
        self._numbers = itertools.count(1)

    def answering(self, endpoints: Sequence[Endpoint]) -> frozenset[Endpoint]:
        """Give those that take a connection within a second and do not drop it at once."""
        found: set[Endpoint] = set()
        for first in range(0, len(endpoints), _AT_ONCE):
            found |= self._answering(endpoints[first : first + _AT_ONCE])
        return frozenset(found)

    def run(self, command: str, *, timeout: float) -> CommandEnd:
        """Run a command of the shell as root, and end it at `timeout`.

        What it writes goes to the journal, which bounds it.
        """
        unit = self._unit()
        what = f"the command {shown(command)}"
        program = ["/bin/sh", "-c", command]
        end = self._systemd.run_program(unit, program, what=what, timeout=timeout)
        why = _why(end, timeout)
        line = self._systemd.last_line(unit, invocation="") if why else ""
        missing = end.status in {_NOT_EXECUTABLE, _NOT_FOUND}
        return CommandEnd(why, line[:_LONGEST_LINE], not_run=missing)

    def _answering(self, asked: Sequence[Endpoint]) -> set[Endpoint]:
        program = [sys.executable, "-I", "-S", str(dial.__file__), json.dumps(asked)]
        what = f"a look at {len(asked)} published ports"
        output = self._output
        try:
            end = self._systemd.run_program(
                self._unit(), program, what=what, timeout=_DIAL_SECONDS, output=str(output)
            )
            why = _why(end, _DIAL_SECONDS)
            text = output.read_text("utf-8", "replace") if output.exists() else ""
        finally:
            output.unlink(missing_ok=True)
        if why:
            line = text.strip().rpartition("\n")[2]
            raise SystemdFailure(what=f"have {what}", name=end.result, why=f"it {why}: {line}")
        return {asked[position] for position in json.loads(text)}

    def _unit(self) -> str:
        return f"dockcfgd-probe-{os.getpid()}-{next(self._numbers)}.service"


def _why(end: ProgramEnd, timeout: float) -> str:
    if end.result == "timeout":
        return f"did not end within {timeout:.0f} s"
    if end.status is None:
        return f"was ended ({end.result})"
    return f"exited {end.status}" if end.status else ""
