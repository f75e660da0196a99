"""Files that are made to hold a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.model import steps as do
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import target_of
from tests.golden.described_host import applied_of, host_of
from tests.unit.desired.reading import wanted

if TYPE_CHECKING:
    from dockcfgd.model.plan import Plan

_PROXY = '[engine]\nproxies.http-proxy = "http://user:hunter2000@proxy:3128"'


def _plan(text: str, **described: Any) -> Plan:
    desired, host = wanted(text), host_of(described)
    target = target_of(desired, host, applied_of(described))
    return make_plan(target, host, Rules(name="T1"))


def _modes(plan: Plan) -> set[int]:
    back = [one.step for one in plan.way_back]
    return {step.mode for step in (*plan.steps, *back) if isinstance(step, do.WriteFile)}


def test_a_new_daemon_json_with_a_secret_is_for_root_alone() -> None:
    plan = _plan(_PROXY)
    assert _modes(plan) == {0o600}
    assert not any("secret" in note for note in plan.notes)


def test_without_one_everybody_may_read_it() -> None:
    assert _modes(_plan("[engine]\nmtu = 1400")) == {0o644}


def test_a_file_that_is_there_keeps_its_mode_and_that_is_said() -> None:
    plan = _plan(_PROXY, **{"daemon.json": {"debug": True}})
    assert _modes(plan) == {0o644}
    (note,) = [note for note in plan.notes if "secret" in note]
    assert note.endswith("which gets a secret: chmod 600 it")


def test_what_the_file_held_before_is_not_said_again() -> None:
    before = {"proxies": {"http-proxy": "http://user:hunter2000@proxy:3128"}}
    plan = _plan(f"{_PROXY}\nmtu = 1400", **{"daemon.json": before})
    assert not any("secret" in note for note in plan.notes)


def test_the_environment_of_a_unit_is_no_place_for_one() -> None:
    plan = _plan('[service.environment]\nHTTP_PROXY = "http://user:hunter2000@proxy:3128"')
    assert any("everybody on this host can read it" in note for note in plan.notes)
