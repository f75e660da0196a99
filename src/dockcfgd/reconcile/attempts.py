"""How often a change that is prevented is tried again where that disturbs the engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockcfgd.state_file import StateFile

__all__ = ["Attempts"]

_FACT = "attempts"
_MOST = 3


class Attempts:
    """Counts, over restarts of dockcfgd, the attempts at one desired state, named by its digest.

    Only those count that disturbed the engine and were taken back for reasons of the host's own, or
    because somebody else wrote a managed file meanwhile, as a program may do each time.
    Another desired state, a success or an operator's word begins anew.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def note(self, digest: str, reason: str) -> None:
        """Note one that was taken back."""
        known, count, _ = self._known()
        made = count + 1 if known == digest else 1
        self._state.remember(_FACT, json.dumps([digest, made, reason]))

    def spent(self, digest: str) -> str:
        """Say why this is not tried again by itself; empty while it may be."""
        known, count, reason = self._known()
        if known != digest or count < _MOST:
            return ""
        return f"{reason}; given up after {count} attempts that disturbed the engine"

    def forget(self) -> None:
        """Begin anew."""
        if self._state.fact(_FACT):
            self._state.remember(_FACT, "")

    def _known(self) -> tuple[str, int, str]:
        digest, count, reason = json.loads(self._state.fact(_FACT) or '["", 0, ""]')
        return str(digest), int(count), str(reason)
