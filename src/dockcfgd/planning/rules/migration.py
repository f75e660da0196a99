"""What this release can move to another store, and what would be hidden instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.desired import dotted
from dockcfgd.model.drivers import engine_name
from dockcfgd.model.errors import Finding
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.planning.launch import running_flags
from dockcfgd.planning.rules.moved_root import moved_root_findings
from dockcfgd.planning.rules.remapped_users import remapped_users_findings
from dockcfgd.planning.storage_change import (
    DRIVER,
    FEATURE,
    SNAPSHOTTERS,
    in_containerd,
    named_storage,
    storage_changes,
    storage_keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.plan import Drift
    from dockcfgd.model.policy import Storage

__all__ = ["migration_findings"]

_USERS = ("userns-remap",)
_ROOTS = frozenset({("data-root",), ("graph",)})
_KEY = "engine.storage-driver"
_LEAVE = "docker node update --availability drain NODE and docker swarm leave first"
_USUAL = {"containerd": "/run/containerd/containerd.sock", "containerd-namespace": "moby"}


def migration_findings(
    document: Mapping[str, Json],
    drifts: Sequence[Drift],
    host: HostState,
    storage: Storage | None,
    *,
    containerd: bool,
    not_in_place: str = "",
    kept: KeptStorage | None = None,
) -> Iterable[Finding]:
    """Give why a change that hides images and containers cannot be carried out.

    Without `storage` there is nothing to move on this host. `containerd`: the document chooses
    containerd's image store. `not_in_place`: why containers would have to be made anew. `kept` is
    what an earlier change of the storage left.
    """
    hiding = [drift for drift in drifts if drift.impact is Impact.MIGRATE]
    if storage is not None and len({_hides(drift.path) for drift in hiding}) > 1:
        first, *others = sorted(dotted(drift.path) for drift in hiding)
        yield Finding(
            key=dotted(("engine", *hiding[0].path)),
            message=f"{first} cannot be changed together with {', '.join(others)}",
            hint="change one, and the other when that is done",
        )
        return
    if any(drift.path in _ROOTS for drift in hiding):
        yield from moved_root_findings(document.get("data-root"), host, storage, kept)
    if any(drift.path == _USERS for drift in hiding):
        yield from remapped_users_findings(document.get("userns-remap"), host, storage, kept)
    for drift in hiding:
        if drift.path not in {DRIVER, FEATURE, *_ROOTS, _USERS} and storage is not None:
            yield Finding(
                key=dotted(("engine", *drift.path)),
                message="it would hide every image and container of this host,"
                " and this release cannot move them",
                hint="storage-driver, features.containerd-snapshotter, data-root and userns-remap"
                " can be changed on a host in use",
            )
    if storage_keys(drifts):
        changes = storage_changes(document, drifts, host, containerd=containerd)
        driver = named_storage(document, containerd=containerd)
        if changes or not driver:
            yield from _storage(driver, host, storage)
            yield from _inside_store(driver, host, containerd=containerd)
            yield from _namesakes(driver, host, kept)
            yield from _place(driver, host)
            if driver and storage is not None:
                yield from _store(driver, document, host, not_in_place, containerd=containerd)


def _hides(path: KeyPath) -> str:
    return "storage" if path in {DRIVER, FEATURE} else path[0]


def _storage(driver: str, host: HostState, storage: Storage | None) -> Iterable[Finding]:
    engine = host.engine
    if not isinstance(engine, EngineState):
        why = "the engine is stopped, so its images and containers cannot be moved"
        hint = "systemctl start docker, with its present driver, first"
        yield Finding(key=_KEY, message=why, hint=hint, engine_down=True)
        return
    if not driver:
        yield Finding(
            key=_KEY,
            message="no storage driver is named to migrate to",
            hint='name one, such as "overlay2"',
        )
        return
    if storage is not None and not storage.migrate_containers:
        why = "it would hide every image and container, and storage.migrate-containers is false"
        yield Finding(key=_KEY, message=why, hint="set storage.migrate-containers = true")
    if engine.swarm_active:
        why = "this host is a swarm node"
        yield Finding(key=_KEY, message=why, hint=_LEAVE)


def _inside_store(driver: str, host: HostState, *, containerd: bool) -> Iterable[Finding]:
    """Refuse another snapshotter: all of them share the store's images and leases."""
    engine = host.engine
    if isinstance(engine, EngineState) and containerd and in_containerd(engine):
        there, coming = engine_name(engine.driver), engine_name(driver)
        why = f"the store's snapshotter cannot be changed from {there} to {coming}"
        hint = "leave the store first: containerd-snapshotter = false, and a storage-driver"
        yield Finding(key=_KEY, message=why, hint=hint)


