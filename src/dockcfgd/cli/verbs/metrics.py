"""metrics: the status and the engine for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.cli import published
from dockcfgd.cli.metrics_text import render

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
    """Declare the options: there are none."""
    parser.description = f"{parser.description} {_EPILOGUE}"


def run(
    _arguments: Namespace,
    *,
    read_status: Callable[[], dict[str, Any] | None],
    read_info: Callable[[], Mapping[str, Any] | None],
    screen: Screen,
) -> int:
    """Print them. `read_info` gives None where the engine does not answer."""
    document = read_status() or published.unknown()
    screen.out(render(published.fresh(document), read_info()))
    return 0
