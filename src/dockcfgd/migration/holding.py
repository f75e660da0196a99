"""Keeping containers from writing while a backup reads what they have written.

They are paused, or stopped and started again. Who holds them is told before the first is held and
after the last is let go, so that a crash in between leaves none held for good. One with `--rm` is
paused in either case, as to stop it would remove it, and one whose namespaces others use.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dockcfgd.migration.capture import stop_active
from dockcfgd.migration.dependency import in_order, mounted_volumes, stop_waves
from dockcfgd.migration.documents import Document, flag, text
from dockcfgd.migration.inventory import container_name
from dockcfgd.migration.others import Others
from dockcfgd.migration.presence import find_container, froze, start_as_before
from dockcfgd.model.errors import EngineFailure
from dockcfgd.model.policy import Consistency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dockcfgd.migration.access import Access
    from dockcfgd.model.desired import Json

__all__ = ["Holding", "as_paused", "groups", "held", "let_go"]

_RUNNING, _PAUSED = "running", "paused"
# What a document of one that is held has more than the engine's: how it is held.
_HELD = "Held"
_SHARED = "container:"
_END = frozenset({"exited", "dead", "removing"})


class Holding:
    """Who is held at the moment, on several grounds at a time; `note` gets all whenever it changes.

    `note` keeps what `let_go` needs after a crash: Id, Name and Held of each.
    """

    def __init__(self, note: Callable[[Sequence[Json]], None]) -> None:
        self._note = note
        self._all: list[Document] = []

    def add(self, documents: Sequence[Document]) -> None:
        """Note some before they are held."""
        self._all += documents
        self._tell(documents)

    def drop(self, documents: Sequence[Document]) -> None:
        """Note that some were let go; one that is held on another ground too stays noted."""
        for document in documents:
            self._all.remove(document)
        self._tell(documents)

    def _tell(self, changed: Sequence[Document]) -> None:
        if changed:
            self._note([dict(one) for one in self._all])


def groups(documents: Sequence[Document]) -> list[list[Document]]:
    """Sort containers into groups that share volumes, in the order of their first one. Pure."""
    found: list[tuple[set[str], list[Document]]] = []
    for document in documents:
        volumes = set(mounted_volumes(document))
        joined = [group for group in found if group[0] & volumes]
        members = [one for group in joined for one in group[1]]
        merged = (volumes.union(*(group[0] for group in joined)), [*members, document])
        place = found.index(joined[0]) if joined else len(found)
        found = [group for group in found if group not in joined]
        found.insert(place, merged)
    return [members for _, members in found]


@contextlib.contextmanager
def held(
    access: Access,
    documents: Sequence[Document],
    *,
    known: Sequence[Document],
    consistency: Consistency,
    holding: Holding,
) -> Iterator[None]:
    """Hold those of `documents` that run while the block works; `known` are all containers.

    The documents say what they do now: those that run are made to run again. In `holding` they are
    for as long, and after that where they could not be let go.
    """
    running = [one for one in documents if text(one, "State", "Status") == _RUNNING]
    if consistency is Consistency.NONE or not running:
        yield
        return
    stopping = _to_stop(running, known) if consistency is Consistency.STOP else []
    pausing = [as_paused(one) for one in running if one not in stopping]
    holding.add([*pausing, *stopping])
    try:
        for wave in stop_waves(pausing):
            for document in wave:
                froze(access.containers, text(document, "Id"))
        if stopping:
            stop_active(access, stopping, _untold)
        yield
    finally:
        let_go(access, [*pausing, *stopping])
        holding.drop([*pausing, *stopping])


def as_paused(document: Document) -> Document:
    """Give the document of a container that is held by pausing it."""
    return document | {_HELD: _PAUSED}


def let_go(access: Access, documents: Sequence[Document]) -> None:
    """Have containers run that were held; EngineFailure names those that do not.

    `documents` are what `Holding` noted of them. One that is gone is fine, and one that was paused
    and has ended since, by itself, by somebody's hand or with the machine, stays so.
    """
    refused = []
    for document in in_order(documents):
        identity = text(document, "Id")
        try:
            found = find_container(access.containers, identity)
            ended = (
                text(document, _HELD) == _PAUSED and text(found or {}, "State", "Status") in _END
            )
            if found is not None and not ended:
                start_as_before(access.containers, identity, _RUNNING)
        except EngineFailure as error:
            if error.status == 0:
                raise
            refused.append(f"{container_name(document)} ({error})")
    if refused:
        why = "; ".join(refused)
        raise EngineFailure(what="let all containers go on", status=0, why=why)


def _to_stop(running: Sequence[Document], known: Sequence[Document]) -> list[Document]:
    lent = _lent(known)
    return [
        one
        for one in running
        if not flag(one, "HostConfig", "AutoRemove") and text(one, "Id") not in lent
    ]


def _lent(documents: Sequence[Document]) -> set[str | None]:
    """Give the IDs of containers whose namespaces others use, which would lose them."""
    others = Others(documents, {})
    modes = (
        text(document, "HostConfig", key)
        for document in documents
        for key in ("NetworkMode", "IpcMode", "PidMode")
    )
    return {others.before(mode.removeprefix(_SHARED)) for mode in modes if mode.startswith(_SHARED)}


def _untold(*, item: str, done: int, total: int, unit: str) -> None:
    """Tell nobody."""
