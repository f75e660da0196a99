"""pause: let dockcfgd do nothing by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.cli.word import asking, say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "let dockcfgd do nothing by itself, over restarts too, until dockcfgctl resume"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "reason", metavar="REASON", nargs="?", default="", help="shown in the status"
    )
    parser.add_argument("--json", action="store_true", help="print a document")


def run(arguments: Namespace, *, connect: Callable[[], Client], screen: Screen) -> int:
    """Pause, say so."""
    client = connect()
    with asking(screen):
        client.pause(arguments.reason)
    return say("paused: nothing is done by itself until dockcfgctl resume", arguments, screen)
