"""Answers about one key of daemon.json, from `keys.json`, read once and only when first asked.

A path is a tuple of names, or the same names with dots; no name of the table has a dot in itself. A
path inside an open map (`log-opts.max-size`, `runtimes.crun.path`) is answered for by the map's
key. What the table does not know needs a restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.entry import read_flag_spellings, read_key, read_table_key
from dockcfgd.engine_keys.key import FileRule, InfoProbe, Key, NoDefault, TableKey, Unset
from dockcfgd.model.impact import Impact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.engine_keys.version import EngineVersion
    from dockcfgd.model.desired import Json, KeyPath

__all__ = [
    "KeyTable",
    "bridgeable",
    "default_value",
    "event_attribute",
    "impact",
    "info_probe",
    "is_table",
    "known_keys",
    "leaf",
    "lookup",
    "reload_watch",
    "storage_affecting",
    "table",
    "unset_rule",
]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The whole table. `flag_spellings` maps names that are flags only to the file's spelling."""

    keys: Mapping[str, Key]
    tables: Mapping[str, TableKey]
    flag_spellings: Mapping[str, str]


@cache
def table() -> KeyTable:
    """Give the table; the file behind it is read by the first call."""
    document = json.loads(files(__package__).joinpath("keys.json").read_text("utf-8"))
    keys = tuple(read_key(entry) for entry in document["keys"])
    tables = tuple(read_table_key(name, entry) for name, entry in document["tables"].items())
    return KeyTable(
        keys={key.name: key for key in keys},
        tables={entry.name: entry for entry in tables},
        flag_spellings=read_flag_spellings(document["flag-spellings"]),
    )


def leaf(path: KeyPath | str) -> KeyPath:
    """Give the part of `path` that names its key (`log-opts` of `log-opts.max-size`), else all."""
    parts = _parts(path)
    key = lookup(parts)
    return parts if key is None else key.path


def lookup(path: KeyPath | str) -> Key | None:
    """Give the key that `path` is or lies in; None for tables (`features`) and unknown names."""
    parts = _parts(path)
    keys = table().keys
    for length in range(len(parts), 0, -1):
        key = keys.get(".".join(parts[:length]))
        if key is not None and key.path == parts[:length]:
            return key if length == len(parts) or key.shape.open else None
    return None


def is_table(path: KeyPath | str) -> bool:
    """Tell whether `path` is a table whose leaves are keys, as `features` and `builder.gc`."""
    parts = _parts(path)
    return ".".join(parts) in table().tables and not any("." in part for part in parts)


def known_keys(version: EngineVersion | None = None) -> tuple[Key, ...]:
    """Give the keys that this release reads from daemon.json; without one, those of the newest."""
    keys = table().keys.values()
    if version is None:
        return tuple(key for key in keys if key.file is FileRule.READ and key.removed is None)
    return tuple(key for key in keys if key.known_in(version))


def impact(path: KeyPath | str, version: EngineVersion | None) -> Impact:
    """Give the action that a new value takes in this release.

    Without a release a reload counts only where every release reloads the key. A table's impact is
    that of its heaviest leaf.
    """
    key = lookup(path)
    if key is None:
        return max((impact(inner.path, version) for inner in _leaves(path)), default=Impact.RESTART)
    if key.impact is not Impact.RELOAD:
        return key.impact
    if version is None:
        return Impact.RESTART if key.reload_window.bounded else Impact.RELOAD
    return Impact.RELOAD if key.reload_window.holds(version) else Impact.RESTART


def unset_rule(path: KeyPath | str, version: EngineVersion | None) -> Unset:
    """Give how this release is made to forget the key's value."""
    key = lookup(path)
    if key is None or impact(path, version) is not Impact.RELOAD:
        return Unset.RESTART
    return key.unset


def default_value(
    path: KeyPath | str, *, version: EngineVersion | None = None, cgroup_version: int = 2
) -> Json | NoDefault:
    """Give what the engine uses without the key, as a value for daemon.json.

    `cgroup_version` is the host's, as /info has it. NO_DEFAULT where it depends on more than that.
    """
    key = lookup(path)
    if key is None:
        return NoDefault.NO_DEFAULT
    if key.default_by_cgroup:
        return key.default_by_cgroup[cgroup_version]
    for before, value in key.older_defaults:
        if version is not None and version < before:
            return value
    return key.default


def event_attribute(path: KeyPath | str) -> str | None:
    """Give the attribute of the engine's `reload` event that shows the key's effective value."""
    key = lookup(path)
    return key.event if key is not None and key.event else None


def info_probe(path: KeyPath | str) -> InfoProbe | None:
    """Give where /info shows the key's effective value."""
    key = lookup(path)
    return None if key is None else key.info


def bridgeable(path: KeyPath | str) -> bool:
    """Tell whether containers may run on through a restart for this key; not for unknown ones."""
    key = lookup(path)
    return key is not None and key.bridgeable


def storage_affecting(path: KeyPath | str) -> bool:
    """Tell whether a new value can hide images, containers or volumes."""
    key = lookup(path)
    return key is not None and key.storage


def reload_watch(path: KeyPath | str) -> int:
    """Give for how many seconds after a reload the engine may still die of this key; 0 for most."""
    key = lookup(path)
    return 0 if key is None else key.reload_watch


def _parts(path: KeyPath | str) -> KeyPath:
    return tuple(path.split(".")) if isinstance(path, str) else path


def _leaves(path: KeyPath | str) -> tuple[Key, ...]:
    prefix = ".".join(_parts(path)) + "."
    if not is_table(path):
        return ()
    return tuple(key for name, key in table().keys.items() if name.startswith(prefix))
