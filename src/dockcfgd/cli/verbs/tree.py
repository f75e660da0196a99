"""tree: docker.service's processes and what each is for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.tree_text import ASCII, LINES, render

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "show the engine's processes, and what each is for"

_EPILOGUE = """\
MEMORY is what is resident, CPU the time used since the start. Behind a container's first process
stands what all its processes have together. It works while the engine is down, then the names come
from the engine's own files, which only root may read.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.description = f"{parser.description} {_EPILOGUE}"
    parser.add_argument("--ascii", action="store_true", help="draw with - ` and | only")
    parser.add_argument("--json", action="store_true", help="print a document")


def run(arguments: Namespace, *, look: Callable[[], dict[str, Any]], screen: Screen) -> int:
    """Print the tree."""
    document = look()
    if arguments.json:
        screen.out(json.dumps(document, indent=2))
    else:
        art = LINES if screen.draws_lines and not arguments.ascii else ASCII
        screen.out(render(document, width=screen.width, art=art, paint=screen.coloured))
    return 0
