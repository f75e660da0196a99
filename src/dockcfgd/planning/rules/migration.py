"""What this release can move to another store, and what would be hidden instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.desired import dotted
from dockcfgd.model.errors import Finding
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.planning.rules.moved_root import moved_root_findings
from dockcfgd.planning.rules.remapped_users import remapped_users_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockcfgd.model.desired import Json
    from dockcfgd.model.plan import Drift
    from dockcfgd.model.policy import Storage

__all__ = ["migration_findings"]

_DRIVER = ("storage-driver",)
_USERS = ("userns-remap",)
_ROOTS = frozenset({("data-root",), ("graph",)})
_KEY = "engine.storage-driver"
_SNAPSHOTTER = "io.containerd.snapshotter"


def migration_findings(
    document: Mapping[str, Json], drifts: Sequence[Drift], host: HostState, storage: Storage | None
) -> Iterable[Finding]:
    """Give why a change that hides images and containers cannot be carried out.

    Without `storage` there is nothing to move on this host.
    """
    hiding = [drift for drift in drifts if drift.impact is Impact.MIGRATE]
    if storage is not None and len({drift.path[0] for drift in hiding}) > 1:
        first, *others = sorted(dotted(drift.path) for drift in hiding)
        yield Finding(
            key=dotted(("engine", *hiding[0].path)),
            message=f"{first} cannot be changed together with {', '.join(others)}",
            hint="change one, and the other when that is done",
        )
        return
    if any(drift.path in _ROOTS for drift in hiding):
        yield from moved_root_findings(document.get("data-root"), host, storage)
    if any(drift.path == _USERS for drift in hiding):
        yield from remapped_users_findings(document.get("userns-remap"), host, storage)
    for drift in hiding:
        if drift.path not in {_DRIVER, *_ROOTS, _USERS} and storage is not None:
            yield Finding(
                key=dotted(("engine", *drift.path)),
                message="it would hide every image and container of this host,"
                " and this release cannot move them",
                hint="storage-driver, data-root and userns-remap can be changed on a host in use",
            )
    if any(drift.path == _DRIVER for drift in hiding):
        yield from _driver(document.get("storage-driver"), host, storage)


def _driver(driver: Json, host: HostState, storage: Storage | None) -> Iterable[Finding]:
    engine = host.engine
    if not isinstance(engine, EngineState):
        why = "the engine is stopped, so its images and containers cannot be moved"
        yield Finding(key=_KEY, message=why, hint="start it with its present driver first")
        return
    if not isinstance(driver, str) or not driver:
        yield Finding(key=_KEY, message="no storage driver is named to migrate to")
        return
    if storage is not None and not storage.migrate_containers:
        why = "it would hide every image and container, and storage.migrate-containers is false"
        yield Finding(key=_KEY, message=why, hint="set storage.migrate-containers = true")
    if engine.swarm_active:
        why = "this host is a swarm node"
        yield Finding(key=_KEY, message=why, hint="drain and leave the swarm first")
    if engine.status("driver-type").startswith(_SNAPSHOTTER):
        why = (
            "the containerd image store is in use,"
            " and this release migrates between storage drivers only"
        )
        yield Finding(key=_KEY, message=why)
