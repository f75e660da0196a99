"""doctor: what is wrong with this host, why, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.doctor_text import LEVELS, PROBLEMS, render
from dockcfgd.cli.published import EXIT_FAILED

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "check this host, and say what to do"

_EPILOGUE = """\
Nothing is changed. It works while the engine is down and without dockcfgd. As another user than
root it says which checks it could not do. The exit code is 1 when a finding is an error.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.description = f"{parser.description} {_EPILOGUE}"
    parser.add_argument(
        "--problems", action="store_true", help="leave out what is fine or only to be known"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="only set the exit code")
    parser.add_argument("--json", action="store_true", help="print a document")


def run(arguments: Namespace, *, look: Callable[[], dict[str, Any]], screen: Screen) -> int:
    """Print the findings, the worst first; the document has them in the order of the checks."""
    document = look()
    shown = PROBLEMS if arguments.problems else LEVELS
    if arguments.json and not arguments.quiet:
        kept = [one for one in document["findings"] if one["level"] in shown]
        screen.out(json.dumps({**document, "findings": kept}, indent=2))
    elif not arguments.quiet:
        screen.out(render(document, width=screen.width, paint=screen.coloured, shown=shown))
    failed = any(one["level"] == "error" for one in document["findings"])
    return EXIT_FAILED if failed else 0
