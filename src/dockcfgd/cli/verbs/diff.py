"""diff: what differs in both files between two generations, or a generation and the disk."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from dockcfgd.cli.changes import changed_lines, changes
from dockcfgd.cli.published import EXIT_NOT_YET
from dockcfgd.cli.text import printable
from dockcfgd.cli.verbs.rollback import generation

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.chronicle import Side
    from dockcfgd.cli.screen import Screen

__all__ = ["DISK", "SUMMARY", "add_arguments", "run"]

SUMMARY = "show what differs between two generations, or a generation and the files now"
DISK = "disk"

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    what = f"a number from dockcfgctl history, or {DISK}"
    parser.add_argument("before", metavar="A", type=_side, help=what)
    parser.add_argument(
        "after", metavar="B", nargs="?", type=_side, default=DISK, help=f"{what}; default: {DISK}"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit 4 where something differs")
    parser.add_argument("--json", action="store_true", help="print a document")


def _side(text: str) -> int | str:
    if text == DISK:
        return DISK
    if text == "desired":
        raise ArgumentTypeError("what the desired state would change is told by dockcfgctl plan")
    return generation(text)


def run(arguments: Namespace, *, read: Callable[[int | str], Side], screen: Screen) -> int:
    """Print it."""
    document = changes(read(arguments.before), read(arguments.after))
    if arguments.json:
        screen.out(json.dumps(document, indent=2))
    elif document["files"]:
        for line in changed_lines(document):
            title = line.startswith(("--- ", "+++ ", "owner "))
            colour = "bold" if title else _COLOURS.get(line[:1], "")
            screen.out(screen.coloured(printable(line), colour))
    else:
        screen.out(f"{document['from']} and {document['to']} are the same")
    return EXIT_NOT_YET if document["files"] and arguments.exit_code else 0
