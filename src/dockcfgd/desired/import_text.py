"""Entries of a table as TOML text: what holds as keys, what does not as comments beside them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tomli_w

from dockcfgd.desired.scan import DEEPEST
from dockcfgd.desired.toml import beyond_64_bits
from dockcfgd.planning.leaves import Absent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["Entry", "comment", "table_lines", "toml_key", "toml_value", "unwritable"]

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A key below a table, and what is said about it. Not `live`: it is shown as a comment only.

    ABSENT as value: only the comment is shown. `remark` stands above a live key.
    """

    path: KeyPath
    value: Json | Absent
    comment: str
    live: bool = True
    remark: str = ""


def unwritable(value: Json, *, levels: int = DEEPEST) -> str:
    """Say why a desired state cannot hold the value; empty if it can."""
    if levels == 0:
        return "nested too deeply"
    if value is None:
        return "null stands for a key that is not set, and TOML has no such value"
    if isinstance(value, float) and not math.isfinite(value):
        return "the number is too great"
    if isinstance(value, int) and beyond_64_bits(value):
        return "the number is too great"
    if isinstance(value, str):
        return _unwritable_text(value)
    inner: Sequence[Json] = ()
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list):
        inner = value
    return next(filter(None, (unwritable(each, levels=levels - 1) for each in inner)), "")


def _unwritable_text(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "it holds half a character"
    return "it holds a NUL character" if "\0" in text else ""


def toml_key(name: str) -> str:
    """Give a key as TOML writes it, quoted where it must be."""
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def toml_value(value: Json) -> str:
    """Give a value on one line. TypeError for null."""
    if isinstance(value, dict):
        inner = ", ".join(f"{toml_key(name)} = {toml_value(item)}" for name, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").removesuffix("\n")


def comment(text: str) -> list[str]:
    """Give a text as comment lines; what is no printable character comes out escaped."""
    lines = text.split("\n")
    return [f"# {_printable(line)}".rstrip() for line in lines]


def table_lines(root: str, entries: Sequence[Entry], *, header: bool = False) -> Iterator[str]:
    """Give the lines of `[root]` and the tables in it, each with an empty line at its end.

    A table with nothing that holds has a commented header too. `header`: `[root]` itself stands
    there in any case.
    """
    tables: dict[KeyPath, list[Entry]] = {(): []}
    for entry in entries:
        tables.setdefault(entry.path[:-1], []).append(entry)
    for path, own in tables.items():
        if not own and not (header and not path):
            continue
        live = any(entry.live for entry in own) or (header and not path)
        name = ".".join([root, *map(toml_key, path)])
        yield from [f"[{name}]"] if live else comment(f"[{name}]")
        for entry in own:
            yield from _entry_lines(entry)
        yield ""


def _entry_lines(entry: Entry) -> Iterator[str]:
    if entry.comment and (isinstance(entry.value, Absent) or not entry.live):
        yield from comment(entry.comment)
    if isinstance(entry.value, Absent):
        return
    if not entry.live:
        yield from comment(f"{_safe_key(entry.path[-1])} = {_shown(entry.value)}")
        return
    if entry.remark:
        yield from comment(entry.remark)
    (said,) = comment(entry.comment)
    line = f"{toml_key(entry.path[-1])} = {toml_value(entry.value)}"
    if len(line) + len(said) <= _WIDTH:
        yield f"{line}  {said}"
        return
    yield said
    if isinstance(entry.value, list) and len(line) > _WIDTH:
        yield f"{toml_key(entry.path[-1])} = ["
        yield from (f"    {toml_value(item)}," for item in entry.value)
        yield "]"
    else:
        yield line


def _shown(value: Json) -> str:
    return json.dumps(value) if unwritable(value) else toml_value(value)


def _safe_key(name: str) -> str:
    return json.dumps(name) if unwritable(name) else toml_key(name)


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
