"""Where each key of a JSON text stands, and which ones stand there more than once.

The standard parser gives values only, and of equal keys the last without a word.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockcfgd.model.desired import KeyPath

__all__ = ["Places", "key_places"]

_BLANK = " \t\r\n"
_SCALARS = json.JSONDecoder()


@dataclass(slots=True)
class Places:
    """Lines from 1: of each key (of equal ones the last), and all of those that are repeated."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    repeated: dict[KeyPath, tuple[int, ...]] = field(default_factory=dict)


def key_places(text: str) -> Places:
    """Find the keys of all objects in `text`, those inside lists apart.

    `text` must be valid JSON. RecursionError where it is nested too deeply.
    """
    walk = _Walk(text)
    if text.strip(_BLANK).startswith("{"):
        walk.value(())
    return walk.found


class _Walk:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._ends = [at for at, char in enumerate(text) if char == "\n"]
        self.found = Places()

    def value(self, path: KeyPath) -> None:
        self._blank()
        if self._text[self._at] == "{":
            self._object(path)
        else:
            _, self._at = _SCALARS.raw_decode(self._text, self._at)

    def _object(self, path: KeyPath) -> None:
        self._at += 1
        while self._blank() != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            line = bisect_left(self._ends, self._at) + 1
            name, self._at = _SCALARS.raw_decode(self._text, self._at)
            self._note((*path, name), line)
            self._blank()
            self._at += 1
            self.value((*path, name))
        self._at += 1

    def _note(self, path: KeyPath, line: int) -> None:
        before = self.found.lines.get(path)
        if before is not None:
            earlier = self.found.repeated.get(path, (before,))
            self.found.repeated[path] = (*earlier, line)
        self.found.lines[path] = line

    def _blank(self) -> str:
        while self._text[self._at] in _BLANK:
            self._at += 1
        return self._text[self._at]
