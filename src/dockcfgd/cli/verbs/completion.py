"""completion: what makes a shell complete verbs, options, files, generations and backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.cli.shells import SHELLS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "print what makes a shell complete dockcfgctl's command lines"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "shell", choices=tuple(SHELLS), help="as in: source <(dockcfgctl completion bash)"
    )


def run(arguments: Namespace, *, screen: Screen) -> int:
    """Print it."""
    screen.out(SHELLS[arguments.shell])
    return 0
