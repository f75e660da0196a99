"""What is planned is the same each time, and once done there is nothing left to do."""

from __future__ import annotations

import json
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockcfgd.model.impact import Impact
from dockcfgd.planning.target import Applied
from dockcfgd.reconcile.assess import Assessment, assess
from dockcfgd.reconcile.preview import Preview
from dockcfgd.settings import Settings
from dockcfgd.transaction.perform import perform
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json
    from dockcfgd.model.plan import Plan

_ENGINE = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.booleans(),
        "live-restore": st.booleans(),
        "labels": st.lists(st.sampled_from(["a=1", "b=2"]), max_size=2, unique=True),
        "max-concurrent-downloads": st.integers(1, 9),
        "registry-mirrors": st.just(["https://mirror.example/"]),
        "log-driver": st.sampled_from(["json-file", "local"]),
        "log-opts": st.fixed_dictionaries({"max-size": st.sampled_from(["1m", "2m"])}),
        "default-shm-size": st.sampled_from(["64M", "128M"]),
        "mtu": st.integers(1400, 1402),
        "features": st.fixed_dictionaries({"buildkit": st.booleans()}),
    },
)
_SERVICE = st.sampled_from([None, {"environment": {"A": "b c"}}, {"arguments": ["--ip=127.0.0.2"]}])
_CONTAINERS = st.lists(st.sampled_from(["web", "job", "db"]), unique=True)
_VERSIONS = st.sampled_from(["20.10.24", "26.1.5", "28.5.2"])


def _host(version: str, before: dict[str, Any], names: list[str]) -> FakeHost:
    host = FakeHost(version=version, daemon_json=json.dumps(before) if before else "")
    for name in names:
        host.run(name, host_config={"AutoRemove": name == "job"})
    return host


def _look(host: FakeHost, applied: Applied, *, folder: str, name: str = "T1") -> Assessment:
    return assess(host.effects, Settings(state_dir=folder), applied, name=name)


def _carry_out(host: FakeHost, seen: Assessment) -> Applied:
    outcomes: dict[str, Json] = {}
    assert seen.plan is not None
    for step in seen.plan.steps:
        outcomes[type(step).__name__] = perform(
            step, host.effects, outcomes, _nobody, heed=lambda: None
        )
    target = seen.target
    assert target is not None
    return Applied(
        document=target.document or {},
        managed=target.managed,
        drop_in=target.drop_in,
        owns_drop_in=target.drop_in is not None,
    )


def _nobody(*, item: str, done: int, total: int, unit: str) -> None:
    """Nobody is told."""


@given(
    version=_VERSIONS,
    before=_ENGINE,
    engine=_ENGINE,
    service=_SERVICE,
    names=_CONTAINERS,
    restart=st.sampled_from(["plain", "bridged"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_plan_carried_out_leaves_nothing_to_do_and_disturbs_whom_it_names(
    *,
    version: str,
    before: dict[str, Any],
    engine: dict[str, Any],
    service: dict[str, Any] | None,
    names: list[str],
    restart: str,
) -> None:
    host = _host(version, before, names)
    document = {"schema": 1, "engine": engine, "policy": {"restart": restart}}
    document |= {"service": service} if service else {}
    host.files.put("/etc/dockcfgd/conf.toml", tomli_w.dumps(document))
    with TemporaryDirectory() as folder:
        seen = _look(host, Applied(), folder=folder)
        named = _look(host, Applied(), folder=folder, name="2f7c0a9be1d35586")
        assert seen.plan is not None
        assert named.plan is not None
        assert seen.plan.id == named.plan.id
        if seen.findings:
            assert Preview(seen).document()["steps"] == []
            return
        applied = _carried_out_as_told(host, seen, seen.plan)
        again = _look(host, applied, folder=folder)
        assert again.plan is not None
        assert (again.findings, again.plan.steps, again.plan.drifts) == ((), (), ())
        assert Preview(again).document()["files"] == []
        host.files.put("/etc/dockcfgd/conf.toml", "schema = 1\n")
        gone = _look(host, applied, folder=folder, name="T2")
        if not gone.findings and gone.plan is not None:
            empty = _look(host, _carried_out_as_told(host, gone, gone.plan), folder=folder)
            assert empty.plan is None or (empty.plan.steps, empty.plan.drifts) == ((), ())


def _carried_out_as_told(host: FakeHost, seen: Assessment, plan: Plan) -> Applied:
    ran = {name: host.container(name).started for name in host.names(running=True)}
    applied = _carry_out(host, seen)
    assert host.names(running=True) == sorted(ran)
    anew = {name for name in ran if host.container(name).started != ran[name]}
    told = plan.disturbed
    # An engine before 26.0 may spare a --rm container, which is not counted on.
    assert {*told.stopped} <= anew <= {*told.stopped, *told.recreated}
    if plan.impact >= Impact.RESTART:
        assert {*ran} == {*told.stopped, *told.recreated, *told.bridged}
    return applied