def _namesakes(driver: str, host: HostState, kept: KeptStorage | None) -> Iterable[Finding]:
    """Refuse a driver beside a snapshotter of the same name: containers' files have that alone."""
    engine = host.engine
    if not isinstance(engine, EngineState):
        return
    there = {engine.driver, *engine.prior_drivers}
    if kept is not None:
        there |= {kept.driver, *(one.driver for one in kept.superseded)}
    name = engine_name(driver)
    for other in sorted(there - {driver}):
        if engine_name(other) == name:
            why = (
                f"the engine could not tell containers of {_kind(driver)} {name} from those of"
                f" {_kind(other)} {name}, of which there is something"
            )
            yield Finding(key=_KEY, message=why, hint=_way_out(other, engine))


def _place(driver: str, host: HostState) -> Iterable[Finding]:
    """Refuse a place of the driver that cannot be renamed, as what lies there is moved aside."""
    if not isinstance(host.engine, EngineState) or host.facts is None:
        return
    where = f"{host.engine.root}/{driver}"
    folder = host.facts.folders.get(where)
    if folder is not None and folder.apart:
        why = (
            f"{where} is a link or a mount of its own, and {driver} is made ready elsewhere in"
            f" {host.engine.root} and renamed to it"
        )
        hint = "unmount it or remove the link; to use another disk, change data-root to it first"
        yield Finding(key=_KEY, message=why, hint=hint)


def _kind(driver: str) -> str:
    return "the snapshotter" if driver in SNAPSHOTTERS else "the storage driver"


def _way_out(other: str, engine: EngineState) -> str:
    prune = "dockcfgctl storage prune"
    if other == engine.driver:
        return f'change to another one first, such as "overlay2", and then {prune}'
    left = f"remove {engine.root}/{other} and {engine.root}/image/{other} if somebody else left it"
    return f"{prune} frees what is kept" + (f"; {left}" if other in engine.prior_drivers else "")


def _store(
    driver: str,
    document: Mapping[str, Json],
    host: HostState,
    not_in_place: str,
    *,
    containerd: bool,
) -> Iterable[Finding]:
    """Give why containers cannot be moved to or from containerd's image store.

    On the way out of it they can be made anew. Into it that could not be taken back: what the
    engine has in it is removed by what the move has noted.
    """
    engine, key = host.engine, dotted(("engine", *FEATURE))
    if not isinstance(engine, EngineState) or containerd is in_containerd(engine):
        return
    snapshotter = driver if containerd else engine.driver
    if snapshotter not in SNAPSHOTTERS:
        why = f"what the snapshotter {engine_name(snapshotter)} has cannot be moved by this release"
        hint = f"those that it can are {', '.join(sorted(map(engine_name, SNAPSHOTTERS)))}"
        yield Finding(key=key, message=why, hint=hint)
    elif containerd and not_in_place:
        why = f"containers cannot be moved to containerd's store: {not_in_place}"
        yield Finding(key=key, message=why, hint="keep to the store in use, or mend that")
    for name, usual in _USUAL.items():
        given = {document.get(name), *(one.value for one in running_flags(host) if one.key == name)}
        if given - {None, usual}:
            named = ", ".join(sorted(str(one) for one in given - {None, usual}))
            why = f"{name} is {named}, and only the store at {usual} can be moved to and from"
            yield Finding(key=key, message=why, hint=f"leave {name} out first")
