"""What is secret in a configuration, and values and texts with the secrets taken out.

Secret are user names and passwords in URLs and proxies, the credentials of log drivers, whatever
has a name like PASSWORD, TOKEN, SECRET or KEY in an environment, an option, a flag or a key, and
credentials in a unit. Everything that is shown, logged or sent passes here; what is written to the
managed files and to the state file does not.

Texts are judged by their form. What has none (the engine quoting a bare token) is found only by
its value: `secret_values` gives those of a document, `redact_text` takes them as `known`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from dockcfgd.engine_keys.table import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.model.desired import Json, KeyPath

__all__ = [
    "DIFFERS",
    "MASK",
    "redact_environment",
    "redact_pair",
    "redact_text",
    "redact_texts",
    "redact_value",
    "secret_name",
    "secret_values",
    "secrets_in_text",
    "spellings",
]

MASK = "***"
"""Stands where a secret was."""

DIFFERS = " (differs)"
"""Behind a value that would otherwise look like the one it is compared with."""

_SHORTEST = 6
"""A shorter value is not searched for in texts: it would be found in ordinary words."""

# Options of log drivers whose name does not tell.
_SECRET_OPTIONS = {"sumo-url"}
_WORDS = re.compile(
    r"passw(?:or)?d|passphrase|token|secret|credential|(?:api|access|private|shared)[-_.]?key",
    re.IGNORECASE,
)
_CAPITALS = re.compile(r"KEY|(?<![A-Z])PASS(?![A-Z])|(?<![A-Z])PWD(?![A-Z])|CREDS")
_PROXY = re.compile(r"(?:^|_|-|\.)(?:https?|ftp|all)[-_]proxy$", re.IGNORECASE)

_WORD = re.compile(r"[^\s\"'<>]+")
# The last `@` before a digest belongs to an image's name; a password may look like the beginning.
_DIGEST = re.compile(r"@sha256:[0-9a-f]+[^@]*$")
_USERINFO_OF_VALUE = re.compile(r"(?<=://).*(?=@(?!sha256:[0-9a-f]+[^@]*$))")
_WHOLE_USERINFO = re.compile(r"(?:(?<=://)|^(?!\w+://)).*(?=@)", re.DOTALL)
_NAME = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]{1,200})"
    r"(?P<sep>[ ]?=[ ]?|[\"']\s*:\s*(?=[\"'\d])|:(?![\s:]|\d+:))"
)
_FLAG = re.compile(r"(?<!\S)(?P<name>--[\w-]{1,200})[ ]+(?P<value>[^\s-]\S*)")
_CREDENTIAL = re.compile(r"^\s*SetCredential(?:Encrypted)?=[^:\n]*:(?P<value>.+)$", re.MULTILINE)
_UNTIL = {
    "": re.compile(r"[^\s]*"),
    '"': re.compile(r'(?:[^"\\\n]|\\.)*'),
    "'": re.compile(r"(?:[^'\\\n]|\\.)*"),
}
_AUTHORIZATION = re.compile(
    r"authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer)\s+(?P<value>[^\s\"']+)", re.IGNORECASE
)

# A login as curl takes it, and no user and group as the engine does.
_LOGIN = re.compile(
    r"(?<![^\s`])(?:-[uU][ ]+|--(?:proxy-)?user(?:[ ]+|=))(?!\d+:\d+(?![^\s`]))"
    r"(?:\"[^\s:\"]+:(?P<double>[^\"\n]+)|'[^\s:']+:(?P<single>[^'\n]+)|[^\s:`\"']+:(?P<bare>[^\s`]+))"
)


def secret_name(name: str) -> bool:
    """Tell whether a variable, option or key of this name holds a secret."""
    return (
        _WORDS.search(name) is not None
        or _CAPITALS.search(name) is not None
        or name in _SECRET_OPTIONS
    )


def redact_value(path: KeyPath, value: Json) -> Json:
    """Give a value of `[engine]`, or the drop-in's text, as it may be shown."""
    if isinstance(value, dict):
        return {name: redact_value((*path, name), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return _redact_list(path, value)
    if value is None or isinstance(value, bool) or value == "":
        return value
    if _wholly_secret(path):
        return MASK
    return _redact_string(path, value) if isinstance(value, str) else value


def redact_environment(name: str, value: str) -> str:
    """Give the value of an environment variable as it may be shown."""
    if not value or not secret_name(name):
        return _redact_string((name,), value)
    return MASK


def redact_pair(path: KeyPath, value: Json, other: Json) -> tuple[Json, Json]:
    """Give two values as they may be shown, so that what differs is seen to differ."""
    if isinstance(value, dict) and isinstance(other, dict):
        pairs = {
            name: redact_pair((*path, name), value.get(name), other.get(name))
            for name in {**value, **other}
        }
        return (
            {name: pairs[name][0] for name in value},
            {name: pairs[name][1] for name in other},
        )
    if isinstance(value, str) and isinstance(other, str) and "\n" in value + other:
        return redact_texts(value, other)
    shown, beside = redact_value(path, value), redact_value(path, other)
    return (shown if value == other or shown != beside else _marked(shown)), beside


def redact_texts(text: str, other: str) -> tuple[str, str]:
    """Give two texts as they may be shown, so that lines that differ are seen to differ."""
    beside = redact_text(other)
    there, looks = set(other.split("\n")), set(beside.split("\n"))
    lines = [
        f"{shown}{DIFFERS}" if shown in looks and line not in there else shown
        for line, shown in zip(text.split("\n"), redact_text(text).split("\n"), strict=True)
    ]
    return "\n".join(lines), beside


def redact_text(text: str, known: Iterable[str] = ()) -> str:
    """Give a text without the secrets that its form shows, and without the `known` values."""
    spans = list(_spans(text))
    for value in known:
        for spelling in spellings(value):
            spans += [match.span() for match in re.finditer(re.escape(spelling), text)]
    pieces, position = [], 0
    for start, end in _joined(spans):
        pieces += [text[position:start], MASK]
        position = end
    return "".join([*pieces, text[position:]])


def secrets_in_text(text: str) -> frozenset[str]:
    """Give what `redact_text` takes out of a text, passwords without their user names."""
    found = {text[start:end] for start, end in _joined(list(_spans(text)))}
    return frozenset(part for value in found for part in _parts_of(value))


def secret_values(path: KeyPath, value: Json) -> frozenset[str]:
    """Give what `redact_value` takes out of a value."""
    return frozenset(_values(path, value))


def spellings(secret: str) -> tuple[str, ...]:
    """Give the ways in which a text may quote a secret; none where it is too short to look for."""
    ways = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        unquote(secret),
        secret.replace("%", "%%"),
    }
    return tuple(sorted((way for way in ways if len(way) >= _SHORTEST), key=len, reverse=True))


def _wholly_secret(path: KeyPath) -> bool:
    """Whether nothing of a value may be shown. The table's own keys hold none such."""
    key = lookup(path)
    below = path if key is None else path[len(key.path) :]
    return any(secret_name(name) for name in below)


def _redact_list(path: KeyPath, items: list[Json]) -> list[Json]:
    shown: list[Json] = []
    before: Json = None
    for item in items:
        hidden = isinstance(before, str) and isinstance(item, str) and _expects_secret(before, item)
        shown.append(MASK if hidden else redact_value(path, item))
        before = item
    return shown


def _expects_secret(flag: str, value: str) -> bool:
    """Whether `value` is that of a flag like --token, given as a word of its own."""
    bare = flag.startswith("-") and "=" not in flag and not value.startswith("-")
    return bare and secret_name(flag)


def _redact_string(path: KeyPath, value: str) -> str:
    if _is_proxy(path):
        return _WHOLE_USERINFO.sub(MASK, value, count=1)
    return redact_text(_USERINFO_OF_VALUE.sub(MASK, value))


def _is_proxy(path: KeyPath) -> bool:
    return _PROXY.search(path[-1]) is not None if path else False


def _values(path: KeyPath, value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values((*path, name), inner)
    elif isinstance(value, list):
        for before, item in zip((None, *value), value, strict=False):
            if isinstance(before, str) and isinstance(item, str) and _expects_secret(before, item):
                yield item
            yield from _values(path, item)
    elif value is not None and not isinstance(value, bool) and value != "":
        if _wholly_secret(path):
            yield str(value)
        if isinstance(value, str):
            yield from _in_string(path, value)


def _in_string(path: KeyPath, value: str) -> Iterator[str]:
    pattern = _WHOLE_USERINFO if _is_proxy(path) else _USERINFO_OF_VALUE
    for found in pattern.finditer(value):
        yield from _parts_of(found[0])
    if not _is_proxy(path):
        yield from secrets_in_text(value)


def _parts_of(secret: str) -> Iterator[str]:
    """Give a secret and, of `user:password`, the password alone."""
    yield secret
    _, colon, password = secret.partition(":")
    if colon and password:
        yield password


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text):
        yield from _userinfo(word)
    for pattern in (_CREDENTIAL, _AUTHORIZATION):
        for match in pattern.finditer(text):
            yield match.span("value")
    for match in _LOGIN.finditer(text):
        yield match.span(str(match.lastgroup))
    yield from _assignments(text)
    for match in _FLAG.finditer(text):
        if secret_name(match["name"]):
            yield match.span("value")
        elif _PROXY.search(match["name"]) and "@" in match["value"]:
            yield match.start("value"), match.start("value") + match["value"].rindex("@")


def _assignments(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    while match := _NAME.search(text, position):
        position = match.end()
        if secret_name(match["name"]):
            start, position = _assigned(text, match)
            yield start, position
        elif _PROXY.search(match["name"]):
            start, position = _assigned(text, match)
            for found in _WHOLE_USERINFO.finditer(text[start:position]):
                yield start + found.start(), start + found.end()


def _userinfo(word: re.Match[str]) -> Iterator[tuple[int, int]]:
    text = _DIGEST.sub("", word[0])
    start, end = text.find("://"), text.rfind("@")
    if 0 <= start < end:
        yield word.start() + start + len("://"), word.start() + end


def _assigned(text: str, match: re.Match[str]) -> tuple[int, int]:
    """Give where the value after a name stands: to the closing quote, else to the next blank."""
    start = match.end()
    before = text[match.start() - 1 : match.start()]
    in_json = match["sep"][0] in "\"'"
    closing = before if before and before in "\"'" and not in_json else ""
    if start < len(text) and text[start] in "\"'" and text[start] != closing:
        closing = text[start]
        start += 1
    found = _UNTIL[closing].match(text, start)
    return start, start if found is None else found.end()


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give spans in order, those that touch as one, empty ones left out."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _marked(shown: Json) -> Json:
    if isinstance(shown, list):
        return [*shown, DIFFERS.strip()]
    return f"{shown}{DIFFERS}"
