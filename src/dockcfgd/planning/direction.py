"""What a change of one key takes, by the way it goes: setting and removing are not the same.

The key table knows what a new value takes. Here is what depends on the value before, on the keys
beside it, and on the flags that the engine was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import NoDefault, Unset
from dockcfgd.engine_keys.table import default_value, impact, lookup, unset_rule
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.planning import leaves
from dockcfgd.planning.flags import key_set_by
from dockcfgd.planning.launch import launch_of
from dockcfgd.planning.log_level import PLAIN_LEVEL, level_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.flags import Flag

__all__ = ["change_impact", "flags_lost_by_reload", "group_is_moot", "own_default"]


def change_impact(
    path: KeyPath, *, after: Json | leaves.Absent, wanted: Mapping[str, Json], host: HostState
) -> Impact:
    """Give the action that brings the key at `path` to `after`, `wanted` being the whole file."""
    version = EngineVersion.parse_or_none(host.version)
    weight = impact(path, version)
    if path == ("group",) and group_is_moot(wanted, host):
        return Impact.NONE
    if weight is not Impact.RELOAD:
        return weight
    if isinstance(after, leaves.Absent) and _reload_keeps(path, wanted, host):
        return Impact.RESTART
    if path == ("debug",) and after is not True and level_of(wanted, host) != PLAIN_LEVEL:
        # Debug switched off by reload sets the level to info, whatever log-level says.
        return Impact.RESTART
    return weight


def group_is_moot(wanted: Mapping[str, Json], host: HostState) -> bool:
    """Tell whether systemd makes every unix socket, so that `group` changes nothing."""
    named = wanted.get("hosts")
    by_flag = [flag.value for flag in launch_of(host).flags if flag.key == "hosts"]
    hosts = [str(one) for one in named] if isinstance(named, list) else by_flag
    return any(one.startswith("fd:") for one in hosts) and not any(
        one.startswith("unix:") for one in hosts
    )


def own_default(path: KeyPath, host: HostState) -> Json | NoDefault:
    """Give the engine's own default for a key on this host."""
    engine = host.engine
    word = engine.text("CgroupVersion") if isinstance(engine, EngineState) else ""
    version = EngineVersion.parse_or_none(host.version)
    return default_value(path, version=version, cgroup_version=1 if word == "1" else 2)


def flags_lost_by_reload(flags: Iterable[Flag], host: HostState) -> tuple[str, ...]:
    """Name the flags whose value an engine forgets with any reload until it starts again.

    It resets those keys to what the file says, and the file cannot name a key that a flag sets.
    """
    version = EngineVersion.parse_or_none(host.version)
    lost: list[str] = []
    for flag in flags:
        key = lookup(key_set_by(flag)) if flag.key else None
        if key is not None and unset_rule(key.path, version) is Unset.RELOAD_DEFAULT:
            lost.append(flag.text)
    return tuple(lost)


def _reload_keeps(path: KeyPath, wanted: Mapping[str, Json], host: HostState) -> bool:
    """Tell whether a reload without the key keeps its value and no default could be written."""
    key = lookup(path)
    version = EngineVersion.parse_or_none(host.version)
    if key is None or unset_rule(path, version) is not Unset.WRITE_DEFAULT:
        return False
    beside = leaves.get(dict(wanted), key.path)
    return isinstance(beside, leaves.Absent) and isinstance(own_default(key.path, host), NoDefault)
