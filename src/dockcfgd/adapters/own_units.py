"""Transient units of programs that do dockcfgd's work: they end with it, some yield to others."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dockcfgd.adapters.bus import typed
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.systemd import JobVerb

if TYPE_CHECKING:
    from dockcfgd.adapters.systemd import SystemdBus

__all__ = ["OURS", "UNHURRIED", "end_leftover"]

_OWN_UNIT = "dockcfgd.service"
_FORGOTTEN = "not-found"
_STOP_SECONDS = 90.0

OURS = (("BindsTo", typed("as", [_OWN_UNIT])), ("After", typed("as", [_OWN_UNIT])))
"""Properties of a program's unit that ends with who waits for it."""

UNHURRIED = (
    ("CPUWeight", typed("t", 10)),
    ("IOWeight", typed("t", 10)),
    ("IOSchedulingClass", typed("i", 3)),
)
"""Properties of a unit that works while the engine serves."""


def end_leftover(systemd: SystemdBus, unit: str) -> None:
    """End a program that an earlier dockcfgd left at work."""
    if systemd.unit(unit).load_state == _FORGOTTEN:
        return
    with contextlib.suppress(SystemdFailure):
        systemd.run_job(JobVerb.STOP, unit, timeout=_STOP_SECONDS)
    systemd.reset_failed(unit)
