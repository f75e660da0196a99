"""The generations as a time line, newest first, the days as headings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.generation_text import who
from dockcfgd.cli.text import clock_time, plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["render"]

_ASCII = {"applied": "o", "bad": "x", "other": ".", "now": "*", "line": "|"}
_DRAWN = {"applied": "○", "bad": "✗", "other": "·", "now": "●", "line": "│"}
_COLOURS = {"applied": "green", "now": "green", "bad": "red", "other": "yellow"}
_INDENT = 12
_NARROW = 60


def _uncoloured(text: str, _colour: str) -> str:
    return text


def render(
    generations: Sequence[dict[str, Any]],
    *,
    width: int = 80,
    drawn: bool = False,
    paint: Callable[[str, str], str] = _uncoloured,
) -> str:
    """Give the text; `drawn` with characters that not every terminal has."""
    marks = _DRAWN if drawn else _ASCII
    lines: list[str] = []
    day = ""
    widest = max(len(str(one.get("generation"))) for one in generations)
    for place, one in enumerate(generations):
        here = _day(one.get("created"))
        if here != day:
            lines += [*([] if not lines else [""]), paint(here, "bold")]
            day = here
        kind = _kind(one)
        more = place + 1 < len(generations) and _day(generations[place + 1].get("created")) == here
        line = marks["line"] if more else " "
        head = f"  {clock_time(one.get('created'))[11:]}  {paint(marks[kind], _COLOURS[kind])} "
        first, *rest = _facts(one, number=widest, kind=kind, paint=paint, narrow=width < _NARROW)
        lines.append(head + first)
        for note in [*rest, *_notes(one)]:
            for part in wrapped(note, width=width - _INDENT - widest - 4, indent=0):
                lines.append(f"{'':<{_INDENT}}{line} {'':<{widest}}  {part}".rstrip())
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _day(seconds: object) -> str:
    if not isinstance(seconds, (int, float)):
        return "an unknown day"
    return time.strftime("%Y-%m-%d, %A", time.localtime(seconds))


def _kind(one: dict[str, Any]) -> str:
    if one.get("applied"):
        return "now"
    verdict = one.get("verdict")
    return "applied" if verdict == "applied" else "bad" if verdict else "other"


def _facts(
    one: dict[str, Any], *, number: int, kind: str, paint: Callable[[str, str], str], narrow: bool
) -> Iterator[str]:
    seconds = one.get("seconds")
    verdict = plain(one.get("verdict") or "not tried")
    facts = [
        plain(one.get("impact") or ""),
        "" if seconds is None else f"{seconds:.1f} s",
        f"by {who(one)}" if one.get("actor") else "",
        "in force" if one.get("applied") else "",
    ]
    told = ", ".join(fact for fact in facts if fact)
    first = f"{one.get('generation')!s:>{number}}  {paint(verdict, _COLOURS[kind])}"
    if narrow:
        yield first
        if told:
            yield told
    else:
        yield f"{first}{'':<{max(0, 13 - len(verdict))}}{told}"


def _notes(one: dict[str, Any]) -> Iterator[str]:
    if one.get("origin") == "original":
        yield "what was there before dockcfgd first wrote"
    yield from (plain(one[key]) for key in ("comment", "reason") if one.get(key))
