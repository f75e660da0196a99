"""What daemon.json must say while the engine reads it in a reload.

That is not always what it says in the end: values are un-set by their default, and what makes the
engine refuse any reload is left out for that moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import NoDefault, Unset
from dockcfgd.engine_keys.table import event_attribute, leaf, reload_watch, unset_rule
from dockcfgd.engine_keys.version import EngineVersion, Window
from dockcfgd.model import steps as do
from dockcfgd.model.host import Container, EngineState
from dockcfgd.planning import leaves
from dockcfgd.planning.direction import own_default
from dockcfgd.planning.launch import running_flags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState

__all__ = [
    "defaults_to_write",
    "kept_from_starting",
    "may_forget_gateway",
    "readable",
    "reload_step",
]

_RELOAD_SECONDS = 10.0
# These engines refuse every reload of a file with userland-proxy and no path, though they start
# with it and have both by default.
_PROXY_WANTS_PATH = EngineVersion(25, 0)
# A reload of these takes every runtime away that a file with any does not name, their own too, and
# containers that were made with one cannot start any more.
_KEEPS_OWN_RUNTIMES = EngineVersion(23, 0)
_OWN_RUNTIMES: dict[str, Json] = {
    name: {"path": "runc"} for name in ("io.containerd.runc.v2", "io.containerd.runtime.v1.linux")
}
# These forget with any reload which address host-gateway stands for, whatever the file says of it:
# containers that name it cannot be created, started or restarted until the engine starts anew.
_FORGETS_GATEWAY = Window(EngineVersion(28, 0), EngineVersion(29, 0))


def readable(document: dict[str, Json], host: HostState) -> dict[str, Json]:
    """Give the form of `document` that this engine can be reloaded with, equal in its meaning."""
    document = _with_runtimes_of_flags(document, host)
    version = EngineVersion.parse_or_none(host.version)
    if version is None:
        return document
    runtimes = document.get("runtimes")
    if version < _KEEPS_OWN_RUNTIMES and isinstance(runtimes, dict):
        return {**document, "runtimes": {**_OWN_RUNTIMES, **runtimes}}
    if version < _PROXY_WANTS_PATH:
        return document
    if document.get("userland-proxy") is not True or document.get("userland-proxy-path"):
        return document
    return {name: value for name, value in document.items() if name != "userland-proxy"}


def _with_runtimes_of_flags(document: dict[str, Json], host: HostState) -> dict[str, Json]:
    """Name what `--add-runtime` has set, for a reload has the file's runtimes alone, if any.

    Of these both may be given, and a flag's name counts in small letters.
    """
    runtimes = document.get("runtimes")
    given = [flag.value.partition("=") for flag in running_flags(host) if flag.key == "runtimes"]
    if not isinstance(runtimes, dict) or not given:
        return document
    by_flag: dict[str, Json] = {
        name.strip().lower(): {"path": path.strip()} for name, _, path in given
    }
    return {**document, "runtimes": {**by_flag, **runtimes}}


def may_forget_gateway(version: EngineVersion | None) -> bool:
    """Tell whether a reload of this release keeps some containers from ever starting again."""
    return version is not None and _FORGETS_GATEWAY.holds(version)


def kept_from_starting(host: HostState) -> tuple[str, ...]:
    """Name the containers that could not start after a reload, as far as they were asked."""
    engine = host.engine
    if not isinstance(engine, EngineState):
        return ()
    if not may_forget_gateway(EngineVersion.parse_or_none(host.version)):
        return ()
    return tuple(sorted(one.name for one in engine.containers if _names_gateway(one)))


def _names_gateway(container: Container) -> bool:
    extra = (container.settings or {}).get("ExtraHosts")
    return isinstance(extra, list) and any(str(one).endswith("host-gateway") for one in extra)


def reload_step(document: dict[str, Json], touched: Iterable[KeyPath] = ()) -> do.ReloadEngine:
    """Give the reload that reads `document`, with what its event must say of it.

    The engine says nothing before it has found the plugins among the `touched` keys, or died.
    """
    keys = dict.fromkeys(leaf(path) for path in leaves.flatten(document))
    expect = tuple(
        do.Expectation(key, None if isinstance(value, leaves.Absent) else value)
        for key in keys
        if event_attribute(key)
        for value in (leaves.get(document, key),)
    )
    watch = max((reload_watch(path) for path in touched), default=0)
    return do.ReloadEngine(expect, _RELOAD_SECONDS + watch)


def defaults_to_write(
    before: Iterable[KeyPath], after: dict[str, Json], host: HostState
) -> dict[KeyPath, Json]:
    """Find keys among `before` that a reload of `after` would keep the old value of.

    They get their default first.
    """
    version = EngineVersion.parse_or_none(host.version)
    shall = leaves.flatten(after)
    unset: dict[KeyPath, Json] = {}
    for path in before:
        key = leaf(path)
        if path in shall or unset_rule(path, version) is not Unset.WRITE_DEFAULT:
            continue
        value = own_default(key, host)
        if not isinstance(value, NoDefault) and not any(
            other[: len(key)] == key for other in shall
        ):
            unset[key] = value
    return unset
