"""The record of what is kept of the storage, in the state file: one, and read by all who ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.migration import disposable
from dockcfgd.model.kept import (
    RECORD,
    KeptStorage,
    Ran,
    SupersededStorage,
    record_from_text,
    record_to_text,
)
from dockcfgd.state_file import read_only

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json
    from dockcfgd.state_file import StateFile
    from dockcfgd.transaction.journal import OpenTransaction

__all__ = ["KeptRecord", "read_kept"]


def read_kept(path: str) -> KeptStorage | None:
    """Read the record beside the daemon. StateFileFailure if the state file is not to be read."""
    with read_only(path) as connection:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (RECORD,)).fetchone()
    return record_from_text("" if row is None else str(row["value"]))


class KeptRecord:
    """For the reconciler's thread. Methods raise StateFileFailure."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    @property
    def kept(self) -> KeptStorage | None:
        """What is kept, None for nothing."""
        return record_from_text(self._state.fact(RECORD))

    @property
    def backups(self) -> tuple[str, ...]:
        """The backup that belongs to it."""
        kept = self.kept
        return (kept.backup,) if kept is not None and kept.backup else ()

    def needs(self, folder: str) -> bool:
        """Whether a folder with `--rm` containers belongs to it."""
        kept = self.kept
        return kept is not None and bool(folder) and kept.disposable == folder

    def note(self, kept: KeptStorage, transaction: OpenTransaction, *, since: float) -> None:
        """Note what an applied change left behind, in the place of what there was before.

        Doing it again is fine.
        """
        before = self.kept
        if before is not None and before.transaction == kept.transaction:
            return
        kept = replace(
            kept,
            generation=transaction.generation,
            since=since,
            running=_ran(transaction.outcomes),
            superseded=_superseded(before, kept),
        )
        self.put(kept)
        if before is not None and before.disposable != kept.disposable:
            disposable.forget(before.disposable)

    def put(self, kept: KeptStorage) -> None:
        """Keep the record as it is given."""
        self._state.remember(RECORD, record_to_text(kept))

    def drop(self) -> None:
        """Forget it: nothing is kept any more."""
        kept = self.kept
        if kept is not None and kept.disposable:
            disposable.forget(kept.disposable)
        self._state.remember(RECORD, "")


def _superseded(before: KeptStorage | None, kept: KeptStorage) -> tuple[SupersededStorage, ...]:
    """Give what is left of older changes, which nothing leads back to.

    What the new driver had went aside with this change, or is in use.
    """
    if before is None:
        return ()
    mine = () if before.moved else (SupersededStorage(before.driver, before.root),)
    gone = {kept.driver, kept.successor}
    if SNAPSHOTTERS & gone:
        gone |= SNAPSHOTTERS  # they have one store between them
    return tuple(one for one in (*mine, *before.superseded) if one.driver not in gone)


def _ran(outcomes: dict[str, Json]) -> tuple[Ran, ...]:
    noted = outcomes.get("BackUpContainers") or outcomes.get("NoteRunning") or []
    entries = noted if isinstance(noted, list) else []
    return tuple(
        Ran(str(one["id"]), str(one["name"]), str(one["state"]))
        for one in entries
        if isinstance(one, dict) and not one.get("auto_remove")
    )
