"""Which flags have to leave dockerd's command, so that daemon.json can set their keys.

The engine does not start with a key set both ways, even to the same value. What a flag sets and the
desired state does not name stays: other flags where they are, and further names of one that has
several (`--log-opt`) in daemon.json, until the key leaves the desired state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model.desired import dotted
from dockcfgd.planning import leaves
from dockcfgd.planning.flags import Flag, by_flags, conflict_paths
from dockcfgd.planning.launch import Launch, launch_in_force, launch_of, launch_with

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState

__all__ = [
    "carried_over",
    "conflicting",
    "effective",
    "freed_flags",
    "missing",
    "moves",
    "place_of",
    "shown",
]

# Keys whose flag sets one name of several: the file takes over all of them or none.
_BY_NAME = {"log-opts", "features", "default-ulimits", "default-network-opts", "cluster-store-opts"}


def conflicting(
    flags: Iterable[Flag], document: Mapping[str, Json]
) -> tuple[tuple[Flag, KeyPath], ...]:
    """Give the flags that the engine would refuse beside `document`, each with the key at fault."""
    return tuple(
        (flag, path)
        for flag in flags
        for path in conflict_paths(flag)
        if not isinstance(leaves.get(document, path), leaves.Absent)
    )


def freed_flags(launch: Launch, managed: Collection[KeyPath]) -> tuple[Flag, ...]:
    """Give the flags of the command that stand in the way of the keys that are ours."""
    heads = {path[:length] for path in managed for length in (1, 2)}
    return tuple(
        flag for flag in launch.flags if any(path in heads for path in conflict_paths(flag))
    )


def carried_over(wanted: Collection[KeyPath], launch: Launch) -> dict[KeyPath, Json]:
    """Give what flags set under other names of a table of which the desired state names some."""
    tables = {path[0] for path in wanted if len(path) > 1 and path[0] in _BY_NAME}
    there = by_flags(flag for flag in launch.flags if flag.key in tables)
    carried: dict[KeyPath, Json] = {}
    for name, entries in there.items():
        for inner, value in entries.items() if isinstance(entries, dict) else ():
            if (name, inner) not in wanted and value is not None:
                carried[(name, inner)] = value
    return carried


def effective(document: Mapping[str, Json], flags: Iterable[Flag]) -> dict[str, Json]:
    """Give what the engine has of both: a key that the file does not have is the flag's."""
    both: dict[str, Json] = {}
    for name, value in by_flags(flags).items():
        path = tuple(name.split("."))
        if isinstance(leaves.get(document, path), leaves.Absent):
            leaves.put(both, path, value)
    for path, value in leaves.flatten(document).items():
        leaves.put(both, path, value)
    return both


def moves(host: HostState, drop_in: bytes | None) -> tuple[str, ...]:
    """Say which flags of the unit leave its command and which come back, and where they stand."""
    base = launch_of(host)
    before, after = launch_in_force(host), launch_with(host, drop_in)
    told = []
    for flag in missing(before.flags, after.flags):
        place = _place_in(base, flag)
        if conflict_paths(flag) and place:
            key = dotted(("engine", *conflict_paths(flag)[-1]))
            told.append(f"takes {shown(flag)} out of the command ({place}): {key} sets it now")
    for flag in missing(after.flags, before.flags):
        place = _place_in(base, flag)
        if conflict_paths(flag) and place:
            told.append(f"gives {shown(flag)} back to the command ({place})")
    return tuple(told)


def shown(flag: Flag) -> str:
    """Give a flag's text without a secret that it may hold."""
    return f"{flag.name}=***" if flag.key.startswith("proxies.") else flag.text


def place_of(launch: Launch, flag: Flag) -> str:
    """Give the flag's place as `file:line`; docker.service where no file is known."""
    file, line = launch.place(flag)
    return f"{file}:{line}" if file else "docker.service"


def _place_in(base: Launch, flag: Flag) -> str:
    """Give where the unit has a flag, which our own drop-in may only repeat, or nothing."""
    own = next((one for one in base.flags if _same(one, flag)), None)
    return "" if own is None else place_of(base, own)


def missing(flags: Sequence[Flag], others: Sequence[Flag]) -> tuple[Flag, ...]:
    """Give those of `flags` that `others` has not as often, in their order."""
    left = list(others)
    gone = []
    for flag in flags:
        twin = next((one for one in left if _same(one, flag)), None)
        if twin is None:
            gone.append(flag)
        else:
            left.remove(twin)
    return tuple(gone)


def _same(one: Flag, other: Flag) -> bool:
    return (one.name, one.value) == (other.name, other.value)
