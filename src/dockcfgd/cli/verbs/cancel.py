"""cancel: take back the change under way, or the one that waits for confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.cli.word import add_transaction, asking, say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "take back the change under way, or the one that waits for confirmation"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_transaction(parser)


def run(arguments: Namespace, *, connect: Callable[[], Client], screen: Screen) -> int:
    """Cancel, say so; BusFailure where nothing can be cancelled."""
    client = connect()
    with asking(screen):
        client.cancel(arguments.transaction)
    return say("cancelled: the previous state comes back, see dockcfgctl wait", arguments, screen)
