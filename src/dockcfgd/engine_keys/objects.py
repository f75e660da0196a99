"""What is wrong inside values that are tables: runtimes, ulimits, and the like."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.finding import Code, KeyFinding, shown_path
from dockcfgd.engine_keys.forms import fault_of_form
from dockcfgd.engine_keys.key import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.engine_keys.key import Key
    from dockcfgd.engine_keys.version import EngineVersion
    from dockcfgd.model.desired import KeyPath

__all__ = ["object_findings"]


def object_findings(
    key: Key, value: object, version: EngineVersion | None
) -> tuple[KeyFinding, ...]:
    """Give what is wrong with the tables in `value`, whose types fit; nothing for other keys."""
    findings: list[KeyFinding] = []
    for path, item in _objects(key, value):
        findings += _field_findings(key, path, item, version)
        findings += _missing_findings(key, path, item)
        findings += _content_findings(key, path, item)
    return tuple(findings)


def _objects(key: Key, value: object) -> Iterator[tuple[KeyPath, Mapping[str, object]]]:
    if key.shape is Shape.OBJECT_MAP and isinstance(value, Mapping):
        for name, item in value.items():
            yield (*key.path, name), item
    if key.shape is Shape.OBJECTS and isinstance(value, list):
        for number, item in enumerate(value):
            yield (*key.path, str(number)), item


def _field_findings(
    key: Key, path: KeyPath, item: Mapping[str, object], version: EngineVersion | None
) -> Iterator[KeyFinding]:
    for name, value in item.items():
        where = (*path, name)
        since = key.fields_since.get(name)
        if name not in key.fields:
            near = get_close_matches(name, key.fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(key.fields)}"
            yield _refuse(where, Code.UNKNOWN, why="no such key", hint=hint)
        elif since is not None and version is not None and version < since:
            why = f"it came with engine {since.short}, this one is {version}"
            yield _refuse(where, Code.TOO_NEW, why=why)
        elif key.fields[name] == "size" and isinstance(value, str):
            why = fault_of_form("size", value, version)
            if why:
                yield _refuse(where, Code.SYNTAX, why=why)


def _missing_findings(key: Key, path: KeyPath, item: Mapping[str, object]) -> Iterator[KeyFinding]:
    for name in key.required_fields:
        if name not in item:
            yield _refuse(path, Code.TYPE, why=f"{name} is missing")


def _content_findings(key: Key, path: KeyPath, item: Mapping[str, object]) -> Iterator[KeyFinding]:
    match key.name:
        case "runtimes":
            yield from _runtime(path, item)
        case "default-ulimits":
            yield from _ulimit(path, item)
        case "default-address-pools":
            yield from _pool(path, item)
        case _:
            return


def _runtime(path: KeyPath, item: Mapping[str, object]) -> Iterator[KeyFinding]:
    if path[-1] == "runc":
        yield _refuse(path, Code.TRAP, why="the name runc is reserved", hint="take another name")
    if not item.get("path") and not item.get("runtimeType"):
        yield _refuse(path, Code.TYPE, why="it needs path or runtimeType")
    if item.get("path") and (item.get("runtimeType") or item.get("options")):
        why = "path cannot stand beside runtimeType or options"
        yield _refuse(path, Code.TOGETHER, why=why)
    if item.get("runtimeType") and item.get("runtimeArgs"):
        why = "runtimeArgs cannot stand beside runtimeType"
        yield _refuse(path, Code.TOGETHER, why=why, hint="use options")


def _ulimit(path: KeyPath, item: Mapping[str, object]) -> Iterator[KeyFinding]:
    name, soft, hard = item.get("Name"), item.get("Soft"), item.get("Hard")
    if isinstance(name, str) and name != path[-1]:
        why = f"Name is {name}, and Name is what counts"
        yield _refuse(path, Code.TRAP, why=why, hint=f"call the table {name} too")
    if (
        isinstance(soft, int)
        and isinstance(hard, int)
        and hard != -1
        and (soft > hard or soft == -1)
    ):
        yield _refuse(path, Code.RANGE, why="Soft is greater than Hard")


def _pool(path: KeyPath, item: Mapping[str, object]) -> Iterator[KeyFinding]:
    base, size = item.get("base"), item.get("size")
    if not isinstance(base, str) or not isinstance(size, int):
        return
    if fault_of_form("network", base, None):
        yield _refuse((*path, "base"), Code.SYNTAX, why="it must be a network such as 10.10.0.0/16")
        return
    network = ipaddress.ip_network(base, strict=False)
    if not network.prefixlen <= size <= network.max_prefixlen:
        why = f"it must be from {network.prefixlen} to {network.max_prefixlen}"
        yield _refuse((*path, "size"), Code.RANGE, why=why)


def _refuse(path: KeyPath, code: Code, *, why: str, hint: str = "") -> KeyFinding:
    return KeyFinding(path, code, f"cannot use {shown_path(path)}: {why}", hint)
