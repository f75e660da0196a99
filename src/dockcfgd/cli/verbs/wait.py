"""wait: until there is a verdict on the files now on disk, or on a generation."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dockcfgd.cli import published
from dockcfgd.cli.span import seconds
from dockcfgd.cli.text import finding, headline
from dockcfgd.cli.verbs.rollback import generation
from dockcfgd.model.errors import BusFailure

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from dockcfgd.api.client import Client
    from dockcfgd.api.wire import Signals
    from dockcfgd.cli.screen import Screen

__all__ = ["EXIT_TIMEOUT", "SUMMARY", "add_arguments", "run"]

SUMMARY = "wait for a verdict on the files now on disk, or on a generation"

EXIT_TIMEOUT = 124
_LOOK = 1.0
_LOOK_WITHOUT_BUS = 0.25
_PATIENCE = 30.0
"""How long a daemon that ran may be away: systemd restarts it after a second."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--generation", metavar="N", type=generation, help="the generation to wait for"
    )
    parser.add_argument(
        "--timeout", metavar="TIME", type=seconds, default=300.0, help="such as 90s or 5m (default)"
    )
    parser.add_argument("--json", action="store_true", help="print the status document at the end")
    parser.add_argument("--quiet", "-q", action="store_true", help="only set the exit code")


def run(
    arguments: Namespace,
    *,
    connect: Callable[[], Client],
    read_status: Callable[[], dict[str, Any] | None],
    read_history: Callable[[], Sequence[dict[str, Any]]],
    screen: Screen,
) -> int:
    """Wait; print the status at the end."""
    with ExitStack() as stack:
        signals: Signals | None = None
        document, code = _look(arguments.generation, read_status, read_history)
        if code is None:
            try:
                signals = stack.enter_context(connect().signals())
            except BusFailure:
                signals = None  # the file alone will do, looked at more often
            document, code = _until_known(
                signals,
                look=lambda: _look(arguments.generation, read_status, read_history),
                timeout=arguments.timeout,
            )
    _print(document, code, arguments=arguments, screen=screen)
    return code


def _until_known(
    signals: Signals | None,
    *,
    look: Callable[[], tuple[dict[str, Any] | None, int | None]],
    timeout: float,
) -> tuple[dict[str, Any] | None, int]:
    deadline = time.monotonic() + timeout
    gone_since: float | None = None
    while True:
        document, code = look()
        now = time.monotonic()
        if code == published.EXIT_STOPPED:
            gone_since = now if gone_since is None else gone_since
            if now - gone_since > _PATIENCE:
                return document, code
        elif code is not None:
            return document, code
        else:
            gone_since = None
        left = deadline - now
        if left <= 0:
            return document, EXIT_TIMEOUT
        signals = _pause(signals, min(left, _LOOK))


def _pause(signals: Signals | None, seconds: float) -> Signals | None:
    if signals is None:
        time.sleep(min(seconds, _LOOK_WITHOUT_BUS))
        return None
    try:
        signals.next(timeout=seconds)
    except BusFailure:
        return None
    return signals


def _look(
    number: int | None,
    read_status: Callable[[], dict[str, Any] | None],
    read_history: Callable[[], Sequence[dict[str, Any]]],
) -> tuple[dict[str, Any] | None, int | None]:
    """Give the document and, where there is a verdict, the exit code."""
    document = read_status()
    if document is None:
        return None, published.EXIT_STOPPED
    document = published.fresh(document)
    if document["daemon"] is None:
        return document, published.EXIT_STOPPED
    if number is not None:
        return document, _verdict_on(number, document, read_history)
    if document["phase"] == "awaiting-confirmation":
        return document, published.EXIT_FAILED if _refused_meanwhile(document) else 0
    if document["phase"] not in published.AT_REST or (
        document["condition"] == "pending" and _open(document)
    ):
        return document, None
    return document, published.exit_code(document)


def _refused_meanwhile(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what is wrong with files that came while a change awaits its confirmation."""
    awaits = document.get("phase") == "awaiting-confirmation"
    return list(document["desired"]["errors"]) if awaits else []


def _open(document: dict[str, Any]) -> bool:
    """Whether the files wait, and not something about a host that they are in force on."""
    not_looked_at = str(document.get("reason")).startswith(published.NOT_LOOKED_AT)
    return not_looked_at or document["desired"]["generation"] != document["applied"]["generation"]


def _verdict_on(
    number: int, document: dict[str, Any], read_history: Callable[[], Sequence[dict[str, Any]]]
) -> int | None:
    last = document.get("last") or {}
    if (document.get("applied") or {}).get("generation") == number:
        return 0
    if last.get("generation") == number:
        return _verdict_of(last, document["phase"])
    newest = (document.get("desired") or {}).get("generation") or 0
    if newest <= number:
        return None
    verdicts = {item.get("generation"): item.get("verdict") for item in read_history()}
    return 0 if verdicts.get(number) == "applied" else published.EXIT_FAILED


def _verdict_of(last: dict[str, Any], phase: str) -> int | None:
    """Judge a transaction; one that was applied stays so where another generation came since."""
    if last.get("verdict") is None:
        return 0 if phase == "awaiting-confirmation" else None
    return 0 if last["verdict"] == "applied" else published.EXIT_FAILED


def _print(
    document: dict[str, Any] | None, code: int, *, arguments: Namespace, screen: Screen
) -> None:
    if arguments.quiet:
        return
    if document is None:
        document = published.unknown()
    if arguments.json:
        screen.out(json.dumps(document, indent=2))
    else:
        screen.out(headline(document))
    if code == published.EXIT_FAILED:
        # The first line is about the change that waits, and says nothing of them.
        for error in _refused_meanwhile(document):
            screen.note(f"dockcfgctl: refused: {finding(error)}")
    if code == EXIT_TIMEOUT:
        screen.note(f"dockcfgctl: no verdict within {arguments.timeout:g} s")
