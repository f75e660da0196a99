"""Hand edits of daemon.json as TOML: what `on-drift = "adopt"` writes back."""

from __future__ import annotations

import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import tomli_w

from dockcfgd.desired.import_text import unwritable
from dockcfgd.engine_keys.table import is_table, lookup
from dockcfgd.model.desired import dotted
from dockcfgd.planning import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.desired.load import Unset
    from dockcfgd.model.desired import DesiredState, KeyPath, Source
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.hand_edits import Edit

__all__ = ["ADOPTED", "adopted_text", "obstacle", "taken_away", "told"]

ADOPTED = "90-adopted.toml"

_HEADER = """\
# Written by dockcfgd: hand edits of daemon.json, adopted because policy.on-drift says so.
# It is written anew with the next one: what it says may be edited and moved, comments go.
"""


def told(edits: Sequence[Edit]) -> str:
    """Give the edits in a few words, as the history has them."""
    return f"adopted: {', '.join(dotted(edit.path) for edit in edits)}"


def obstacle(edits: Sequence[Edit], host: HostState, desired: DesiredState) -> str:
    """Say why the edits cannot be written back, empty if they can.

    `desired` is the desired state that they differ from.
    """
    path = host.daemon_json.path
    if not host.daemon_json.content.strip():
        how = "empty" if host.daemon_json.present else "gone"
        return f"{path} is {how}, which is no edit of keys"
    for edit in edits:
        why = "" if isinstance(edit.value, leaves.Absent) else unwritable([*edit.path, edit.value])
        if why:
            return f"{path}: {dotted(edit.path)}: {why}"
        later = _set_later(edit.path, desired)
        if later:
            return _overruled(edit.path, "set", later)
    return ""


def taken_away(path: KeyPath, unset: Sequence[Unset]) -> str:
    """Say which file after ours takes the key away again, empty if none does."""
    for one in unset:
        table, inner = one.path[:1], one.path[1:]
        counts = table in {("engine",), ("engine-extra",)} and path[: len(inner)] == inner
        if counts and _comes_later(PurePosixPath(one.source.file)):
            return _overruled(path, "unset", _place(one.source))
    return ""


def _overruled(path: KeyPath, how: str, where: str) -> str:
    return (
        f"{dotted(path)} is {how} in {where}, which counts more than {ADOPTED}:"
        " edit that file, or give it a name that sorts before"
    )


def _place(source: Source) -> str:
    return f"{source.file}:{source.line}" if source.line else source.file


def _set_later(path: KeyPath, desired: DesiredState) -> str:
    for table in ("engine", "engine-extra"):
        full = (table, *path)
        for known, source in desired.sources.items():
            if known[: len(full)] == full and _comes_later(PurePosixPath(source.file)):
                return _place(source)
    return ""


def _comes_later(file: PurePosixPath) -> bool:
    """Whether a file counts more than ours; conf.toml comes first, whatever its name."""
    return file.parent.name == "conf.d" and file.name > ADOPTED


def adopted_text(text: str, edits: Sequence[Edit], desired: DesiredState) -> str:
    """Give the file's text with the edits in it. `text` is what it has, empty for none."""
    document: dict[str, Any] = tomllib.loads(text)
    unset: list[str] = [one for one in document.pop("unset", []) if isinstance(one, str)]
    document.pop("schema", None)
    for edit in edits:
        table = _table_of(edit.path, desired)
        name = dotted((table, *edit.path))
        leaves.remove(document, (table, *edit.path))
        unset = [one for one in unset if one != name]
        if isinstance(edit.value, leaves.Absent):
            unset.append(name)
        else:
            leaves.put(document, (table, *edit.path), edit.value)
    above: dict[str, Any] = {"schema": 1, **({"unset": sorted(unset)} if unset else {})}
    return f"{_HEADER}{tomli_w.dumps({**above, **document})}"


def _table_of(path: KeyPath, desired: DesiredState) -> str:
    """Give the table that the key stands in, or belongs to."""
    top = path[:1]
    for table in ("engine", "engine-extra"):
        if (table, *top) in desired.sources:
            return table
    return "engine" if lookup(top) is not None or is_table(top) else "engine-extra"
