"""Sizes and durations as the engine reads them."""

from __future__ import annotations

import re

__all__ = ["read_duration", "read_size"]

_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION = re.compile(r"(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(ns|us|µs|ms|s|m|h)", re.ASCII)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_size(text: str) -> int:
    """Give the bytes of `64M`, `1.5 GiB`, `67108864`, in powers of 1024. ValueError if none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read {text!r} as a size")
    number, unit = match.groups(default="")
    return int(float(number) * 1024 ** _POWERS[unit.lower()])


def read_duration(text: str) -> float:
    """Give the seconds of `48h`, `1h30m`, or of a bare number of seconds. ValueError if none."""
    if re.fullmatch(r"\d{1,20}", text, re.ASCII):
        return float(text)
    position, seconds = 0, 0.0
    while position < len(text):
        match = _DURATION.match(text, position)
        if match is None:
            raise ValueError(f"cannot read {text!r} as a duration")
        seconds += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if not text:
        raise ValueError("cannot read an empty text as a duration")
    return seconds
