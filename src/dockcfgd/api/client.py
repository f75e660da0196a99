"""What a program may ask of a running dockcfgd, with types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.api.contract import PREVIOUS_GENERATION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from dockcfgd.api.wire import Connection, Signals

__all__ = ["Client"]

_TIMEOUT = 25.0
_PLAN_TIMEOUT = 120.0
"""A plan waits for the step in hand, and may run the engine's own check of the configuration."""


@dataclass(frozen=True, slots=True)
class Client:
    """A running dockcfgd. All methods raise BusFailure; `name` tells refusals and absence apart."""

    connection: Connection

    def status(self) -> dict[str, Any]:
        """Give the status document."""
        return _document(self.connection.call("GetStatus", timeout=_TIMEOUT))

    def plan(self, files: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Give the plan document, with `files` as if they lay in conf.d."""
        return _document(self.connection.call("Plan", list(files), timeout=_PLAN_TIMEOUT))

    def apply(self, files: Sequence[tuple[str, str]] = (), *, comment: str = "") -> str:
        """Ask for a transaction, give its id; the end comes as a signal."""
        answer = self.connection.call("Apply", list(files), _options(comment), timeout=_TIMEOUT)
        return str(answer)

    def rollback(self, generation: int = PREVIOUS_GENERATION, *, comment: str = "") -> str:
        """Ask for the way back to a generation (0: the first state), give the transaction's id."""
        answer = self.connection.call("Rollback", generation, _options(comment), timeout=_TIMEOUT)
        return str(answer)

    def signals(self) -> AbstractContextManager[Signals]:
        """Subscribe to the daemon's signals; in force when the context is entered."""
        return self.connection.listen("StatusChanged", "Progress", "TransactionFinished")


def _options(comment: str) -> dict[str, str]:
    return {"comment": comment} if comment else {}


def _document(text: object) -> dict[str, Any]:
    document = json.loads(str(text))
    return document if isinstance(document, dict) else {}
