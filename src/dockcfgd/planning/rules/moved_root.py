"""Whether a data-root can be moved to another place with all that is in it."""

from __future__ import annotations

from posixpath import normpath
from typing import TYPE_CHECKING

from dockcfgd.model.errors import Finding
from dockcfgd.model.host import EngineState
from dockcfgd.planning.remapping import data_root_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.policy import Storage
    from dockcfgd.model.roots import RootSurvey

__all__ = ["kept_there", "left_before", "moved_root_findings", "occupied"]

_KEY = "engine.data-root"
_USUAL = "/var/lib/docker"
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay"})
_OF_THE_NET = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs",
    "vboxsf", "virtiofs", "vfat", "exfat", "ntfs", "ntfs3", "fuseblk",
})  # fmt: skip
_ENGINES = frozenset({"containers", "image", "overlay2", "volumes", "network", "buildkit"})


def moved_root_findings(
    wanted: Json, host: HostState, storage: Storage | None, kept: KeptStorage | None
) -> Iterable[Finding]:
    """Give why the data-root cannot be moved to `wanted` (None: where the engine has it by itself).

    Without `storage` there is nothing to move. `kept` is what an earlier change of it left.
    """
    engine, seen = host.engine, host.survey
    if storage is None:
        return
    if not isinstance(engine, EngineState):
        why = "the engine is stopped, so its images and containers cannot be moved"
        hint = "start it with its present data-root first"
        yield Finding(key=_KEY, message=why, hint=hint, engine_down=True)
        return
    if not storage.migrate_containers:
        why = "it would hide every image and container, and storage.migrate-containers is false"
        yield Finding(key=_KEY, message=why, hint="set storage.migrate-containers = true")
    if engine.swarm_active:
        yield Finding(key=_KEY, message="this host is a swarm node", hint="leave the swarm first")
    yield from kept_there(_KEY, data_root_of(engine), kept)
    if seen is not None:
        yield from _places(str(wanted or _USUAL), seen)
        yield from _target(host, seen)
        yield from _source(seen)


def left_before(host: HostState) -> bool:
    """Whether the target is a data-root that was left, and that no engine has used since."""
    seen = host.survey
    return seen is not None and any(
        one.path == seen.target and one.stamp == seen.stamp and not one.freeing for one in host.left
    )


def _places(wanted: str, seen: RootSurvey) -> Iterable[Finding]:
    source, target = seen.source, seen.target
    if normpath(wanted) != target:
        why = f"{wanted} leads over a symbolic link to {target}"
        yield Finding(key=_KEY, message=why, hint=f'set data-root = "{target}"')
    if seen.blocked_by:
        why = f"{seen.blocked_by} is no folder"
        yield Finding(key=_KEY, message=why, hint="name another place")
    elif target == source:
        yield Finding(key=_KEY, message=f"{target} is the data-root in use")
    elif f"{target}/".startswith(f"{source}/"):
        why = f"{target} lies in the data-root in use, {source}"
        yield Finding(key=_KEY, message=why, hint="name a place outside of it")
    elif f"{source}/".startswith(f"{target}/"):
        why = f"the data-root in use, {source}, lies in {target}"
        yield Finding(key=_KEY, message=why, hint="name a folder beside it")


def _target(host: HostState, seen: RootSurvey) -> Iterable[Finding]:
    target, kind = seen.target, seen.filesystem
    if kind in _IN_MEMORY:
        why = f"{target} is on {kind}, which does not keep what is there"
        yield Finding(key=_KEY, message=why, hint="name a folder on a disk")
    elif kind in _OF_THE_NET:
        why = f"{target} is on {kind}, which cannot hold all that files of an engine are"
        yield Finding(key=_KEY, message=why, hint="name a folder on a disk of this host")
    if "ro" in seen.options:
        why = f"{target} is on a filesystem that is mounted read-only"
        yield Finding(key=_KEY, message=why, hint=f"mount -o remount,rw of {target}")
    if "noexec" in seen.options and "noexec" not in seen.source_options:
        why = (
            f"{target} is on a filesystem that is mounted noexec: no program in a volume would run"
        )
        yield Finding(key=_KEY, message=why, hint=f"mount -o remount,exec of {target}")
    if seen.holds and seen.copied_from != seen.source and not left_before(host):
        yield occupied(_KEY, seen)


def occupied(key: str, seen: RootSurvey) -> Finding:
    """Say what is in the way at the target."""
    few = ", ".join(seen.holds)
    whose = "an engine's data" if _ENGINES & set(seen.holds) else "something"
    return Finding(
        key=key,
        message=f"{seen.target} holds {whose} already ({few})",
        hint="name an empty folder, or move away what is there",
    )


def kept_there(key: str, root: str, kept: KeptStorage | None) -> Iterable[Finding]:
    """Refuse to leave a data-root that has something of an earlier change of the storage.

    Where it lies is on record as a path of the data-root of then, and there it is freed.
    """
    roots = () if kept is None else (kept.root, *(one.root for one in kept.superseded))
    if kept is not None and any(f"{one}/".startswith(f"{root}/") for one in roots):
        why = (
            f"{root} has what was kept of {kept.driver} when {kept.successor} came,"
            " which could not be freed any more"
        )
        hint = "dockcfgctl storage prune first; until then, storage rollback leads back to it"
        yield Finding(key=key, message=why, hint=hint)


def _source(seen: RootSurvey) -> Iterable[Finding]:
    if seen.mounts:
        why = f"there is a mount in the data-root, which cannot be moved along: {seen.mounts[0]}"
        yield Finding(key=_KEY, message=why, hint="mount it elsewhere, with the engine stopped")
    if seen.linked:
        names = ", ".join(seen.linked)
        why = f"the options of volumes name folders of the data-root itself: {names}"
        yield Finding(key=_KEY, message=why, hint="make these volumes anew without that")
    if seen.renamable:
        return
    if seen.nested:
        why = f"{seen.nested} holds what cannot be copied as files, and {seen.target} is elsewhere"
        hint = 'change storage-driver to "overlay2" first, and data-root after it'
        yield Finding(key=_KEY, message=why, hint=hint)
    if seen.limited:
        why = f"{seen.limited} has a limit of its own size, which a copy would not have"
        yield Finding(key=_KEY, message=why, hint="make that container anew without it")
