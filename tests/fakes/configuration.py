"""How dockerd reads its configuration: the rules of the real one, its texts included.

Only the names of keys and flags and the shapes of values come from the product's own table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dockcfgd.engine_keys.key import FileRule, Shape
from dockcfgd.engine_keys.table import table
from dockcfgd.engine_keys.version import EngineVersion

__all__ = ["CommandLine", "Refused", "load", "parse_command"]

DEFAULT_CONFIG_FILE = "/etc/docker/daemon.json"

# Objects of the file that are one value; all other objects only group keys.
_WHOLE = {
    "builder",
    "cluster-store-opts",
    "default-network-opts",
    "default-ulimits",
    "features",
    "log-opts",
    "nri-opts",
    "runtimes",
}
_UNCHECKED = {"features", "builder", "deprecated-key-path"}
_KINDS: dict[Shape, tuple[type | tuple[type, ...], str]] = {
    Shape.BOOL: (bool, "bool"),
    Shape.INT: (int, "int"),
    Shape.STRING: (str, "string"),
    Shape.SIZE: (str, "string"),
    Shape.DURATION: (str, "string"),
    Shape.STRINGS: (list, "[]string"),
    Shape.OBJECTS: (list, "[]object"),
    Shape.STRING_MAP: (dict, "map[string]string"),
    Shape.OBJECT_MAP: (dict, "map[string]object"),
    Shape.MAP_MAP: (dict, "map[string]map[string]string"),
}
_SHORT_FLAGS = {"-H": "--host", "-D": "--debug", "-l": "--log-level", "-s": "--storage-driver"}
_SHORT_LENGTH = 2


class Refused(Exception):
    """dockerd does not take it; the text is its own line."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A parsed command line: values by the file's name of their key, and all other flags."""

    values: Mapping[str, Any] = field(default_factory=dict)
    config_file: str = DEFAULT_CONFIG_FILE
    explicit_config_file: bool = False
    validate: bool = False


def parse_command(words: Sequence[str]) -> CommandLine:
    """Read dockerd's arguments. Refused for one that it does not have."""
    keys = {flag: key for key in table().keys.values() for flag in key.flags}
    values: dict[str, Any] = {}
    config_file, explicit, validate = DEFAULT_CONFIG_FILE, False, False
    left = list(words)
    while left:
        name, equals, value = _split(left.pop(0))
        if name == "--validate":
            validate = True
            continue
        key = keys.get(name)
        if key is None and name != "--config-file":
            raise Refused(f"unknown flag: {name}")
        if not equals:
            switch = key is not None and key.shape is Shape.BOOL
            if not switch and not left:
                raise Refused(f"flag needs an argument: {name}")
            value = "true" if switch else left.pop(0)
        if key is None:
            config_file, explicit = value, True
        elif key.shape in {Shape.STRINGS, Shape.OBJECTS}:
            values.setdefault(key.name, []).append(value)
        elif key.shape in {Shape.STRING_MAP, Shape.OBJECT_MAP, Shape.MAP_MAP}:
            inner, _, word = value.partition("=")
            values.setdefault(key.name, {})[inner] = word
        else:
            values[key.name] = _word(value, key.shape)
    return CommandLine(values, config_file, explicit, validate)


def load(content: bytes | None, command: CommandLine, version: EngineVersion) -> dict[str, Any]:
    """Give the effective configuration, flat as the engine has it. Refused as it would refuse."""
    document = _decode(content, command, version)
    flat = _flatten(document)
    _refuse_unknown(flat, command, version)
    _refuse_conflicts(flat, command)
    _refuse_shapes(flat)
    given = {name: value for name, value in _fields(document).items() if value is not None}
    return {**{name.rpartition(".")[2]: value for name, value in command.values.items()}, **given}


def _split(word: str) -> tuple[str, str, str]:
    name, equals, value = word.partition("=")
    if not name.startswith("--"):
        short = name[:_SHORT_LENGTH]
        if len(name) > _SHORT_LENGTH:
            equals, value = "=", name[_SHORT_LENGTH:] + equals + value
        name = _SHORT_FLAGS.get(short, short)
    return name, equals, value


