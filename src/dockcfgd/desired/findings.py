"""What pydantic finds, in an operator's words and with file and line."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from dockcfgd.desired.schema import Root
from dockcfgd.model.desired import KeyPath, dotted
from dockcfgd.model.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

    from dockcfgd.desired.load import Loaded

__all__ = ["MOST_FINDINGS", "known_names", "misplaced", "nearest", "placed", "worded"]

MOST_FINDINGS = 100

_SECTION_LENGTH = len(("service", "unit", "Service"))
_ABOVE_TABLES = ("unset", "schema")
_PLAIN = {
    "bool_type": "must be true or false",
    "string_type": 'must be text in quotes ("…")',
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list ([…])",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def placed(loaded: Loaded, path: KeyPath, message: str, hint: str = "") -> Finding:
    """Give a finding with the place of `path`, or of what is around it."""
    source = None
    for length in range(len(path), 0, -1):
        source = loaded.sources.get(path[:length])
        if source is not None:
            break
    return Finding(
        message=message,
        file=None if source is None else source.file,
        line=None if source is None else source.line,
        key=dotted(path),
        hint=hint,
    )


def worded(loaded: Loaded, errors: Sequence[ErrorDetails]) -> list[Finding]:
    """Give one finding a key, at most MOST_FINDINGS and one.

    pydantic has an error for each member of a union.
    """
    by_place: dict[KeyPath, tuple[KeyPath, ErrorDetails]] = {}
    for details in sorted(errors, key=lambda details: details["type"] in _PLAIN):
        path, place = _path(loaded.document, details["loc"])
        by_place.setdefault(place, (path, details))
    # Of a list with a wrong entry the union's other members are wrong too.
    with_entries = {place[:-1] for place, (path, _) in by_place.items() if place != path}
    first = [(place, *one) for place, one in by_place.items() if place not in with_entries]
    found = [
        _in_list(loaded, place, _finding(loaded, path, details))
        for place, path, details in first[: MOST_FINDINGS + 1]
    ]
    return sorted(found, key=lambda finding: (finding.file or "", finding.line or 0))


def misplaced(path: KeyPath) -> str:
    """Say that `path` is one of the keys above all tables, if it is."""
    if path[-1] in _ABOVE_TABLES and len(path) > 1:
        return f"{path[-1]} must stand above the first table"
    return ""


def nearest(path: KeyPath) -> str:
    """Say which known key `path` may mean, or what is known where it stands."""
    names = sorted(known_names(*path[:-1]) - {"package"})
    near = difflib.get_close_matches(path[-1][:100], names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(names)}" if names else ""


def known_names(*table: str) -> set[str]:
    """Give what may stand in a table of the document, nothing where names are the operator's."""
    model: type[BaseModel] | None = Root
    for part in table:
        fields = _fields(model)
        inner = fields[part].annotation if part in fields else None
        model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return set(_fields(model))


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is None:
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _finding(loaded: Loaded, path: KeyPath, details: ErrorDetails) -> Finding:
    kind = details["type"]
    inside_section = path[:2] == ("service", "unit")
    if kind == "extra_forbidden":
        return placed(loaded, path, "no such key", misplaced(path) or nearest(path))
    if kind == "literal_error" and inside_section:
        return placed(loaded, path, "no such section", "Unit, Service or Install")
    if kind == "literal_error":
        expected = details.get("ctx", {}).get("expected", "another value")
        return placed(loaded, path, f"must be {expected}")
    message = _PLAIN.get(kind) or details["msg"].removeprefix("Value error, ")
    if kind in _PLAIN and inside_section and len(path) > _SECTION_LENGTH:
        message = "must be text, a whole number, true, false, or a list of these"
    return placed(loaded, path, message.replace("Input should be", "must be"))


def _in_list(loaded: Loaded, place: KeyPath, finding: Finding) -> Finding:
    """Give a finding about an entry of a list the line of that entry."""
    source = loaded.sources.get(place)
    return finding if source is None else replace(finding, line=source.line)


def _path(document: Any, location: tuple[int | str, ...]) -> tuple[KeyPath, KeyPath]:  # noqa: ANN401 -- any TOML value
    """Keep of pydantic's location what is in the document, without the entries of lists and with.

    It names union members too.
    """
    path: list[str] = []
    place: list[str] = []
    value = document
    for part in location:
        if isinstance(value, dict) and part in value:
            path.append(str(part))
        elif not (isinstance(value, list) and isinstance(part, int)):
            continue
        place.append(str(part))
        value = value[part]
    return tuple(path), tuple(place)
