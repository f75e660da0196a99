"""What the key table says of a key, in the words of a person."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from dockcfgd.engine_keys import engines
from dockcfgd.engine_keys.key import Key, NoDefault
from dockcfgd.engine_keys.table import lookup, table
from dockcfgd.model.impact import Impact

if TYPE_CHECKING:
    from dockcfgd.engine_keys.version import EngineVersion
    from dockcfgd.model.desired import Json

__all__ = ["fact_lines", "toml_value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def fact_lines(key: Key) -> tuple[str, ...]:
    """Give what the key is for, its facts, and what to beware of: a line each."""
    trap = (f"Beware: {key.trap}",) if key.trap else ()
    return (key.summary, _facts(key), *trap)


def _facts(key: Key) -> str:
    words = (_effect(key), _reach(key), _default(key), _choices(key), _releases(key))
    return " ".join(f"{word}." for word in words if word)


def _effect(key: Key) -> str:
    if key.impact is Impact.MIGRATE:
        return "Change: migration"
    if key.impact is Impact.RESTART:
        return "Change: restart" if key.bridgeable else "Change: plain restart"
    window = key.reload_window
    if window.before is not None and window.before != key.removed:
        return f"Change: reload before engine {window.before.short}"
    return "Change: reload"


def _reach(key: Key) -> str:
    match key.applies:
        case "":
            return ""
        case "container start":
            return "Counts at a container's next start"
        case "next pull":
            return "Counts at the next pull"
        case reached:
            return f"Counts for {reached}"


def _default(key: Key) -> str:
    if key.default_text:
        return f"Default: {key.default_text}"
    if isinstance(key.default, NoDefault) or key.default in ("", [], {}):
        return "Default: not set"
    if key.older_defaults:
        before, value = key.older_defaults[0]
        newer = toml_value(key.default)
        return f"Default: {toml_value(value)} before engine {before.short}, then {newer}"
    return "" if isinstance(key.example, NoDefault) else f"Default: {toml_value(key.default)}"


def _choices(key: Key) -> str:
    match key.name:
        case "storage-driver":
            choices = engines.storage_drivers(None)
        case "log-driver":
            choices = engines.log_drivers(None)
        case _:
            choices = key.choices
    return f"One of {', '.join(choices)}" if choices else ""


def _releases(key: Key) -> str:
    words = [f"Engine {_since(key)}"] if _since(key) else []
    if key.removed is not None:
        words.append(
            f"before {key.removed.short}" if words else f"Engine before {key.removed.short}"
        )
    if key.deprecated is not None:
        words.append("deprecated" if words else "Deprecated")
    if key.replacement and lookup(key.replacement) is not None:
        words.append(f"use {key.replacement}")
    return ", ".join(words)


def _since(key: Key) -> str:
    tables = table().tables
    around = [tables[name].since for name in tables if key.name.startswith(f"{name}.")]
    since: EngineVersion | None = key.since or next((each for each in around if each), None)
    return "" if since is None else f"{since.short} and newer"


def toml_value(value: Json) -> str:
    """Write a value as TOML on one line; TOML's plain strings are JSON's."""
    if isinstance(value, dict):
        pairs = (f"{_name(name)} = {toml_value(item)}" for name, item in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)
