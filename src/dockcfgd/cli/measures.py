"""Amounts, speeds and spans of time as a person reads them. Imports nothing heavy."""

from __future__ import annotations

__all__ = ["amount", "span", "speed"]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def span(seconds: float) -> str:
    """Give a span of time as a clock has it: 0:07, 1:02:03."""
    minutes, left = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def amount(done: float, total: float, unit: str) -> str:
    """Give `done` of `total`, bytes in the unit that fits the total."""
    if unit != "bytes":
        return f"{done:g} of {total:g} {unit}"
    power = _power(total)
    digits = 1 if power else 0
    scale = 1000**power
    return f"{done / scale:.{digits}f} of {total / scale:.{digits}f} {_UNITS[power]}"


def speed(rate: float) -> str:
    """Give bytes a second in the unit that fits."""
    power = _power(rate)
    return f"{rate / 1000**power:.{1 if power else 0}f} {_UNITS[power]}/s"


def _power(count: float) -> int:
    power = 0
    while count >= 1000 ** (power + 1) and power < len(_UNITS) - 1:
        power += 1
    return power
