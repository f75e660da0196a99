"""metrics: the status and the engine for Prometheus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli import published
from dockcfgd.cli.metrics_text import document, render

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping

    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "print status and engine as Prometheus reads them"

_EPILOGUE = """\
For the textfile collector of node_exporter: dockcfgctl metrics > FILE.tmp && mv FILE.tmp FILE.prom.
It exits 0 also where nothing runs, for that is what the metrics say.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.description = f"{parser.description} {_EPILOGUE}"
    parser.add_argument("--json", action="store_true", help="print a document")


def run(
    arguments: Namespace,
    *,
    read_status: Callable[[], dict[str, Any] | None],
    read_info: Callable[[], Mapping[str, Any] | None],
    screen: Screen,
) -> int:
    """Print them. `read_info` gives None where the engine does not answer."""
    status, info = published.fresh(read_status() or published.unknown()), read_info()
    if arguments.json:
        screen.out(json.dumps(document(status, info), indent=2))
    else:
        screen.out(render(status, info))
    return 0
