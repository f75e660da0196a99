"""The key table against real engines: each claim about reload, restart and living containers.

With DOCKCFGD_PROOF=1 on every release and for every key; else the first group on one release.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from dockcfgd.model.desired import Json
from dockcfgd.planning.reloading import readable
from key_engine import EngineUnderTest, make_certificate, make_engine
from key_truth import (
    Truth,
    carried_truth,
    not_carried_truth,
    reload_truth,
    restart_truth,
    without_value,
)
from key_values import groups
from machine import Machine, MachineUnavailable
from tests.golden.described_host import host_of

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
SUITES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
OTHER_GROUPS = (
    "docker0",
    "no-firewall",
    "six",
    "other-bridge",
    "moved",
    "remapped",
    "snapshotter",
)
GROUPS = ("carried", "carried-too", *OTHER_GROUPS) if PROOF else ("carried",)
CARRIED = [name for name in GROUPS if name.startswith("carried")]
_RUNTIME = "io.containerd.runc.v2"
# A restart for each key of a group takes its time on a busy host.
_SECONDS = 2400 if PROOF else 300

pytestmark = [pytest.mark.machine, pytest.mark.suite(*SUITES), pytest.mark.timeout(_SECONDS)]


@pytest.fixture(scope="module")
def engine(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineUnderTest]:
    try:
        with Machine(suite, folders=("/srv",)) as machine:
            machine.boot()
            yield make_engine(machine, certificate=make_certificate(tmp_path_factory.mktemp("tls")))
    except MachineUnavailable as error:
        pytest.skip(str(error))


def _judge(engine: EngineUnderTest, truth: Truth) -> None:
    print(f"\n{truth.line(engine.machine.suite)}")
    assert truth.wrong == {}
    assert truth.proven or truth.unseen


def test_every_key_is_tried_or_has_a_reason(engine: EngineUnderTest) -> None:
    assert without_value(engine) == set()


def test_what_is_called_reloadable_is_reloaded_and_unset_by_its_rule(
    engine: EngineUnderTest,
) -> None:
    _judge(engine, reload_truth(engine))


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_called_restart_only_is_taken_by_a_restart_alone(
    engine: EngineUnderTest, group: str
) -> None:
    values = dict(groups(engine.version)).get(group)
    if not values:
        pytest.skip(f"engine {engine.version} knows no key of the group {group}")
    _judge(engine, restart_truth(engine, group, values))


@pytest.mark.parametrize("group", CARRIED)
def test_containers_live_through_what_is_called_bridgeable(
    engine: EngineUnderTest, group: str
) -> None:
    _judge(engine, carried_truth(engine, group, dict(groups(engine.version))[group]))


@pytest.mark.skipif(not PROOF, reason="a restart for each key: with DOCKCFGD_PROOF=1")
@pytest.mark.parametrize("group", OTHER_GROUPS)
def test_nothing_is_called_unbridgeable_without_need(engine: EngineUnderTest, group: str) -> None:
    values = dict(groups(engine.version)).get(group)
    if not values:
        pytest.skip(f"engine {engine.version} knows no key of the group {group}")
    _judge(engine, not_carried_truth(engine, values))


def test_the_engine_keeps_its_own_runtimes_through_our_reloads(engine: EngineUnderTest) -> None:
    host = host_of({"version": str(engine.info()["ServerVersion"])})

    def reloaded(runtimes: Json) -> dict[str, Json]:
        engine.reload(readable({"runtimes": runtimes}, host))
        shown = engine.info()["Runtimes"]
        assert isinstance(shown, dict)
        engine.machine.docker("run", "--rm", f"--runtime={_RUNTIME}", "busybox", "true")
        return shown

    assert engine.restart({}) == ""
    before = engine.info()["Runtimes"]
    assert isinstance(before, dict)
    after = reloaded({"other": {"path": "/usr/bin/runc"}})
    assert after.keys() == {*before, "other"}
    assert reloaded({}).keys() == before.keys()


def test_debug_off_by_a_reload_loses_the_log_level_and_a_restart_brings_it_back(
    engine: EngineUnderTest,
) -> None:
    def tells_of_a_reload() -> bool:
        before = engine.machine.journal("docker.service").count("level=info")
        engine.machine.run(["systemctl", "reload", "docker"])
        time.sleep(0.5)
        return engine.machine.journal("docker.service").count("level=info") > before

    warn: dict[str, Json] = {"log-level": "warn"}
    assert engine.restart(warn) == ""
    assert not tells_of_a_reload()
    engine.reload({**warn, "debug": True})
    engine.reload({**warn, "debug": False})
    time.sleep(0.5)
    assert tells_of_a_reload()
    assert engine.restart(warn) == ""
    assert not tells_of_a_reload()
