"""resume: end a pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.cli.word import asking, say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "end a pause: dockcfgd looks and acts by itself again"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print a document")


def run(arguments: Namespace, *, connect: Callable[[], Client], screen: Screen) -> int:
    """Resume, say so; BusFailure where there is no pause."""
    client = connect()
    with asking(screen):
        client.resume()
    return say("resumed: see dockcfgctl status", arguments, screen)
