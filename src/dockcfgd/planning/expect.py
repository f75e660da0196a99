"""What forward and way back share.

These are limits of time, values that /info must show, and owners of new files.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import info_probe, leaf, reload_watch
from dockcfgd.model import steps as do
from dockcfgd.model.policy import ContainersRule, Verify
from dockcfgd.planning import leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.files import FileState, Ownership, Tag
    from dockcfgd.model.host import UnitState

__all__ = [
    "ownership",
    "patient",
    "proof_of",
    "settle_after_start",
    "stop_timeout",
    "written",
]

_STOP_SECONDS = 120.0
_ENDLESS_STOP_SECONDS = 3600.0
_SYSTEMDS_OWN_SECONDS = 30.0
_TIMES_THE_SLOWEST = 3.0


def patient(verify: Verify, slowest_start: float) -> Verify:
    """Give `verify` with a time that this engine's starts leave enough of, in whole seconds."""
    least = math.ceil(_TIMES_THE_SLOWEST * slowest_start)
    return replace(verify, timeout=max(verify.timeout, float(least)))


def stop_timeout(unit: UnitState) -> float:
    """Give the seconds that the engine may take to stop: as long as systemd lets it, and some more.

    Where systemd never ends it (TimeoutStopSec=infinity) it has an hour.
    """
    allowed = unit.stop_seconds if math.isfinite(unit.stop_seconds) else _ENDLESS_STOP_SECONDS
    return max(_STOP_SECONDS, allowed + _SYSTEMDS_OWN_SECONDS)


def ownership(state: FileState, given: Ownership | None = None) -> tuple[int, int, int]:
    """Give uid, gid and mode that a managed file keeps, or gets when it is new or `given` some."""
    if given is not None:
        return given.uid, given.gid, given.mode
    tag = state.tag
    return (tag.uid, tag.gid, tag.mode) if state.present else (0, 0, state.fresh_mode)


def written(
    state: FileState, content: bytes, expected: tuple[Tag, ...], given: Ownership | None = None
) -> do.WriteFile:
    """Give the step that puts `content` there; `given` is what it gets whatever it has now."""
    uid, gid, mode = ownership(state, given)
    attributes = () if given is None else given.attributes
    exact = given is not None
    return do.WriteFile(state.path, content, expected, uid, gid, mode, attributes, exact)


def proof_of(
    document: dict[str, Json],
    touched: Iterable[KeyPath],
    *,
    verify: Verify,
    settle: float,
    containers: bool,
    again: bool = False,
) -> do.ProveEngine:
    """Give the proof that the engine runs `document`, for the `touched` keys that /info shows.

    `again`: on the way back.
    """
    keys = sorted({leaf(path) for path in touched})
    expect = [
        do.Expectation(key, _plain(leaves.get(document, key))) for key in keys if info_probe(key)
    ]
    wanted = containers and verify.containers is ContainersRule.RUNNING_BEFORE
    commands = () if again else verify.commands
    return do.ProveEngine(tuple(expect), verify.timeout, settle, wanted, commands, again)


def settle_after_start(document: dict[str, Json], verify: Verify) -> float:
    """Give for how long an engine that was started with `document` has to stay up, in seconds.

    As long as it may still die of something in it, whether that has changed or not.
    """
    risky = [reload_watch(path) for path, value in leaves.flatten(document).items() if value]
    return max(verify.settle, *map(float, risky), 0.0)


def _plain(value: Json | leaves.Absent) -> Json:
    return None if isinstance(value, leaves.Absent) else value
