"""daemon.json as leaves: what one owner can hold without holding its neighbours.

Tables (`features`, `log-opts`, `proxies`, `builder.gc` …) are owned leaf by leaf, lists whole, and
an entry of `runtimes` or `default-ulimits` whole, for half of a runtime makes no sense.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeGuard

    from dockcfgd.model.desired import Json, KeyPath

__all__ = [
    "ABSENT",
    "WHOLE_ENTRIES",
    "Absent",
    "flatten",
    "get",
    "merge",
    "put",
    "remove",
    "render",
    "take_out",
]

WHOLE_ENTRIES = {"runtimes", "default-ulimits", "default-network-opts"}


class Absent:
    """The type of ABSENT: no value stands there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


def flatten(document: Mapping[str, Json], prefix: KeyPath = ()) -> dict[KeyPath, Json]:
    """Map each leaf's path to its value, in the document's order. An empty table is a leaf."""
    leaves: dict[KeyPath, Json] = {}
    for name, value in document.items():
        path = (*prefix, name)
        if _holds_leaves(value, path):
            leaves.update(flatten(value, path))
        else:
            leaves[path] = value
    return leaves


def _holds_leaves(value: object, path: KeyPath) -> TypeGuard[dict[str, Json]]:
    whole = len(path) == 2 and path[0] in WHOLE_ENTRIES  # noqa: PLR2004 -- table and entry
    return isinstance(value, dict) and bool(value) and not whole


def get(document: Mapping[str, Json], path: KeyPath) -> Json | Absent:
    """Give the value at `path`, or ABSENT."""
    value: Json = dict(document)
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


def put(document: dict[str, Json], path: KeyPath, value: Json) -> None:
    """Set the value at `path`; a value that stands where a table is needed gives way."""
    table = document
    for part in path[:-1]:
        inner = table.get(part)
        if not isinstance(inner, dict):
            inner = {}
            table[part] = inner
        table = inner
    table[path[-1]] = copy.deepcopy(value)


def merge(document: dict[str, Json], path: KeyPath, value: Json) -> None:
    """Set the leaf at `path`. A table with nothing in it owns nothing of one that stands there."""
    if value != {} or not _holds_leaves(get(document, path), path):
        put(document, path, value)


def take_out(document: dict[str, Json], paths: Iterable[KeyPath]) -> None:
    """Remove those of `paths` that are leaves; what others have put below one stays."""
    for path in paths:
        if not _holds_leaves(get(document, path), path):
            remove(document, path)


def remove(document: dict[str, Json], path: KeyPath) -> None:
    """Remove the value at `path` and the tables that are empty then. Nothing there is fine."""
    tables = [document]
    for part in path[:-1]:
        inner = tables[-1].get(part)
        if not isinstance(inner, dict):
            return
        tables.append(inner)
    tables[-1].pop(path[-1], None)
    for table, part in zip(reversed(tables[:-1]), reversed(path[:-1]), strict=True):
        if table[part] == {}:
            del table[part]


def render(document: Mapping[str, Json]) -> bytes:
    """Give daemon.json's bytes: UTF-8, indented, keys in the document's order."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
