"""What the verbs that only give the daemon a word have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from dockcfgd.cli.screen import Screen

__all__ = ["add_transaction", "say"]


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
