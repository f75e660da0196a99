"""Removing data-roots that were moved from, as a part of freeing what is kept of the storage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.migration import left_behind
from dockcfgd.model.errors import FileFailure, SystemdFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.roots import LeftBehind
    from dockcfgd.ports import Roots
    from dockcfgd.reconcile.working import Work

__all__ = ["LeftRoots"]


class LeftRoots:
    """Some of those that the folder `records` tells of, on their way to be removed.

    How that went is told, a line for each, in `done`, `stays` (it must not be) and `failed`.
    `begin` notes that they may be half of what they were: a new prune goes on with them then.
    """

    def __init__(self, roots: Roots, records: str, places: Iterable[LeftBehind]) -> None:
        self._roots, self._records = roots, records
        self._places = list(places)
        self.done: list[str] = []
        self.stays: list[str] = []
        self.failed: list[str] = []

    def __bool__(self) -> bool:
        """Whether there is one to remove."""
        return bool(self._places)

    def sort_out(self, used: str) -> None:
        """Go on without those that must not be removed, the engine being on `used`. FileFailure."""
        self._places = [one for one in self._places if self._may_go(one, used)]

    def begin(self) -> None:
        """Note that they are being removed; before anything in them changes. FileFailure."""
        self._places = [replace(one, freeing=True) for one in self._places]
        for one in self._places:
            left_behind.keep(self._records, one)

    def remove(self, work: Work, *, used: str) -> None:
        """Remove them, and what is noted of each."""
        self.sort_out(used)
        for one in self._places:
            work.step(f"remove the old data-root {one.path}")
            try:
                self._roots.remove_left(one, progress=work.progress)
                left_behind.forget(self._records, path=one.path)
            except (FileFailure, SystemdFailure) as failure:
                self.failed.append(str(failure))
            else:
                self.done.append(f"{one.path} removed")

    def _may_go(self, place: LeftBehind, used: str) -> bool:
        if place.freeing and left_behind.in_use(place, used):
            # What the engine makes there is not to be removed once it is on another one, either.
            place = replace(place, freeing=False)
            left_behind.keep(self._records, place)
        why = left_behind.why_not_freed(place, used)
        if why:
            self.stays.append(f"{place.path} stays: {why}")
        return not why
