"""Amounts for a person."""

from __future__ import annotations

__all__ = ["size", "some"]

_STEP = 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_TENTHS_BELOW = 100


def size(number: object) -> str:
    """Give `812 B`, `3.4 MiB`, `120 GiB`."""
    left = float(number) if isinstance(number, (int, float)) else 0.0
    if left < _STEP:
        return f"{int(left)} B"
    power = 0
    while left >= _STEP and power < len(_UNITS):
        left /= _STEP
        power += 1
    unit = _UNITS[power - 1]
    return f"{left:.1f} {unit}" if left < _TENTHS_BELOW else f"{left:.0f} {unit}"


def some(number: int, what: str) -> str:
    """Give `1 container`, `2 containers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
