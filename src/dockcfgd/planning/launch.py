"""How dockerd is launched: its command word by word, where each comes from, and what it sets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model.host import UnitFile
from dockcfgd.planning.environment_text import Assigned, environment_of
from dockcfgd.planning.flags import CONFIG_FILE, Flag, parse_flags
from dockcfgd.planning.unit_text import (
    Command,
    exec_start,
    expand,
    quote,
    settings_of,
    specified,
    split,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dockcfgd.model.host import HostState
    from dockcfgd.planning.unit_text import Word

__all__ = [
    "DEFAULT_CONFIG_FILE",
    "Argument",
    "Launch",
    "launch_in_force",
    "launch_of",
    "launch_with",
    "parse_flags",
    "running_flags",
]

DEFAULT_CONFIG_FILE = "/etc/docker/daemon.json"
_PREFIXES = "@-:+!|"
_AS_IT_STANDS, _OWN_NAME = ":", "@"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of dockerd, the place it comes from, and which word of the command gave it."""

    text: str
    file: str
    line: int
    word: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How dockerd is launched.

    `base` is None where no unit file has a command; `digest` identifies it.
    """

    base: Command | None
    digest: str
    binary: str
    given: tuple[Argument, ...]
    flags: tuple[Flag, ...]
    environment: dict[str, Assigned]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments as dockerd gets them."""
        return tuple(argument.text for argument in self.given)

    @property
    def config_file(self) -> str:
        """The daemon.json that the command names."""
        for flag in reversed(self.flags):
            if flag.name == CONFIG_FILE:
                return flag.value
        return DEFAULT_CONFIG_FILE

    def value_of(self, key: str) -> str | None:
        """Give what a flag sets for a key of one value, None where none does."""
        return next((flag.value for flag in reversed(self.flags) if flag.key == key), None)

    def place(self, flag: Flag) -> tuple[str, int]:
        """Give the file and line that the flag comes from."""
        argument = self.given[flag.first]
        return argument.file, argument.line

    def quoted(self, argument: str) -> str:
        """Write one more argument as this command needs it."""
        literal = self.base is not None and not _substitutes(words_of(self.base.text))
        return quote(argument, command=not literal)

    def without(self, freed: Collection[Flag]) -> str:
        """Write the command without some of its flags.

        All else stays as it stands in the file: quotes, specifiers, variables. A variable that
        held one of the flags is replaced by its other words. Raises ValueError where there is no
        single command to build on.
        """
        if self.base is None:
            msg = "cannot change the command: docker.service has no ExecStart of its own"
            raise ValueError(msg)
        words = words_of(self.base.text)
        kept = self._kept(freed)
        parts = [word.raw for word in words[: _start(words)]]
        for position in range(_start(words), len(words)):
            own = [index for index, argument in enumerate(self.given) if argument.word == position]
            if all(kept[index] == [self.given[index].text] for index in own):
                parts.append(words[position].raw)
                continue
            left = [word for index in own for word in kept[index]]
            parts += [self.quoted(word) for word in left]
        return " ".join(parts)

    def _kept(self, freed: Collection[Flag]) -> list[list[str]]:
        """Give for each argument the words that stay of it."""
        kept = [[argument.text] for argument in self.given]
        for flag in freed:
            together = [one for one in self.flags if one.first == flag.first]
            for index in range(flag.first, flag.last + 1):
                kept[index] = []
            kept[flag.first] = [word for one in together if one not in freed for word in one.words]
        return kept


def launch_of(host: HostState) -> Launch:
    """Work out the launch from the unit's files but ours.

    Where they say nothing, systemd's own view counts.
    """
    return launch_with(host, None)


def launch_in_force(host: HostState) -> Launch:
    """Work out the launch with our drop-in as it is now."""
    return launch_with(host, host.drop_in.content if host.drop_in.present else None)


