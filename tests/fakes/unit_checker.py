"""systemd's check of a drop-in, by the few settings whose values it knows."""

from __future__ import annotations

from collections.abc import Sequence

from dockcfgd.model.host import UnitFile
from dockcfgd.model.unit_complaint import UnitComplaint
from dockcfgd.planning.unit_text import settings_of

__all__ = ["FakeUnitChecker"]

_NUMBERS = {"LimitNOFILE", "OOMScoreAdjust", "TasksMax"}


class FakeUnitChecker:
    """ports.UnitChecker. `installed` False: there is no systemd-analyze on this host."""

    def __init__(self) -> None:
        self.installed = True

    def check(
        self, unit_files: Sequence[UnitFile], name: str, drop_in: bytes
    ) -> tuple[UnitComplaint, ...] | None:
        if not (self.installed and unit_files and name.endswith(".conf")):
            return None
        told = []
        for one in settings_of(drop_in.decode()):
            word = one.value.replace(":", "")
            if one.name in _NUMBERS and not (word.isdecimal() or word == "infinity"):
                text = f"Failed to parse resource value, ignoring: {one.value}"
                told.append(UnitComplaint(one.line, text))
            elif one.name.startswith("Nope"):
                text = f"Unknown key '{one.name}' in section [{one.section}], ignoring."
                told.append(UnitComplaint(one.line, text))
        return tuple(told)
