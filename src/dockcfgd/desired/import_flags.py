"""Flags of dockerd as the keys of `[engine]` that they would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.desired.import_text import Entry
from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.key import Shape
from dockcfgd.engine_keys.table import table
from dockcfgd.planning import leaves
from dockcfgd.planning.flags import Flag, by_flags, parse_flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.engine_keys.key import Key
    from dockcfgd.engine_keys.version import EngineVersion
    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["flag_entries"]

_TRUE, _FALSE = {"1", "t", "true"}, {"0", "f", "false"}


def flag_entries(
    by_place: Iterable[tuple[str, Sequence[str]]], version: EngineVersion | None
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Give entries below `[engine]` for flags with a key, below `[service]` for others.

    `by_place` has the arguments with the file and line that they stand in.
    """
    given: dict[str, list[tuple[Flag, str]]] = {}
    others: list[Entry] = []
    for place, words in by_place:
        for flag in parse_flags(words):
            if flag.key:
                given.setdefault(flag.key, []).append((flag, place))
            elif not flag.text.startswith("--config-file"):
                said = f"from {flag.text} in {place} (left there): daemon.json has no such key"
                others.append(Entry((), leaves.ABSENT, said, live=False))
    keys: list[Entry] = []
    for name, flags in given.items():
        key = table().keys.get(name)
        keys += _named(name, flags) if key is None else _entries(key, flags, version)
    return tuple(keys), tuple(others)


def _named(name: str, flags: Sequence[tuple[Flag, str]]) -> list[Entry]:
    """Give the entries of a flag that sets several keys by their names, as `--feature`."""
    said = f"from {_origin(flags)} (left there)"
    value = by_flags(flag for flag, _ in flags).get(name)
    if not isinstance(value, dict) or not value:
        return [Entry((name,), leaves.ABSENT, said, live=False)]
    first, *others = value.items()
    return [
        Entry((name, first[0]), first[1], said, live=False),
        *(Entry((name, inner), item, "", live=False) for inner, item in others),
    ]


def _entries(
    key: Key, flags: Sequence[tuple[Flag, str]], version: EngineVersion | None
) -> list[Entry]:
    said = f"from {_origin(flags)} (left there)"
    value = _value(key, [flag.value for flag, _ in flags])
    if value is None:
        return [Entry(key.path, leaves.ABSENT, said, live=False)]
    document: dict[str, Json] = {}
    leaves.put(document, key.path, value)
    for finding in check(document, version)[:1]:
        said += f"; it could not stand here: {finding.message}"
    split = key.shape is Shape.STRING_MAP and isinstance(value, dict) and value
    paths: dict[KeyPath, Json] = leaves.flatten(document) if split else {key.path: value}
    entries = [Entry(path, item, "", live=False) for path, item in paths.items()]
    first = entries[0]
    return [Entry(first.path, first.value, said, live=False), *entries[1:]]


def _origin(flags: Sequence[tuple[Flag, str]]) -> str:
    by_place: dict[str, list[str]] = {}
    for flag, place in flags:
        by_place.setdefault(place, []).append(flag.text)
    return ", ".join(f"{' '.join(texts)} in {place}" for place, texts in by_place.items())


def _value(key: Key, given: list[str]) -> Json:
    """Give what the flags' values are in daemon.json; None where that cannot be said."""
    last = given[-1]
    match key.shape:
        case Shape.BOOL:
            word = last.lower()
            return True if word in _TRUE else False if word in _FALSE else None
        case Shape.INT:
            return int(last) if last.removeprefix("-").isdecimal() else None
        case Shape.STRING | Shape.SIZE | Shape.DURATION:
            return last
        case Shape.STRINGS:
            return list(given)
        case Shape.STRING_MAP:
            return {name: value for name, _, value in (one.partition("=") for one in given)}
        case Shape.OBJECT_MAP | Shape.OBJECTS | Shape.MAP_MAP:
            return _composed(key, given)


def _composed(key: Key, given: list[str]) -> Json:
    pairs = [one.partition("=")[::2] for one in given]
    match key.name:
        case "default-ulimits":
            return {name: _ulimit(name, text) for name, text in pairs}
        case "runtimes":
            return {name: {"path": path} for name, path in pairs}
        case "default-address-pools":
            return [_pool(one) for one in given]
        case _:
            return None


def _ulimit(name: str, text: str) -> Json:
    soft, colon, hard = text.partition(":")
    limits = [soft, hard if colon else soft]
    if not all(one.removeprefix("-").isdecimal() for one in limits):
        return None
    return {"Name": name, "Soft": int(limits[0]), "Hard": int(limits[1])}


def _pool(text: str) -> Json:
    fields: dict[str, Json] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        fields[name] = int(value) if value.isdecimal() else value
    return fields
