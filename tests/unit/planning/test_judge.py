from __future__ import annotations

from dataclasses import replace

import pytest

from dockcfgd.model.desired import Json
from dockcfgd.model.steps import Expectation
from dockcfgd.planning.judge import (
    contradictions,
    lost_containers,
    reload_contradictions,
    replaced,
    unsteady,
)
from tests.golden.described_host import host_of

_RAN: list[Json] = [{"name": "/web"}, {"name": "job", "auto_remove": True}]
_UP = replace(host_of({}).unit, invocation_id="a", restarts=0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"active_state": "reloading"}, ""),
        ({"active_state": "failed", "sub_state": "failed"}, "docker.service is failed (failed"),
        ({"main_pid": 0}, "docker.service is active (running"),
        ({"main_pid": 701}, "started anew"),
        ({"invocation_id": "b"}, "started anew"),
        ({"restarts": 1}, "systemd had to restart"),
    ],
)
def test_what_counts_as_steady(changes: dict[str, str | int], reason: str) -> None:
    said = unsteady(_UP, replace(_UP, **changes))  # type: ignore[arg-type]  # fields by name
    assert reason in said
    assert bool(said) == bool(reason)


@pytest.mark.parametrize(
    ("before", "changes", "by_somebody"),
    [
        (0, {}, False),
        (0, {"invocation_id": "b"}, True),
        (0, {"invocation_id": "b", "active_state": "activating", "sub_state": "start"}, True),
        (3, {"invocation_id": "b", "restarts": 0}, True),
        (0, {"invocation_id": "b", "restarts": 1}, False),
        (3, {"invocation_id": "b", "restarts": 4}, False),
        (0, {"active_state": "activating", "sub_state": "auto-restart", "main_pid": 0}, False),
        (0, {"invocation_id": "b", "active_state": "failed", "result": "exit-code"}, False),
        (0, {"main_pid": 701}, False),
    ],
)
def test_who_restarted_the_engine(
    before: int,
    changes: dict[str, str | int],
    by_somebody: bool,  # noqa: FBT001 -- what is expected
) -> None:
    first = replace(_UP, restarts=before)
    assert replaced(first, replace(first, **changes)) is by_somebody  # type: ignore[arg-type]  # fields by name


def test_info_that_says_otherwise() -> None:
    expect = [Expectation(("debug",), value=True), Expectation(("log-driver",), "local")]
    info: dict[str, Json] = {"Debug": True, "LoggingDriver": "json-file"}
    (said,) = contradictions(expect, info)
    assert said == "log-driver is 'json-file' in the running engine, not 'local'"


def test_what_info_does_not_show_is_no_contradiction() -> None:
    assert contradictions([Expectation(("bip",), "10.0.0.1/8")], {}) == []


def test_a_reload_that_did_not_take_a_key() -> None:
    expect = [Expectation(("debug",), value=True), Expectation(("live-restore",), value=True)]
    attributes = {"debug": "true", "live-restore": "false"}
    (said,) = reload_contradictions(expect, attributes)
    assert said == "the engine took the reload but not live-restore"


class TestLostContainers:
    def _listed(self, name: str, state: str, status: str = "") -> dict[str, Json]:
        return {"Names": [f"/{name}"], "State": state, "Status": status}

    @pytest.mark.parametrize("state", ["running", "paused", "restarting"])
    def test_what_runs_is_not_lost(self, state: str) -> None:
        assert lost_containers(_RAN, [self._listed("web", state)]) == []

    @pytest.mark.parametrize(
        ("status", "lost"),
        [("Exited (0) 2 seconds ago", []), ("Exited (137) 2 seconds ago", ["web"]), ("", ["web"])],
    )
    def test_an_exit_counts_unless_it_is_0(self, status: str, lost: list[str]) -> None:
        listed = [self._listed("web", "exited", status), self._listed("job", "running")]
        assert lost_containers(_RAN, listed) == lost

    def test_what_is_gone_is_lost_unless_it_removes_itself(self) -> None:
        assert lost_containers(_RAN, []) == ["web"]

    def test_nothing_ran(self) -> None:
        assert lost_containers(None, [self._listed("web", "exited")]) == []
