"""Lengths of time as systemd writes them: `90s`, `5m`, `1h 30m` (systemd.time(7), spans)."""

from __future__ import annotations

import re

__all__ = ["SPAN_PATTERN", "parse_span", "split_window"]

# For readers of JSON Schema; `parse_span` has the say.
SPAN_PATTERN = r"^(\s*[0-9]{1,12}(\.[0-9]{1,12})?\s*(ms|sec|s|min|m|h|d)\s*)+$"

_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"\s*(\d{1,12}(?:\.\d{1,12})?)\s*([a-z]{1,3})\s*", re.ASCII)


def parse_span(text: str) -> float:
    """Give the seconds that `text` means.

    ValueError for anything else than numbers with units ms, s, m, h, d.
    """
    seconds, at = 0.0, 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match[2] not in _UNITS:
            break
        seconds += float(match[1]) * _UNITS[match[2]]
        at = match.end()
    if at < len(text) or not text.strip():
        msg = f"{text[:40]!r} is not a length of time such as 90s, 5m or 1h 30m"
        raise ValueError(msg)
    return seconds


def split_window(text: str) -> tuple[str, float]:
    """Give the calendar expression and the length in seconds of a window such as "Sat 02:00/2h".

    ValueError where there is no length. The expression is systemd's to judge: it may hold slashes
    of its own (`*:0/15/5m` is each quarter of an hour, for 5 minutes).
    """
    expression, slash, length = text.rpartition("/")
    if not slash or not expression.strip():
        msg = f'{text[:40]!r} is not a calendar expression with a length, as "Sat,Sun 02:00/2h"'
        raise ValueError(msg)
    seconds = parse_span(length)
    if not seconds:
        msg = f"{text[:40]!r} has no length"
        raise ValueError(msg)
    return expression.strip(), seconds
