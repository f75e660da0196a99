"""Transient units of programs that do dockcfgd's work; some yield to others.

They are not bound to dockcfgd.service: systemd would stop them with it, and hold back the end of
their start jobs until it has started again, which it cannot while dockcfgd waits for them. What an
earlier dockcfgd left at work, when it was killed, the next one ends.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dockcfgd.adapters.bus import typed
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.systemd import JobVerb

if TYPE_CHECKING:
    from dockcfgd.ports import Systemd

__all__ = ["CARRY", "FIRST_COPY", "ROOT", "UNHURRIED", "end_leftover", "end_leftovers"]

CARRY, FIRST_COPY, ROOT = (f"dockcfgd-{name}.service" for name in ("carry", "first-copy", "root"))
_FORGOTTEN = "not-found"
_STOP_SECONDS = 90.0

UNHURRIED = (
    ("CPUWeight", typed("t", 10)),
    ("IOWeight", typed("t", 10)),
    ("IOSchedulingClass", typed("i", 3)),
)
"""Properties of a unit that works while the engine serves."""


def end_leftover(systemd: Systemd, unit: str) -> None:
    """End a program that an earlier dockcfgd left at work."""
    if systemd.unit(unit).load_state == _FORGOTTEN:
        return
    with contextlib.suppress(SystemdFailure):
        systemd.run_job(JobVerb.STOP, unit, timeout=_STOP_SECONDS)
    systemd.reset_failed(unit)


def end_leftovers(systemd: Systemd) -> None:
    """End all programs that an earlier dockcfgd left at work. Raises SystemdFailure."""
    for unit in (CARRY, FIRST_COPY, ROOT):
        end_leftover(systemd, unit)
