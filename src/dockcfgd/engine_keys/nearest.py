"""The right name for a wrong one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import is_table, known_keys, table

if TYPE_CHECKING:
    from dockcfgd.engine_keys.version import EngineVersion
    from dockcfgd.model.desired import KeyPath

__all__ = ["suggest"]

_CUTOFF = 0.7
_SIBLING_CUTOFF = 0.6


def suggest(name: KeyPath | str, version: EngineVersion | None = None) -> str | None:
    """Give the key's dotted name that is most likely meant by `name`, None if nothing is near.

    A name that is a flag gives the file's spelling, which may be one of another table
    (`service.arguments --config-file`).
    """
    dotted = name if isinstance(name, str) else ".".join(name)
    wanted = dotted.lower().replace("_", "-").lstrip("-")
    spelled = table().flag_spellings.get(wanted)
    if spelled:
        return spelled
    return (
        _exact(wanted, version)
        or _sibling(wanted, version)
        or _last_part(wanted, version)
        or _near(wanted, version)
    )


def _candidates(version: EngineVersion | None) -> tuple[str, ...]:
    keys = tuple(key.name for key in known_keys(version))
    return (*keys, *table().tables)


def _exact(wanted: str, version: EngineVersion | None) -> str | None:
    """Find a name that differs in case only, as `Debug` or `builder.gc.defaultkeepstorage`."""
    return next((name for name in _candidates(version) if name.lower() == wanted), None)


def _last_part(wanted: str, version: EngineVersion | None) -> str | None:
    """Find a leaf that was written outside its table, as `buildkit` or `features.http-proxy`."""
    last = wanted.rpartition(".")[2]
    found = [name for name in _candidates(version) if name.lower().endswith(f".{last}")]
    return found[0] if len(found) == 1 else None


def _sibling(wanted: str, version: EngineVersion | None) -> str | None:
    """Find a leaf of the same table."""
    parent, dot, last = wanted.rpartition(".")
    names = [name for name in _candidates(version) if dot and name.rpartition(".")[0] == parent]
    return _closest(last, {name.rpartition(".")[2]: name for name in names}, _SIBLING_CUTOFF)


def _near(wanted: str, version: EngineVersion | None) -> str | None:
    """Find a near name; inside a known table the prefix would make everything near."""
    if is_table(wanted.rpartition(".")[0]):
        return None
    return _closest(wanted, {name: name for name in _candidates(version)}, _CUTOFF)


def _closest(wanted: str, names: dict[str, str], cutoff: float) -> str | None:
    lowered = {name.lower(): whole for name, whole in names.items()}
    near = difflib.get_close_matches(wanted, lowered, n=1, cutoff=cutoff)
    return lowered[near[0]] if near else None
