"""Whether containers may run on through a restart, as far as dockerd's command has a say in it.

live-restore has to be in force in the engine that goes (by its flag, its file, or a reload before
the restart) and in the one that comes, and what changes must be such that running containers bear.
A flag that moves into daemon.json with its value is no change at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import bridgeable
from dockcfgd.model.desired import dotted
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.planning import leaves
from dockcfgd.planning.direction import flags_lost_by_reload
from dockcfgd.planning.freeing import conflicting, effective, missing, shown
from dockcfgd.planning.launch import launch_in_force, launch_with, running_flags
from dockcfgd.planning.reloading import kept_from_starting
from dockcfgd.planning.target import daemon_json
from dockcfgd.planning.unit_text import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Drift
    from dockcfgd.planning.flags import Flag
    from dockcfgd.planning.target import Target

__all__ = ["changes_life", "obstacle", "set_by_flag", "unbearable_key"]

_LIVE_RESTORE = "live-restore"
_MOST_NAMED = 3
# What decides over the life of processes in the service's cgroup.
_OVER_PROCESSES = {"KillMode", "Delegate", "Slice", "SendSIGKILL", "DelegateSubgroup"}


def set_by_flag(target: Target, host: HostState) -> bool | None:
    """Tell what the command that is to come says of live-restore; None: nothing."""
    return _switch(launch_with(host, target.drop_in).flags)


def obstacle(target: Target, host: HostState, drifts: Sequence[Drift]) -> str:
    """Say why containers cannot run on through this restart; empty where they can."""
    return changes_life(target, host, drifts) or _live_restore(target, host)


def changes_life(target: Target, host: HostState, drifts: Sequence[Drift]) -> str:
    """Say what running containers do not bear of this change; empty where they bear it all."""
    key = unbearable_key(target, host, drifts)
    if key:
        return f"{key} cannot change under running containers"
    return _drop_in(target, host, drifts)


def _live_restore(target: Target, host: HostState) -> str:
    live = isinstance(host.engine, EngineState) and host.engine.live_restore
    coming = set_by_flag(target, host)
    if coming is False:
        return "live-restore is switched off by a flag of docker.service"
    wanted = (target.document or {}).get(_LIVE_RESTORE) is True
    if not live:
        why = _no_reload(host)
        if why:
            return why
    lost = () if live else flags_lost_by_reload(running_flags(host), host)
    stranded = kept_from_starting(host)
    if stranded and not (wanted or coming):
        names = ", ".join(stranded[:_MOST_NAMED])
        return f"a reload of this engine would keep containers with host-gateway down: {names}"
    if not (wanted or coming):
        lost += flags_lost_by_reload(launch_with(host, target.drop_in).flags, host)
    return f"a reload would make the engine forget {', '.join(dict.fromkeys(lost))}" if lost else ""


def _no_reload(host: HostState) -> str:
    """Say why the running engine could not be told by a reload to switch live-restore on."""
    running = running_flags(host)
    for flag in (*running, *launch_in_force(host).flags):
        if flag.key == _LIVE_RESTORE:
            return "live-restore is switched off by a flag of docker.service"
    beside = conflicting(running, daemon_json(host))
    if beside:
        return (
            f"the engine runs with {shown(beside[0][0])} for a key of the file, so it cannot reload"
        )
    return ""


def _drop_in(target: Target, host: HostState, drifts: Sequence[Drift]) -> str:
    if not any(drift.where == "drop-in" for drift in drifts):
        return ""
    before = host.drop_in.content if host.drop_in.present else b""
    changed = set(_settings(before)) ^ set(_settings(target.drop_in or b""))
    for name, _ in sorted(changed):
        if name in _OVER_PROCESSES:
            return f"the drop-in changes {name}"
    old, new = launch_in_force(host), launch_with(host, target.drop_in)
    if old.binary != new.binary:
        return "the drop-in changes which program is launched"
    for flag in (*missing(old.flags, new.flags), *missing(new.flags, old.flags)):
        if not flag.key:
            return f"the drop-in changes how the engine is launched ({shown(flag)})"
    return ""


def unbearable_key(target: Target, host: HostState, drifts: Sequence[Drift]) -> str:
    """Name a key whose change running containers do not bear; empty where there is none."""
    old, new = launch_in_force(host).flags, launch_with(host, target.drop_in).flags
    before, after = effective(daemon_json(host), old), effective(target.document or {}, new)
    moved = {
        tuple(flag.key.split(".")) for flag in (*missing(old, new), *missing(new, old)) if flag.key
    }
    heavy = [
        drift.path
        for drift in drifts
        if drift.where != "drop-in" and drift.impact >= Impact.RESTART
    ]
    for path in (*heavy, *sorted(moved)):
        if not bridgeable(path) and (_differs(path, before, after) or _engine_lags(path, drifts)):
            return dotted(path)
    return ""


def _differs(path: KeyPath, before: dict[str, Json], after: dict[str, Json]) -> bool:
    return leaves.get(before, path) != leaves.get(after, path)


def _engine_lags(path: KeyPath, drifts: Iterable[Drift]) -> bool:
    return any(drift.where == "engine" and drift.path == path for drift in drifts)


def _settings(drop_in: bytes) -> list[tuple[str, str]]:
    text = drop_in.decode(errors="replace")
    return [(one.name, one.value) for one in settings_of(text) if one.section == "Service"]


def _switch(flags: Iterable[Flag]) -> bool | None:
    value = effective({}, (flag for flag in flags if flag.key == _LIVE_RESTORE)).get(_LIVE_RESTORE)
    return value if isinstance(value, bool) else None
