"""Whether a value has the type that its key wants, told in an operator's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import Shape

if TYPE_CHECKING:
    from dockcfgd.engine_keys.key import Key
    from dockcfgd.model.desired import KeyPath

__all__ = ["Misfit", "misfits"]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value of the wrong type: where (below the key), what it must be, what to write instead."""

    inside: KeyPath
    wanted: str
    hint: str = ""


def misfits(key: Key, value: object) -> tuple[Misfit, ...]:
    """Give what is wrong with the type of `value`; nothing if it fits."""
    match key.shape:
        case Shape.STRINGS:
            return _strings(value, ())
        case Shape.OBJECTS:
            return _objects(key, value)
        case Shape.STRING_MAP:
            return _string_map(value, ())
        case Shape.OBJECT_MAP:
            return _object_map(key, value)
        case Shape.MAP_MAP:
            return _map_map(value)
        case Shape.BOOL | Shape.INT | Shape.STRING | Shape.SIZE | Shape.DURATION:
            return _scalar(key.shape.value, value, ())


def _scalar(wanted: str, value: object, inside: KeyPath) -> tuple[Misfit, ...]:
    match wanted:
        case "bool":
            fits, words = isinstance(value, bool), "true or false"
        case "int":
            fits, words = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        case "size":
            fits, words = isinstance(value, str), 'a string such as "128M"'
        case "duration":
            fits, words = isinstance(value, str), 'a string such as "48h"'
        case "list[string]":
            return _strings(value, inside)
        case "table":
            fits, words = isinstance(value, Mapping), "a table"
        case _:
            fits, words = isinstance(value, str), "a string"
    return () if fits else (Misfit(inside, words, _instead(wanted, value)),)


def _instead(wanted: str, value: object) -> str:
    if wanted == "bool" and isinstance(value, str) and value.lower() in {"true", "false"}:
        return f"write {value.lower()} without quotes"
    if wanted == "int" and isinstance(value, str) and value.lstrip("-").isdecimal():
        return f"write {value} without quotes"
    if wanted in {"string", "size", "duration"} and type(value) in {int, float, bool}:
        return "put it into quotes"
    return ""


def _strings(value: object, inside: KeyPath) -> tuple[Misfit, ...]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ()
    hint = "put it into square brackets" if isinstance(value, str) else ""
    return (Misfit(inside, "a list of strings", hint),)


def _string_map(value: object, inside: KeyPath) -> tuple[Misfit, ...]:
    if not isinstance(value, Mapping):
        return (Misfit(inside, "a table of strings"),)
    return tuple(
        misfit
        for name, item in value.items()
        for misfit in _scalar("string", item, (*inside, str(name)))
    )


def _map_map(value: object) -> tuple[Misfit, ...]:
    if not isinstance(value, Mapping):
        return (Misfit((), "a table of tables"),)
    return tuple(
        misfit for name, item in value.items() for misfit in _string_map(item, (str(name),))
    )


def _objects(key: Key, value: object) -> tuple[Misfit, ...]:
    if not isinstance(value, list):
        return (Misfit((), "a list of tables"),)
    return tuple(
        misfit for number, item in enumerate(value) for misfit in _object(key, item, (str(number),))
    )


def _object_map(key: Key, value: object) -> tuple[Misfit, ...]:
    if not isinstance(value, Mapping):
        return (Misfit((), "a table of tables"),)
    return tuple(
        misfit for name, item in value.items() for misfit in _object(key, item, (str(name),))
    )


def _object(key: Key, value: object, inside: KeyPath) -> tuple[Misfit, ...]:
    if not isinstance(value, Mapping):
        return (Misfit(inside, f"a table with {', '.join(key.fields)}"),)
    return tuple(
        misfit
        for name, item in value.items()
        if name in key.fields
        for misfit in _scalar(key.fields[name], item, (*inside, name))
    )
