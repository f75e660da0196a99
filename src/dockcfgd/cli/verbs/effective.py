"""effective: every key with its value, where that comes from, and what proves it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.effective_text import render
from dockcfgd.cli.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "show every key with its value, source and proof"

_EPILOGUE = """\
Sources are default, flag, environment, foreign (in daemon.json, not from the desired state),
desired and extra ([engine-extra]). Proofs are info, event and inspect: the engine itself shows the
value; not observable: it shows this key nowhere, "(was read)" where dockcfgd made this very run of
the engine read it; contradicted: it shows another value than is written.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.description = f"{parser.description} {_EPILOGUE}"
    parser.add_argument("keys", metavar="KEY", nargs="*", help="only these and what is below them")
    parser.add_argument("--changed", action="store_true", help="leave the defaults out")
    parser.add_argument("--json", action="store_true", help="print a document")


def run(arguments: Namespace, *, look: Callable[[], dict[str, Any]], screen: Screen) -> int:
    """Print them. Raises UsageError for a KEY that there is not."""
    document = look()
    keys = [one for one in document["keys"] if _asked(one["key"], arguments.keys)]
    for asked in arguments.keys:
        if not any(_asked(one["key"], [asked]) for one in keys):
            raise UsageError(f"there is no key {asked!r}{_near(asked, document['keys'])}")
    if arguments.changed:
        keys = [one for one in keys if _changed(one)]
    document = {**document, "keys": keys}
    width = screen.width if screen.terminal else None
    screen.out(
        json.dumps(document, indent=2)
        if arguments.json
        else render(document, width=width, paint=screen.coloured)
    )
    return 0


def _changed(one: dict[str, Any]) -> bool:
    return bool(one["source"] != "default" or one["proof"] == "contradicted")


def _asked(key: str, asked: list[str]) -> bool:
    names = [name.removeprefix("engine.") for name in asked]
    return not names or any(key == name or key.startswith(f"{name}.") for name in names)


def _near(asked: str, keys: list[dict[str, Any]]) -> str:
    near = get_close_matches(asked, [one["key"] for one in keys], n=1)
    return f": did you mean {near[0]}?" if near else ""
