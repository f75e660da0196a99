"""Whether an observation proves what a plan wants: no effects, only the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys import proof
from dockcfgd.model.desired import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import UnitState
    from dockcfgd.model.steps import Expectation

__all__ = [
    "contradictions",
    "gone_disposable",
    "lost_containers",
    "reload_contradictions",
    "replaced",
    "unsteady",
]


def contradictions(expect: Iterable[Expectation], info: dict[str, Json]) -> list[str]:
    """Give the keys that /info shows otherwise than expected, in words."""
    found = []
    for one in expect:
        if proof.info_agrees(one.path, one.value, info) is False:
            seen = proof.observed(one.path, info)
            actual = seen.value if isinstance(seen, proof.Observed) else "something else"
            found.append(
                f"{dotted(one.path)} is {actual!r} in the running engine, not {one.value!r}"
            )
    return found


def reload_contradictions(
    expect: Iterable[Expectation], attributes: Mapping[str, str]
) -> list[str]:
    """Give the keys that the engine's reload event shows otherwise than expected, in words."""
    return [
        f"the engine took the reload but not {dotted(one.path)}"
        for one in expect
        if proof.event_agrees(one.path, one.value, attributes) is False
    ]


def unsteady(before: UnitState, after: UnitState) -> str:
    """Give why the engine did not stay up between two looks at its unit; empty if it did."""
    if not after.running:
        return f"docker.service is {after.active_state} ({after.sub_state}, result {after.result})"
    if after.restarts > before.restarts:
        return "systemd had to restart the engine meanwhile"
    if (before.invocation_id, before.main_pid) != (after.invocation_id, after.main_pid):
        return "the engine was started anew meanwhile"
    return ""


def replaced(before: UnitState, after: UnitState) -> bool:
    """Whether somebody restarted the engine between two looks at its unit, and it did not fall.

    systemd counts its own restarts of an engine that ended by itself, and a restart on demand sets
    that count back (NRestarts in org.freedesktop.systemd1(5)).
    """
    another = after.invocation_id not in {"", before.invocation_id}
    return another and after.result == "success" and after.restarts <= before.restarts


def lost_containers(running: Json, listed: list[dict[str, Json]]) -> list[str]:
    """Name those that ran and neither run now nor ended by themselves with exit code 0.

    A `--rm` container that is gone may have ended by itself: see `gone_disposable`.
    """
    lost: list[str] = []
    for name, disposable, now in _then_and_now(running, listed):
        if now is None:
            lost += [] if disposable else [name]
            continue
        ended_well = str(now.get("Status", "")).startswith("Exited (0)")
        if now.get("State") not in {"running", "paused", "restarting"} and not ended_well:
            lost.append(name)
    return lost


def gone_disposable(running: Json, listed: list[dict[str, Json]]) -> list[str]:
    """Name the `--rm` containers that ran and are gone; nothing tells whether by themselves."""
    return [
        name
        for name, disposable, now in _then_and_now(running, listed)
        if disposable and now is None
    ]


def _then_and_now(
    running: Json, listed: list[dict[str, Json]]
) -> Iterable[tuple[str, bool, dict[str, Json] | None]]:
    """Give each container that ran: its name, whether it is a `--rm` one, what is listed now."""
    now: dict[str, dict[str, Json]] = {}
    for one in listed:
        names = one.get("Names")
        for name in names if isinstance(names, list) else ():
            now[str(name).lstrip("/")] = one
    for entry in running if isinstance(running, list) else ():
        if isinstance(entry, dict):
            name = str(entry.get("name", "")).lstrip("/")
            yield name, entry.get("auto_remove") is True, now.get(name)
