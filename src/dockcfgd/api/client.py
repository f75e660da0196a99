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
_WORD_TIMEOUT = 120.0
_CANCEL_TIMEOUT = 600.0
_PRUNE_TIMEOUT = 600.0
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

    def apply(
        self,
        files: Sequence[tuple[str, str]] = (),
        *,
        comment: str = "",
        confirm: float | None = None,
        plan: str = "",
    ) -> str:
        """Ask for a transaction, give its id; the end comes as a signal.

        `confirm` is for how many seconds it then waits for a word; None: as the policy says. With
        `plan`, only if that is still the id of the plan: else BusFailure PLAN_CHANGED.
        """
        options: dict[str, str | float] = dict(_options(comment))
        if confirm is not None:
            options["confirm"] = confirm
        if plan:
            options["plan"] = plan
        timeout = _PLAN_TIMEOUT if plan else _TIMEOUT
        return str(self.connection.call("Apply", list(files), options, timeout=timeout))

    def confirm(self, transaction: str = "") -> None:
        """Keep the change that waits for confirmation; done when this returns."""
        self.connection.call("Confirm", transaction, timeout=_WORD_TIMEOUT)

    def cancel(self, transaction: str = "") -> None:
        """Take back what is under way or waits for confirmation; begun when this returns."""
        self.connection.call("Cancel", transaction, timeout=_CANCEL_TIMEOUT)

    def pause(self, reason: str = "") -> None:
        """Stop everything automatic."""
        self.connection.call("Pause", reason, timeout=_WORD_TIMEOUT)

    def resume(self) -> None:
        """End a pause."""
        self.connection.call("Resume", timeout=_WORD_TIMEOUT)

    def rollback(self, generation: int = PREVIOUS_GENERATION, *, comment: str = "") -> str:
        """Ask for the way back to a generation (0: the first state), give the transaction's id."""
        answer = self.connection.call("Rollback", generation, _options(comment), timeout=_TIMEOUT)
        return str(answer)

    def create_backup(
        self,
        names: Sequence[str] = (),
        *,
        volumes: bool | None = None,
        consistency: str = "",
        comment: str = "",
    ) -> str:
        """Ask for a backup, give its ID; the end comes as a signal. None: as [backup] says."""
        options: dict[str, object] = dict(_options(comment))
        if names:
            options["names"] = list(names)
        if volumes is not None:
            options["volumes"] = volumes
        if consistency:
            options["consistency"] = consistency
        return str(self.connection.call("CreateBackup", options, timeout=_TIMEOUT))

    def restore(self, backup: str, names: Sequence[str] = ()) -> str:
        """Ask for a backup's restore, or of some names in it; give the transaction's id."""
        options = {"names": list(names)} if names else {}
        return str(self.connection.call("Restore", backup, options, timeout=_TIMEOUT))

    def prune_backups(
        self, backups: Sequence[str] = (), *, keep: int | None = None
    ) -> dict[str, Any]:
        """Remove these backups, or all but the newest of each kind; give which were removed."""
        options: dict[str, object] = {"backups": list(backups)} if backups else {}
        if keep is not None:
            options["keep"] = keep
        return _document(self.connection.call("PruneBackups", options, timeout=_PRUNE_TIMEOUT))

    def storage_rollback(self, *, back_up: bool = True, comment: str = "") -> str:
        """Ask for the way back to what is kept of the storage, give the transaction's id."""
        options: dict[str, object] = dict(_options(comment))
        if not back_up:
            options["backup"] = False
        return str(self.connection.call("StorageRollback", options, timeout=_TIMEOUT))

    def storage_prune(self) -> str:
        """Ask for what is kept of the storage to be freed; the end comes as a signal."""
        return str(self.connection.call("StoragePrune", {}, timeout=_TIMEOUT))

    def signals(self) -> AbstractContextManager[Signals]:
        """Subscribe to the daemon's signals; in force when the context is entered."""
        return self.connection.listen("StatusChanged", "Progress", "TransactionFinished")


def _options(comment: str) -> dict[str, str]:
    return {"comment": comment} if comment else {}


def _document(text: object) -> dict[str, Any]:
    document = json.loads(str(text))
    return document if isinstance(document, dict) else {}
