"""status --watch: the status again whenever it changes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from dockcfgd.cli import published

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.cli.screen import Screen

__all__ = ["watch"]

_EVERY = 0.25
"""Seconds between two looks at one small file; systemd's own tools look as often."""


def watch(
    form: str,
    *,
    read: Callable[[], dict[str, Any]],
    text: Callable[[dict[str, Any]], str],
    screen: Screen,
) -> int:
    """Show it until Ctrl-C, or until nobody reads any more; on a terminal in place.

    As `json` each is one line. Gives the exit code that the last one has.
    """
    shown = None
    while True:
        document = read()
        answer = json.dumps(document) if form == "json" else text(document)
        if answer != shown:
            if form == "json":
                screen.out(answer)
            elif screen.terminal:
                screen.redraw(answer)
            else:
                screen.out(answer if shown is None else f"\n{answer}")
            shown = answer
        if screen.deaf:
            return published.exit_code(document)
        time.sleep(_EVERY)
