from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from dockcfgd.model.errors import Finding
from dockcfgd.model.status import Condition
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import target_of
from dockcfgd.reconcile.assess import Assessment
from dockcfgd.reconcile.decide import Action, Decision, Standing, decide
from tests.golden.described_host import applied_of, host_of
from tests.unit.desired.reading import wanted

_NEW, _OLD = Standing(new=True), Standing(new=False)
_RELOAD = "[engine]\ndebug = true\n"
_RESTART = '[engine]\nlog-driver = "local"\n'
_FAILED = {"active_state": "failed"}
_AS_WANTED = {"daemon.json": {"debug": True}, "info": {"Debug": True}}


def _seen(text: str, **described: Any) -> Assessment:
    stopping = described.pop("stopping", False)
    desired, host = wanted(text), replace(host_of(described), stopping=stopping)
    target = target_of(desired, host, applied_of(described))
    plan = make_plan(target, host, Rules(policy=desired.policy, name="T1"))
    return Assessment(
        digest=desired.digest,
        desired=desired,
        host=host,
        target=target,
        plan=plan,
        findings=plan.refusals,
    )


def _said(seen: Assessment, standing: Standing) -> tuple[Action, Condition]:
    decision = decide(seen, standing)
    return decision.action, decision.condition


class TestNothingToPlan:
    def test_no_files(self) -> None:
        seen = Assessment(digest="none", host=host_of({}))
        assert _said(seen, _OLD) == (Action.NOTHING, Condition.UNMANAGED)

    def test_no_files_and_no_docker(self) -> None:
        seen = Assessment(digest="none", unseen="docker.service is not installed on this host")
        assert _said(seen, _OLD) == (Action.NOTHING, Condition.UNMANAGED)

    def test_files_and_no_docker(self) -> None:
        seen = Assessment(digest="x", desired=wanted(_RELOAD), unseen="not installed")
        decision = decide(seen, _NEW)
        assert (decision.action, decision.condition) == (Action.NOTHING, Condition.DEGRADED)
        assert decision.reason == "not installed"


class TestFindings:
    _WRONG = Assessment(digest="invalid-1", findings=(Finding("no such key", "/a.toml", 3, "x"),))

    def test_a_new_state_is_refused_with_file_line_and_key(self) -> None:
        decision = decide(self._WRONG, _NEW)
        assert (decision.action, decision.condition) == (Action.REFUSE, Condition.REJECTED)
        assert decision.reason == "/a.toml:3: x: no such key"

    def test_the_state_in_force_is_not_refused_afterwards(self) -> None:
        seen = _seen('[engine]\nhosts = ["unix:///x"]')
        assert seen.findings
        assert _said(seen, _NEW) == (Action.REFUSE, Condition.REJECTED)
        assert _said(seen, _OLD) == (Action.NOTHING, Condition.DEGRADED)

    def test_a_degraded_host_is_shown_as_that_first(self) -> None:
        standing = Standing(new=True, degraded="the way back failed")
        decision = decide(self._WRONG, standing)
        assert (decision.action, decision.condition) == (Action.NOTHING, Condition.DEGRADED)
        assert decision.reason == (
            "the way back failed; what is wanted now is refused too: /a.toml:3: x: no such key"
        )

    def test_an_operator_who_asks_for_what_is_wrong_there_is_refused(self) -> None:
        standing = Standing(new=True, degraded="the way back failed", asked=True)
        assert _said(self._WRONG, standing) == (Action.REFUSE, Condition.REJECTED)


class TestAsWanted:
    def test_a_new_state_is_noted(self) -> None:
        assert _said(_seen(_RELOAD, **_AS_WANTED), _NEW) == (Action.ADOPT, Condition.IN_SYNC)

    def test_the_state_in_force_is_in_sync(self) -> None:
        assert _said(_seen(_RELOAD, **_AS_WANTED), _OLD) == (Action.NOTHING, Condition.IN_SYNC)

    def test_a_remembered_failure_does_not_count_where_nothing_is_to_do(self) -> None:
        standing = Standing(new=False, failure="it failed before")
        assert decide(_seen(_RELOAD, **_AS_WANTED), standing).condition is Condition.IN_SYNC

    def test_a_stopped_engine_is_pending(self) -> None:
        decision = decide(_seen(_RELOAD, **_AS_WANTED, engine="down"), _OLD)
        assert decision.condition is Condition.PENDING
        assert decision.reason == "engine stopped: docker.service is inactive (dead)"

    def test_what_a_stopped_engine_has_yet_to_prove_is_told(self) -> None:
        seen = _seen(_RELOAD, **_AS_WANTED, engine="down")
        decision = decide(seen, replace(_OLD, unread=True))
        assert (decision.reason or "").endswith(
            "what was written for its next start is proven then"
        )

    def test_notes_are_told(self) -> None:
        described = {
            "daemon.json": {"storage-driver": "vfs"},
            "info": {"Driver": "vfs"},
            "applied": {"managed": [["storage-driver"]]},
        }
        decision = decide(_seen("", **described), _NEW)
        assert decision.reason is not None
        assert decision.reason.startswith("storage-driver stays 'vfs'")


