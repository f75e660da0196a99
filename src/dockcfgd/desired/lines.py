"""Where each key of a TOML text stands.

The standard parser gives values only; people need file and line.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.desired.scan import Token
    from dockcfgd.model.desired import KeyPath

__all__ = ["key_lines"]

_WHITE = re.compile(r"[ \t]+")


def key_lines(tokens: Sequence[Token]) -> dict[KeyPath, int]:
    """Map the path of every key, table and list entry to its line, from 1.

    `tokens` must be those of valid TOML: tomllib has the say about that, this only finds places.
    The entries of a list, of an array of tables too, count from "0". A table that is named more
    than once stands where it has its own header, an array of tables at its first.
    """
    finder = _Finder(tokens)
    finder.document()
    return finder.found


class _Finder:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._entries: dict[KeyPath, int] = {}
        self.found: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip_blank():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        line = self._tokens[self._at].line
        self._at += 1
        array = self._peek() == "["
        self._at += array
        *above, last = self._key("]")
        self._at += 1 + array
        path = self._inside((), above, line)
        if not array:
            # An array of tables may have this as a table of its newest entry, never as itself.
            path = (*path, last)
            self.found[path] = line
            return path
        path = (*path, last)
        number = self._entries.get(path, 0)
        self._entries[path] = number + 1
        self.found.setdefault(path, line)
        self.found[*path, str(number)] = line
        return (*path, str(number))

    def _inside(self, path: KeyPath, names: Sequence[str], line: int) -> KeyPath:
        """Go down from `path`, in arrays of tables to the newest entry; note what is new."""
        for name in names:
            path = (*path, name)
            self.found.setdefault(path, line)
            if path in self._entries:
                path = (*path, str(self._entries[path] - 1))
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._tokens[self._at].line
        *above, last = self._key("=")
        self._at += 1
        path = (*self._inside(table, above, line), last)
        self.found[path] = line
        self._value(path)

    def _key(self, end: str) -> list[str]:
        parts: list[str] = []
        while self._peek() not in {end, ""}:
            token = self._tokens[self._at]
            if token.kind == "string":
                parts.append(_unquoted(token.text))
            elif token.kind == "bare":
                parts.append(token.text)
            self._at += 1
        return parts or [""]

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        opening = self._peek()
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            while not self._value_ended():
                self._at += 1

    def _value_ended(self) -> bool:
        """Tell whether a plain value is over; a date may have a blank before its time."""
        if self._at >= len(self._tokens):
            return True
        token = self._tokens[self._at]
        if token.kind == "blank":
            return _WHITE.fullmatch(token.text) is None
        return token.kind == "mark" and token.text != "."

    def _list(self, path: KeyPath) -> None:
        self._at += 1
        number = 0
        while self._skip_blank() and self._peek() != "]":
            if self._peek() == ",":
                self._at += 1
                continue
            entry = (*path, str(number))
            self.found[entry] = self._tokens[self._at].line
            self._value(entry)
            number += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip_blank() and self._peek() != "}":
            if self._peek() == ",":
                self._at += 1
            else:
                self._pair(path)
        self._at += 1

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _skip_blank(self) -> bool:
        """Tell whether anything is left behind the blanks."""
        while self._at < len(self._tokens) and self._tokens[self._at].kind == "blank":
            self._at += 1
        return self._at < len(self._tokens)


def _unquoted(text: str) -> str:
    if text[0] == "'" or "\\" not in text:
        return text[1:-1]
    value: str = tomllib.loads(f"x = {text}")["x"]
    return value
