"""The findings of `doctor` as a person reads them: the worst first, each with its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["LEVELS", "PROBLEMS", "render"]

_LEVELS = {"error": "red", "warning": "yellow", "info": "cyan", "ok": "green"}
LEVELS = tuple(_LEVELS)
PROBLEMS = ("error", "warning")
_LABEL = 9
_NARROW = 50
_LEAST = 16


def render(
    document: dict[str, Any],
    *,
    width: int = 80,
    paint: Callable[[str, str], str] = lambda text, _colour: text,
    shown: Collection[str] = LEVELS,
) -> str:
    """Give the whole text; no line is longer than `width`.

    All findings are counted, those of the levels `shown` are told.
    """
    findings = document.get("findings") or []
    lines = [*wrapped(_headline(findings), width=width, indent=2)]
    for level, colour in _LEVELS.items():
        chosen = [one for one in findings if one.get("level") == level and level in shown]
        if chosen:
            lines.append("")
        for one in chosen:
            lines += _finding(one, width, paint, colour)
    return "\n".join(lines) + "\n"


def _headline(findings: list[dict[str, Any]]) -> str:
    counts = {level: sum(one.get("level") == level for one in findings) for level in _LEVELS}
    words = [
        _some(counts["error"], "error"),
        _some(counts["warning"], "warning"),
        f"{counts['info']} to know",
        f"{counts['ok']} fine",
    ]
    return ", ".join(words)


def _some(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _finding(
    one: dict[str, Any], width: int, paint: Callable[[str, str], str], colour: str
) -> list[str]:
    level = plain(one.get("level"))
    indent = _LABEL if width >= _NARROW else 2
    room = max(width - indent, _LEAST)
    parts = wrapped(plain(one.get("what") or ""), width=room, indent=0)
    why, remedy = plain(one.get("why") or ""), plain(one.get("remedy") or "")
    parts += wrapped(why, width=room, indent=0) if why else []
    parts += wrapped(f"-> {remedy}", width=room, indent=3) if remedy else []
    margin = " " * indent
    if width < _NARROW:
        return [paint(f"{level}:", colour), *(margin + part for part in parts)]
    first, *more = parts
    return [f"{paint(f'{level:<{_LABEL}}', colour)}{first}", *(margin + part for part in more)]
