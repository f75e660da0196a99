"""The texts of the engine's `reload` event, and whether they say what is wanted.

Each attribute is a text of its own kind: plain words and numbers, JSON for lists, Go's way of
printing maps for features, `name:path` words for runtimes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import Shape
from dockcfgd.engine_keys.registries import mirror_urls, plain_registries
from dockcfgd.engine_keys.sizes import read_size

if TYPE_CHECKING:
    from dockcfgd.engine_keys.key import Key
    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["attribute_agrees", "attribute_value"]

_FEATURE = re.compile(r"(\S+):(true|false)\b")
_STOCK_RUNTIME = re.compile(r"runc|io\.containerd\..*")


def attribute_agrees(key: Key, path: KeyPath, wanted: object, text: str) -> bool | None:
    """Tell whether the attribute `text` shows `wanted`; None where it cannot be told.

    `wanted` is never the default by absence, except for a feature, whose absence is None.
    """
    if key.path[0] == "features":
        return _features(text).get(key.path[1]) == wanted
    if key.name == "nri-opts.enable":
        return text.startswith("{true") == bool(wanted)
    if key.name == "runtimes":
        return _runtimes_agree(path, wanted, text)
    if key.name == "registry-mirrors" and isinstance(wanted, list):
        return mirror_urls(_strings(text)) == mirror_urls(wanted)
    if key.name == "insecure-registries" and isinstance(wanted, list):
        return plain_registries(_strings(text)) == plain_registries(wanted)
    return attribute_value(key, text) == _comparable(key, wanted)


def attribute_value(key: Key, text: str) -> Json:
    """Give the attribute as a value: number, truth, bytes of a size, list or map."""
    if key.path[0] == "features":
        return _features(text).get(key.path[1])
    match key.shape:
        case Shape.BOOL:
            return text == "true"
        case Shape.INT | Shape.SIZE:
            return int(text)
        case Shape.STRINGS:
            return [*sorted(set(_strings(text)))]
        case Shape.STRING_MAP:
            value: Json = json.loads(text)
            return value or {}
        case Shape.OBJECT_MAP:
            return {name: {"path": program} for name, program in _runtimes(text).items()}
        case Shape.STRING | Shape.DURATION | Shape.OBJECTS | Shape.MAP_MAP:
            return text


def _comparable(key: Key, wanted: object) -> object:
    if key.shape is Shape.SIZE and isinstance(wanted, str):
        return read_size(wanted)
    if isinstance(wanted, list):
        return sorted(set(wanted))
    return wanted


def _strings(text: str) -> list[str]:
    return [str(item) for item in json.loads(text) or ()]


def _features(text: str) -> dict[str, bool]:
    return {name: word == "true" for name, word in _FEATURE.findall(text.removeprefix("map["))}


def _runtimes(text: str) -> dict[str, str]:
    """Read `crun:/usr/bin/crun typed:`; what every engine has is left out."""
    pairs = (word.partition(":") for word in text.split())
    return {name: program for name, _, program in pairs if not _STOCK_RUNTIME.fullmatch(name)}


def _runtimes_agree(path: KeyPath, wanted: object, text: str) -> bool:
    shown = _runtimes(text)
    if len(path) > 1:
        return wanted is not None and shown.get(path[1]) == _program(wanted)
    if not isinstance(wanted, Mapping):
        return False
    return shown == {
        name: _program(runtime)
        for name, runtime in wanted.items()
        if not _STOCK_RUNTIME.fullmatch(name)
    }


def _program(runtime: object) -> object:
    return runtime.get("path", "") if isinstance(runtime, Mapping) else ""
