"""The environment of a service, from `Environment=` of its unit files and its `EnvironmentFile=`.

Facts: systemd.exec(5) "ENVIRONMENT"; the files are read by rules of their own, which are not those
of unit files: quotes count only where a value (or a further part of it) begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.planning.unit_text import BLANK, settings_of, specified, split, split_strictly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockcfgd.model.host import UnitFile
    from dockcfgd.planning.unit_text import Setting

__all__ = ["Assigned", "assignments_in_file", "environment_of"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NEWLINES = "\n\r"
_SHELL_ESCAPED = '"\\`$'


@dataclass(frozen=True, slots=True)
class Assigned:
    """A variable's value and the place it comes from; `file` is empty where that is not known."""

    value: str
    file: str = ""
    line: int = 0


def environment_of(
    assignments: Iterable[str],
    unit_files: Sequence[UnitFile],
    environment_files: Iterable[UnitFile],
) -> dict[str, Assigned]:
    """Give the environment that a unit's files make.

    `assignments` are systemd's own view and hold where no unit file says otherwise.
    """
    environment = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        environment[name] = Assigned(value)
    dropped: set[str] = set()
    for unit_file, setting in _of_service(unit_files):
        if setting.name == "Environment":
            if not setting.value:
                environment.clear()
            environment |= _assigned(unit_file, setting)
        elif setting.name == "UnsetEnvironment":
            dropped = dropped | set(split(setting.value)) if setting.value else set()
    for environment_file in environment_files:
        environment |= assignments_in_file(environment_file)
    return {
        name: found
        for name, found in environment.items()
        if name not in dropped and f"{name}={found.value}" not in dropped
    }


def _of_service(unit_files: Sequence[UnitFile]) -> Iterator[tuple[UnitFile, Setting]]:
    for unit_file in unit_files:
        for setting in settings_of(unit_file.text):
            if setting.section == "Service":
                yield unit_file, setting


def _assigned(unit_file: UnitFile, setting: Setting) -> dict[str, Assigned]:
    found = {}
    for word in split_strictly(setting.value):
        name, equals, value = specified(word).partition("=")
        if equals and _valid(name, value):
            found[name] = Assigned(value, unit_file.path, setting.line)
    return found


def assignments_in_file(environment_file: UnitFile) -> dict[str, Assigned]:
    """Give what an environment file assigns; what systemd would not take is left out."""
    reader = _Reader(environment_file.text)
    return {
        name: Assigned(value, environment_file.path, line)
        for name, value, line in reader.assignments()
        if _valid(name, value)
    }


def _valid(name: str, value: str) -> bool:
    return _NAME.fullmatch(name) is not None and _CONTROL.search(value) is None


class _Reader:
    """Reads an environment file as systemd does, from character to character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1

    def assignments(self) -> Iterator[tuple[str, str, int]]:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in BLANK:
                self._step()
            elif char in "#;":
                self._rest_of_line()
            else:
                line = self._line
                name = self._name()
                if name is not None:
                    yield name, self._value(), line

    def _step(self) -> str:
        char = self._text[self._at]
        self._at += 1
        self._line += char == "\n"
        return char

    def _rest_of_line(self) -> None:
        while self._at < len(self._text) and self._step() not in _NEWLINES:
            pass

    def _name(self) -> str | None:
        name = ""
        while self._at < len(self._text):
            char = self._step()
            if char == "=":
                return name.rstrip(BLANK)
            if char in _NEWLINES:
                return None
            name += char
        return None

    def _value(self) -> str:
        """Read parts in quotes, one behind the other, and an unquoted rest."""
        value = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in _NEWLINES:
                break
            if char == "'":
                self._step()
                value += self._single()
            elif char == '"':
                self._step()
                value += self._double()
            elif char in BLANK:
                self._step()
            else:
                return value + self._bare()
        return value

    def _single(self) -> str:
        part = ""
        while self._at < len(self._text):
            char = self._step()
            if char == "'":
                break
            part += char
        return part

    def _double(self) -> str:
        part = ""
        while self._at < len(self._text):
            char = self._step()
            if char == '"':
                break
            if char == "\\" and self._at < len(self._text):
                escaped = self._step()
                if escaped == "\n":
                    continue
                char = escaped if escaped in _SHELL_ESCAPED else char + escaped
            part += char
        return part

    def _bare(self) -> str:
        part, kept = "", 0
        while self._at < len(self._text) and self._text[self._at] not in _NEWLINES:
            char = self._step()
            if char == "\\":
                if self._at < len(self._text):
                    escaped = self._step()
                    part += "" if escaped in _NEWLINES else escaped
                    kept = len(part)
                continue
            part += char
            if char not in BLANK:
                kept = len(part)
        return part[:kept]
