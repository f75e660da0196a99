"""The drop-in under `systemd-analyze verify`, as findings about the keys that it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.desired import dotted
from dockcfgd.model.errors import Finding
from dockcfgd.model.steps import WriteFile
from dockcfgd.planning.unit_text import settings_of
from dockcfgd.reconcile.check import Check

if TYPE_CHECKING:
    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Plan
    from dockcfgd.model.unit_complaint import UnitComplaint
    from dockcfgd.planning.unit_text import Setting

__all__ = ["checked_drop_in"]

UNIT_CHECK = "systemd-analyze verify"
_MADE_OF: dict[str, KeyPath] = {
    "Environment": ("service", "environment"),
    "ExecStart": ("service", "arguments"),
}


def checked_drop_in(
    effects: Effects | None, host: HostState, plan: Plan
) -> tuple[tuple[Finding, ...], Check | None]:
    """Give what systemd finds wrong with the drop-in that the plan writes, and how it was asked.

    Nothing is asked, and there is no check, where the plan writes no drop-in.
    """
    path = host.drop_in.path
    written = [
        step.content for step in plan.steps if isinstance(step, WriteFile) and step.path == path
    ]
    if not written:
        return (), None
    if effects is None:
        return (), Check(UNIT_CHECK, run=False, reason="the host was given on paper")
    name = path.rpartition("/")[2]
    complaints = effects.unit_checker.check(host.unit_files, name, written[-1])
    if complaints is None:
        return (), Check(UNIT_CHECK, run=False, reason="systemd-analyze is not there or fails")
    settings = [*settings_of(written[-1].decode(errors="replace"))]
    found = tuple(_finding(complaint, settings) for complaint in complaints)
    return found, Check(UNIT_CHECK, run=True)


def _finding(complaint: UnitComplaint, settings: list[Setting]) -> Finding:
    at = [one for one in settings if one.line <= complaint.line]
    if not at:
        return Finding(key="service", message=f"systemd does not take it: {complaint.text}")
    setting = at[-1]
    key: KeyPath = ("service", "unit", setting.section, setting.name)
    if setting.section == "Service":
        key = _MADE_OF.get(setting.name, key)
    return Finding(
        key=dotted(key),
        message=f"systemd would ignore {setting.name}={setting.value}: {complaint.text}",
        hint="write it as in a unit file (systemd.directives(7) names them all)",
    )
