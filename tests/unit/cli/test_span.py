from __future__ import annotations

import pytest

from dockcfgd.cli.span import seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1m30s", 90), ("1h 5m", 3900), ("0.5s", 0.5)],
)  # fmt: skip
def test_spans_of_time(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)
