"""rollback: bring back an earlier generation."""

from __future__ import annotations

from argparse import ArgumentTypeError
from functools import partial
from typing import TYPE_CHECKING, Any

from dockcfgd.api.contract import PREVIOUS_GENERATION
from dockcfgd.cli.published import EXIT_FAILED
from dockcfgd.cli.transact import transact

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "generation", "run"]

SUMMARY = "bring back an earlier generation; the present files wait until one changes"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "generation",
        metavar="GENERATION",
        nargs="?",
        type=generation,
        default=PREVIOUS_GENERATION,
        help="a number from dockcfgctl history (0: what was there at first); default: the one "
        "applied before the present one",
    )
    parser.add_argument("--comment", default="", metavar="TEXT", help="kept in the history")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print a document")


def generation(text: str) -> int:
    """Read a generation's number."""
    if not text.isascii() or not text.isdigit() or int(text) >= PREVIOUS_GENERATION:
        raise ArgumentTypeError(f"{text!r} is no generation: a number is expected")
    return int(text)


def run(
    arguments: Namespace,
    *,
    connect: Callable[[], Client],
    read_status: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Ask, go back, follow to the verdict."""
    if screen.asks and not arguments.yes:
        number = arguments.generation
        before = "the generation before the present one"
        target = before if number == PREVIOUS_GENERATION else f"generation {number}"
        if not screen.agrees(f"Go back to {target}? Containers may stop and come back."):
            screen.note("nothing was changed")
            return EXIT_FAILED
    client = connect()
    return transact(
        client,
        ask=partial(client.rollback, arguments.generation, comment=arguments.comment),
        read_status=read_status,
        arguments=arguments,
        screen=screen,
    )
