"""dockerd's flags, read as dockerd reads them, and what they say in the words of daemon.json.

Facts (spf13/pflag): `--name=value`, `--name value`, `-n value`, `-nvalue`, `-n=value`, several
short switches in one word; a switch takes no next word; a later scalar flag wins, lists grow; `--`
ends the flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import Shape
from dockcfgd.engine_keys.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["CONFIG_FILE", "Flag", "by_flags", "conflict_paths", "key_set_by", "parse_flags"]

CONFIG_FILE = "--config-file"

# Flags that set several keys at once, or one key of several, by the name the file's check has.
_NAMED = {
    "--feature": "features",
    "--nri-opts": "nri-opts",
    "--host-gateway-ip": "host-gateway-ip",
}
_SWITCHES = {"--validate", "--version", "-v", "--help", "-h", "--rootless"}
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_SHORT = 2


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as written, the key of daemon.json it sets (empty if none), and its value.

    `first` and `last` are the places of its words among the arguments; `words` is the flag alone,
    for one that shares its word with others.
    """

    text: str
    key: str
    value: str
    name: str = ""
    words: tuple[str, ...] = ()
    first: int = 0
    last: int = 0


@cache
def _keys() -> Mapping[str, tuple[str, Shape]]:
    known = {
        flag: (_NAMED.get(flag, key.name), key.shape)
        for key in table().keys.values()
        for flag in key.flags
    }
    return known | {flag: (name, Shape.STRING) for flag, name in _NAMED.items()}


def parse_flags(arguments: Sequence[str]) -> tuple[Flag, ...]:
    """Read the flags of dockerd's arguments in order. Never fails."""
    flags: list[Flag] = []
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            position += 1
            continue
        following = arguments[position + 1] if position + 1 < len(arguments) else None
        found = _long(word, following) if word.startswith("--") else _short(word, following)
        used = 1 + any(taken for _, taken in found)
        for flag, _ in found:
            name, value, words, text = flag
            key = _keys().get(name, ("", Shape.STRING))[0]
            last = position + used - 1
            flags.append(Flag(text, key, value, name, words, position, last))
        position += used
    return tuple(flags)


_Read = tuple[tuple[str, str, tuple[str, ...], str], bool]


def _long(word: str, following: str | None) -> list[_Read]:
    name, equals, value = word.partition("=")
    if equals:
        return [((name, value, (word,), word), False)]
    if _switch(name) or not _takes(name, following):
        return [((name, "true", (word,), word), False)]
    return [((name, str(following), (name, str(following)), f"{name} {following}"), True)]


def _short(word: str, following: str | None) -> list[_Read]:
    found: list[_Read] = []
    letters = word[1:]
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        if letters.startswith("="):
            text = word if not found else f"{name}{letters}"
            found.append(((name, letters[1:], (f"{name}{letters}",), text), False))
            break
        if _switch(name):
            found.append(((name, "true", (name,), name), False))
        elif letters:
            text = word if not found else f"{name}{letters}"
            found.append(((name, letters, (f"{name}{letters}",), text), False))
            break
        elif _takes(name, following):
            words = (name, str(following))
            found.append(((name, words[1], words, f"{name} {following}"), True))
        else:
            found.append(((name, "true", (name,), name), False))
    return found


def _switch(name: str) -> bool:
    return name in _SWITCHES or _keys().get(name, ("", None))[1] is Shape.BOOL


def _takes(name: str, following: str | None) -> bool:
    """Tell whether the next word is this flag's value; of an unknown flag it only may be."""
    if following is None:
        return False
    return name in _keys() or name == CONFIG_FILE or not following.startswith("-")


def key_set_by(flag: Flag) -> str:
    """Give the key whose value a flag sets: that of `--feature` has a name in its value."""
    return f"features.{flag.value.partition('=')[0]}" if flag.key == "features" else flag.key


def conflict_paths(flag: Flag) -> tuple[KeyPath, ...]:
    """Give the keys of daemon.json that must not stand beside this flag.

    `runtimes` is merged by the engine. 28.0 and newer take `host-gateway-ips` for the flag's key
    too. 20.10 does not see that `--graph` is the same as `data-root`, and takes one of them.
    """
    if not flag.key or flag.key == "runtimes":
        return ()
    paths = [tuple(flag.key.split("."))]
    if flag.key == "host-gateway-ip":
        paths.append(("host-gateway-ips",))
    if flag.key == "graph":
        paths.append(("data-root",))
    return tuple(paths)


def by_flags(flags: Iterable[Flag]) -> dict[str, Json]:
    """Give what the flags say as daemon.json would say it, one entry a key (`proxies.http-proxy`).

    Keys whose values have no simple form are left out.
    """
    values: dict[str, list[str]] = {}
    for flag in flags:
        if flag.key:
            values.setdefault("data-root" if flag.key == "graph" else flag.key, []).append(
                flag.value
            )
    found: dict[str, Json] = {}
    for name, given in values.items():
        value = _as_json(name, given)
        if value is not None:
            found[name] = value
    return found


def _as_json(name: str, given: Sequence[str]) -> Json:  # noqa: PLR0911 -- one line a shape
    if name == "features":
        return {inner: word in _TRUE or not word for inner, word in _pairs(given)}
    if name == "default-ulimits":
        return {inner: _ulimit(inner, word) for inner, word in _pairs(given)}
    if name in {"nri-opts", "runtimes"}:
        return None
    key = table().keys.get(name)
    match None if key is None else key.shape:
        case Shape.BOOL:
            return given[-1] in _TRUE
        case Shape.INT:
            return int(given[-1]) if given[-1].removeprefix("-").isdecimal() else None
        case Shape.STRING | Shape.SIZE | Shape.DURATION:
            return given[-1]
        case Shape.STRINGS:
            return [*given]
        case Shape.STRING_MAP:
            return dict(_pairs(given))
        case Shape.MAP_MAP:
            return _nested(given)
        case _:
            return None


def _pairs(given: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (word.partition("=") for word in given)]


def _nested(given: Iterable[str]) -> dict[str, Json]:
    result: dict[str, dict[str, Json]] = {}
    for outer, word in _pairs(given):
        inner, _, value = word.partition("=")
        result.setdefault(outer, {})[inner] = value
    return {**result}


def _ulimit(name: str, word: str) -> Json:
    soft, _, hard = word.partition(":")
    hard = hard or soft
    if not (soft.removeprefix("-").isdecimal() and hard.removeprefix("-").isdecimal()):
        return None
    return {"Name": name, "Hard": int(hard), "Soft": int(soft)}
