"""The golden findings: NAME.json, and NAME.txt (80 columns), NAME.narrow.txt (40).

`GOLDEN_REWRITE=1` writes the texts anew.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.cli.doctor_text import render
from dockcfgd.cli.verbs import doctor
from tests.unit.cli.surroundings import GOLDEN, Console, golden

_CASES = sorted((GOLDEN / "doctor").glob("*.json"))
_REWRITE = os.environ.get("GOLDEN_REWRITE") == "1"


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.stem)
def test_findings_read_so(case: Path) -> None:
    document = json.loads(case.read_text())
    texts = {".txt": render(document), ".narrow.txt": render(document, width=40)}
    for suffix, text in texts.items():
        kept = case.with_suffix(suffix)
        if _REWRITE:
            kept.write_text(text)
        assert text == kept.read_text()


@pytest.mark.parametrize("width", [18, 24, 40, 49, 50, 60, 80, 120])
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.stem)
def test_no_line_is_longer_than_the_terminal(case: Path, width: int) -> None:
    lines = render(json.loads(case.read_text()), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line.isascii() and line.isprintable() for line in lines)


def _run(name: str, *arguments: str) -> tuple[int, Console]:
    console = Console()
    parser = ArgumentParser()
    doctor.add_arguments(parser)
    code = doctor.run(
        parser.parse_args(arguments), look=lambda: golden("doctor", name), screen=console.screen
    )
    return code, console


def _levels(document: dict[str, Any]) -> set[str]:
    return {one["level"] for one in document["findings"]}


def test_the_exit_code_tells_of_errors() -> None:
    assert _run("troubles")[0] == 1
    assert _run("well")[0] == 0


def test_the_document_is_all_or_the_problems() -> None:
    assert _run("troubles", "--json")[1].document == golden("doctor", "troubles")
    _, console = _run("troubles", "--json", "--problems")
    assert _levels(console.document) == {"warning", "error"}


def test_problems_leave_out_what_is_fine() -> None:
    _, console = _run("troubles", "--problems")
    assert "overlay2" not in console.out
    assert "vpn0" in console.out
    assert console.out.splitlines()[0] == _run("troubles")[1].out.splitlines()[0]
    assert ", 0 fine" not in console.out


def test_quiet_only_sets_the_exit_code() -> None:
    code, console = _run("troubles", "--quiet")
    assert (code, console.out) == (1, "")
    code, console = _run("troubles", "-q", "--json")
    assert (code, console.out) == (1, "")
