"""One TOML text to values and places, whatever the text."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.desired.lines import key_lines
from dockcfgd.desired.scan import MOST_TOKENS, TooMuch, scan
from dockcfgd.model.desired import KeyPath, dotted
from dockcfgd.model.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Toml", "beyond_64_bits", "dotted_key", "read_toml"]

_PLACE = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")
_BITS_OF_A_NUMBER = 63


@dataclass(frozen=True, slots=True)
class Toml:
    """A text's values, the line of each key, and how many tokens it took."""

    document: dict[str, Any]
    lines: dict[KeyPath, int]
    tokens: int


def read_toml(text: str, *, shown: str, most: int = MOST_TOKENS) -> Toml | tuple[Finding, ...]:
    """Read `text`, or give every reason why not; `shown` is the path for messages."""
    try:
        tokens = scan(text, most=most)
        document = tomllib.loads(text)
    except TooMuch as limit:
        return (Finding(file=shown, line=limit.line, message=str(limit)),)
    except tomllib.TOMLDecodeError as error:
        return (_no_toml(text, str(error), shown),)
    except ValueError:
        # Python refuses to read decimal numbers of thousands of digits, and says no place.
        return (Finding(file=shown, message="a number is too large", hint=_NUMBERS),)
    except RecursionError:
        return (Finding(file=shown, message="nested too deeply"),)
    lines = key_lines(tokens)
    large = tuple(
        Finding(
            file=shown,
            line=lines.get(path),
            key=dotted(path),
            message="the number is too large",
            hint=_NUMBERS,
        )
        for path in _too_large(document, ())
    )
    return large or Toml(document, lines, sum(token.kind != "blank" for token in tokens))


def dotted_key(text: str) -> KeyPath | None:
    """Read a dotted key; None if `text` is none."""
    if "\n" in text or "\r" in text:
        return None
    read = read_toml(f"{text} = 'end'", shown="")
    if not isinstance(read, Toml):
        return None
    document: Any = read.document
    path: list[str] = []
    while isinstance(document, dict):
        if len(document) != 1:
            return None
        name, document = next(iter(document.items()))
        path.append(name)
    return tuple(path) if document == "end" else None


def beyond_64_bits(number: int) -> bool:
    """Tell whether TOML and the engine have no such number."""
    return (number if number >= 0 else ~number).bit_length() > _BITS_OF_A_NUMBER


_NUMBERS = "whole numbers have 64 bits"


def _no_toml(text: str, message: str, shown: str) -> Finding:
    match = _PLACE.search(message)
    line = int(match[1]) if match and match[1] else text.count("\n") + 1
    why = _PLACE.sub("", message)
    return Finding(file=shown, line=line, message=f"not valid TOML: {why[:1].lower()}{why[1:]}")


def _too_large(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _too_large(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _too_large(inner, (*path, str(number)))
    elif isinstance(value, int) and beyond_64_bits(value):
        yield path
