"""Asking the daemon for a transaction, and telling how it goes; the part that such verbs share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.follow import EXIT_INTERRUPTED, Outcome, follow, report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["transact"]


def transact(
    client: Client,
    *,
    ask: Callable[[], str],
    read_status: Callable[[], dict[str, Any] | None],
    arguments: Namespace,
    screen: Screen,
) -> int:
    """Begin with `ask`, follow unless `--no-wait`, print the end; give the exit code."""
    if arguments.no_wait:
        transaction = ask()
        answer = {"schema": 1, "transaction": transaction}
        screen.out(json.dumps(answer, indent=2) if arguments.json else f"asked: {transaction}")
        return 0
    transaction = ""
    try:
        with client.signals() as signals:
            transaction = ask()
            outcome = follow(
                transaction,
                signals=signals,
                read_status=read_status,
                tell=_nothing if arguments.json else screen.out,
                transient=screen.transient,
            )
    except KeyboardInterrupt:
        screen.transient("")
        if transaction:
            screen.note(f"\nnot followed any more; it goes on ({transaction}): dockcfgctl status")
        return EXIT_INTERRUPTED
    _print(outcome, arguments, screen)
    return outcome.exit_code


def _print(outcome: Outcome, arguments: Namespace, screen: Screen) -> None:
    if arguments.json:
        screen.out(json.dumps(outcome.document(), indent=2))
    else:
        report(outcome, screen)


def _nothing(_line: str) -> None:
    """Tell nobody."""
