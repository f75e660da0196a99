"""Asking the daemon for a transaction, and telling how it goes; the part that such verbs share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.follow import EXIT_INTERRUPTED, Outcome, follow, report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.screen import Screen

__all__ = ["CHANGE", "Manner", "transact"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a kind of transaction shows: where in the status, and how its end is told."""

    part: str
    document: Callable[[Outcome], dict[str, Any]]
    report: Callable[[Outcome, Screen], None]


CHANGE = Manner("last", Outcome.document, report)


def transact(
    client: Client,
    *,
    ask: Callable[[], str],
    read_status: Callable[[], dict[str, Any] | None],
    arguments: Namespace,
    screen: Screen,
    manner: Manner = CHANGE,
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
                part=manner.part,
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
    if arguments.json:
        screen.out(json.dumps(manner.document(outcome), indent=2))
    else:
        manner.report(outcome, screen)
    return outcome.exit_code


def _nothing(_line: str) -> None:
    """Tell nobody."""
