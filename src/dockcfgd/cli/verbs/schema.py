"""schema: what a desired state may say, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "print a JSON Schema of the TOML files, for completion in editors"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="the schema is JSON in any case")


def run(_arguments: Namespace, *, screen: Screen) -> int:
    """Print the schema."""
    from dockcfgd.desired.json_schema import document_schema  # noqa: PLC0415 -- --help needs none of it

    screen.out(json.dumps(document_schema(), indent=2, ensure_ascii=False))
    return 0
