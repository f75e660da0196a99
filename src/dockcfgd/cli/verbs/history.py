"""history: the generations and what became of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.generation_text import who
from dockcfgd.cli.text import clock_time, plain, wrapped

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "list the generations, newest first, and what became of them"

_INDENT = 12


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
        screen.out("GENERATION  CREATED              VERDICT      IMPACT   TOOK      BY")
        for generation in generations:
            for line in _lines(generation, width=screen.width):
                screen.out(line)
    return 0


def _lines(generation: dict[str, Any], *, width: int) -> list[str]:
    mark = "*" if generation.get("applied") else " "
    number = f"{generation.get('generation')}"
    verdict = plain(generation.get("verdict") or "-")
    impact = plain(generation.get("impact") or "-")
    seconds = generation.get("seconds")
    took = "-" if seconds is None else f"{seconds:.1f} s"
    created = clock_time(generation.get("created"))
    head = f"{mark}{number:>9}  {created:<19}  {verdict:<11}  {impact:<7}  {took:<8}"
    lines = [f"{head}  {who(generation)}"]
    first = "what was there before dockcfgd first wrote"
    notes = [first] if generation.get("origin") == "original" else []
    notes += [plain(generation[key]) for key in ("comment", "reason") if generation.get(key)]
    for note in notes:
        more = wrapped(note, width=width - _INDENT, indent=0)
        lines.extend(" " * _INDENT + line for line in more)
    return [line.rstrip() for line in lines]
