"""What a word of a command line can become: the answer to a shell that completes it.

The first line says of what kind the word is, each further one is a candidate and, behind a tab,
what it means. The shells' part is in `shells.py`.

Rejected: scripts that a generator such as shtab writes once. They know verbs and options, but no
generation or backup of this host; Debian 12's shtab knows no fish; and what is generated would have
to be proven to agree with the parsers, which here answer themselves.
"""

from __future__ import annotations

from argparse import REMAINDER, SUPPRESS, Action, ArgumentParser, BooleanOptionalAction
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.command_line import actions_of, parser_of, verb
from dockcfgd.cli.shells import SHELLS
from dockcfgd.cli.text import clock_time, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Kind", "Sources", "answer", "kind_of"]


class Kind(StrEnum):
    """What the shell itself completes beside the candidates."""

    WORDS = ":words"
    FILES = ":files"
    TOML = ":toml"
    FOLDERS = ":folders"


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is on this host; empty where this user may not know."""

    history: Callable[[], Sequence[dict[str, Any]]]
    backups: Callable[[], Sequence[dict[str, Any]]]
    known_keys: Callable[[], Sequence[str]]


Candidate = tuple[str, str]

_KINDS = {
    "files": Kind.TOML,
    "output": Kind.TOML,
    "daemon_json": Kind.FILES,
    "unit": Kind.FILES,
    "drop_in": Kind.FILES,
    "directory": Kind.FOLDERS,
}
_TIMES = ("30s", "2m", "5m", "15m")


def kind_of(action: Action) -> Kind:
    """Give what an option's value or an argument is to the shell."""
    return _KINDS.get(action.dest, Kind.WORDS)


def answer(words: Sequence[str], *, verbs: Iterable[str], sources: Sources) -> Iterator[str]:
    """Give the lines; the last of `words` is the one to complete, and may be empty."""
    *before, word = words or ("",)
    if not before:
        yield from _lines(Kind.WORDS, [(name, verb(name).SUMMARY) for name in verbs], word)
        return
    name, *before = before
    if name not in verbs:
        yield Kind.WORDS
        return
    yield from _Walk(parser_of(name), sources).complete(before, word)


def _lines(kind: Kind, candidates: Iterable[Candidate], word: str) -> Iterator[str]:
    yield kind
    for text, meaning in candidates:
        if text.startswith(word):
            yield f"{text}\t{' '.join(plain(meaning).split())}"


class _Walk:
    """A parser, and how much of it the words before have used up."""

    def __init__(self, parser: ArgumentParser, sources: Sources) -> None:
        self._sources = sources
        self._enter(parser)

    def _enter(self, parser: ArgumentParser) -> None:
        self._actions = actions_of(parser)
        self._places = [action for action in self._actions if not action.option_strings]
        self._used: set[str] = set()
        self._given: list[str] = []

    def complete(self, before: Sequence[str], word: str) -> Iterator[str]:
        waiting: Action | None = None
        for one in before:
            if one == "=" and waiting is not None:
                continue  # bash makes three words of --option=value
            if waiting is not None:
                waiting = None
            elif one.startswith("-") and one != "-":
                waiting = self._option(one)
            else:
                self._place(one)
        if waiting is not None:
            return self._values(waiting, "" if word == "=" else word)
        name, equals, value = word.partition("=")
        if equals and name.startswith("--"):
            return self._after_equals(name, value)
        if word.startswith("-"):
            return _lines(Kind.WORDS, self._options(), word)
        return self._next_place(word)

    def _option(self, given: str) -> Action | None:
        """Note an option, give it where its value is to come."""
        name, equals, _ = given.partition("=")
        self._used.add(name)
        for action in self._actions:
            if name in action.option_strings:
                self._used.update(action.option_strings)
                return None if equals or action.nargs == 0 else action
        return None

    def _place(self, given: str) -> None:
        if not self._places:
            return
        action = self._places[0]
        if isinstance(action.choices, dict):  # what is behind it has a parser of its own
            if given in action.choices:
                self._enter(action.choices[given])
            return
        self._given.append(given)
        if action.nargs not in {"*", "+", REMAINDER}:
            self._places.pop(0)

    def _after_equals(self, name: str, value: str) -> Iterator[str]:
        action = self._option(name)
        if action is None:
            yield Kind.WORDS
            return
        yield Kind.WORDS
        for text, meaning in self._candidates(action):
            if text.startswith(value):
                yield f"{name}={text}\t{meaning}"

    def _next_place(self, word: str) -> Iterator[str]:
        if not self._places:
            return _lines(Kind.WORDS, self._options(), word)
        return self._values(self._places[0], word)

    def _options(self) -> Iterator[Candidate]:
        for action in self._actions:
            again = action.nargs != 0 and type(action).__name__ == "_AppendAction"
            if action.help == SUPPRESS or (self._used & {*action.option_strings} and not again):
                continue
            for option in action.option_strings:
                short = not option.startswith("--") and len(action.option_strings) > 1
                if not short or isinstance(action, BooleanOptionalAction):
                    yield option, action.help or ""

    def _values(self, action: Action, word: str) -> Iterator[str]:
        new = [pair for pair in self._candidates(action) if pair[0] not in self._given]
        return _lines(kind_of(action), new, word)

    def _candidates(self, action: Action) -> list[Candidate]:
        if isinstance(action.choices, dict):
            below = action._get_subactions()  # type: ignore[attr-defined]  # noqa: SLF001 -- their help
            helps = {one.dest: one.help or "" for one in below}
            return [(name, helps.get(name, "")) for name in action.choices]
        if action.choices is not None:
            return [(str(choice), "") for choice in action.choices]
        match action.dest:
            case "generation" | "before" | "after":
                disk = (
                    [] if action.dest == "generation" else [("disk", "the files as they are now")]
                )
                return [*map(_generation, self._sources.history()), *disk]
            case "backup" | "backups":
                return [_backup(one) for one in self._sources.backups() if one.get("complete")]
            case "keys":
                return [(key, "") for key in self._sources.known_keys()]
            case "confirm" | "timeout":
                return [(time, "") for time in _TIMES]
            case "shell":
                return [(shell, "") for shell in SHELLS]
            case _:
                return []


def _generation(one: dict[str, Any]) -> Candidate:
    force = ", in force" if one.get("applied") else ""
    verdict = plain(one.get("verdict") or "not tried")
    comment = f", {one['comment']}" if one.get("comment") else ""
    return str(one.get("generation")), f"{clock_time(one.get('created'))} {verdict}{force}{comment}"


def _backup(one: dict[str, Any]) -> Candidate:
    about = f"{clock_time(one.get('created'))}, {one.get('engine')}, {one.get('storage')}"
    return str(one.get("id")), about
