"""What the verbs that only give the daemon a word have in common."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from dockcfgd.cli.screen import Screen

__all__ = ["add_transaction", "asking", "say"]


def add_transaction(parser: ArgumentParser) -> None:
    """Declare the options of a word on a transaction."""
    parser.add_argument(
        "transaction",
        metavar="TRANSACTION",
        nargs="?",
        default="",
        help="its id, from dockcfgctl status; default: whichever it is",
    )
    parser.add_argument("--json", action="store_true", help="print a document")


def say(text: str, arguments: Namespace, screen: Screen) -> int:
    """Say what was done; the exit code."""
    answer = json.dumps({"schema": 1, "done": True}, indent=2)
    screen.out(answer if arguments.json else text)
    return 0


@contextmanager
def asking(screen: Screen) -> Iterator[None]:
    """Say at Ctrl-C that what is being asked for may be done nevertheless."""
    try:
        yield
    except KeyboardInterrupt:
        screen.note("\nnot waited for any more; it may be done all the same: dockcfgctl status")
        raise
