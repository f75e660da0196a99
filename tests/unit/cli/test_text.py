"""The golden texts: a case is NAME.json and NAME.txt (80 columns), or NAME.narrow.txt (40)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.cli import plan_text, text
from dockcfgd.cli.published import exit_code
from tests.unit.cli.surroundings import GOLDEN, golden

if TYPE_CHECKING:
    from pathlib import Path

STATUS = sorted((GOLDEN / "status").glob("*.json"))
PLANS = sorted((GOLDEN / "plan").glob("*.json"))


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("case", STATUS, ids=name)
def test_a_status_reads_so(case: Path) -> None:
    rendered = text.render(json.loads(case.read_text()))
    assert rendered == case.with_suffix(".txt").read_text()


@pytest.mark.parametrize("case", STATUS, ids=name)
def test_a_status_fits_a_screen_and_every_terminal(case: Path) -> None:
    lines = text.render(json.loads(case.read_text())).splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert all(line.isascii() and line.isprintable() for line in lines)


@pytest.mark.parametrize("width", [16, 20, 40, 49, 50, 60, 120])
@pytest.mark.parametrize("case", STATUS, ids=name)
def test_no_line_is_longer_than_the_terminal(case: Path, width: int) -> None:
    lines = text.render(json.loads(case.read_text()), width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_a_narrow_terminal_gets_labels_of_their_own() -> None:
    rendered = text.render(golden("status", "rejected-rolled-back"), width=40)
    assert rendered == (GOLDEN / "status" / "rejected-rolled-back.narrow.txt").read_text()


@pytest.mark.parametrize("case", STATUS, ids=name)
def test_the_first_word_is_the_condition_or_what_is_going_on(case: Path) -> None:
    document = json.loads(case.read_text())
    word = text.word(document)
    assert text.render(document).startswith(f"{word}: ")
    assert word in {document["condition"], document["phase"]}


def test_the_failed_step_is_never_left_out() -> None:
    document = golden("status", "rejected-rolled-back")
    steps = [{"name": f"step {n}", "state": "done", "seconds": 1.0} for n in range(40)]
    steps[3]["state"] = "failed"
    document["last"]["steps"] = steps
    rendered = text.render(document)
    assert "failed     1.0 s  step 3\n" in rendered
    assert "step 39\n" in rendered
    assert len(rendered.splitlines()) <= 23


def long_in_everything(length: int) -> dict[str, Any]:
    words = " ".join(["longish/word"] * length)
    step = {"name": words, "state": "done", "seconds": 1.0}
    error = {"file": f"/{words}", "line": 7, "key": "engine.x", "message": words, "hint": words}
    drift = {"where": "drop-in", "key": "drop-in", "actual": None, "desired": "x = 1\n" * length}
    document = golden("status", "rejected-rolled-back")
    document["reason"] = words
    document["desired"]["errors"] = [error] * length
    document["desired"]["files"][-1]["path"] = f"/{words}"
    document["last"] |= {"reason": f"but {words}", "steps": [step] * length}
    document["last"]["steps"][length // 2] = {**step, "state": "failed"}
    document["progress"] = {"step": words, "item": words, "done": 1, "total": 2, "unit": "bytes"}
    document["task"] = {"kind": "restore", "backup": "b", "verdict": "degraded", "reason": words}
    document["drifts"] = [drift] * length
    document["engine"] |= {"version": words, "storage": words}
    document["kept"] = {"driver": words, "since": 1.0}
    return document | {"backups": 7, "next": words}


@pytest.mark.parametrize("length", [5, 30, 200])
def test_it_fits_a_screen_however_much_there_is_to_tell(length: int) -> None:
    lines = text.render(long_in_everything(length)).splitlines()
    assert len(lines) <= 23
    labels = {line[2:13].strip() for line in lines if line.startswith("  ") and line[2:3] != " "}
    assert labels >= {"Applied", "Desired", "Errors", "Last", "Drifts", "Engine", "Next"}
    assert any(line.lstrip().startswith("failed ") for line in lines)


def test_a_step_of_a_change_that_has_ended_does_not_run_any_more() -> None:
    document = golden("status", "rejected-rolled-back")
    document["last"]["steps"] = [{"name": "look", "state": "running", "seconds": 2.0}]
    assert "cut off    2.0 s  look\n" in text.render(document)
    document["last"]["verdict"] = None
    assert "running    2.0 s  look\n" in text.render(document)


def test_a_long_drift_alone_is_cut() -> None:
    document = golden("status", "drifted-much")
    document["drifts"] = [{"where": "drop-in", "key": "drop-in", "desired": "x = 1\n" * 60}]
    lines = text.render(document).splitlines()
    assert len(lines) <= 23
    assert "             and the rest of it: dockcfgctl plan" in lines


@pytest.mark.parametrize(
    "document",
    [{}, {"schema": 1}, {"daemon": {}, "phase": "idle", "condition": "in-sync"},
     {"daemon": {"pid": 1}, "phase": "applying", "condition": "new-word"},
     {"daemon": {"pid": 1}, "phase": "idle", "condition": "new-word", "last": {}}],
)  # fmt: skip
def test_documents_of_other_releases_do_not_break_it(document: dict[str, Any]) -> None:
    assert text.render(document).count("\n") >= 1
    assert exit_code(document) in {0, 1, 3, 4}


@pytest.mark.parametrize("case", PLANS, ids=name)
def test_a_plan_reads_so(case: Path) -> None:
    rendered = plan_text.render(json.loads(case.read_text()))
    assert rendered == case.with_suffix(".txt").read_text()
    assert max(map(len, rendered.splitlines())) <= 80


@pytest.mark.parametrize("width", [16, 20, 40, 60, 120])
@pytest.mark.parametrize("case", PLANS, ids=name)
def test_no_line_of_a_plan_is_longer_than_the_terminal(case: Path, width: int) -> None:
    lines = plan_text.render(json.loads(case.read_text()), width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_a_plan_on_a_narrow_terminal() -> None:
    rendered = plan_text.render(golden("plan", "everything"), width=40)
    assert rendered == (GOLDEN / "plan" / "everything.narrow.txt").read_text()


def test_a_plan_has_its_colours_where_they_are_wanted() -> None:
    document = golden("plan", "everything")
    painted = plan_text.render(document, paint=lambda line, colour: f"<{colour}>{line}</>")
    lines = painted.splitlines()
    assert lines[0] == "<bold>to do: restart (plan 4c7d9e0011aa22bb)</>"
    assert '<red>-  "debug": true,</>' in lines
    assert '<green>+  "log-driver": "local"</>' in lines
    assert "<cyan>@@ -0,0 +1,2 @@</>" in lines
    assert "<bold>+++ /etc/docker/daemon.json planned</>" in lines
    assert "  5. restart the engine" in lines
    uncoloured = re.sub(r"<\w*>|</>", "", painted)
    assert uncoloured == plan_text.render(document)


def test_what_could_steer_a_terminal_is_not_in_a_diff() -> None:
    document = golden("plan", "everything")
    document["files"][1]["after"] = "[Service]\nX=\x1b[31m\u202e\r\n"
    rendered = plan_text.render(document)
    assert "+X=?[31m?" in rendered
    assert all(line.isprintable() for line in rendered.splitlines())


@pytest.mark.parametrize(
    ("given", "width", "lines"),
    [
        ("", 20, [""]),
        ("aa bb", 20, ["aa bb"]),
        ("aaaaaaaaaa bbbbbbbbbb", 20, ["aaaaaaaaaa", "  bbbbbbbbbb"]),
        ("a" * 45, 20, ["a" * 20, "  " + "a" * 18, "  " + "a" * 7]),
        ("  lead in", 20, ["  lead in"]),
        ("x " + "y" * 25, 20, ["x", "  " + "y" * 18, "  " + "y" * 7]),
    ],
)
def test_wrapping(given: str, width: int, lines: list[str]) -> None:
    assert text.wrapped(given, width=width, indent=2) == lines
