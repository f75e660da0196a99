"""What becomes of a daemon.json that somebody has edited while a change of it goes back.

Left as it is, it would keep what failed, and the engine would not start on it. Put back whole, the
edit would be lost. So what is ours goes back, and what is theirs stays.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.planning import leaves
from dockcfgd.planning.foreign_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.model.desired import Json, KeyPath

__all__ = ["over_edit", "theirs_in"]


def over_edit(theirs: bytes, ours: Sequence[bytes], goal: bytes | None) -> bytes | None:
    """Give the content that puts `theirs` back; None: the file goes.

    `ours` are the contents that the change gives the file on its way forth and back, with the one
    from before it; `goal` is the one to put back, None for no file. Each key that has a value which
    one of `ours` has gets that of `goal`; all others stay, and so does the text where nothing is to
    go back. ValueError where `theirs` is no JSON object, so that nobody can tell.
    """
    if theirs in ours:
        return goal
    document = _document(theirs)
    known = [*_readable(ours)]
    wanted = {} if goal is None else _document(goal)
    paths = dict.fromkeys(path for one in (wanted, *known) for path in leaves.flatten(one))
    for path in paths:
        present, value = leaves.get(document, path), leaves.get(wanted, path)
        if all(not _same(present, leaves.get(one, path)) for one in known):
            continue
        if isinstance(value, leaves.Absent):
            leaves.remove(document, path)
        elif not _same(present, value):
            leaves.put(document, path, value)
    if goal is None and not document:
        return None
    return theirs if _same(document, _document(theirs)) else leaves.render(document)


def theirs_in(content: bytes | None, goal: bytes | None) -> tuple[KeyPath, ...]:
    """Give the keys that `content`, which `over_edit` gave, has otherwise than its `goal`."""
    one, other = (_document(given or b"") for given in (content, goal))
    paths = dict.fromkeys([*leaves.flatten(one), *leaves.flatten(other)])
    return tuple(
        path for path in paths if not _same(leaves.get(one, path), leaves.get(other, path))
    )


def _document(content: bytes) -> dict[str, Json]:
    text = content.decode("utf-8-sig")
    document = read_json(text) if text.strip() else {}
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 -- a value of the wrong kind
    return document


def _readable(contents: Sequence[bytes]) -> Iterator[dict[str, Json]]:
    for content in contents:
        try:
            yield _document(content)
        except ValueError:
            continue


def _same(one: Json | leaves.Absent, other: Json | leaves.Absent) -> bool:
    if isinstance(one, leaves.Absent) or isinstance(other, leaves.Absent):
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
