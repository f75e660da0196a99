"""Where each key of a TOML text stands.

The standard parser gives values only; people need file and line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockcfgd.model.desired import KeyPath

__all__ = ["key_lines"]

_ESCAPES = {
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
    '"': '"',
    "\\": "\\",
    "e": "\x1b",
}


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map the path of every key and table to its line (from 1; of several, the last).

    `text` must be valid TOML: tomllib has the say about that, this only finds places. Keys inside
    an array of tables count under the array's path.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self.found: dict[KeyPath, int] = {}

    def document(self) -> None:
        prefix: KeyPath = ()
        while self._blank():
            if self._peek() == "[":
                line = self._line
                while self._peek() == "[":
                    self._take()
                prefix = self._key("]")
                self._note(prefix, line, above=0)
                while self._peek() == "]":
                    self._take()
            else:
                self._pair(prefix)

    def _pair(self, prefix: KeyPath) -> None:
        line = self._line
        path = prefix + self._key("=")
        self._note(path, line, above=len(prefix))
        self._take()
        self._value(path)

    def _note(self, path: KeyPath, line: int, *, above: int) -> None:
        """Note a key, and the tables that it makes on the way below the first `above` parts."""
        for length in range(above + 1, len(path)):
            self.found.setdefault(path[:length], line)
        self.found[path] = line

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def _take(self, length: int = 1) -> str:
        taken = self._text[self._at : self._at + length]
        self._line += taken.count("\n")
        self._at += length
        return taken

    def _blank(self) -> bool:
        """Skip white space, line ends and comments; whether anything is left."""
        while self._at < len(self._text):
            char = self._peek()
            if char == "#":
                while self._peek() not in {"\n", ""}:
                    self._take()
            elif char in " \t\r\n\ufeff":
                self._take()
            else:
                return True
        return False

    def _key(self, end: str) -> KeyPath:
        parts: list[str] = []
        bare = ""
        while self._peek() not in {end, ""}:
            char = self._peek()
            if char in "\"'":
                bare += self._string()
                parts.append(bare)
                bare = ""
            elif char == ".":
                if bare:
                    parts.append(bare)
                bare = ""
                self._take()
            elif char in " \t":
                self._take()
            else:
                bare += self._take()
        if bare:
            parts.append(bare)
        return tuple(parts)

    def _string(self) -> str:
        quote = self._peek()
        if self._peek(3) == quote * 3:
            return self._until(quote * 3)
        return self._until(quote)

    def _until(self, quote: str) -> str:
        self._take(len(quote))
        content = ""
        while self._at < len(self._text) and self._peek(len(quote)) != quote:
            char = self._take()
            if char == "\\" and quote[0] == '"':
                escape = self._take()
                digits = {"x": 2, "u": 4, "U": 8}.get(escape)
                content += (
                    _ESCAPES.get(escape, "") if digits is None else chr(int(self._take(digits), 16))
                )
            else:
                content += char
        self._take(len(quote))
        while len(quote) == 3 and self._peek() == quote[0]:  # noqa: PLR2004 -- up to two quotes may end the content itself
            self._take()
        return content

    def _value(self, path: KeyPath) -> None:
        self._blank()
        char = self._peek()
        if char in {'"', "'"}:
            self._string()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline_table(path)
        else:
            while self._peek() not in {",", "]", "}", "\n", "#", ""}:
                self._take()

    def _array(self, path: KeyPath) -> None:
        self._take()
        while self._blank() and self._peek() != "]":
            if self._peek() == ",":
                self._take()
            else:
                self._value(path)
        self._take()

    def _inline_table(self, path: KeyPath) -> None:
        self._take()
        while self._blank() and self._peek() != "}":
            if self._peek() == ",":
                self._take()
            else:
                self._pair(path)
        self._take()
