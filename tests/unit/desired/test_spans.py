from __future__ import annotations

import pytest

from dockcfgd.desired.spans import parse_span, split_window
from dockcfgd.model.policy import Window
from tests.unit.desired.reading import refused, wanted


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("5min", 300), ("1h 30m", 5400), ("250ms", 0.25), ("0s", 0)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", " ", "90", "s", "5 weeks", "-1s", "1e3s", "5m!"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length of time"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Sat,Sun 02:00/2h", ("Sat,Sun 02:00", 7200)),
        ("*:0/15/5m", ("*:0/15", 300)),
        ("daily / 30m", ("daily", 1800)),
    ],
)
def test_windows(text: str, parts: tuple[str, float]) -> None:
    assert split_window(text) == parts
    policy = wanted(f'[policy]\nmaintenance-windows = ["{text}"]').policy
    assert policy.maintenance_windows == (Window(text, *parts),)


@pytest.mark.parametrize(
    "text",
    [
        "Sat 02:00",
        "Sat 02:00/",
        "/2h",
        "Sat 02:00/0s",
        "*:0/15",
        "daily/367d",
        r"*\u0000/2h",
        r"*\n/2h",
    ],
)
def test_what_is_no_window(text: str) -> None:
    (finding,) = refused(f'[policy]\nmaintenance-windows = ["{text}"]')
    assert finding.startswith("2: policy.maintenance-windows: ")
