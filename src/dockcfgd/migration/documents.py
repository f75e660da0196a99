"""Reading the engine's JSON documents: typed values, an empty one where a document has none.

Which fields an engine shows depends on its version, so absence is ordinary here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from dockcfgd.model.desired import Json

__all__ = [
    "Document",
    "api_at_least",
    "at",
    "flag",
    "number",
    "table",
    "tables",
    "telling",
    "text",
    "texts",
]

Document: TypeAlias = "dict[str, Json]"


def at(document: Mapping[str, Json], *path: str) -> Json:
    """Give the value at a path of keys, None where there is none."""
    value: Json = dict(document)
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text(document: Mapping[str, Json], *path: str) -> str:
    """Give the string at a path, else the empty one."""
    value = at(document, *path)
    return value if isinstance(value, str) else ""


def number(document: Mapping[str, Json], *path: str) -> int:
    """Give the whole number at a path, else 0."""
    value = at(document, *path)
    return value if isinstance(value, int) else 0


def flag(document: Mapping[str, Json], *path: str) -> bool:
    """Tell whether the value at a path is true."""
    return at(document, *path) is True


def table(document: Mapping[str, Json], *path: str) -> Document:
    """Give the object at a path, else an empty one."""
    value = at(document, *path)
    return value if isinstance(value, dict) else {}


def tables(document: Mapping[str, Json], *path: str) -> list[Document]:
    """Give the objects of the list at a path."""
    value = at(document, *path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(document: Mapping[str, Json], *path: str) -> list[str]:
    """Give the strings of the list at a path."""
    value = at(document, *path)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def telling(document: Mapping[str, Json]) -> Document:
    """Leave out what says nothing, in objects within too: null, false, 0 and what is empty."""
    kept = {
        key: telling(value) if isinstance(value, dict) else value for key, value in document.items()
    }
    return {key: value for key, value in kept.items() if value}


def api_at_least(version: str, *wanted: int) -> bool:
    """Compare an API version such as `1.44`; one that cannot be read counts as the oldest."""
    parts = version.split(".")
    if not all(part.isdecimal() for part in parts):
        return False
    return tuple(int(part) for part in parts) >= wanted
