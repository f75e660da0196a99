"""The document of `tree` as a person reads it: a line a process, what is wrong below it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import plain, wrapped
from dockcfgd.model.amounts import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["ASCII", "LINES", "Art", "render"]

_NARROW = 60
_SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class Art:
    """What the branches are drawn with."""

    branch: str
    last: str
    passing: str
    arrow: str


LINES = Art("\u251c\u2500 ", "\u2514\u2500 ", "\u2502  ", "\u2192")
ASCII = Art("|- ", "`- ", "|  ", "->")
_NOTHING = "   "


def render(
    document: dict[str, Any],
    *,
    width: int = 80,
    art: Art = ASCII,
    paint: Callable[[str, str], str] = lambda text, _colour: text,
) -> str:
    """Give the whole text; no line is longer than `width`."""
    lines = wrapped(_headline(document), width=width, indent=2)
    rows = [*_rows(document.get("processes") or (), "", None, art)]
    wide = width >= _NARROW
    if rows and wide:
        lines += ["", f"{'PID':>7} {'MEMORY':>10} {'CPU':>8}  PROCESS"]
    elif rows:
        lines.append("")
    for row in rows:
        lines += _wide(row, width, paint) if wide else _slim(row, width, paint)
    for note in _notes(document):
        lines += ["", *wrapped(note, width=width, indent=2)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Row:
    node: dict[str, Any]
    first: str
    below: str
    text: str
    tail: str


def _rows(
    nodes: Sequence[dict[str, Any]], below: str, art: Art | None, drawn: Art
) -> Iterator[_Row]:
    """Give the rows of nodes; those of the roots, which `art` None is for, hang on nothing."""
    for number, node in enumerate(nodes, start=1):
        end = number == len(nodes)
        mine = "" if art is None else art.last if end else art.branch
        down = "" if art is None else _NOTHING if end else art.passing
        yield _Row(node, f"{below}{mine}", f"{below}{down}", _text(node, drawn), _rest(node))
        yield from _rows(node.get("children") or (), f"{below}{down}", drawn, drawn)


def _wide(row: _Row, width: int, paint: Callable[[str, str], str]) -> list[str]:
    node = row.node
    columns = f"{node.get('pid'):>7} {size(node.get('memory')):>10} {_time(node.get('cpu')):>8}  "
    lines = [_cut(f"{columns}{row.first}{row.text}", width, tail=row.tail)]
    return lines + _trouble(row, " " * len(columns), width, paint)


def _slim(row: _Row, width: int, paint: Callable[[str, str], str]) -> list[str]:
    node = row.node
    columns = f"{node.get('pid')}, {size(node.get('memory'))}, {_time(node.get('cpu'))}"
    lines = [_cut(f"{row.first}{row.text}", width), _cut(f"{row.below}  {columns}", width)]
    lines += [_cut(f"{row.below}  {row.tail.strip()}", width)] if row.tail else []
    return lines + _trouble(row, "", width, paint)


def _trouble(row: _Row, margin: str, width: int, paint: Callable[[str, str], str]) -> list[str]:
    trouble = row.node.get("trouble")
    if not trouble:
        return []
    before = f"{margin}{row.below}  "
    room = max(width - len(before), 16)
    parts = wrapped(f"! {plain(trouble)}", width=room, indent=2)
    return [before + paint(part, "red") for part in parts]


def _cut(line: str, width: int, *, tail: str = "") -> str:
    room = width - len(tail)
    return f"{line.rstrip() if len(line) <= room else f'{line[: room - 3]}...'}{tail}"


def _text(node: dict[str, Any], art: Art) -> str:
    match node.get("kind"):
        case "shim":
            return f"shim of {_container(node)}"
        case "docker-proxy":
            return f"docker-proxy {_port(node).replace('->', art.arrow)}"
        case _:
            return _command(node)


def _port(node: dict[str, Any]) -> str:
    text = plain((node.get("port") or {}).get("text", ""))
    if not node.get("container"):
        return text
    host, arrow, inner = text.partition("->")
    return f"{host}{arrow}{inner.rpartition(':')[2]} of {_container(node)}"


def _container(node: dict[str, Any]) -> str:
    container = node.get("container") or {}
    identity = plain(container.get("id") or "")[:_SHORT_ID]
    name = plain(container.get("name") or "") or identity or "an unknown container"
    state = plain(container.get("state") or "")
    return name if state in {"", "running"} else f"{name} ({state})"


def _command(node: dict[str, Any]) -> str:
    program, *words = node.get("command") or ["?"]
    return plain(shlex.join([str(program).rpartition("/")[2] or str(program), *map(str, words)]))


def _rest(node: dict[str, Any]) -> str:
    whole = node.get("whole") or {}
    number = int(whole.get("processes") or 0)
    return f"  [{number} processes, {size(whole.get('memory'))}]" if number > 1 else ""


def _time(seconds: object) -> str:
    whole = int(seconds) if isinstance(seconds, (int, float)) else 0
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _headline(document: dict[str, Any]) -> str:
    engine = document.get("engine") or {}
    reason = plain(engine.get("reason") or "")
    shims = sum(1 for node in _all(document.get("processes") or ()) if node.get("kind") == "shim")
    some = "1 container" if shims == 1 else f"{shims} containers"
    if not engine.get("running"):
        why = f" ({reason})" if reason else ""
        still = f"the shims of {some} still run" if shims > 1 else f"the shim of {some} still runs"
        return f"the engine does not run{why}; {still if shims else 'no shim runs either'}"
    if reason:
        return f"the engine runs but cannot be asked: {reason}; {some} beside it"
    return f"engine {plain(engine.get('version') or '')} runs with {some}"


def _all(nodes: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _all(node.get("children") or ())


def _notes(document: dict[str, Any]) -> Iterator[str]:
    for name, number in (document.get("others") or {}).items():
        yield f"{number} shims of the namespace {plain(name)} are not Docker's and not shown"
    for note in document.get("notes") or ():
        yield plain(note)
