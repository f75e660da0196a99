"""backup: make, list, look at, check, restore and remove backups."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, BooleanOptionalAction
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.backup_text import list_text, show_text
from dockcfgd.cli.published import EXIT_FAILED
from dockcfgd.cli.text import plain
from dockcfgd.cli.transact import Manner, transact
from dockcfgd.cli.word import asking

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.follow import Outcome
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "Shelf", "add_arguments", "run"]

SUMMARY = "create, list, show, verify, restore and prune backups of images and containers"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The backups on disk, read without the daemon; `directory` says where, "" as configured."""

    list: Callable[[str], dict[str, Any]]
    show: Callable[[str, str], dict[str, Any]]
    verify: Callable[[str, str], dict[str, Any]]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    create = verbs.add_parser("create", help="make one now, while everything runs")
    create.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="a container, with its image, or an image; default: everything",
    )
    create.add_argument(
        "--volumes",
        action=BooleanOptionalAction,
        default=None,
        help="archive the content of volumes too; default: as [backup] volumes says",
    )
    create.add_argument(
        "--consistency",
        choices=("pause", "stop", "none"),
        default="",
        help="what becomes of running containers while they are read; default: as [backup] says",
    )
    create.add_argument("--comment", default="", metavar="TEXT", help="kept in the backup")
    create.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    listing = verbs.add_parser("list", help="list them, newest first")
    show = verbs.add_parser("show", help="tell what is in one, who made it and why")
    verify = verbs.add_parser("verify", help="read one through and compare its checksums")
    restore = verbs.add_parser("restore", help="bring back what is in one; nothing is overwritten")
    for one in (show, verify, restore):
        one.add_argument("backup", metavar="ID", help="from dockcfgctl backup list")
    restore.add_argument(
        "names", metavar="NAME", nargs="*", help="a container or an image; default: everything"
    )
    restore.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    prune = verbs.add_parser("prune", help="remove old ones")
    prune.add_argument("backups", metavar="ID", nargs="*", help="remove these; default: old ones")
    prune.add_argument(
        "--keep",
        type=_number,
        metavar="N",
        help="how many of each kind stay; default: as [backup] keep says",
    )
    prune.add_argument("--yes", "-y", action="store_true", help="do not ask")
    for one in (listing, show, verify):
        one.add_argument(
            "--directory", default="", metavar="DIR", help="look there; default: as configured"
        )
    for one in (create, listing, show, verify, restore, prune):
        one.add_argument("--json", action="store_true", help="print a document")


def run(
    arguments: Namespace,
    *,
    shelf: Shelf,
    connect: Callable[[], Client],
    read_status: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Do what was asked for; the exit code."""
    match arguments.what:
        case "list":
            _print(shelf.list(arguments.directory), list_text, arguments, screen)
            return 0
        case "show":
            found = shelf.show(arguments.directory, arguments.backup)
            _print(found, show_text, arguments, screen)
            return 0
        case "verify":
            found = shelf.verify(arguments.directory, arguments.backup)
            _print(found, _verified, arguments, screen)
            return 0 if found["good"] else EXIT_FAILED
        case "prune":
            return _prune(arguments, connect=connect, screen=screen)
        case _:
            client = connect()
            ask = _asking(arguments, client)
            return transact(
                client,
                ask=ask,
                read_status=read_status,
                arguments=arguments,
                screen=screen,
                manner=Manner("task", _document, _report),
            )


def _asking(arguments: Namespace, client: Client) -> Callable[[], str]:
    if arguments.what == "restore":
        return partial(client.restore, arguments.backup, arguments.names)
    return partial(
        client.create_backup,
        arguments.names,
        volumes=arguments.volumes,
        consistency=arguments.consistency,
        comment=arguments.comment,
    )


def _prune(arguments: Namespace, *, connect: Callable[[], Client], screen: Screen) -> int:
    if screen.asks and not arguments.yes:
        what = f"backup(s) {', '.join(arguments.backups)}" if arguments.backups else "old backups"
        if not screen.agrees(f"Remove {what} for good?"):
            screen.note("nothing was removed")
            return EXIT_FAILED
    client = connect()
    with asking(screen):
        document = client.prune_backups(arguments.backups, keep=arguments.keep)
    _print(document, _removed, arguments, screen)
    return 0


def _print(
    document: dict[str, Any],
    text: Callable[[dict[str, Any]], str],
    arguments: Namespace,
    screen: Screen,
) -> None:
    screen.out(json.dumps(document, indent=2) if arguments.json else text(document))


def _verified(document: dict[str, Any]) -> str:
    name = plain(document["id"])
    if document["good"]:
        return f"{name} is whole: every checksum is right"
    return "\n".join([f"{name} is damaged:", *map(plain, document["complaints"])])


def _removed(document: dict[str, Any]) -> str:
    removed = document["removed"]
    return f"removed: {', '.join(map(plain, removed))}" if removed else "there was none to remove"


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "schema": 1,
        "transaction": outcome.transaction,
        "backup": outcome.last.get("backup"),
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "steps": outcome.last.get("steps") or [],
    }


def _report(outcome: Outcome, screen: Screen) -> None:
    restored = outcome.last.get("kind") == "restore"
    backup = plain(outcome.last.get("backup") or outcome.transaction)
    # Beside the task's own reason there may be the condition's.
    reason = outcome.last.get("reason") if outcome.last else outcome.reason
    words = {
        "applied": f"restored from {backup}" if restored else f"backup {backup} is complete",
        "refused": "refused, nothing was touched",
        "degraded": "not wholly restored" if restored else "there is no new backup",
    }
    first = words.get(outcome.verdict, outcome.verdict)
    colour = "green" if outcome.verdict == "applied" else "red"
    screen.out(screen.coloured(first, colour) + (f": {plain(reason)}" if reason else ""))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)
