"""The `[engine]` table as a JSON Schema (2020-12), made from the key table.

It knows no release: what some release takes passes. What depends on the release, on other keys or
on more of a value than its shape is judged by `check` alone.

Rejected: a pydantic model of the table, as the source of both. Its schema has null and no pattern,
and everything that it can say of a value `check` says in better words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.engine_keys.facts import fact_lines
from dockcfgd.engine_keys.key import FileRule, Key, NoDefault, Shape
from dockcfgd.engine_keys.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["engine_schema"]

_SIZE = r"^[0-9]{1,20}(\.[0-9]{1,20})? ?([kmgtpKMGTP]([iI]?[bB])?|[bB])?$"
_DURATION = r"^([0-9]{1,20}|(([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})(ns|us|µs|ms|s|m|h))+)$"
_PATTERNS = {
    "api-version": r"^[0-9]{1,4}\.[0-9]{1,4}$",
    "assignment": r"^[^=]+=",
    "host": r"^(unix|tcp|fd)://",
    "host-port": r":[0-9]{1,5}$",
    "interface": "/",
    "mirror": r"^[hH][tT][tT][pP][sS]?://",
    "network": "/",
}
_FIELDS: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "string": {"type": "string"},
    "size": {"type": "string", "pattern": _SIZE},
    "list[string]": {"type": "array", "items": {"type": "string"}},
    "table": {"type": "object"},
}


def engine_schema() -> dict[str, Any]:
    """Give the schema of the table with every key that some release reads."""
    keys = [key for key in table().keys.values() if key.file is FileRule.READ]
    return _table("", keys)


def _table(prefix: str, keys: Iterable[Key]) -> dict[str, Any]:
    inside = [key for key in keys if key.name.startswith(prefix)]
    properties: dict[str, Any] = {}
    for key in inside:
        name, dot, _ = key.name.removeprefix(prefix).partition(".")
        if not dot:
            properties[name] = _described(key)
        elif name not in properties:
            inner = _table(f"{prefix}{name}.", inside)
            summary = table().tables[f"{prefix}{name}"].summary
            properties[name] = {"description": summary, **inner}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _described(key: Key) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": "\n".join(fact_lines(key)), **_value(key)}
    if not isinstance(key.default, NoDefault):
        schema["default"] = key.default
    if not isinstance(key.example, NoDefault):
        schema["examples"] = [key.example]
    if key.deprecated is not None or key.removed is not None:
        schema["deprecated"] = True
    return schema


def _value(key: Key) -> dict[str, Any]:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    match key.shape:
        case Shape.BOOL | Shape.INT | Shape.STRING | Shape.SIZE | Shape.DURATION:
            return _scalar(key)
        case Shape.STRINGS:
            entries = {"minItems": 1} if key.default else {}
            return {"type": "array", "items": _entry(key), **entries}
        case Shape.OBJECTS:
            return {"type": "array", "items": _object(key)}
        case Shape.STRING_MAP:
            return texts
        case Shape.MAP_MAP:
            return {"type": "object", "additionalProperties": texts}
        case Shape.OBJECT_MAP:
            return {"type": "object", "additionalProperties": _object(key)}


def _scalar(key: Key) -> dict[str, Any]:
    match key.shape:
        case Shape.BOOL:
            # The mere presence of tlsverify switches TLS on.
            return {"const": True} if key.name == "tlsverify" else {"type": "boolean"}
        case Shape.INT:
            return {"type": "integer", **_range(key)}
        case Shape.SIZE:
            return {"type": "string", "pattern": _or_empty(key, _SIZE)}
        case Shape.DURATION:
            return {"type": "string", "pattern": _or_empty(key, _DURATION)}
        case _:
            return _text(key)


def _range(key: Key) -> dict[str, Any]:
    bounds = {"minimum": key.minimum, "maximum": key.maximum}
    given: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    first = min(each.since for each in table().keys.values() if each.since is not None)
    zero = key.zero_is_default
    if zero is not None and zero.before is None and zero.since is not None and zero.since < first:
        given["not"] = {"const": 0}
    return given


def _text(key: Key) -> dict[str, Any]:
    if key.form == "any-case":
        words = "|".join(map(_in_any_case, key.choices))
        any_case = {"type": "string", "pattern": f"^({words})$"}
        return {"anyOf": [{"enum": list(key.choices)}, any_case]}
    if key.choices:
        return {"enum": list(key.choices)}
    schema: dict[str, Any] = {"type": "string"}
    if key.form in _PATTERNS:
        schema["pattern"] = _or_empty(key, _PATTERNS[key.form])
    elif key.default != "":
        schema["minLength"] = 1
    return schema


def _or_empty(key: Key, pattern: str) -> str:
    """Let the empty text pass where it is the default."""
    return f"^$|{pattern}" if key.default == "" else pattern


def _entry(key: Key) -> dict[str, Any]:
    pattern = _PATTERNS.get(key.form)
    return {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}


def _object(key: Key) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: _FIELDS[kind] for name, kind in key.fields.items()},
        "required": list(key.required_fields),
        "additionalProperties": False,
    }


def _in_any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)