class TestToDo:
    def test_a_new_state_is_acted_on(self) -> None:
        assert _said(_seen(_RESTART), _NEW) == (Action.ACT, Condition.PENDING)

    @pytest.mark.parametrize(
        ("limit", "action"),
        [
            ("none", Action.NOTHING),
            ("reload", Action.NOTHING),
            ("restart", Action.ACT),
            ("migrate", Action.ACT),
        ],
    )
    def test_max_impact_holds_a_new_state(self, limit: str, action: Action) -> None:
        seen = _seen(f'{_RESTART}[policy]\nmax-impact = "{limit}"')
        decision = decide(seen, _NEW)
        assert (decision.action, decision.condition) == (action, Condition.PENDING)
        if action is Action.NOTHING:
            assert decision.reason == f"it takes a restart, and policy.max-impact is {limit}"

    @pytest.mark.parametrize(
        ("text", "limit", "action"),
        [
            (_RELOAD, "none", Action.NOTHING),
            (_RELOAD, "reload", Action.ACT),
            (_RESTART, "reload", Action.NOTHING),
            (_RESTART, "restart", Action.ACT),
        ],
    )
    def test_drift_max_impact_holds_the_undoing_of_drift(
        self, text: str, limit: str, action: Action
    ) -> None:
        seen = _seen(f'{text}[policy]\ndrift-max-impact = "{limit}"')
        assert _said(seen, _OLD) == (action, Condition.PENDING)

    def test_each_limit_bounds_its_own(self) -> None:
        seen = _seen(f'{_RESTART}[policy]\nmax-impact = "reload"\ndrift-max-impact = "restart"')
        assert _said(seen, _OLD) == (Action.ACT, Condition.PENDING)
        assert _said(seen, _NEW) == (Action.NOTHING, Condition.PENDING)

    def test_drift_is_only_reported_where_policy_says_so(self) -> None:
        decision = decide(_seen(f'{_RELOAD}[policy]\non-drift = "report"'), _OLD)
        assert (decision.action, decision.condition) == (Action.NOTHING, Condition.DRIFTED)
        assert decision.reason == "the host differs in debug"

    def test_an_operators_word_goes_over_every_limit(self) -> None:
        policy = '[policy]\nmax-impact = "none"\ndrift-max-impact = "none"\non-drift = "report"'
        for new in (True, False):
            asked = Standing(
                new=new, asked=True, failure="before", held=True, degraded="the way back failed"
            )
            assert _said(_seen(_RESTART + policy), asked) == (Action.ACT, Condition.PENDING)

    @pytest.mark.parametrize(
        ("standing", "condition", "reason"),
        [
            (Standing(new=True, failure="it failed"), Condition.REJECTED, "it failed"),
            (Standing(new=True, held=True), Condition.REJECTED, "rolled back by operator"),
            (Standing(new=True, degraded="disk full"), Condition.DEGRADED, "disk full"),
            (Standing(new=True, held=True, degraded="disk"), Condition.DEGRADED, "disk"),
        ],
    )
    def test_the_past_holds(self, standing: Standing, condition: Condition, reason: str) -> None:
        decision = decide(_seen(_RESTART), standing)
        assert (decision.action, decision.condition) == (Action.NOTHING, condition)
        assert decision.reason == reason

    def test_a_pause_does_not_hide_what_else_holds_it(self) -> None:
        held = _seen(_RESTART + '[policy]\nmax-impact = "reload"\n')
        assert decide(held, replace(_NEW, paused=True)) == decide(held, _NEW)
        paused = decide(_seen(_RESTART), replace(_NEW, paused=True))
        assert paused == Decision(Action.NOTHING, Condition.PENDING)

    def test_nothing_is_begun_while_the_machine_goes_down(self) -> None:
        asked = Standing(new=True, asked=True)
        assert _said(_seen(_RESTART, stopping=True), asked) == (Action.NOTHING, Condition.PENDING)

    @pytest.mark.parametrize(
        ("state", "action"),
        [
            ("activating", Action.NOTHING),
            ("deactivating", Action.NOTHING),
            ("inactive", Action.ACT),
            ("failed", Action.ACT),
        ],
    )
    def test_an_engine_on_its_way_is_awaited(self, state: str, action: Action) -> None:
        seen = _seen(_RESTART, engine="down", unit={"active_state": state})
        assert _said(seen, _NEW) == (action, Condition.PENDING)

    @pytest.mark.parametrize("state", ["inactive", "failed"])
    def test_an_engine_that_is_about_to_be_started_is_awaited(self, state: str) -> None:
        unit = {"active_state": state, "queued": True}
        seen = _seen(_RESTART, engine="down", unit=unit)
        assert _said(seen, _NEW) == (Action.NOTHING, Condition.PENDING)
        as_wanted = decide(_seen(_RELOAD, **_AS_WANTED, engine="down", unit=unit), _OLD)
        assert (as_wanted.reason or "").startswith("waiting for the engine: ")

    @pytest.mark.parametrize(
        "change",
        ['storage-driver = "vfs"', 'data-root = "/srv/docker"', 'userns-remap = "default"'],
    )
    def test_what_needs_one_that_serves_is_refused_where_none_is_coming(self, change: str) -> None:
        down = [
            _seen(f"[engine]\n{change}", engine="down", unit={"active_state": state})
            for state in ("activating", "inactive")
        ]
        assert all(seen.findings for seen in down)
        assert [_said(seen, _NEW) for seen in down] == [
            (Action.NOTHING, Condition.PENDING),
            (Action.REFUSE, Condition.REJECTED),
        ]

    @pytest.mark.parametrize(
        ("standing", "condition", "reason"),
        [
            (Standing(new=True, degraded="going back failed too"), Condition.DEGRADED, "going"),
            (Standing(new=True, failure="it did not start"), Condition.REJECTED, "it did not"),
        ],
    )
    def test_why_the_engine_is_down_is_not_hidden_by_a_refusal(
        self, standing: Standing, condition: Condition, reason: str
    ) -> None:
        seen = _seen('[engine]\nstorage-driver = "vfs"', engine="down", unit=_FAILED)
        decision = decide(seen, standing)
        assert (decision.action, decision.condition) == (Action.NOTHING, condition)
        assert (decision.reason or "").startswith(reason)
        asked = decide(seen, replace(standing, asked=True))
        assert (asked.action, asked.condition) == (Action.REFUSE, Condition.REJECTED)


