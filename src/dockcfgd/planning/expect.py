"""What forward and way back share.

These are limits of time, values that a reload or /info must show, and owners of new files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import NoDefault, Unset
from dockcfgd.engine_keys.table import default_value, event_attribute, info_probe, leaf, unset_rule
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model import steps as do
from dockcfgd.model.host import EngineState
from dockcfgd.model.policy import ContainersRule, Verify
from dockcfgd.planning import leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.files import FileState
    from dockcfgd.model.host import HostState

__all__ = [
    "RELOAD_SECONDS",
    "defaults_to_write",
    "ownership",
    "proof_of",
    "reload_expectations",
    "start_timeout",
    "stop_timeout",
]

RELOAD_SECONDS = 10.0
_STOP_SECONDS = 120.0


def stop_timeout() -> float:
    """Give the seconds that the engine may take to stop.

    That is its containers' own time and systemd's 90 s.
    """
    return _STOP_SECONDS


def start_timeout(verify: Verify) -> float:
    """Give the seconds that a (re)start job may take.

    It covers stopping the old engine, then `verify.timeout`.
    """
    return _STOP_SECONDS + verify.timeout


def ownership(state: FileState) -> tuple[int, int, int]:
    """Give uid, gid and mode that a managed file keeps, or gets when it is new."""
    return (state.tag.uid, state.tag.gid, state.tag.mode) if state.present else (0, 0, 0o644)


def defaults_to_write(
    before: dict[str, Json], after: dict[str, Json], host: HostState
) -> dict[KeyPath, Json]:
    """Find keys that leave the file although a reload would keep their old value.

    They get their default first.
    """
    version = EngineVersion.parse_or_none(host.version)
    engine = host.engine
    word = engine.text("CgroupVersion") if isinstance(engine, EngineState) else ""
    shall = leaves.flatten(after)
    unset: dict[KeyPath, Json] = {}
    for path in leaves.flatten(before):
        key = leaf(path)
        if path in shall or unset_rule(path, version) is not Unset.WRITE_DEFAULT:
            continue
        value = default_value(key, version=version, cgroup_version=1 if word == "1" else 2)
        if not isinstance(value, NoDefault) and not any(
            other[: len(key)] == key for other in shall
        ):
            unset[key] = value
    return unset


def reload_expectations(document: dict[str, Json]) -> tuple[do.Expectation, ...]:
    """Give what the reload event must say for `document`: every key of it that the event shows."""
    keys = dict.fromkeys(leaf(path) for path in leaves.flatten(document))
    return tuple(
        do.Expectation(key, _plain(leaves.get(document, key)))
        for key in keys
        if event_attribute(key)
    )


def proof_of(
    document: dict[str, Json],
    touched: Iterable[KeyPath],
    *,
    verify: Verify,
    settle: float,
    containers: bool,
) -> do.ProveEngine:
    """Give the proof that the engine runs `document`, for the `touched` keys that /info shows."""
    keys = sorted({leaf(path) for path in touched})
    expect = [
        do.Expectation(key, _plain(leaves.get(document, key))) for key in keys if info_probe(key)
    ]
    wanted = containers and verify.containers is ContainersRule.RUNNING_BEFORE
    return do.ProveEngine(tuple(expect), verify.timeout, settle, wanted)


def _plain(value: Json | leaves.Absent) -> Json:
    return None if isinstance(value, leaves.Absent) else value
