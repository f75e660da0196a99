"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "error", "fine", "note", "unseen", "warning"]


class Level(StrEnum):
    """How bad it is: nothing to do, worth knowing, to be seen to, to be mended now."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: what was found, why it matters, what to do (empty: nothing)."""

    level: Level
    what: str
    why: str = ""
    remedy: str = ""


def fine(what: str, why: str = "") -> Finding:
    """Give a finding that all is well."""
    return Finding(Level.OK, what, why)


def note(what: str, why: str = "", remedy: str = "") -> Finding:
    """Give something to know."""
    return Finding(Level.INFO, what, why, remedy)


def warning(what: str, why: str, remedy: str) -> Finding:
    """Give something that should be seen to."""
    return Finding(Level.WARNING, what, why, remedy)


def error(what: str, why: str, remedy: str) -> Finding:
    """Give something that does not work, or will not at the next start."""
    return Finding(Level.ERROR, what, why, remedy)


def unseen(what: str, why: str, *, root: bool) -> Finding:
    """Give a check that could not be done."""
    return Finding(
        Level.INFO, f"not checked: {what}", why, "" if root else "sudo dockcfgctl doctor"
    )