class TestHandEdits:
    _ADOPT = f'{_RELOAD}[policy]\non-drift = "adopt"\n'
    _EDITED: ClassVar[dict[str, Any]] = {
        "daemon.json": {"debug": False},
        "applied": {"managed": [["debug"]]},
    }

    def _decided(self, standing: Standing, text: str = _ADOPT, **more: Any) -> Decision:
        return decide(_seen(text, **{**self._EDITED, **more}), standing)

    def test_they_are_written_back(self) -> None:
        assert self._decided(_OLD).action is Action.WRITE_BACK

    def test_not_where_they_are_to_be_undone(self) -> None:
        assert self._decided(_OLD, _RELOAD).action is Action.ACT

    def test_what_cannot_be_adopted_is_reported(self) -> None:
        decision = self._decided(Standing(new=False, unadoptable="a later file sets it"))
        assert (decision.action, decision.condition) == (Action.NOTHING, Condition.DRIFTED)
        assert decision.reason == "the host differs and is not adopted: a later file sets it"

    def test_what_cannot_be_adopted_is_put_back_on_an_operators_word(self) -> None:
        standing = Standing(new=False, asked=True, unadoptable="a later file sets it")
        assert self._decided(standing).action is Action.ACT

    def test_a_new_state_is_stronger_than_edits(self) -> None:
        assert self._decided(_NEW).action is Action.ACT

    def test_edits_after_edits_are_adopted_until_something_was_tried(self) -> None:
        untried = Standing(new=True, adopted=True, untried=True)
        assert self._decided(untried).action is Action.WRITE_BACK
        assert self._decided(replace(untried, untried=False)).action is Action.ACT

    def test_a_running_engine_that_differs_is_no_edit(self) -> None:
        same: dict[str, Any] = {"daemon.json": {"debug": True}}
        assert self._decided(_OLD, **same).action is Action.ACT

    @pytest.mark.parametrize(
        ("adopted", "limits", "reason"),
        [
            (True, "", "it takes a restart, and policy.drift-max-impact is reload"),
            (False, "", None),
            (True, 'drift-max-impact = "restart"', None),
            (
                True,
                'drift-max-impact = "restart"\nmax-impact = "none"',
                "it takes a restart, and policy.max-impact is none",
            ),
        ],
    )
    def test_adopted_edits_are_held_as_drift_is(
        self, *, adopted: bool, limits: str, reason: str | None
    ) -> None:
        seen = _seen(f'{_RESTART}[policy]\non-drift = "adopt"\n{limits}\n')
        decision = decide(seen, Standing(new=True, adopted=adopted))
        assert decision.action is (Action.ACT if reason is None else Action.NOTHING)
        assert decision.reason == reason
