"""systemd's unit files as text: their settings, and how words of a command are written and read.

Facts: systemd.syntax(7), systemd.service(5) "COMMAND LINES", systemd.unit(5) "SPECIFIERS".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from dockcfgd.model.host import UnitFile

    _Escape: TypeAlias = Callable[[str, int], tuple[bytes, int]]

__all__ = [
    "BLANK",
    "Command",
    "Setting",
    "Word",
    "exec_start",
    "expand",
    "physical_lines",
    "quote",
    "settings_of",
    "specified",
    "split",
    "split_strictly",
    "split_variable",
    "words_of",
]

# systemd's idea of white space; Python's has more.
BLANK = " \t\n\r"

_ESCAPE = re.compile(
    r"(?P<plain>[abfnrtvs\\\"'])|x(?P<hex>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
)
_PLAIN = dict(zip("abfnrtvs\\\"'", "\a\b\f\n\r\t\v \\\"'", strict=True))
_WRITTEN = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}
_LINE_END = re.compile(r"\r\n|[\n\r\0]")
_HIGHEST_BYTE, _HIGHEST_POINT = 0xFF, 0x10FFFF
_NEEDS_QUOTES = re.compile(r"[\s'\";]")
_BRACED = re.compile(r"\$(?:\$|\{([^}]*)\})")
_SPECIFIER = re.compile(r"%(.)", re.DOTALL)
# Those that are the same for docker.service on every host.
_SPECIFIERS = {
    "%": "%",
    "n": "docker.service",
    "N": "docker",
    "p": "docker",
    "i": "",
    "t": "/run",
    "S": "/var/lib",
    "C": "/var/cache",
    "L": "/var/log",
    "E": "/etc",
    "T": "/tmp",  # noqa: S108 -- what systemd puts there
    "V": "/var/tmp",  # noqa: S108 -- what systemd puts there
    "h": "/root",
    "u": "root",
    "U": "0",
    "g": "root",
    "G": "0",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """`name=value` in a section, and the line (from 1) where it begins."""

    section: str
    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """The text after `ExecStart=`, and the file and line (from 1) that it stands in."""

    text: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it stands in the file, quotes and all, and what is meant by it."""

    raw: str
    text: str


# A plan asks for the same few files and commands some twenty times.
@lru_cache(maxsize=64)
def settings_of(text: str) -> tuple[Setting, ...]:
    """Give a unit file's settings in order; lines that systemd would skip are left out."""
    return tuple(_settings_of(text))


def _settings_of(text: str) -> Iterator[Setting]:
    section = ""
    for line, whole in _logical_lines(text):
        if whole.startswith("["):
            section = whole[1:-1] if whole.endswith("]") else section
            continue
        name, equals, value = whole.partition("=")
        if equals:
            yield Setting(section, name.strip(BLANK), value.strip(BLANK), line)


def physical_lines(text: str) -> list[str]:
    """Part a text where systemd sees a line's end."""
    return _LINE_END.split(text)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    gathered: str | None = None
    start = 0
    for number, line in enumerate(physical_lines(text.removeprefix("\ufeff")), start=1):
        part = line.lstrip(BLANK)
        if part.startswith(("#", ";")):
            continue  # also between the parts of a line that goes on
        if gathered is None:
            gathered, start = "", number
        gathered += part
        if _goes_on(gathered):
            gathered = gathered[:-1] + " "
            continue
        yield start, gathered.strip(BLANK)
        gathered = None
    if gathered is not None:
        yield start, gathered.strip(BLANK)


