"""Looking at the host while dockcfgd changes nothing on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from dockcfgd.cli import published

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["undisturbed"]

Seen = TypeVar("Seen")

_EVERY = 0.1
_NOTICED = 2.0
"""How long a dropped file may take to be noticed: then it waits for something else."""
_PATIENCE = 600.0


def undisturbed(
    look: Callable[[], Seen],
    *,
    read_status: Callable[[], dict[str, Any] | None],
    tell: Callable[[str], None],
) -> Seen:
    """Give what `look` gives, from a time without a change under way.

    In the middle of one, files and engine do not fit together. Where a change does not end within
    10 minutes, what is seen then has to do.
    """
    began, told = time.monotonic(), False
    while True:
        waited = time.monotonic() - began
        before = _state(read_status(), noticed=waited > _NOTICED)
        if before[0] and waited < _PATIENCE:
            if not told and waited > _NOTICED:
                tell("a change is under way; its end is awaited")
                told = True
            time.sleep(_EVERY)
            continue
        seen = look()
        after = _state(read_status(), noticed=waited > _NOTICED)
        if after == before or waited >= _PATIENCE:
            return seen


def _state(document: dict[str, Any] | None, *, noticed: bool) -> tuple[bool, object]:
    """Give whether something is being done or about to be, and what was done last."""
    if document is None or not published.alive(document):
        return False, None
    busy = document.get("phase") in (*published.BUSY, "planning")
    unseen = not noticed and published.changed_input(document) is not None
    last = document.get("last") or {}
    return busy or unseen, last.get("transaction")
