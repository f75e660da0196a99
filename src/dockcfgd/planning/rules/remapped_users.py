"""Whether containers can be given other users of the host, with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.errors import Finding
from dockcfgd.model.host import EngineState
from dockcfgd.planning.remapping import MADE_BY_ENGINE, NoRange, ranges_of, remap_move
from dockcfgd.planning.rules.moved_root import kept_there, left_before, occupied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.policy import Storage
    from dockcfgd.model.roots import RootSurvey

__all__ = ["remapped_users_findings"]

_KEY = "engine.userns-remap"
_DRIVERS = frozenset({"overlay2", "vfs"})
_SNAPSHOTTER = "io.containerd.snapshotter"
_MAKE = (
    f"adduser --system --group --no-create-home --shell /bin/false {MADE_BY_ENGINE} &&"
    f" usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {MADE_BY_ENGINE}"
)


def remapped_users_findings(
    wanted: Json, host: HostState, storage: Storage | None, kept: KeptStorage | None
) -> Iterable[Finding]:
    """Give why it cannot be; without `storage` there is nothing that has to change its owner.

    `kept` is what an earlier change of the storage left.
    """
    engine, seen = host.engine, host.survey
    if storage is None:
        return
    if not isinstance(engine, EngineState):
        why = "the engine is stopped, so its images and containers cannot be taken along"
        yield Finding(key=_KEY, message=why, hint="start it as it is first", engine_down=True)
        return
    if not storage.migrate_containers:
        why = "it would hide every image and container, and storage.migrate-containers is false"
        yield Finding(key=_KEY, message=why, hint="set storage.migrate-containers = true")
    if engine.swarm_active:
        yield Finding(key=_KEY, message="this host is a swarm node", hint="leave the swarm first")
    if engine.status("driver-type").startswith(_SNAPSHOTTER):
        why = "it does not go with the containerd image store, which is in use"
        yield Finding(key=_KEY, message=why, hint="leave that store first")
    elif engine.driver not in _DRIVERS:
        why = f"the layers of {engine.driver} cannot be given other owners by this release"
        yield Finding(key=_KEY, message=why, hint='change storage-driver to "overlay2" first')
    yield from _ranges(str(wanted or ""), host)
    if remap_move(str(wanted or ""), host, "") is not None:
        yield from kept_there(_KEY, engine.root.rstrip("/"), kept)
    if seen is not None:
        yield from _survey(host, seen, turned_on=bool(wanted))


def _ranges(wanted: str, host: HostState) -> Iterable[Finding]:
    if wanted[:1].isdecimal():
        why = "with a number for the user nothing can be taken along by this release"
        yield Finding(key=_KEY, message=why, hint="name the user")
        return
    try:
        ranges_of(wanted, host)
    except NoRange as error:
        made = wanted.partition(":")[0] in {"default", MADE_BY_ENGINE}
        user = wanted.partition(":")[0]
        hint = _MAKE if made else f"add one there: {user}:100000:65536"
        yield Finding(key=_KEY, message=str(error), hint=hint)


def _survey(host: HostState, seen: RootSurvey, *, turned_on: bool) -> Iterable[Finding]:
    if seen.outside and turned_on:
        names = ", ".join(seen.outside)
        why = f"the engine does not start these with users of their own: {names}"
        hint = "make them anew without that, or with --userns=host"
        yield Finding(key=_KEY, message=why, hint=hint)
    if seen.closed and turned_on:
        why = f"containers' users must be able to go through {seen.closed}, which is not for others"
        yield Finding(key=_KEY, message=why, hint=f"chmod o+x {seen.closed}")
    if seen.plugins:
        why = "a plugin is installed in the engine, which cannot be given other owners"
        yield Finding(key=_KEY, message=why, hint="docker plugin rm it first")
    if seen.mounts:
        why = f"there is a mount in the data-root, which cannot be taken along: {seen.mounts[0]}"
        yield Finding(key=_KEY, message=why, hint="mount it elsewhere, with the engine stopped")
    if seen.linked:
        names = ", ".join(seen.linked)
        why = f"the options of volumes name folders of the data-root itself: {names}"
        yield Finding(key=_KEY, message=why, hint="make these volumes anew without that")
    if seen.limited:
        why = f"{seen.limited} has a limit of its own size, which a copy would not have"
        yield Finding(key=_KEY, message=why, hint="make that container anew without it")
    if seen.holds and seen.copied_from != seen.source and not left_before(host):
        yield occupied(_KEY, seen)
