"""The interface's signals: what the daemon tells of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.api.service import property_values

if TYPE_CHECKING:
    from dockcfgd.api.wire import Publisher
    from dockcfgd.model.status import Status

__all__ = ["Announcer"]


class Announcer:
    """Tells the bus what changed. For one thread, whichever that is."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._told: Status | None = None

    def status(self, status: Status) -> None:
        """Tell what differs from the status told before. Publish the status file first."""
        told, self._told = self._told, status
        if told is None or replace(told, progress=None) != replace(status, progress=None):
            self._publisher.emit("StatusChanged", json.dumps(status.document()))
        before = {} if told is None else property_values(told)
        changed = {
            name: value
            for name, value in property_values(status).items()
            if before.get(name) != value
        }
        if changed:
            self._publisher.changed(changed)
        now = status.progress
        if now is not None and (told is None or told.progress != now):
            self._publisher.emit("Progress", now.step, now.item, now.done, now.total, now.unit)

    def finished(self, transaction: str, verdict: str) -> None:
        """Tell how a transaction ended, after the status that says why was told.

        Each id that `Apply` or `Rollback` gave must be told once: one that found nothing to do as
        `applied`, one that is accepted but held as `pending`.
        """
        self._publisher.emit("TransactionFinished", transaction, verdict)
