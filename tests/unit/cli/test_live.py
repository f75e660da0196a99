"""The line that says what is being done now."""

from __future__ import annotations

from typing import Any

import pytest

from dockcfgd.cli.live import Bar, Live
from dockcfgd.cli.measures import amount, span, speed
from tests.unit.cli.surroundings import Console

SAVING: dict[str, Any] = {
    "step": "back up the images", "item": "web", "done": 0, "total": 2_000_000_000, "unit": "bytes",
}  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0:00"), (7.9, "0:07"), (125, "2:05"), (3723, "1:02:03")]
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_amounts() -> None:
    assert amount(1, 3, "containers") == "1 of 3 containers"
    assert amount(500, 900, "bytes") == "500 of 900 B"
    assert amount(1_250_000, 2_500_000_000, "bytes") == "0.0 of 2.5 GB"


@pytest.mark.parametrize(
    ("rate", "text"), [(0.4, "0 B/s"), (999, "999 B/s"), (8_140_000, "8.1 MB/s")]
)
def test_speeds(rate: float, text: str) -> None:
    assert speed(rate) == text


def test_a_bar_tells_share_amount_and_time_left() -> None:
    bar = Bar()
    first = bar.line(SAVING, now=100.0, width=100)
    assert first == f"back up the images  [{'-' * 24}]    0 %  0.0 of 2.0 GB  web"
    half = {**SAVING, "done": 1_000_000_000}
    assert bar.line(half, now=101.0, width=100).endswith(" 50 %  1.0 of 2.0 GB  web")
    assert bar.line(half, now=110.0, width=100) == (
        f"back up the images  [{'#' * 12}{'-' * 12}]   50 %  0:10 left  1.0 of 2.0 GB"
        "  100.0 MB/s  web"
    )


def test_another_step_is_timed_anew() -> None:
    bar = Bar()
    bar.line(SAVING, now=0.0, width=100)
    other = {**SAVING, "step": "load", "done": 10, "total": 100, "unit": "containers"}
    assert "left" not in bar.line(other, now=50.0, width=100)
    more = {**other, "done": 20}
    assert "  0:40 left  " in bar.line(more, now=55.0, width=100)


@pytest.mark.parametrize("width", [100, 80, 60, 50, 40, 20, 8])
def test_it_is_never_longer_than_the_terminal(width: int) -> None:
    bar = Bar()
    bar.line(SAVING, now=0.0, width=width)
    line = bar.line({**SAVING, "done": 10**9}, now=10.0, width=width)
    assert len(line) < width
    assert "50 %" in line
    assert ("0:10 left" in line) == (width >= 20)


def test_a_total_that_is_not_known_is_no_share() -> None:
    line = Bar().line({"step": "x", "done": 5, "total": 0, "unit": "images"}, now=0.0, width=80)
    assert line.endswith("  0 %  5 of 0 images")


def test_the_step_under_way_and_the_countdown() -> None:
    now = [1000.0]
    console = Console(terminal=True)
    live = Live(console.screen, monotonic=lambda: now[0], clock=lambda: now[0])
    running = {"name": "restart the engine", "state": "running", "seconds": 0}
    live.see({"last": {"steps": [running]}}, "last")
    now[0] += 12
    live.draw()
    assert console.err.endswith("running     12 s  restart the engine")
    live.see({"last": {"steps": [running]}, "progress": {**SAVING, "done": 5}}, "last")
    assert "[" in console.err.rpartition("\r")[2]
    live.see({"last": {"steps": []}, "confirm": {"deadline": now[0] + 75}}, "last")
    assert "goes back in 1:15 (at 00:18:07) unless: dockcfgctl confirm" in console.err
    live.clear()
    assert console.err.endswith("\r\033[K")


def test_where_nobody_looks_on_there_is_none() -> None:
    console = Console()
    Live(console.screen).progress(SAVING)
    Live(None).progress(SAVING)
    assert (console.out, console.err) == ("", "")
