"""plan: what would be done now, without doing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.cli import paper
from dockcfgd.cli.named_files import folder_of, read_files
from dockcfgd.cli.plan_text import render, unseen
from dockcfgd.cli.published import EXIT_FAILED, EXIT_NOT_YET

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from dockcfgd.cli.preview import MakePaperPreview, MakePreview
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "show what would be done, and who would notice"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="look at it as if it lay in /etc/dockcfgd/conf.d"
    )
    parser.add_argument("--json", action="store_true", help="print the plan document")
    parser.add_argument(
        "--exit-code", action="store_true", help="exit with 4 when there is something to do"
    )
    paper.add_arguments(parser)


def run(
    arguments: Namespace, *, preview: MakePreview, on_paper: MakePaperPreview, screen: Screen
) -> int:
    """Print the plan."""
    files, folder = read_files(arguments.files), folder_of(arguments.files)
    if paper.is_asked(arguments):
        plan = on_paper(files, folder, paper.described_host(arguments))
    else:
        plan = preview(files, folder)
    document = plan.document()
    screen.out(
        json.dumps(document, indent=2)
        if arguments.json
        else render(document, width=screen.width, paint=screen.coloured)
    )
    if plan.refused or (arguments.exit_code and unseen(document)):
        return EXIT_FAILED
    return EXIT_NOT_YET if arguments.exit_code and not plan.empty else 0
