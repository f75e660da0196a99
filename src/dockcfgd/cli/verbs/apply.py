"""apply: bring the host to its desired state now."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from dockcfgd.api.contract import PLAN_CHANGED
from dockcfgd.cli import plan_text
from dockcfgd.cli.named_files import folder_of, read_files
from dockcfgd.cli.published import EXIT_FAILED
from dockcfgd.cli.span import seconds
from dockcfgd.cli.text import finding
from dockcfgd.cli.transact import transact
from dockcfgd.cli.undisturbed import undisturbed
from dockcfgd.model.errors import BusFailure

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.api.client import Client
    from dockcfgd.cli.preview import MakePreview
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "bring the host to its desired state now, and say how it went"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="apply with it, and put it into /etc/dockcfgd/conf.d when the change is proven",
    )
    parser.add_argument("--comment", default="", metavar="TEXT", help="kept in the history")
    parser.add_argument(
        "--confirm",
        metavar="TIME",
        type=seconds,
        help="go back by itself unless dockcfgctl confirm comes within this time, such as 2m",
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print a document")


def run(
    arguments: Namespace,
    *,
    preview: MakePreview,
    connect: Callable[[], Client],
    read_status: Callable[[], dict[str, Any] | None],
    screen: Screen,
) -> int:
    """Show the plan, ask where containers would stop, apply, follow to the verdict."""
    files = read_files(arguments.files)
    plan = undisturbed(
        partial(preview, files, folder_of(arguments.files)),
        read_status=read_status,
        tell=screen.note,
    )
    document = plan.document()
    while True:
        agreed = _agreed(document, arguments=arguments, screen=screen)
        if agreed is None:
            return EXIT_FAILED
        client = connect()
        ask = partial(
            client.apply,
            files,
            comment=arguments.comment,
            confirm=arguments.confirm,
            plan=agreed,
        )
        try:
            return transact(
                client, ask=ask, read_status=read_status, arguments=arguments, screen=screen
            )
        except BusFailure as failure:
            if failure.name != PLAN_CHANGED or not screen.asks:
                raise
            screen.note("something changed meanwhile; now this would be done:")
            document = client.plan(files)


def _agreed(document: dict[str, Any], *, arguments: Namespace, screen: Screen) -> str | None:
    """Show a plan and ask about it where it stops containers.

    Gives the plan's id where somebody agreed to it, "" where nobody had to, None where it must not
    be carried out.
    """
    if not arguments.json:
        screen.out(plan_text.render(document, width=screen.width, paint=screen.coloured))
    if document.get("refusals"):
        if arguments.json:
            screen.out(json.dumps(_refused(document), indent=2))
        return None
    stops = plan_text.stops(document)
    if not stops or not screen.asks or arguments.yes:
        return ""
    question = f"{len(stops)} running container(s) will stop and come back. Go on?"
    if not screen.agrees(question):
        screen.note("nothing was changed")
        return None
    return str(document.get("id") or "")


def _refused(plan: dict[str, Any]) -> dict[str, Any]:
    refusals = plan.get("refusals") or []
    return {
        "schema": 1,
        "transaction": None,
        "verdict": "refused",
        "generation": None,
        "impact": plan.get("impact"),
        "reason": "; ".join(finding(refusal) for refusal in refusals),
        "steps": [],
        "refusals": refusals,
    }
