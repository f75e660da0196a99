"""Whether a container is there, and making it do what it did."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dockcfgd.migration.dependency import start_waves
from dockcfgd.migration.documents import Document, number, text
from dockcfgd.migration.inventory import ACTIVE, container_name
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockcfgd.ports import Containers

__all__ = [
    "came_back",
    "find_container",
    "froze",
    "start_again",
    "start_as_before",
    "start_wave",
]

_AT_A_TIME = 8

_NOT_FOUND = 404


def find_container(containers: Containers, name: str) -> Document | None:
    """Give the inspect document of the container with a name or whole ID, None if there is none."""
    try:
        found = containers.inspect(name)
    except EngineFailure as error:
        if error.status != _NOT_FOUND:
            raise
        return None
    # A name such as `db` may be the beginning of another container's ID.
    return found if name in {container_name(found), text(found, "Id")} else None


def froze(containers: Containers, container: str) -> bool:
    """Pause a container that ran; false where it has ended meanwhile, and writes no more."""
    try:
        containers.pause(container)
    except EngineFailure:
        found = find_container(containers, container)
        if found is not None and text(found, "State", "Status") == "running":
            raise
        return False
    return True


def start_as_before(containers: Containers, container: str, state: str) -> None:
    """Start a container that was `state`, and pause it or let it go on accordingly.

    Nothing is done for a state without processes.
    """
    if state not in ACTIVE:
        return
    found = find_container(containers, container)
    if found is None or text(found, "State", "Status") not in ACTIVE:
        containers.start(container)
    present = find_container(containers, container)
    if present is None:
        return  # it ended, and removed itself
    paused = text(present, "State", "Status") == "paused"
    if state == "paused" and not paused:
        containers.pause(container)
    elif state != "paused" and paused:
        containers.unpause(container)


def start_again(
    containers: Containers, documents: Sequence[Document], states: Mapping[str, str]
) -> set[str]:
    """Start containers that were in `states`, each after those it needs, else many at a time.

    Gives the IDs of those that the engine refused to start.
    """
    refused: set[str] = set()
    for wave in start_waves(documents):
        identities = [text(document, "Id") for document in wave]
        refused |= start_wave(containers, {one: states[one] for one in identities}).keys()
    return refused


def start_wave(containers: Containers, states: Mapping[str, str]) -> dict[str, EngineFailure]:
    """Start containers that were in `states`, by their IDs, many at a time.

    What the engine refused to start then is started once more by itself: under load the first
    process of one can end before its program is begun ("cannot start a container that has
    stopped", seen with runc 1.1). Gives what the engine said of those that it refused again.
    """
    refused = _started(containers, states, at_a_time=_AT_A_TIME)
    return _started(containers, {one: states[one] for one in refused}, at_a_time=1)


def _started(
    containers: Containers, states: Mapping[str, str], *, at_a_time: int
) -> dict[str, EngineFailure]:
    refused = {}
    with ThreadPoolExecutor(at_a_time) as pool:
        starts = {
            identity: pool.submit(start_as_before, containers, identity, state)
            for identity, state in states.items()
        }
        for identity, start in starts.items():
            try:
                start.result()
            except EngineFailure as error:
                if error.status == 0:
                    raise
                refused[identity] = error
    return refused


def came_back(document: Document | None) -> bool:
    """Tell whether a container that was started runs, or ended well by itself."""
    if document is None:
        return False
    status = text(document, "State", "Status")
    return status in ACTIVE or (status == "exited" and number(document, "State", "ExitCode") == 0)