def _word(value: str, shape: Shape) -> Any:
    if shape is Shape.BOOL:
        return value == "true"
    return int(value) if shape is Shape.INT else value


def _decode(content: bytes | None, command: CommandLine, version: EngineVersion) -> dict[str, Any]:
    where = f"unable to configure the Docker daemon with file {command.config_file}: "
    if content is None:
        if command.explicit_config_file:
            raise Refused(f"{where}open {command.config_file}: no such file or directory")
        return {}
    old = version < EngineVersion(23, 0)
    prefix = "invalid JSON: " if version >= EngineVersion(28, 0) else ""
    if not content.strip():
        if old:
            raise Refused(f"{where}EOF")
        return {}
    try:
        text = content.decode("utf-8" if old else "utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{where}{prefix}invalid UTF-8") from None
    try:
        # Old engines do not look at what comes after the first value.
        document = json.JSONDecoder().raw_decode(text.lstrip())[0] if old else json.loads(text)
    except ValueError as error:
        raise Refused(f"{where}{prefix}invalid character: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = "array" if isinstance(document, list) else type(document).__name__
        raise Refused(f"{where}{prefix}json: cannot unmarshal {kind} into Go value of type map")
    return document


def _flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict) and name not in _WHOLE:
            flat.update(value)
        else:
            flat[name] = value
    return flat


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is decoded: fields in their own place, fewer than the check of names lets pass."""
    readable = [key for key in table().keys.values() if key.file is FileRule.READ]
    plain = {key.name for key in readable if len(key.path) == 1} | _WHOLE
    fields = {name: value for name, value in document.items() if name in plain}
    for key in readable:
        group = document.get(key.path[0])
        if len(key.path) > 1 and key.path[0] not in _WHOLE and isinstance(group, dict):
            fields[key.path[-1]] = group.get(key.path[1])
    return fields


def _names(version: EngineVersion) -> set[str]:
    """Give what the engine compares a file's keys with: names of flags and of lists."""
    names = set(_UNCHECKED)
    for key in table().keys.values():
        if key.removed is not None and version >= key.removed:
            continue
        if key.since is not None and version < key.since:
            continue
        names |= {flag.removeprefix("--") for flag in key.flags}
        if key.file is not FileRule.REJECTED:
            names.add(key.path[-1])
    return names | set(table().flag_spellings)


def _refuse_unknown(flat: Mapping[str, Any], command: CommandLine, version: EngineVersion) -> None:
    known = _names(version)
    unknown = [name for name in flat if name not in known]
    if unknown:
        raise Refused(
            f"unable to configure the Docker daemon with file {command.config_file}: the following "
            f"directives don't match any configuration option: {', '.join(unknown)}"
        )


def _refuse_conflicts(flat: Mapping[str, Any], command: CommandLine) -> None:
    flags = {name.rpartition(".")[2]: value for name, value in command.values.items()}
    both = [name for name in flat if name in flags and name != "runtimes"]
    if both:
        words = ", ".join(
            f"{name}: (from flag: {_go(flags[name])}, from file: {_go(flat[name])})"
            for name in both
        )
        raise Refused(
            f"unable to configure the Docker daemon with file {command.config_file}: the following "
            f"directives are specified both as a flag and in the configuration file: {words}"
        )


def _go(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _refuse_shapes(flat: Mapping[str, Any]) -> None:
    shapes = {key.path[-1]: key.shape for key in table().keys.values() if len(key.path) == 1}
    for name, value in flat.items():
        shape = shapes.get(name)
        if shape is None or value is None:
            continue
        kind, word = _KINDS[shape]
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and shape is not Shape.BOOL)
        if wrong or not _items_fit(value, shape):
            raise Refused(
                f"json: cannot unmarshal {_kind(value)} into Go struct field Config.{name} "
                f"of type {word}"
            )


def _items_fit(value: Any, shape: Shape) -> bool:
    if shape is Shape.STRINGS:
        return all(isinstance(item, str) for item in value)
    return shape is not Shape.STRING_MAP or all(isinstance(item, str) for item in value.values())


def _kind(value: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")
