"""import: a host's present configuration as TOML."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from dockcfgd.cli.errors import UsageError
from dockcfgd.cli.new_file import write_new
from dockcfgd.cli.text import plain
from dockcfgd.engine_keys.secrets import redact_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from dockcfgd.cli.screen import Screen
    from dockcfgd.desired.import_host import Imported

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "turn this host's configuration into TOML that changes nothing here"

_OUTPUT = """\
write it to FILE, atomically; a FILE that is there is refused. It gets mode 0644, and 0600 where it
holds passwords"""
_EPILOGUE = """\
Keys of daemon.json become [engine]; flags, environment files and other drop-ins stay where they
are and are shown as comments. Passwords and tokens come as they are, except on a terminal, where
*** stands for them.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.description = f"{parser.description} {_EPILOGUE}"
    parser.add_argument("-o", "--output", metavar="FILE", help=_OUTPUT)
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--json", action="store_true", help="print a document with text and notes")


def run(
    arguments: Namespace,
    *,
    look: Callable[[], Imported],
    screen: Screen,
) -> int:
    """Print or write the TOML; what was not taken over is told beside it.

    Raises UsageError for options that do not go together, FileFailure where it cannot be written.
    """
    if arguments.force and not arguments.output:
        raise UsageError("--force goes with --output FILE")
    imported = look()
    secret = redact_text(imported.toml) != imported.toml
    target = "" if arguments.output in {None, "-"} else os.path.abspath(arguments.output)  # noqa: PTH100 -- resolve() would follow links
    if target:
        write_new(
            target,
            imported.toml,
            mode=0o600 if secret else 0o644,
            force=arguments.force,
        )
    if arguments.json:
        notes = [asdict(note) for note in imported.notes]
        screen.out(json.dumps({"schema": 1, "toml": imported.toml, "notes": notes}, indent=2))
        return 0
    if not target:
        hidden = secret and screen.terminal
        screen.out(redact_text(imported.toml) if hidden else imported.toml)
        if hidden:
            screen.note("dockcfgctl: *** stands for passwords; a pipe or --output gets them")
    for note in imported.notes:
        screen.note(f"dockcfgctl: {plain(redact_text(note.text()))}")
    if target:
        screen.note(f"dockcfgctl: written to {target}; see dockcfgctl plan {target}")
    return 0
