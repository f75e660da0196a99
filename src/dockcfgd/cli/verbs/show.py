"""show: all that is kept of one generation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.generation_text import lines
from dockcfgd.cli.verbs.rollback import generation

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "show a generation: who, why, each step, its files, and what is kept of a failure"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "generation",
        metavar="GENERATION",
        nargs="?",
        type=generation,
        help="a number from dockcfgctl history; default: the newest",
    )
    parser.add_argument("--json", action="store_true", help="print a document")


def run(
    arguments: Namespace, *, read: Callable[[int | None], dict[str, Any]], screen: Screen
) -> int:
    """Print it."""
    document = read(arguments.generation)
    if arguments.json:
        screen.out(json.dumps(document, indent=2))
    else:
        screen.out("\n".join(lines(document)))
    return 0
