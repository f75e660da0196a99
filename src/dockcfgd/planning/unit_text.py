"""systemd's unit and environment files as text: what docker.service runs, and how words are quoted.

Facts: systemd.syntax(7), systemd.service(5) "COMMAND LINES", systemd.exec(5) `EnvironmentFile=`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.host import UnitFile

__all__ = [
    "Command",
    "binary_and_flags",
    "environment_of",
    "exec_start",
    "expand",
    "quote",
    "settings_of",
    "split",
]

_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}
_QUOTED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}
_VARIABLE = re.compile(r"\$(\$|\{(\w+)\}|(\w+))")
_PREFIXES = "@-:+!"


@dataclass(frozen=True, slots=True)
class Command:
    """The text after `ExecStart=`, and the file and line (from 1) that it stands in."""

    text: str
    file: str
    line: int


def exec_start(unit_files: Sequence[UnitFile]) -> Command | None:
    """Give the last ExecStart of the unit file and its drop-ins in order.

    None if they leave none.
    """
    command = None
    for unit_file in unit_files:
        for section, name, value, line in settings_of(unit_file.text):
            if section == "Service" and name == "ExecStart":
                command = Command(text=value, file=unit_file.path, line=line) if value else None
    return command


def settings_of(text: str) -> Iterable[tuple[str, str, str, int]]:
    """Give section, name, value and line (from 1) of each setting of a unit file, in order."""
    section = ""
    gathered, start = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            continue
        if not gathered:
            start = number
        if stripped.endswith("\\"):
            gathered += stripped[:-1] + " "
            continue
        whole, gathered = (gathered + stripped).strip(), ""
        if whole.startswith("[") and whole.endswith("]"):
            section = whole[1:-1]
        elif "=" in whole:
            name, _, value = whole.partition("=")
            yield section, name.strip(), value.strip(), start


def split(text: str) -> list[str]:
    """Split a command line into words as systemd does.

    Quotes and C escapes are resolved, variables left alone.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and quote != "'" and position + 1 < len(text):
            word = (word or "") + _ESCAPES.get(text[position + 1], "\\" + text[position + 1])
            position += 2
            continue
        if quote:
            if char == quote:
                quote = ""
            else:
                word = (word or "") + char
        elif char in "\"'":
            quote, word = char, word or ""
        elif char.isspace():
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + char
        position += 1
    if word is not None:
        words.append(word)
    return words


def expand(words: Sequence[str], environment: dict[str, str]) -> list[str]:
    """Put environment values in.

    `$NAME` alone becomes its words, `${NAME}` one word, as systemd does for commands.
    """
    expanded: list[str] = []
    for word in words:
        alone = re.fullmatch(r"\$(\w+)", word)
        if alone:
            expanded += split(environment.get(alone[1], ""))
        else:
            expanded.append(
                _VARIABLE.sub(lambda match: _substitute(match, environment), word).replace(
                    "%%", "%"
                )
            )
    return expanded


def _substitute(match: re.Match[str], environment: dict[str, str]) -> str:
    if match[1] == "$":
        return "$"
    return environment.get(match[2], "") if match[2] else match[0]


def environment_of(
    assignments: Iterable[str], environment_files: Iterable[UnitFile]
) -> dict[str, str]:
    """Give the environment.

    `Environment=` as systemd lists it, then the environment files over it.
    """
    environment = dict(assignment.partition("=")[::2] for assignment in assignments)
    for environment_file in environment_files:
        for line in _joined(environment_file.text):
            name, equals, value = line.partition("=")
            if equals and name.strip():
                environment[name.strip()] = _unquote(value.strip())
    return environment


def _joined(text: str) -> Iterable[str]:
    gathered = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not gathered and (not stripped or stripped[0] in "#;"):
            continue
        if stripped.endswith("\\"):
            gathered += stripped[:-1]
            continue
        yield gathered + stripped
        gathered = ""


def _unquote(value: str) -> str:
    result, quote, position = "", "", 0
    while position < len(value):
        char = value[position]
        if char == "\\" and quote != "'" and position + 1 < len(value):
            position += 1
            result += value[position]
        elif quote:
            if char == quote:
                quote = ""
            else:
                result += char
        elif char in "\"'":
            quote = char
        else:
            result += char
        position += 1
    return result


def quote(word: str, *, command: bool = False) -> str:
    """Write one word so that systemd reads it back as it is.

    Specifiers and, in a `command`, variables escaped.
    """
    escaped = "".join(_QUOTED.get(char, char) for char in word).replace("%", "%%")
    if command:
        escaped = escaped.replace("$", "$$")
    plain = escaped == word and word and not any(char.isspace() or char in "'\";" for char in word)
    return escaped if plain else f'"{escaped}"'


def binary_and_flags(words: Sequence[str]) -> tuple[str, list[str]]:
    """Part a command's words into the program (special prefixes taken off) and its arguments."""
    if not words:
        return "", []
    return words[0].lstrip(_PREFIXES), list(words[1:])
