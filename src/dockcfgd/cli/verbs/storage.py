"""storage: what is kept from before the newest change of the storage, to go back to or to free."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.published import EXIT_FAILED
from dockcfgd.cli.storage_text import going_back, pruning, storage_text
from dockcfgd.cli.text import plain
from dockcfgd.cli.transact import Manner, transact
from dockcfgd.model.errors import DockcfgdError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from dockcfgd.api.client import Client
    from dockcfgd.cli.follow import Outcome
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "show, go back to, and free what is kept of the storage from before its newest change"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    status = verbs.add_parser("status", help="show what is kept, and what came since")
    rollback = verbs.add_parser(
        "rollback", help="go back to the driver of before, with its containers as they were"
    )
    rollback.add_argument(
        "--no-backup",
        dest="backup",
        action="store_false",
        help="do not back up what is there now; it is kept all the same",
    )
    rollback.add_argument("--comment", default="", metavar="TEXT", help="kept in the history")
    prune = verbs.add_parser("prune", help="free what is kept")
    for one in (rollback, prune):
        one.add_argument("--no-wait", action="store_true", help="do not wait for the end")
        one.add_argument("--yes", "-y", action="store_true", help="do not ask")
    for one in (status, rollback, prune):
        one.add_argument("--json", action="store_true", help="print a document")


def run(
    arguments: Namespace,
    *,
    look: Callable[[], dict[str, Any]],
    connect: Callable[[], Client],
    read_status: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Do what was asked for; the exit code. `look` gives the document of `storage status`."""
    if arguments.what == "status":
        document = look()
        screen.out(json.dumps(document, indent=2) if arguments.json else storage_text(document))
        return 0
    back = arguments.what == "rollback"
    # The answer with --json is one document.
    tell = screen.note if arguments.json else screen.out
    if screen.asks and not arguments.yes:
        if not _agreed(look(), screen, tell, back=back):
            return EXIT_FAILED
    elif back:
        _name_what_goes(look, tell)
    client = connect()
    if back:
        ask = partial(client.storage_rollback, back_up=arguments.backup, comment=arguments.comment)
        return transact(
            client, ask=ask, read_status=read_status, arguments=arguments, screen=screen
        )
    return transact(
        client,
        ask=client.storage_prune,
        read_status=read_status,
        arguments=arguments,
        screen=screen,
        manner=Manner("task", _document, _report),
    )


def _name_what_goes(look: Callable[[], dict[str, Any]], tell: Callable[[str], None]) -> None:
    """Name what going back hides or undoes; where it cannot be gone back, the daemon says so."""
    try:
        document = look()
    except DockcfgdError as failure:
        tell(f"What was created or changed since cannot be told: {plain(str(failure))}")
        return
    if document["kept"] and document["kept"]["can_go_back"]:
        for line in _consequences(document):
            tell(line)


def _consequences(document: dict[str, Any]) -> Iterator[str]:
    yield from going_back(document)
    for hazard in document["hazards"]:
        yield f"Beware: {plain(hazard['what'])}"


def _agreed(
    document: dict[str, Any], screen: Screen, tell: Callable[[str], None], *, back: bool
) -> bool:
    """Show what would be done, and ask; what cannot be done is told instead."""
    kept, roots = document["kept"], document["left_roots"]
    if not kept and (back or not (document["left"] or roots)):
        screen.note("nothing is kept of a storage from before")
        return False
    if not kept and not document["left"] and all(one["why_not"] for one in roots):
        screen.note(f"nothing can be freed: {' '.join(pruning(document))}")
        return False
    if back and not kept["can_go_back"]:
        screen.note(f"it cannot be gone back to: {plain(kept['why_not'])}")
        return False
    for line in _consequences(document) if back else pruning(document):
        tell(line)
    if screen.agrees("Go back?" if back else "Delete it?"):
        return True
    screen.note("nothing was changed")
    return False


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "schema": 1,
        "transaction": outcome.transaction,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "steps": outcome.last.get("steps") or [],
    }


def _report(outcome: Outcome, screen: Screen) -> None:
    reason = plain((outcome.last.get("reason") if outcome.last else outcome.reason) or "")
    words = {
        "applied": reason or "freed",
        "refused": f"refused, nothing was touched: {reason}",
        "degraded": f"not all of it is freed: {reason}",
    }
    first, colon, rest = words.get(outcome.verdict, f"{outcome.verdict}: {reason}").partition(":")
    colour = "green" if outcome.verdict == "applied" else "red"
    screen.out(screen.coloured(first, colour) + colon + rest)