def _goes_on(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def exec_start(unit_files: Sequence[UnitFile]) -> Command | None:
    """Give the last ExecStart of the unit file and its drop-ins in order.

    None if they leave none. A line that systemd cannot read does not count.
    """
    command = None
    for unit_file in unit_files:
        for setting in settings_of(unit_file.text):
            if (setting.section, setting.name) != ("Service", "ExecStart"):
                continue
            if not setting.value:
                command = None
            elif _closed(setting.value):
                command = Command(text=setting.value, file=unit_file.path, line=setting.line)
    return command


@lru_cache(maxsize=64)
def _closed(text: str) -> bool:
    position, closed = _skip_blank(text, 0), True
    while closed and position < len(text):
        _, end, closed = _next_word(text, position, _c_escape)
        position = _skip_blank(text, end)
    return closed


@lru_cache(maxsize=64)
def words_of(text: str) -> tuple[Word, ...]:
    """Give the words of a command, up to a `;` that stands alone and begins another command."""
    words: list[Word] = []
    position = _skip_blank(text, 0)
    while position < len(text):
        word, end, _ = _next_word(text, position, _c_escape)
        raw = text[position:end]
        if raw == ";":
            break
        words.append(Word(raw, ";" if raw == "\\;" else word))
        position = _skip_blank(text, end)
    return tuple(words)


def split(text: str) -> list[str]:
    """Split a command line into words as systemd does.

    Quotes and C escapes are resolved, specifiers and variables left alone. Never fails.
    """
    return [word.text for word in words_of(text)]


def split_variable(value: str) -> list[str]:
    """Split a variable's value as systemd does for `$NAME`: a backslash keeps what follows."""
    words: list[str] = []
    position = _skip_blank(value, 0)
    while position < len(value):
        word, end, _ = _next_word(value, position, _kept_escape)
        words.append(word)
        position = _skip_blank(value, end)
    return words


def split_strictly(text: str) -> list[str]:
    """Split as systemd does for assignments: from the first bad word on the rest is ignored."""
    words: list[str] = []
    position = _skip_blank(text, 0)
    while position < len(text):
        try:
            word, end, closed = _next_word(text, position, _strict_escape)
        except ValueError:
            break
        if not closed:
            break
        words.append(word)
        position = _skip_blank(text, end)
    return words


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in BLANK:
        position += 1
    return position


def _next_word(text: str, position: int, escape: _Escape) -> tuple[str, int, bool]:
    """Give the word at `position`, where it ends, and whether its quotes are closed."""
    word = bytearray()
    quote = ""
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            meant, position = escape(text, position + 1)
            word += meant
            continue
        position += 1
        if quote:
            if char == quote:
                quote = ""
                continue
        elif char in "\"'":
            quote = char
            continue
        elif char in BLANK:
            position -= 1
            break
        word += _bytes(char)
    return word.decode("utf-8", "surrogateescape"), position, not quote


def _c_escape(text: str, position: int) -> tuple[bytes, int]:
    """Resolve what follows a backslash; systemd keeps one that it does not know."""
    found = _ESCAPE.match(text, position)
    meant = None if found is None else _meaning(found)
    if found is None or meant is None:
        return b"\\" + _bytes(text[position]), position + 1
    return meant, found.end()


def _strict_escape(text: str, position: int) -> tuple[bytes, int]:
    found = _ESCAPE.match(text, position)
    meant = None if found is None else _meaning(found)
    if found is None or meant is None:
        raise ValueError(f"no escape of systemd: {text[position - 1 :]!r}")
    return meant, found.end()


def _meaning(found: re.Match[str]) -> bytes | None:
    if found["plain"]:
        return _PLAIN[found["plain"]].encode()
    eight = int(found["hex"], 16) if found["hex"] else int(found["octal"] or "0", 8)
    if found["hex"] or found["octal"]:
        return bytes([eight]) if 0 < eight <= _HIGHEST_BYTE else None
    point = int(found["short"] or found["long"], 16)
    return _bytes(chr(point)) if 0 < point <= _HIGHEST_POINT else None


def _kept_escape(text: str, position: int) -> tuple[bytes, int]:
    return _bytes(text[position]), position + 1


def _bytes(char: str) -> bytes:
    if "\udc80" <= char <= "\udcff":
        return char.encode("utf-8", "surrogateescape")
    return char.encode("utf-8", "surrogatepass")


def specified(word: str) -> str:
    """Put in the specifiers that are the same on every host; others stay as they are."""
    return _SPECIFIER.sub(lambda found: _SPECIFIERS.get(found[1], found[0]), word)


def expand(word: str, environment: Mapping[str, str]) -> list[str]:
    """Put environment values into one word of a command as systemd does.

    `$NAME` alone becomes its value's words, `${NAME}` stays within the word, any other `$` stays.
    """
    if word.startswith("$") and not word.startswith(("${", "$$")):
        return split_variable(environment.get(word[1:], ""))
    return [_BRACED.sub(lambda found: _braced(found, environment), word)]


def _braced(found: re.Match[str], environment: Mapping[str, str]) -> str:
    return "$" if found[1] is None else environment.get(found[1], "")


def quote(word: str, *, command: bool = False) -> str:
    """Write one word so that systemd reads it back as it is.

    Specifiers and, in a `command`, variables are escaped. Raises ValueError for a NUL character,
    which no unit file and no process can hold.
    """
    if "\0" in word:
        msg = f"cannot write {word!r} into a unit file: it holds a NUL character"
        raise ValueError(msg)
    escaped = "".join(map(_written, word)).replace("%", "%%")
    if command:
        escaped = escaped.replace("$", "$$")
    plain = word and "\\" not in escaped and not _NEEDS_QUOTES.search(word)
    return escaped if plain else f'"{escaped}"'


def _written(char: str) -> str:
    if char in _WRITTEN:
        return _WRITTEN[char]
    if char < " " or char == "\x7f":
        return f"\\x{ord(char):02x}"
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char
