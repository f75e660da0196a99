"""Which users of the host containers' users are, now and as wanted (`userns-remap`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.model.host import EngineState, remaps_users
from dockcfgd.model.roots import RootMove
from dockcfgd.planning.rules.security import SUBGID, SUBUID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.host import HostState

__all__ = [
    "MADE_BY_ENGINE",
    "NoRange",
    "Ranges",
    "data_root_of",
    "ranges_in_force",
    "ranges_of",
    "remap_move",
    "shift_of",
]

MADE_BY_ENGINE = "dockremap"
_DEFAULT = {"default", MADE_BY_ENGINE}
_LAST = re.compile(r"(\d+)\.(\d+)")
_USUAL = 65536


class NoRange(Exception):
    """The users of containers are not known; the text says why."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The first user and the first group of the host that containers get, and how many of each."""

    uid: int = 0
    uids: int = 0
    gid: int = 0
    gids: int = 0

    @property
    def folder(self) -> str:
        """Where in data-root the engine works, empty for data-root itself."""
        return f"/{self.uid}.{self.gid}" if self.uids else ""


def data_root_of(engine: EngineState) -> str:
    """Give the data-root in force; with remapped users the engine works in a folder of it."""
    root = engine.root.rstrip("/")
    above, _, last = root.rpartition("/")
    return above if remaps_users(engine.info) and _LAST.fullmatch(last) else root


def ranges_of(wanted: str, host: HostState) -> Ranges:
    """Give the ranges of a value of `userns-remap`, of none for an empty one. NoRange."""
    if not wanted:
        return Ranges()
    user, _, group = wanted.partition(":")
    if user in _DEFAULT:
        user, group = MADE_BY_ENGINE, MADE_BY_ENGINE
    files = host.facts.files if host.facts is not None else {}
    uid, uids = _range(files, SUBUID, user)
    gid, gids = _range(files, SUBGID, group or user)
    return Ranges(uid, uids, gid, gids)


def ranges_in_force(engine: EngineState, host: HostState) -> Ranges:
    """Give those of the running engine, which its folder is named after."""
    found = _LAST.fullmatch(engine.root.rstrip("/").rpartition("/")[2])
    if not remaps_users(engine.info) or found is None:
        return Ranges()
    files = host.facts.files if host.facts is not None else {}
    uid, gid = int(found[1]), int(found[2])
    return Ranges(uid, _length(files, SUBUID, uid), gid, _length(files, SUBGID, gid))


def shift_of(before: Ranges, after: Ranges) -> tuple[int, ...]:
    """Give the shift (model.roots.RootMove) from one to another."""
    uids = min(filter(None, (before.uids, after.uids)))
    gids = min(filter(None, (before.gids, after.gids)))
    return (before.uid, after.uid, uids, before.gid, after.gid, gids)


def remap_move(wanted: str, host: HostState, name: str) -> RootMove | None:
    """Give the move to the place of other ranges; None where they are not known or the same."""
    engine = host.engine
    if not isinstance(engine, EngineState):
        return None
    try:
        after = ranges_of(wanted, host)
    except NoRange:
        return None
    before = ranges_in_force(engine, host)
    if (before.uid, before.gid) == (after.uid, after.gid):
        return None
    target = f"{data_root_of(engine)}{after.folder}"
    return RootMove(engine.root, target, name, shift_of(before, after))


def _range(files: Mapping[str, str | None], path: str, name: str) -> tuple[int, int]:
    if path not in files:
        raise NoRange(f"{path} was not looked at")
    found = [line for line in _lines(files[path]) if line[0] == name]
    if not found:
        raise NoRange(f"{path} has no range for {name}")
    if len(found) > 1:
        raise NoRange(f"{path} has several ranges for {name}")
    return found[0][1], found[0][2]


def _length(files: Mapping[str, str | None], path: str, first: int) -> int:
    return next((count for _, start, count in _lines(files.get(path)) if start == first), _USUAL)


def _lines(text: str | None) -> list[tuple[str, int, int]]:
    fields = [line.strip().split(":") for line in (text or "").splitlines()]
    return [
        (one[0], int(one[1]), int(one[2]))
        for one in fields
        if len(one) == 3 and one[1].isdecimal() and one[2].isdecimal()  # noqa: PLR2004 -- subuid(5)
    ]
