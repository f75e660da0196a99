"""history: the generations and what became of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.history_text import render

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "list the generations, newest first, and what became of them"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print a document")


def run(
    arguments: Namespace, *, read: Callable[[], Sequence[dict[str, Any]]], screen: Screen
) -> int:
    """Print them."""
    generations = list(read())
    if arguments.json:
        screen.out(json.dumps({"schema": 1, "generations": generations}, indent=2))
    elif not generations:
        screen.out("nothing yet: no desired state was ever seen")
    else:
        drawn = screen.terminal and screen.draws_lines
        screen.out(render(generations, width=screen.width, drawn=drawn, paint=screen.coloured))
    return 0
