"""The golden trees: NAME.json, and NAME.txt (80 columns), NAME.narrow.txt (40), NAME.lines.txt.

The last one is drawn with lines. `GOLDEN_REWRITE=1` writes the texts anew.
"""

from __future__ import annotations

import io
import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.cli.screen import Screen
from dockcfgd.cli.tree_text import ASCII, LINES, render
from dockcfgd.cli.verbs import tree
from tests.unit.cli.surroundings import GOLDEN, Console

_CASES = sorted((GOLDEN / "tree").glob("*.json"))
_REWRITE = os.environ.get("GOLDEN_REWRITE") == "1"


def _document(case: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(case.read_text())
    return document


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.stem)
def test_a_tree_reads_so(case: Path) -> None:
    document = _document(case)
    texts = {
        ".txt": render(document),
        ".narrow.txt": render(document, width=40),
        ".lines.txt": render(document, art=LINES),
    }
    for suffix, text in texts.items():
        kept = case.with_suffix(suffix)
        if _REWRITE:
            kept.write_text(text)
        assert text == kept.read_text()


@pytest.mark.parametrize("width", [16, 24, 40, 59, 60, 80, 120])
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.stem)
def test_no_line_is_longer_than_the_terminal(case: Path, width: int) -> None:
    lines = render(_document(case), width=width).splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    if width >= 40:
        assert max(map(len, lines)) <= width


def _run(*arguments: str, screen: Screen) -> None:
    parser = ArgumentParser()
    tree.add_arguments(parser)
    given = parser.parse_args(arguments)
    assert tree.run(given, look=lambda: _document(_CASES[0]), screen=screen) == 0


def _utf8() -> tuple[Screen, io.BytesIO]:
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    silent = io.StringIO()
    return Screen(stdin=silent, stdout=stdout, stderr=silent, environment={}), raw


def test_lines_are_drawn_only_where_they_can_be() -> None:
    console = Console()
    _run(screen=console.screen)
    assert ASCII.last in console.out
    screen, raw = _utf8()
    _run(screen=screen)
    assert LINES.last in raw.getvalue().decode()
    screen, raw = _utf8()
    _run("--ascii", screen=screen)
    assert raw.getvalue().isascii()


def test_the_document_is_given_as_it_is() -> None:
    console = Console()
    _run("--json", screen=console.screen)
    assert console.document == _document(_CASES[0])
