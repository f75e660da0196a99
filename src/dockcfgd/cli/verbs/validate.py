"""validate: whether the desired state can be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.cli import paper
from dockcfgd.cli.named_files import folder_of, read_files
from dockcfgd.cli.plan_text import checks_not_run
from dockcfgd.cli.published import EXIT_FAILED
from dockcfgd.cli.text import finding

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from dockcfgd.cli.preview import MakePaperPreview, MakePreview
    from dockcfgd.cli.screen import Screen

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "check the desired state; each reason against it with file, line and key"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="check it as if it lay in /etc/dockcfgd/conf.d"
    )
    parser.add_argument("--json", action="store_true", help="print a document")
    paper.add_arguments(parser)


def run(
    arguments: Namespace, *, preview: MakePreview, on_paper: MakePaperPreview, screen: Screen
) -> int:
    """Print the reasons against it, one a line, or `valid`."""
    files, folder = read_files(arguments.files), folder_of(arguments.files)
    if paper.is_asked(arguments):
        plan = on_paper(files, folder, paper.described_host(arguments))
    else:
        plan = preview(files, folder)
    document = plan.document()
    if arguments.json:
        answer = {
            "schema": 1,
            "valid": not plan.refused,
            "refusals": document.get("refusals") or [],
            "checks": document.get("checks") or [],
        }
        screen.out(json.dumps(answer, indent=2))
    else:
        for refusal in document.get("refusals") or ():
            screen.out(finding(refusal))
        if not plan.refused:
            screen.out("valid")
        for line in checks_not_run(document):
            screen.note(line)
    return EXIT_FAILED if plan.refused else 0
