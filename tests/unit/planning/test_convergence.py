"""For whatever is wanted, found and owned: the plan leads there, stays there, and leads back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model import steps as do
from dockcfgd.model.desired import DesiredState, Json, KeyPath, Service
from dockcfgd.model.host import HostState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Plan
from dockcfgd.model.policy import Backup, Policy, RestartStyle, Storage, UnmanagedKeys, Verify
from dockcfgd.planning import leaves
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import Applied, Target, daemon_json, target_of
from dockcfgd.planning.undo import undo_of
from dockcfgd.transaction.recovery import put_back
from tests.fakes.files import FakeFiles
from tests.golden.described_host import DAEMON_JSON, DROP_IN, host_of
from tests.golden.file_steps import carry_out, files_of
from tests.support.engine_tables import accepted

_DOCUMENTS: st.SearchStrategy[dict[str, Json]] = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.booleans(),
        "live-restore": st.booleans(),
        "labels": st.lists(st.sampled_from(["a=1", "b=2"]), max_size=2, unique=True),
        "max-concurrent-downloads": st.integers(1, 3),
        "shutdown-timeout": st.integers(1, 3),
        "log-driver": st.sampled_from(["json-file", "local"]),
        "log-opts": st.fixed_dictionaries(
            {}, optional={"max-size": st.just("1m"), "max-file": st.sampled_from(["2", "3"])}
        ),
        "mtu": st.integers(1400, 1402),
        "dns": st.lists(st.sampled_from(["1.1.1.1", "9.9.9.9"]), max_size=2),
        "features": st.fixed_dictionaries({}, optional={"buildkit": st.booleans()}),
        "runtimes": st.fixed_dictionaries({}, optional={"crun": st.just({"path": "/crun"})}),
        "bip": st.just("10.1.0.1/24"),
    },
)
_ENGINES = _DOCUMENTS | accepted(EngineVersion(26, 1, 5))
_CONTAINERS = st.lists(
    st.sampled_from([{"name": "web"}, {"name": "job", "auto_remove": True}]), unique_by=str
)
_SERVICES = st.sampled_from(
    [Service(), Service(environment={"A": "b"}), Service(arguments=("--bridge=br0",))]
)


@dataclass(frozen=True)
class _Case:
    desired: DesiredState
    host: HostState
    applied: Applied

    @property
    def target(self) -> Target:
        return target_of(self.desired, self.host, self.applied)

    @property
    def plan(self) -> Plan:
        return make_plan(self.target, self.host, Rules(policy=self.desired.policy, name="T1"))

    def files(self) -> FakeFiles:
        return files_of(self.host)


@st.composite
def _cases(draw: st.DrawFn) -> _Case:
    policy = Policy(
        restart=draw(st.sampled_from(RestartStyle)),
        unmanaged_keys=draw(st.sampled_from(UnmanagedKeys)),
    )
    desired = DesiredState(
        engine=draw(_ENGINES),
        service=draw(_SERVICES),
        policy=policy,
        verify=Verify(),
        backup=Backup(),
        storage=Storage(),
        digest="d",
    )
    now = draw(st.none() | _ENGINES)
    drop_in = draw(st.sampled_from([None, "[Service]\nEnvironment=A=b\n"]))
    described: dict[str, Any] = {
        "version": draw(st.sampled_from(["20.10.24", "26.1.5", "29.1.0"])),
        "daemon.json": now,
        "drop-in": drop_in,
        "containers": draw(_CONTAINERS),
        "info": {"LiveRestoreEnabled": bool((now or {}).get("live-restore"))},
    }
    if draw(st.booleans()):
        described["engine"] = "down"
    owned: list[KeyPath] = sorted(leaves.flatten(now or {}))
    managed = frozenset(draw(st.lists(st.sampled_from(owned), unique=True))) if owned else set()
    applied = Applied(managed=frozenset(managed), owns_drop_in=drop_in is not None)
    return _Case(desired, host_of(described), applied)


@given(_cases())
def test_the_files_end_as_wanted_and_foreign_keys_as_they_were(case: _Case) -> None:
    plan, files = case.plan, case.files()
    if plan.refusals:
        assert not plan.steps
        return
    for step in plan.steps:
        carry_out(step, files)
    after = leaves.flatten(daemon_json(_looked_at(case, files)))
    wanted = leaves.flatten(case.desired.engine)
    before = leaves.flatten(daemon_json(case.host))
    assert {path: after[path] for path in wanted} == wanted
    if case.desired.policy.unmanaged_keys is UnmanagedKeys.REMOVE:
        left = set(after) - set(wanted)
        assert left <= {("storage-driver",)}
        # Without it the engine might choose another one and hide everything; that is said.
        assert bool(left) == any("storage-driver stays" in note for note in plan.notes)
        assert set(wanted) <= set(after)
        return
    above = {path[:length] for path in wanted for length in range(1, len(path))}
    foreign = {
        path: value
        for path, value in before.items()
        if path not in case.applied.managed and path not in wanted and path not in above
    }
    below = {path for path in foreign if any(path[: len(one)] == one for one in wanted)}
    for path in below:
        del foreign[path]
    assert {path: after.get(path) for path in foreign} == foreign


@given(_cases())
def test_a_second_look_finds_nothing_to_write(case: _Case) -> None:
    plan, files = case.plan, case.files()
    if plan.refusals:
        return
    for step in plan.steps:
        carry_out(step, files)
    target = case.target
    owned = Applied(managed=target.managed, owns_drop_in=target.owns_drop_in)
    again = _Case(case.desired, _looked_at(case, files), owned)
    assert [drift for drift in again.plan.drifts if drift.where != "engine"] == []


@given(_cases())
def test_the_way_back_leads_to_the_old_files_from_every_step(case: _Case) -> None:
    plan = case.plan
    before = case.files().snapshot()
    for begun in range(len(plan.steps)):
        files = case.files()
        for step in plan.steps[: begun + 1]:
            carry_out(step, files)
        for back in plan.way_back:
            if back.needed(begun):
                carry_out(back.step, files)
        assert files.snapshot() == before


@given(_cases())
def test_the_way_back_may_be_begun_again_after_a_crash(case: _Case) -> None:
    plan = case.plan
    before = case.files().snapshot()
    needed = [back for back in plan.way_back if back.needed(len(plan.steps) - 1)]
    for cut in range(len(needed)):
        files = case.files()
        for step in (*plan.steps, *(back.step for back in needed[:cut])):
            carry_out(step, files)
        for back in needed:
            carry_out(back.step, files)
        assert files.snapshot() == before


@given(_cases())
def test_the_plain_files_alone_lead_back_from_every_step(case: _Case) -> None:
    """What dockcfgd-recover does, after any step of the plan and then any of the way back."""
    plan = case.plan
    before = case.files().snapshot()
    undo = undo_of(plan.way_back, transaction="T1", pid=1, attributes={})
    needed = [back.step for back in plan.way_back if back.needed(len(plan.steps) - 1)]
    steps = [*plan.steps, *needed]
    for done in range(len(steps) + 1):
        files = case.files()
        for step in steps[:done]:
            carry_out(step, files)
        for one in undo.files if undo else ():
            put_back(files, one)
        assert files.snapshot() == before


@given(_cases())
def test_no_action_is_heavier_than_the_impact(case: _Case) -> None:
    plan = case.plan
    kinds = {type(step) for step in plan.steps}
    if plan.impact < Impact.RESTART:
        assert not kinds & {do.RestartEngine, do.StopEngine, do.StartEngine}
    if plan.impact is Impact.NONE:
        assert do.ReloadEngine not in kinds
    if case.host.unit.running:
        assert sum(isinstance(step, do.RestartEngine) for step in plan.steps) <= 1
    else:
        assert kinds <= {do.WriteFile, do.RemoveFile, do.ReloadUnits}


def _looked_at(case: _Case, files: FakeFiles) -> HostState:
    host = replace(case.host, daemon_json=files.read(DAEMON_JSON), drop_in=files.read(DROP_IN))
    loaded = (DROP_IN,) if host.drop_in.present else ()
    return replace(host, unit=replace(host.unit, drop_in_paths=loaded))
