"""The order of a way back, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model import steps as do

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.model.errors import DockcfgdError
    from dockcfgd.model.plan import BackStep
    from dockcfgd.transaction.journal import OpenTransaction

__all__ = ["Way", "dispensable", "files_first", "goes_on_at", "stop_first"]

Order = list[tuple[int, "BackStep"]]


class Way:
    """A way back that is gone: its steps in their order, and which engine it has started.

    `started` is the engine's run that it has started; empty: none yet. Where it goes on behind its
    start of the engine, that is the one that is `found`.
    """

    def __init__(self, order: list[tuple[int, do.Step]], *, found: str = "") -> None:
        self._order, self._next, self._repeated = order, 0, False
        starts = [at for at, one in enumerate(order) if isinstance(one[1], do.StartEngine)]
        self._behind_start = starts[-1] + 1 if starts else 0
        self.started = "" if starts else found

    def __iter__(self) -> Iterator[tuple[int, do.Step]]:
        while self._next < len(self._order):
            self._next += 1
            yield self._order[self._next - 1]

    def done(self, step: do.Step, outcomes: Mapping[str, Json]) -> None:
        """Note that a step was done."""
        made = outcomes.get(type(step).__name__) if isinstance(step, do.StartEngine) else None
        if isinstance(made, dict):
            self.started = str(made["invocation"])

    @property
    def may_repeat(self) -> bool:
        """Whether what follows its start of the engine may be done for another engine."""
        return bool(self.started) and not self._repeated

    def spare(self, kinds: tuple[type[do.Step], ...]) -> None:
        """Leave out what is of these kinds from here on."""
        left = [one for one in self._order[self._next :] if not isinstance(one[1], kinds)]
        self._order[self._next :] = left

    def repeat(self) -> None:
        """Do once more what follows the start; an engine that came later has nothing of it."""
        self._next, self._repeated = self._behind_start, True


def files_first(way_back: list[tuple[int, BackStep]]) -> list[tuple[int, BackStep]]:
    """Give the order of the way back: files are put back before the engine is stopped for it.

    It runs and does not read them, and one that runs on is better than one that is down until the
    disk can be written again.
    """
    order: list[tuple[int, BackStep]] = []
    stop: int | None = None
    for entry in way_back:
        step = entry[1].step
        if isinstance(step, do.WriteFile | do.RemoveFile) and stop is not None:
            order.insert(stop, entry)
            stop += 1
            continue
        if isinstance(step, do.StopEngine):
            stop = len(order)
        elif isinstance(step, do.StartEngine):
            stop = None
        order.append(entry)
    return order


def stop_first(order: list[tuple[int, BackStep]]) -> list[tuple[int, BackStep]]:
    """Give the order of the way back that moves folders under an engine that does not run.

    systemd may start it again at any moment, on files that the folders are not for. Where the disk
    cannot be written, too, it stays down until it can: nothing tells how much was moved before.
    """
    stops = [entry for entry in order if isinstance(entry[1].step, do.StopEngine)][:1]
    return [*stops, *(entry for entry in order if entry not in stops)]


def goes_on_at(transaction: OpenTransaction) -> int:
    """Give where the way back goes on after a crash: behind its start of the engine, if done.

    Until then it begins anew, as somebody else may have started the engine. From then on a further
    stop would end what was brought back already.
    """
    starts = [
        at
        for at, back in enumerate(transaction.way_back)
        if isinstance(back.step, do.StartEngine) and at in transaction.undone
    ]
    return starts[-1] + 1 if starts else 0


def dispensable(transaction: OpenTransaction, position: int, failure: DockcfgdError) -> bool:
    """Tell whether a step back that failed is not needed."""
    step = transaction.way_back[position].step
    if isinstance(step, do.KeepDisposable):
        # An engine that serves no more has nothing left to keep.
        return not failure.of_surroundings
    # A reload only eases the stop; the start reads the same values.
    return isinstance(step, do.ReloadEngine) and _starts_later(transaction, position)


def _starts_later(transaction: OpenTransaction, position: int) -> bool:
    """Tell whether the way back ends the engine and starts it after this step."""
    later = transaction.way_back[position + 1 :]
    return any(isinstance(back.step, do.StopEngine | do.RestartEngine) for back in later)