def launch_with(host: HostState, drop_in: bytes | None) -> Launch:
    """Work out the launch with `drop_in` as our drop-in."""
    files = host.unit_files
    if drop_in is not None:
        files = _in_order(files, UnitFile(host.drop_in.path, drop_in.decode(errors="replace")))
    environment = environment_of(_seen(host), files, _environment_files(host, files))
    base = exec_start(files)
    if base is None:
        binary, *words = host.unit.exec_start or ("",)
        given = tuple(Argument(word, "", 0, 0) for word in words)
    else:
        binary, given = _arguments(base, environment)
    return Launch(
        base=base,
        digest=hashlib.sha256((base.text if base else "").encode(errors="replace")).hexdigest()[
            :16
        ],
        binary=binary,
        given=given,
        flags=parse_flags([argument.text for argument in given]),
        environment=environment,
    )


def running_flags(host: HostState) -> tuple[Flag, ...]:
    """Give the flags of the engine that runs; where its command cannot be seen, of the next one."""
    if host.command:
        return parse_flags(host.command[1:])
    return launch_in_force(host).flags


def _in_order(files: tuple[UnitFile, ...], own: UnitFile) -> tuple[UnitFile, ...]:
    """Put our drop-in where systemd reads it: by name, behind the unit's own file."""
    name = own.path.rpartition("/")[2]
    before = [one for one in files[1:] if one.path.rpartition("/")[2] <= name]
    after = [one for one in files[1:] if one.path.rpartition("/")[2] > name]
    return (*files[:1], *before, own, *after)


def _seen(host: HostState) -> list[str]:
    """Give what systemd lists as environment, without what is there by our drop-in only."""
    own: set[str] = set()
    if host.drop_in.present:
        for setting in settings_of(host.drop_in.content.decode(errors="replace")):
            if setting.name == "Environment":
                own |= {word.partition("=")[0] for word in split(setting.value)}
    return [one for one in host.unit.environment if one.partition("=")[0] not in own]


def _environment_files(host: HostState, files: Sequence[UnitFile]) -> list[UnitFile]:
    """Give the environment files that these unit files name, in order, as far as they were read.

    Where no unit file names any, systemd's list counts.
    """
    named: list[str] | None = None
    for unit_file in files:
        for setting in settings_of(unit_file.text):
            if (setting.section, setting.name) == ("Service", "EnvironmentFile"):
                path = specified(setting.value.removeprefix("-"))
                named = [*(named or []), path] if path else []
    if named is None:
        return list(host.environment_files)
    texts = {one.path: one for one in host.environment_files}
    return [texts[path] for path in named if path in texts]


def _arguments(
    base: Command, environment: Mapping[str, Assigned]
) -> tuple[str, tuple[Argument, ...]]:
    words = words_of(base.text)
    if not words:
        return "", ()
    values = {name: assigned.value for name, assigned in environment.items()}
    given: list[Argument] = []
    for position in range(_start(words), len(words)):
        text = specified(words[position].text)
        place = _place(text, base, environment)
        texts = expand(text, values) if _substitutes(words) else [text]
        given += [Argument(one, *place, position) for one in texts]
    return specified(words[0].text.lstrip(_PREFIXES)), tuple(given)


def _place(text: str, base: Command, environment: Mapping[str, Assigned]) -> tuple[str, int]:
    """Give where a word comes from: a variable that is all of it, or the command itself."""
    if text.startswith("${") and text.endswith("}"):
        name = text[2:-1]
    elif text.startswith("$") and not text.startswith("$$"):
        name = text[1:]
    else:
        return base.file, base.line
    assigned = environment.get(name)
    if assigned is None or not assigned.file:
        return base.file, base.line
    return assigned.file, assigned.line


def _prefix(words: Sequence[Word]) -> str:
    first = words[0].text if words else ""
    return first[: len(first) - len(first.lstrip(_PREFIXES))]


def _substitutes(words: Sequence[Word]) -> bool:
    return _AS_IT_STANDS not in _prefix(words)


def _start(words: Sequence[Word]) -> int:
    """Give the place of the first argument: behind the program, and behind its name if given."""
    return 2 if _OWN_NAME in _prefix(words) else 1
