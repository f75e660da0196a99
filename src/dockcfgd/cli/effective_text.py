"""The effective document as a person reads it: one line a key, group by group."""

from __future__ import annotations

import json
from typing import Any

from dockcfgd.cli.text import plain

__all__ = ["render"]

_HEAD = ("KEY", "VALUE", "SOURCE", "PROOF", "WHERE")
_WIDEST = 44
_FEW = 30


def render(document: dict[str, Any]) -> str:
    """Give the whole text."""
    lines = [_headline(document.get("engine") or {})]
    lines += [plain(note) for note in document.get("notes") or ()]
    rows = [(str(one.get("group", "")), _cells(one)) for one in document.get("keys") or ()]
    widths = [
        max([len(_HEAD[column]), *(len(cells[column]) for _, cells in rows)])
        for column in range(len(_HEAD))
    ]
    group = None
    if rows:
        lines += ["", _line(_HEAD, widths)]
    for name, cells in rows:
        if group not in {None, name} and len(rows) > _FEW:
            lines.append("")
        group = name
        lines.append(_line(cells, widths))
    for one in document.get("keys") or ():
        if one.get("proof") == "contradicted":
            lines += _contradiction(one)
    return "\n".join(lines) + "\n"


def _headline(engine: dict[str, Any]) -> str:
    version = plain(engine.get("version") or "")
    reason = plain(engine.get("reason") or "")
    if not engine.get("running"):
        return f"{version or 'Docker'} does not run: what files and flags say for its next start"
    return f"{version or 'Docker'} runs" + (f" but cannot be asked: {reason}" if reason else "")


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    value, text = one.get("value"), plain(one.get("text") or "")
    shown = f"({text or 'not set'})" if value is None else plain(json.dumps(value))
    proof = f"{one.get('proof')}{' (was read)' if one.get('read') else ''}"
    cells = (str(one.get("key")), shown, one.get("source"), proof, one.get("where"))
    key, shown, *others = (plain(cell or "") for cell in cells)
    return (key, shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 3]}...", *others)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _contradiction(one: dict[str, Any]) -> list[str]:
    where = plain(one.get("where") or "the default")
    wanted = plain(json.dumps(one.get("configured")))
    return ["", f"{plain(one.get('key'))}: {where} says {wanted}, the running engine shows another"]
