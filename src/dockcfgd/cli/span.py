"""Spans of time on the command line."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

__all__ = ["seconds"]

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """Read a span of time: 90, 90s, 1m30s, 2h."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text)
    if not parts or "".join(re.split(r"\s+", text)) != "".join(n + unit for n, unit in parts):
        raise ArgumentTypeError(f"{text!r} is no span of time: such as 90s or 5m is expected")
    if any(unit not in _UNITS for _, unit in parts):
        raise ArgumentTypeError(f"{text!r} has an unknown unit: known are ms, s, m, h and d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
