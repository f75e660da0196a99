"""What is shown from dockcfgd's start until it has looked at the host."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.history import last_status
from dockcfgd.model.errors import StateFileFailure
from dockcfgd.model.status import Condition

if TYPE_CHECKING:
    from dockcfgd.model.status import Status

__all__ = ["recalled"]


def recalled(first: Status, state_file: str) -> Status:
    """Give the status with what held when dockcfgd last rested, where that is known."""
    try:
        known = last_status(state_file)
    except StateFileFailure:
        return first  # whoever opens the file to write tells of it
    if known is None or known.get("condition") not in list(Condition):
        return first
    applied, desired = known.get("applied") or {}, known.get("desired") or {}
    return replace(
        first,
        condition=Condition(known["condition"]),
        reason=known.get("reason"),
        generation=int(desired.get("generation") or 0),
        applied_generation=int(applied.get("generation") or 0),
        applied_at=applied.get("at"),
    )
