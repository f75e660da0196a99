from __future__ import annotations

from typing import Any

import pytest

from dockcfgd.model import steps as do
from dockcfgd.model.host import UnitState
from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import Verify
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import Applied, generation_target
from dockcfgd.planning.unproven import back_alone, start_failed
from tests.golden.described_host import host_of

_FAILED: dict[str, Any] = {
    "active_state": "failed",
    "sub_state": "failed",
    "result": "exit-code",
    "invocation_id": "b2",
}
_LOOPS = {**_FAILED, "active_state": "activating", "sub_state": "auto-restart"}


def _unit(**told: Any) -> UnitState:
    return UnitState(name="docker.service", load_state="loaded", **told)


@pytest.mark.parametrize("told", [_FAILED, {**_LOOPS, "restarts": 1}])
def test_a_start_that_failed(told: dict[str, Any]) -> None:
    assert start_failed(_unit(**told), ran="a1")
    assert start_failed(_unit(**told), ran="")


@pytest.mark.parametrize(
    "told",
    [
        {**_FAILED, "invocation_id": "a1"},  # it had failed before
        {**_FAILED, "invocation_id": ""},  # it never ran since the boot
        {**_FAILED, "start_seconds": 0.4},  # it had been ready
        {**_FAILED, "queued": True},  # it is started once more
        {**_FAILED, "result": "signal", "exec_status": 9},  # somebody killed it
        {**_FAILED, "result": "oom-kill"},
        {**_FAILED, "active_state": "inactive", "sub_state": "dead"},  # somebody stopped it
        {**_FAILED, "active_state": "activating", "sub_state": "start"},
        {**_LOOPS, "restarts": 0},  # systemd tries once more
    ],
)
def test_what_is_none(told: dict[str, Any]) -> None:
    assert not start_failed(_unit(**told), ran="a1")


@pytest.mark.parametrize(("told", "first"), [(_FAILED, do.WriteFile), (_LOOPS, do.StopEngine)])
def test_the_way_back_ends_in_a_proven_start(told: dict[str, Any], first: type[do.Step]) -> None:
    host = host_of({"engine": "down", "daemon.json": {"debug": True, "mtu": 1}, "unit": told})
    proven = Applied(document={"debug": False}, managed=frozenset({("debug",)}))
    applied = Applied(document={"debug": True}, managed=frozenset({("debug",)}))
    target = generation_target(proven, host, applied)
    plan = back_alone(make_plan(target, host, Rules()), target, host, verify=Verify())
    steps = [back.step for back in plan.way_back]
    assert (plan.steps, plan.impact) == ((), Impact.RESTART)
    assert all(back.needed(-1) for back in plan.way_back)
    assert isinstance(steps[0], first)
    assert isinstance(steps[-2], do.StartEngine)
    proof = steps[-1]
    assert isinstance(proof, do.ProveEngine)
    assert proof.again
    assert do.Expectation(("debug",), value=False) in proof.expect
