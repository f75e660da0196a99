"""systemd's own check of unit files: `systemd-analyze verify`, on a copy.

The copy is a unit of another name in a folder of its own, so that neither the drop-ins of the live
unit nor other units' faults are told of: only lines that name the copied drop-in count, and what is
said of the unit as a whole counts where it is not said without the drop-in too.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.adapters.scratch import scratch_folder
from dockcfgd.model.unit_complaint import UnitComplaint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.host import UnitFile

__all__ = ["SystemdAnalyze"]

_RUNTIME_FOLDER = "/run/dockcfgd"
_UNIT = "dockcfgd-verify.service"
_SECONDS = 20.0
# Colours, other languages and other targets of its log would hide what it says.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "LANG": "C.UTF-8",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_LOG_COLOR": "0",
    "SYSTEMD_LOG_TARGET": "console",
    "SYSTEMD_LOG_LEVEL": "notice",
}
_NOT_A_UNIT = re.compile(r"(Failed to|Cannot) (initialize|set up|create|open|allocate)")


class SystemdAnalyze:
    """ports.UnitChecker. The copy lies in `folder` for a moment."""

    def __init__(
        self, *, folder: str = _RUNTIME_FOLDER, program: str = "/usr/bin/systemd-analyze"
    ) -> None:
        self._folder, self._program = folder, program

    def check(
        self, unit_files: Sequence[UnitFile], name: str, drop_in: bytes
    ) -> tuple[UnitComplaint, ...] | None:
        """Give what systemd says of a drop-in called `name` beside `unit_files`; None: no answer.

        A complaint about the unit as a whole has line 0. FileFailure where there is no room for the
        copy.
        """
        if not os.access(self._program, os.X_OK) or not unit_files:
            return None
        with_it = self._told(unit_files, name, drop_in)
        if with_it is None:
            return None
        of_unit = [one for one in with_it if not one.line]
        if of_unit:
            before = self._told(unit_files, name, b"") or ()
            known = {one.text for one in before}
            of_unit = [one for one in of_unit if one.text not in known]
        return (*(one for one in with_it if one.line), *of_unit)

    def _told(
        self, unit_files: Sequence[UnitFile], name: str, drop_in: bytes
    ) -> tuple[UnitComplaint, ...] | None:
        with scratch_folder(self._folder, prefix="verify-") as made:
            unit, below = made / _UNIT, made / f"{_UNIT}.d"
            below.mkdir()
            unit.write_text(unit_files[0].text, "utf-8", "surrogateescape")
            for other in unit_files[1:]:
                path = below / Path(other.path).name
                path.write_text(other.text, "utf-8", "surrogateescape")
            own = below / name
            own.write_bytes(drop_in)
            said = self._run(str(unit))
            return None if said is None else tuple(_complaints(said, str(own)))

    def _run(self, unit: str) -> list[str] | None:
        try:
            done = subprocess.run(
                [self._program, "verify", "--man=no", "--recursive-errors=no", unit],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
                env=_ENVIRONMENT,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        lines = (done.stderr + done.stdout).splitlines()
        broken = done.returncode < 0 or any(_NOT_A_UNIT.match(line) for line in lines)
        return None if broken else lines


def _complaints(lines: Sequence[str], own: str) -> list[UnitComplaint]:
    found: list[UnitComplaint] = []
    for line in lines:
        if line.startswith(f"{own}:"):
            number, _, text = line.removeprefix(f"{own}:").partition(":")
            found.append(UnitComplaint(int(number) if number.isdecimal() else 0, text.strip()))
        elif line.startswith(f"{_UNIT}:"):
            text = line.removeprefix(f"{_UNIT}:").strip().replace(_UNIT, "docker.service")
            found.append(UnitComplaint(0, text))
    return found
