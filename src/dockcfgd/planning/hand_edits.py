"""Hand edits of daemon.json: which they are, and what the engine ran by before them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockcfgd.model.policy import UnmanagedKeys
from dockcfgd.planning import leaves
from dockcfgd.planning.target import Applied, Target, daemon_json

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState

__all__ = ["Edit", "before_edits", "hand_edits"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A key of daemon.json that is not what is wanted, and what the file has; ABSENT: removed."""

    path: KeyPath
    value: Json | leaves.Absent


def hand_edits(target: Target, host: HostState) -> tuple[Edit, ...]:
    """Give where daemon.json is not what the target wants. Raises UnreadableFile."""
    there, wanted = leaves.flatten(daemon_json(host)), leaves.flatten(target.document or {})
    edits = []
    for path in sorted({*there, *wanted}):
        now, shall = there.get(path, leaves.ABSENT), wanted.get(path, leaves.ABSENT)
        if now != shall or type(now) is not type(shall):
            edits.append(Edit(path, now))
    return tuple(edits)


def before_edits(host: HostState, applied: Applied, unmanaged: UnmanagedKeys) -> HostState:
    """Give the host with the daemon.json that was in force before its keys were edited.

    A plan from there leads the engine to the edited file, and back where that fails. The tag stays
    that of the file as it is; what is foreign in it stays too.
    """
    document = copy.deepcopy(daemon_json(host))
    if unmanaged is UnmanagedKeys.REMOVE:
        document = copy.deepcopy(dict(applied.document))
    for path in applied.managed:
        value = leaves.get(applied.document, path)
        if isinstance(value, leaves.Absent):
            leaves.remove(document, path)
        else:
            leaves.merge(document, path, value)
    known = replace(host.daemon_json, content=applied.daemon_json or b"")
    same = applied.daemon_json is not None and document == daemon_json(
        replace(host, daemon_json=known)
    )
    if not same:
        known = replace(known, content=leaves.render(document))
    return replace(host, daemon_json=known)
