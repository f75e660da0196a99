"""Whether the engine uses a wanted value, as far as it shows.

Two places show it: the attributes of the `reload` event, right at a reload, and the /info document,
at any time. All answers are True, False, or None for "cannot be told"; nothing is guessed.
A wanted value of None stands for "not set" and is compared with the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.attributes import attribute_agrees
from dockcfgd.engine_keys.key import Key, NoDefault
from dockcfgd.engine_keys.table import default_value, lookup
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.engine_keys.views import VIEWS

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["NotObservable", "Observed", "event_agrees", "info_agrees", "observed"]

_PRIVILEGES_SHOWN = EngineVersion(24, 0)


class NotObservable(Enum):
    """Stands where the engine does not show a value."""

    NOT_OBSERVABLE = "not-observable"


@dataclass(frozen=True, slots=True)
class Observed:
    """A value in force, written as daemon.json would have it.

    Of `userns-remap` only whether it is on is shown (True or False), of a proxy's user and password
    nothing, of a runtime with a type only the name.
    """

    value: Json


def observed(path: KeyPath, info: Mapping[str, Json]) -> Observed | NotObservable:
    """Give the effective value of a key, or of a name inside `runtimes`, as /info shows it."""
    key = lookup(path)
    value = None if key is None else _shown(key, info)
    inside = path[len(key.path) :] if key is not None else ()
    for name in inside:
        value = value.get(name) if isinstance(value, dict) else None
    return NotObservable.NOT_OBSERVABLE if value is None else Observed(value)


def info_agrees(path: KeyPath, wanted: object, info: Mapping[str, Json]) -> bool | None:
    """Tell whether /info shows the wanted value of a key, or of a name inside `runtimes`.

    A wanted `data-root` must hold no symbolic links: the engine shows where they lead.
    """
    key = lookup(path)
    if key is None or key.info is None:
        return None
    shown = _shown(key, info)
    if shown is None:
        return None
    value = _wanted(key, path, wanted, info)
    if isinstance(value, NoDefault):
        return None
    return VIEWS[key.info.compare].agrees(_whole(key, path, value), shown)


def event_agrees(path: KeyPath, wanted: object, attributes: Mapping[str, str]) -> bool | None:
    """Tell whether the attributes of a `reload` event show the wanted value.

    None also where the release does not show the key. For the default of `default-cgroupns-mode`
    the caller has to say which mode it is: it depends on the host.
    """
    key = lookup(path)
    text = attributes.get(key.event) if key is not None and key.event else None
    if key is None or text is None:
        return None
    if wanted is None and (key.default_by_cgroup or len(path) > len(key.path)):
        return None
    value = default_value(path) if wanted is None else wanted
    if isinstance(value, NoDefault):
        return attribute_agrees(key, path, None, text) if key.path[0] == "features" else None
    return attribute_agrees(key, path, value, text)


def _shown(key: Key, info: Mapping[str, Json]) -> Json:
    """Give what /info shows, None if the place is not there or this release leaves it out."""
    if key.info is None:
        return None
    if key.name == "no-new-privileges" and _version(info) < _PRIVILEGES_SHOWN:
        return None
    *parents, last = key.info.path.split(".")
    place: Json = dict(info)
    for name in parents:
        place = place.get(name) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        return [] if key.name == "default-address-pools" else None
    if key.name == "data-root" and not _remaps_users(info):
        return place[last]  # a folder of another's choice may be named as that of remapped users
    return VIEWS[key.info.compare].shows(place[last])


def _remaps_users(info: Mapping[str, Json]) -> bool:
    return VIEWS["userns"].shows(info.get("SecurityOptions")) is True


def _wanted(
    key: Key, path: KeyPath, wanted: object, info: Mapping[str, Json]
) -> object | NoDefault:
    if wanted is not None:
        return wanted
    if len(path) > len(key.path):
        return NoDefault.NO_DEFAULT
    cgroup_version = 1 if info.get("CgroupVersion") == "1" else 2
    return default_value(path, version=_version(info), cgroup_version=cgroup_version)


def _whole(key: Key, path: KeyPath, value: object) -> object:
    """Put the value of a name inside an open map back into a map."""
    for name in reversed(path[len(key.path) :]):
        value = {name: value}
    return value


def _version(info: Mapping[str, Json]) -> EngineVersion:
    text = info.get("ServerVersion")
    newest = EngineVersion(10_000, 0)
    return (EngineVersion.parse_or_none(text) if isinstance(text, str) else None) or newest
