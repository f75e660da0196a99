"""confirm: keep a proven change that would else go back by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.cli.word import add_transaction, asking, say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "keep the proven change that waits for it and would else go back"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_transaction(parser)


def run(arguments: Namespace, *, connect: Callable[[], Client], screen: Screen) -> int:
    """Confirm, say so; BusFailure where nothing waits."""
    client = connect()
    with asking(screen):
        client.confirm(arguments.transaction)
    return say("confirmed: the change stays", arguments, screen)
