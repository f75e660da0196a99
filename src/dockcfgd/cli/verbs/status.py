"""status: how the host stands. Imports nothing heavy, for it is asked often."""

from __future__ import annotations

import json

from dockcfgd.cli import published
from dockcfgd.cli.text import render, word

TYPE_CHECKING = False  # see cli/published.py
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence
    from typing import Any

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "form", "quick_form", "run", "watch"]

SUMMARY = "say how the host stands to its desired state"

_COLOURS = {
    "in-sync": "green",
    "pending": "yellow",
    "drifted": "yellow",
    "planning": "yellow",
    "applying": "yellow",
    "verifying": "yellow",
    "awaiting-confirmation": "yellow",
    "paused": "yellow",
    "rolling-back": "yellow",
    "rejected": "red",
    "degraded": "red",
    "stopped": "red",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print the status document")
    parser.add_argument("--quiet", "-q", action="store_true", help="only set the exit code")
    parser.add_argument(
        "--watch", action="store_true", help="show it again whenever it changes, until Ctrl-C"
    )


def form(arguments: Namespace) -> str:
    """Give the form of the answer that parsed arguments ask for."""
    return "quiet" if arguments.quiet else "json" if arguments.json else "text"


def quick_form(arguments: Sequence[str]) -> str | None:
    """Give the form that the arguments ask for, None where they need to be parsed."""
    forms = {(): "text", ("--json",): "json", ("--quiet",): "quiet", ("-q",): "quiet"}
    return forms.get(tuple(arguments))


def run(
    form: str,
    *,
    runtime_dir: str,
    last_known: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Answer in the form `text`, `json` or `quiet`.

    `last_known` gives the document that the state file holds, if this user may read it.
    """
    document = _document(runtime_dir, last_known)
    if form == "json":
        screen.out(json.dumps(document, indent=2))
    elif form == "text":
        screen.out(_text(document, screen))
    return published.exit_code(document)


def watch(
    form: str,
    *,
    runtime_dir: str,
    last_known: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Answer again whenever the answer changes."""
    from dockcfgd.cli.watch import watch as show  # noqa: PLC0415 -- paid for by this form alone

    return show(
        form,
        read=lambda: _document(runtime_dir, last_known),
        text=lambda document: _text(document, screen),
        screen=screen,
    )


def _document(runtime_dir: str, last_known: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    document = published.read(runtime_dir)
    if document is None:
        document = published.stopped(last_known() or published.unknown())
    return published.fresh(document)


def _text(document: dict[str, Any], screen: Screen) -> str:
    first = word(document)
    text = render(document, width=screen.width, height=screen.height)
    return screen.coloured(first, _COLOURS.get(first, "")) + text[len(first) :]
