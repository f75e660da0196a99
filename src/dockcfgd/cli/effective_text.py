"""The effective document as a person reads it: one line a key, group by group."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["render"]

_HEAD = ("KEY", "VALUE", "SOURCE", "PROOF", "WHERE")
_WIDEST = 44
_FEW = 30
_SOURCE, _PROOF = 2, 3
_COLOURS = {
    "desired": "green",
    "extra": "green",
    "foreign": "yellow",
    "flag": "cyan",
    "environment": "cyan",
}
_CONTRADICTED = "contradicted"


def _uncoloured(text: str, _colour: str) -> str:
    return text


def render(
    document: dict[str, Any],
    *,
    width: int | None = None,
    paint: Callable[[str, str], str] = _uncoloured,
) -> str:
    """Give the whole text; where the table is wider than `width`, several lines a key."""
    lines = [_headline(document.get("engine") or {})]
    lines += [plain(note) for note in document.get("notes") or ()]
    rows = [(str(one.get("group", "")), _cells(one)) for one in document.get("keys") or ()]
    if rows:
        lines += ["", *_table(rows, width=width, paint=paint)]
    for one in document.get("keys") or ():
        if one.get("proof") == _CONTRADICTED:
            lines += ["", paint(_contradiction(one), "red")]
    return "\n".join(lines) + "\n"


def _headline(engine: dict[str, Any]) -> str:
    version = plain(engine.get("version") or "")
    reason = plain(engine.get("reason") or "")
    if not engine.get("running"):
        whether = "is not known to run" if engine.get("running") is None else "does not run"
        return f"{version or 'Docker'} {whether}: what files and flags say for its next start"
    return f"{version or 'Docker'} runs" + (f" but cannot be asked: {reason}" if reason else "")


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    value, text = one.get("value"), plain(one.get("text") or "")
    shown = f"({text or 'not set'})" if value is None else plain(json.dumps(value))
    proof = f"{one.get('proof')}{' (was read)' if one.get('read') else ''}"
    cells = (str(one.get("key")), shown, one.get("source"), proof, one.get("where"))
    key, shown, *others = (plain(cell or "") for cell in cells)
    return (key, shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 3]}...", *others)


def _table(
    rows: list[tuple[str, tuple[str, ...]]],
    *,
    width: int | None,
    paint: Callable[[str, str], str],
) -> Iterator[str]:
    widths = [
        max([len(_HEAD[column]), *(len(cells[column]) for _, cells in rows)])
        for column in range(len(_HEAD))
    ]
    narrow = width is not None and sum(widths) + 2 * (len(widths) - 1) > width
    if not narrow:
        yield paint(_line(_HEAD, widths), "bold")
    group = None
    for name, cells in rows:
        if group not in {None, name} and len(rows) > _FEW:
            yield ""
        group = name
        if narrow and width is not None:
            yield from _entry(cells, width=width, paint=paint)
        else:
            yield _line(cells, widths, paint=paint)


def _entry(
    cells: tuple[str, ...], *, width: int, paint: Callable[[str, str], str]
) -> Iterator[str]:
    """Give a key over several lines: what it is, and below it who says so."""
    key, value, source, proof, where = cells
    for line in wrapped(f"{key} = {value}", width=width, indent=4):
        yield paint(line, _colour(cells))
    for line in wrapped(f"    {source}, {proof}", width=width, indent=6):
        yield line
    if where:
        yield from wrapped(f"    {where}", width=width, indent=6)


def _colour(cells: tuple[str, ...]) -> str:
    return "red" if cells[_PROOF] == _CONTRADICTED else _COLOURS.get(cells[_SOURCE], "")


def _line(
    cells: tuple[str, ...], widths: list[int], *, paint: Callable[[str, str], str] = _uncoloured
) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    colour = _colour(cells)
    if colour:
        padded[_SOURCE] = paint(padded[_SOURCE], colour)
        padded[_PROOF] = paint(padded[_PROOF], "red") if colour == "red" else padded[_PROOF]
    return "  ".join(padded).rstrip()


def _contradiction(one: dict[str, Any]) -> str:
    where = plain(one.get("where") or "the default")
    wanted = plain(json.dumps(one.get("configured")))
    return f"{plain(one.get('key'))}: {where} says {wanted}, the running engine shows another"
