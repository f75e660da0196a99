"""JSON that others have written, read so far that it can be worked with and written again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from dockcfgd.planning.leaves import WHOLE_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from dockcfgd.model.desired import Json

__all__ = ["read_json"]

_DEEPEST = 100  # the engine takes 10,000, and has no use for more than four
_TOO_DEEP = f"nested too deeply: {_DEEPEST} levels are the limit"


def read_json(text: str) -> Json:
    """Give the value of `text`.

    ValueError where it is no JSON, nested too deeply, or has half a character in an escape, which
    JSON can spell and UTF-8 cannot. What only Python takes for a number is none. Of keys that stand
    there twice it is what Go makes of them: tables are merged, of all else the last one counts.
    """
    try:
        read = json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)
        document = cast("Json", read)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if _depth(document) > _DEEPEST:
        raise ValueError(_TOO_DEEP)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character, {error.object[error.start]!a}") from None
    return document


def _object(pairs: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    document: dict[str, Json] = {}
    for name, value in pairs:
        before = document.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            whole = name in WHOLE_ENTRIES
            document[name] = {**before, **value} if whole else _merged(before, value)
        else:
            document[name] = value
    return document


def _merged(one: dict[str, Json], other: dict[str, Json]) -> dict[str, Json]:
    return _object([*one.items(), *other.items()])


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _depth(document: Json) -> int:
    depth, level = 0, [document]
    while level:
        depth += 1
        level = [inner for value in level for inner in _inner(value)]
    return depth


def _inner(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []
