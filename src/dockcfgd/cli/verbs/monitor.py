"""monitor: what dockcfgd does, as it does it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from dockcfgd.cli import published
from dockcfgd.cli.follow import PROGRESS
from dockcfgd.cli.text import clock_time, headline, plain, progress_line, step_line

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from dockcfgd.api.client import Client
    from dockcfgd.api.wire import Signal
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "print what dockcfgd does as it does it, one line an event, until Ctrl-C"

_LOOK = 1.0
_COLOURS = {
    "applied": "green",
    "in-sync": "green",
    "rolled-back": "red",
    "refused": "red",
    "degraded": "red",
    "rejected": "red",
    "failed": "red",
    "stopped": "red",
    "pending": "yellow",
    "drifted": "yellow",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print a document a line")


def run(
    arguments: Namespace,
    *,
    connect: Callable[[], Client],
    read_status: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Print until nobody reads any more. A daemon that is away is waited for, and told of."""
    events = _Events()
    with connect().signals() as signals:
        _tell(events.first(read_status()), arguments, screen)
        while not screen.deaf:
            signal = signals.next(timeout=_LOOK)
            if signal is not None:
                _tell(events.of(signal), arguments, screen)
    return 0


Event = tuple[str, dict[str, Any], str, str]
"""Its kind, what the document has of it, the line, the word that colours the line."""


def _tell(events: Iterator[Event], arguments: Namespace, screen: Screen) -> None:
    now = time.time()
    for kind, facts, line, word in events:
        if arguments.json:
            screen.out(json.dumps({"schema": 1, "at": now, "event": kind, **facts}))
        elif line:
            text = f"{clock_time(now)[11:]}  {kind:<9} {line}"
            screen.out(screen.coloured(text, _COLOURS.get(word, "")))


class _Events:
    """Makes events of signals: of a status only what is new in it."""

    def __init__(self) -> None:
        self._headline = ""
        self._told: dict[str, tuple[object, int]] = {}

    def first(self, document: dict[str, Any] | None) -> Iterator[Event]:
        """Give how things stand at the beginning."""
        document = published.fresh(document) if document else published.unknown()
        for part in ("last", "task"):
            list(self._new_steps(document, part))  # they are history
        yield from self._status(document)

    def of(self, signal: Signal) -> Iterator[Event]:
        """Give the events that a signal tells of."""
        match signal.member:
            case "StatusChanged":
                document = json.loads(signal.arguments[0])
                steps = [*self._new_steps(document, "last"), *self._new_steps(document, "task")]
                yield from self._status(document)
                yield from steps
            case "Progress":
                progress = dict(zip(PROGRESS, signal.arguments, strict=True))
                yield "progress", progress, progress_line(progress), ""
            case "TransactionFinished":
                transaction, verdict = map(str, signal.arguments)
                facts = {"transaction": transaction, "verdict": verdict}
                yield "finished", facts, f"{plain(transaction)}: {plain(verdict)}", verdict
            case _:
                if not signal.arguments[-1]:
                    self._headline = ""
                    yield "stopped", {}, "dockcfgd is gone", "stopped"

    def _status(self, document: dict[str, Any]) -> Iterator[Event]:
        line = headline(document)
        new = line if line != self._headline else ""
        self._headline = line
        yield "status", {"status": document}, new, str(document.get("condition"))

    def _new_steps(self, document: dict[str, Any], part: str) -> Iterator[Event]:
        last = document.get(part) or {}
        transaction = last.get("transaction")
        ended = [step for step in last.get("steps") or () if step.get("state") != "running"]
        before, told = self._told.get(part, (None, 0))
        self._told[part] = transaction, len(ended)
        for step in ended[told if before == transaction else 0 :]:
            facts = {"transaction": transaction, **step}
            yield "step", facts, step_line(step), str(step.get("state"))
