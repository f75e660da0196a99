"""What storage drivers that are not in use have in data-root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.doctor.case import Leftover
from dockcfgd.engine_keys.engines import removed_storage_drivers, storage_drivers
from dockcfgd.model.drivers import engine_name
from dockcfgd.model.host import EngineState

if TYPE_CHECKING:
    from dockcfgd.doctor.lenient import LenientFiles
    from dockcfgd.model.host import HostState
    from dockcfgd.ports import Files, Vitals

__all__ = ["leftovers_of"]

_COUNTING_SECONDS = 5.0
_MOST_CONTAINERS = 2000


def leftovers_of(
    vitals: Vitals, files: LenientFiles, host: HostState, data_root: str
) -> tuple[Leftover, ...] | None:
    """Give them; None where the folder may not be read.

    While the engine is down its driver is the one that most of its containers were made with, or
    the only one there.
    """
    there = files.names(data_root)
    if data_root in files.unread:
        return None
    known = {*storage_drivers(None), *removed_storage_drivers(None)}
    found = [name for name in there if name in known and files.names(f"{data_root}/{name}")]
    made = _made_with(files, data_root)
    used = _in_use(host, found, made)
    # Those of the storage in use, where a driver that is not has the same name.
    made.pop(engine_name(used), None)
    return tuple(
        _leftover(vitals, files, data_root, name, made.get(name, 0))
        for name in found
        if used and name != used
    )


def _in_use(host: HostState, found: list[str], made: dict[str, int]) -> str:
    if isinstance(host.engine, EngineState):
        return host.engine.driver
    if len(found) == 1:
        return found[0]
    return max(made, key=lambda name: made[name], default="")


def _made_with(files: Files, data_root: str) -> dict[str, int]:
    """Count the containers by the driver that they were made with."""
    counts: dict[str, int] = {}
    folder = f"{data_root}/containers"
    for identity in files.names(folder)[:_MOST_CONTAINERS]:
        try:
            document = json.loads(files.read(f"{folder}/{identity}/config.v2.json").content)
        except ValueError:
            continue
        if isinstance(document, dict) and isinstance(document.get("Driver"), str):
            counts[document["Driver"]] = counts.get(document["Driver"], 0) + 1
    return counts


def _leftover(
    vitals: Vitals, files: Files, data_root: str, driver: str, containers: int
) -> Leftover:
    image = f"{data_root}/image/{driver}"
    paths = [f"{data_root}/{driver}", *([image] if files.names(image) else [])]
    usage = vitals.usage(paths, seconds=_COUNTING_SECONDS)
    return Leftover(driver, tuple(paths), usage, containers)
