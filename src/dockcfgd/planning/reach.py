"""What a new value does not reach: containers and networks that keep the one they have.

Some settings are written into a container when it is created, some are read when it starts, some
are for networks yet to be made. A restart of the engine changes nothing for those that are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import NoDefault
from dockcfgd.engine_keys.sizes import read_size
from dockcfgd.engine_keys.table import default_value, leaf, lookup
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Disturbed, Drift

__all__ = ["asks_containers", "asks_networks", "reach_of"]

_NEW_CONTAINERS, _NEW_NETWORKS = "new containers", "new networks"
_START = "container start"
_DRIVER = "log-driver"
_OPTIONS = "log-opts"
_LOG_DEFAULT = "json-file"


def asks_containers(drifts: Iterable[Drift]) -> bool:
    """Tell whether it takes the containers' own settings to say which keep an old value."""
    return any(_applies(drift) == _NEW_CONTAINERS for drift in drifts)


def asks_networks(drifts: Iterable[Drift]) -> bool:
    """Tell whether it takes the names of the networks."""
    return any(_applies(drift) == _NEW_NETWORKS for drift in drifts)


def reach_of(
    drifts: Sequence[Drift], host: HostState, impact: Impact, disturbed: Disturbed
) -> tuple[Reach, ...]:
    """Give what each changed key does not reach; nothing for keys that reach everything."""
    by_key: dict[str, list[Drift]] = {}
    for drift in drifts:
        if _applies(drift):
            by_key.setdefault(".".join(leaf(drift.path)), []).append(drift)
    return tuple(_reach(name, of, host, impact, disturbed) for name, of in by_key.items())


def _applies(drift: Drift) -> str:
    """Give what the new value reaches. The engine already runs one that takes no action."""
    key = lookup(drift.path) if drift.where != "drop-in" else None
    return "" if key is None or drift.impact is Impact.NONE else key.applies


def _reach(
    name: str, drifts: list[Drift], host: HostState, impact: Impact, disturbed: Disturbed
) -> Reach:
    applies, engine = _applies(drifts[0]), host.engine
    if not isinstance(engine, EngineState):
        return Reach(name, applies)
    if applies == _NEW_NETWORKS:
        return Reach(name, applies, engine.network_names or (), engine.networks)
    if applies == _START:
        through = tuple(sorted(one.name for one in engine.running))
        keep = disturbed.bridged if impact >= Impact.RESTART else through
        return Reach(name, applies, keep, len(keep))
    if applies == _NEW_CONTAINERS:
        return _frozen(name, drifts, host, engine)
    return Reach(name, applies)


def _frozen(name: str, drifts: list[Drift], host: HostState, engine: EngineState) -> Reach:
    asked = name in _SETTING and all(one.settings is not None for one in engine.containers)
    keep = engine.containers
    if asked:
        keep = tuple(
            one
            for one in engine.containers
            if any(_keeps(drift, one.settings or {}, host) for drift in drifts)
        )
    names = tuple(sorted(one.name for one in keep))
    return Reach(name, _NEW_CONTAINERS, names, len(names), asked)


def _keeps(drift: Drift, settings: Mapping[str, Json], host: HostState) -> bool:
    """Tell whether a container has the old value, and not by chance the new one too."""
    name = leaf(drift.path)[0]
    inside = drift.path[1:]
    has = _comparable(name, _SETTING[name](settings, inside))
    was, shall = (_comparable(name, _in_force(drift.path, value, host)) for value in _sides(drift))
    return has == was != shall


def _sides(drift: Drift) -> tuple[Json, Json]:
    return drift.actual, drift.desired


def _in_force(path: KeyPath, value: Json, host: HostState) -> Json:
    if value is not None or len(path) > 1:
        return value
    engine = host.engine
    word = engine.text("CgroupVersion") if isinstance(engine, EngineState) else ""
    version = EngineVersion.parse_or_none(host.version)
    default = default_value(path, version=version, cgroup_version=1 if word == "1" else 2)
    return None if isinstance(default, NoDefault) else default


def _comparable(name: str, value: Json) -> Json:
    if name == "default-shm-size" and value is not None:
        try:
            return read_size(str(value))
        except ValueError:
            return value
    return str(value) if name == _OPTIONS and value is not None else value


def _log(settings: Mapping[str, Json]) -> Mapping[str, Json]:
    config = settings.get("LogConfig")
    return config if isinstance(config, dict) else {}


def _log_option(settings: Mapping[str, Json], inside: KeyPath) -> Json:
    options = _log(settings).get("Config")
    value: Json = options if isinstance(options, dict) else {}
    for part in inside:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _named(field: str) -> Callable[[Mapping[str, Json], KeyPath], Json]:
    return lambda settings, _inside: settings.get(field)


# no-new-privileges is kept with a container, and no document shows it.
_SETTING: dict[str, Callable[[Mapping[str, Json], KeyPath], Json]] = {
    _DRIVER: lambda settings, _inside: _log(settings).get("Type"),
    _OPTIONS: _log_option,
    "default-runtime": _named("Runtime"),
    "default-shm-size": _named("ShmSize"),
    "default-ipc-mode": _named("IpcMode"),
    "default-cgroupns-mode": _named("CgroupnsMode"),
}
