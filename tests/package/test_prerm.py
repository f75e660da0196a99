"""What removing does about a change that awaits its word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_TOLD = """\
#!/bin/sh
case $1 in
    status) printf '{{\\n  "phase": "{phase}",\\n  "last": null\\n}}\\n' ;;
    *) echo "$@" >>{log}; exit {ends} ;;
esac
"""


def _asked(
    tree: Path, folder: Path, *, phase: str, to: str = "remove", ends: int = 0
) -> tuple[list[str], str]:
    """Give what dockcfgctl is asked for, and what a person is told."""
    log, program = folder / "log", folder / "dockcfgctl"
    program.write_text(_TOLD.format(phase=phase, log=log, ends=ends))
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", f"{tree}/packaging/debian/dockcfgd.prerm", to],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return log.read_text().splitlines() if log.exists() else [], done.stderr


def test_it_is_taken_back_while_dockcfgd_is_there(tree: Path, tmp_path: Path) -> None:
    asked, told = _asked(tree, tmp_path, phase="awaiting-confirmation")
    assert asked == ["cancel", "wait --quiet --timeout 10m"]
    assert told == ""


def test_removal_goes_on_where_it_cannot_be(tree: Path, tmp_path: Path) -> None:
    asked, told = _asked(tree, tmp_path, phase="awaiting-confirmation", ends=1)
    assert asked == ["cancel"]
    assert "not confirmed, and stays" in told


@pytest.mark.parametrize(
    ("phase", "to"), [("idle", "remove"), ("awaiting-confirmation", "upgrade")]
)
def test_else_nothing_is_asked_for(tree: Path, tmp_path: Path, phase: str, to: str) -> None:
    assert _asked(tree, tmp_path, phase=phase, to=to) == ([], "")
