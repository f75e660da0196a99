"""What a command line may say: each verb's parser, the overview, and what was meant by a typo."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterable, Iterator

__all__ = [
    "COMPLETE",
    "Verb",
    "VerbParser",
    "actions_of",
    "options_of",
    "overview",
    "parser_of",
    "unknown",
    "verb",
]

COMPLETE = "__complete"
"""What shells call to complete a word; not for people."""

_PROGRAM = "dockcfgctl"
# A keyword cannot be the name of a module that others import.
_MODULES = {"import": "import_host"}
_QUIET = {
    "plan", "validate", "apply", "rollback", "confirm", "cancel", "pause", "resume", "diff",
    "backup create", "backup verify", "backup restore", "backup prune",
    "storage rollback", "storage prune",
}  # fmt: skip
_PAGED = {
    "plan", "effective", "history", "show", "diff", "doctor", "tree",
    "backup list", "backup show", "storage status",
}  # fmt: skip

_EXITS = """\
Exit codes: 0 fine, in sync or unmanaged; 1 refused, failed, rolled back or degraded; 2 usage;
3 dockcfgd is not running; 4 not (yet) in sync, or plan --exit-code has something to do;
124 wait ran out of time; 130 interrupted.
"""
_MANUAL = "See man dockcfgctl(1), dockcfgd.toml(5), dockcfgd(8).\n"


class Verb(Protocol):
    """What the module of a verb has beside `run`."""

    SUMMARY: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verb's options and arguments."""


class VerbParser(ArgumentParser):
    """A parser whose complaint says what may have been meant, and where the options are told."""

    def error(self, message: str) -> NoReturn:
        """Complain and exit with 2."""
        self.print_usage(sys.stderr)
        hint = "".join(f"{self.prog}: {line}\n" for line in self._hints(message))
        self.exit(2, f"{self.prog}: {message}\n{hint}")

    def _hints(self, message: str) -> Iterator[str]:
        known = [*options_of(self)]
        given = message.partition("unrecognized arguments: ")[2].split()
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice and "maybe you meant" not in message:
            given, known = [choice[1]], re.findall(r"[\w-]+", choice[2])
        for word in given:
            near = get_close_matches(word.partition("=")[0], known, n=1)
            if near:
                yield f"did you mean {near[0]}?"
        yield f"{self.prog} --help tells what it takes"


def verb(name: str) -> Verb:
    """Import a verb's module."""
    module: Verb = import_module(f"dockcfgd.cli.verbs.{_MODULES.get(name, name)}")
    return module


def parser_of(name: str) -> VerbParser:
    """Give the parser of a verb's arguments."""
    module = verb(name)
    parser = VerbParser(
        prog=f"{_PROGRAM} {name}",
        description=f"{module.SUMMARY}.",
        epilog=_EXITS,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    _add_manners(parser, name)
    for action in actions_of(parser):
        for word, own in action.choices.items() if isinstance(action.choices, dict) else ():
            _add_manners(own, f"{name} {word}")
    return parser


def _add_manners(parser: ArgumentParser, name: str) -> None:
    """Declare how a verb may be told to print."""
    if name in _QUIET:
        parser.add_argument("--quiet", "-q", action="store_true", help="only set the exit code")
    if name in _PAGED:
        parser.add_argument(
            "--no-pager", action="store_true", help="print all at once on a terminal too"
        )


def actions_of(parser: ArgumentParser) -> list[Action]:
    """Give what a parser takes, in order; one with a dict of choices has a parser for each."""
    return list(parser._actions)  # noqa: SLF001 -- argparse has no other way to read a parser


def options_of(parser: ArgumentParser) -> Iterator[str]:
    """Give the long options that a parser knows."""
    for action in actions_of(parser):
        yield from (option for option in action.option_strings if option.startswith("--"))


def overview(verbs: Iterable[str]) -> str:
    """Give the text of `--help`."""
    lines = [f"usage: {_PROGRAM} VERB [OPTION...]", ""]
    lines += [f"  {name:<11}{verb(name).SUMMARY}" for name in verbs]
    lines += ["", f"{_PROGRAM} VERB --help tells the options, --version the release.", ""]
    return "\n".join([*lines, _EXITS + _MANUAL])


def unknown(name: str, verbs: Iterable[str]) -> str:
    """Say that there is no such verb, and which may have been meant."""
    known = list(verbs)
    if name.startswith("-"):
        return f"there is no option {name!r} before the verb: give it behind"
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"there is no verb {name!r}: {hint}"
