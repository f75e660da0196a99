"""Asking the daemon for a transaction, and telling how it goes; the part that such verbs share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.follow import AWAITING, EXIT_INTERRUPTED, Outcome, follow, report
from dockcfgd.cli.live import Live
from dockcfgd.cli.word import asking

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
        with asking(screen):
            transaction = ask()
        answer = {"schema": 1, "transaction": transaction}
        screen.out(json.dumps(answer, indent=2) if arguments.json else f"asked: {transaction}")
        return 0
    transaction = ""
    live = Live(None if arguments.json else screen)
    try:
        with client.signals() as signals:
            with asking(screen):
                transaction = ask()
            following = partial(
                follow,
                transaction,
                part=manner.part,
                signals=signals,
                read_status=read_status,
                tell=_nothing if arguments.json else partial(_tell, screen),
                live=live,
            )
            outcome = following()
            _end(outcome, arguments=arguments, screen=screen, manner=manner)
            if outcome.verdict == AWAITING and screen.terminal and not arguments.json:
                return _awaited(outcome, following, screen=screen, manner=manner)
    except KeyboardInterrupt:
        screen.transient("")
        if transaction:
            screen.note(f"\nnot followed any more; it goes on ({transaction}): dockcfgctl status")
        return EXIT_INTERRUPTED
    return outcome.exit_code


def _end(outcome: Outcome, *, arguments: Namespace, screen: Screen, manner: Manner) -> None:
    if arguments.json:
        screen.out(json.dumps(manner.document(outcome), indent=2))
    else:
        manner.report(outcome, screen)


def _awaited(
    waiting: Outcome,
    following: Callable[..., Outcome],
    *,
    screen: Screen,
    manner: Manner,
) -> int:
    """Count down to what becomes of a change that awaits its word; Ctrl-C leaves it waiting."""
    try:
        outcome = following(beyond=waiting)
    except KeyboardInterrupt:
        screen.transient("")
        screen.note("\nit still awaits confirmation: dockcfgctl confirm keeps it")
        return waiting.exit_code
    manner.report(outcome, screen)
    return outcome.exit_code


def _tell(screen: Screen, line: str) -> None:
    failed = line.startswith("failed")
    screen.out(screen.coloured(line, "red" if failed else ""))


def _nothing(_line: str) -> None:
    """Tell nobody."""
