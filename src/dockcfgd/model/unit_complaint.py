"""What systemd has to say of a drop-in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["UnitComplaint"]


@dataclass(frozen=True, slots=True)
class UnitComplaint:
    """systemd's own words about one line of a drop-in (from 1; 0: about the unit as a whole)."""

    line: int
    text: str
