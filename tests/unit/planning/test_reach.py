"""Which containers and networks keep an old value, told from what they were created with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Disturbed, Drift, Reach
from dockcfgd.planning.reach import asks_containers, asks_networks, reach_of
from tests.golden.described_host import host_of


def _drift(key: str, *, was: Any, shall: Any, impact: Impact = Impact.RESTART) -> Drift:
    return Drift("daemon.json", tuple(key.split(".")), shall, was, impact)


def _host(**settings: dict[str, Any] | None) -> HostState:
    host = host_of({"containers": [{"name": name} for name in settings]})
    engine = host.engine
    assert isinstance(engine, EngineState)
    asked = tuple(replace(one, settings=settings[one.name]) for one in engine.containers)
    return replace(host, engine=replace(engine, containers=asked, networks=2))


def _only(reach: tuple[Reach, ...]) -> Reach:
    (one,) = reach
    return one


@pytest.mark.parametrize(
    ("drift", "old", "own", "new"),
    [
        (
            _drift("log-driver", was=None, shall="local"),
            {"LogConfig": {"Type": "json-file"}},
            {"LogConfig": {"Type": "journald"}},
            {"LogConfig": {"Type": "local"}},
        ),
        (
            _drift("log-opts.max-size", was="1m", shall="10m"),
            {"LogConfig": {"Config": {"max-size": "1m"}}},
            {"LogConfig": {"Config": {"max-size": "7m"}}},
            {"LogConfig": {"Config": {"max-size": "10m"}}},
        ),
        (
            _drift("log-opts.max-file", was=None, shall="3"),
            {"LogConfig": {"Config": {}}},
            {"LogConfig": {"Config": {"max-file": "5"}}},
            {"LogConfig": {"Config": {"max-file": "3"}}},
        ),
        (
            _drift("default-shm-size", was=None, shall="128M"),
            {"ShmSize": 64 * 1024**2},
            {"ShmSize": 1024},
            {"ShmSize": 128 * 1024**2},
        ),
        (
            _drift("default-runtime", was="crun", shall=None),
            {"Runtime": "crun"},
            {"Runtime": "kata"},
            {"Runtime": "runc"},
        ),
        (
            _drift("default-cgroupns-mode", was=None, shall="host"),
            {"CgroupnsMode": "private"},
            {"CgroupnsMode": ""},
            {"CgroupnsMode": "host"},
        ),
        (
            _drift("default-ipc-mode", was=None, shall="shareable"),
            {"IpcMode": "private"},
            {"IpcMode": "host"},
            {"IpcMode": "shareable"},
        ),
    ],
)
def test_those_with_the_old_value_keep_it(
    drift: Drift, old: dict[str, Any], own: dict[str, Any], new: dict[str, Any]
) -> None:
    host = _host(a=old, b=own, c=new, d=old)
    reach = _only(reach_of([drift], host, drift.impact, Disturbed()))
    assert (reach.applies, reach.keep, reach.count) == ("new containers", ("a", "d"), 2)
    assert reach.asked
    assert asks_containers([drift])


def test_unasked_containers_all_may_keep_it() -> None:
    drift = _drift("log-driver", was=None, shall="local")
    reach = _only(reach_of([drift], _host(a=None, b={}), drift.impact, Disturbed()))
    assert (reach.keep, reach.asked) == (("a", "b"), False)


def test_what_no_document_shows_is_not_guessed() -> None:
    drift = _drift("no-new-privileges", was=None, shall=True)
    reach = _only(reach_of([drift], _host(a={"SecurityOpt": None}), drift.impact, Disturbed()))
    assert (reach.keep, reach.asked) == (("a",), False)


def test_the_options_of_one_key_are_told_together() -> None:
    drifts = [
        _drift("log-opts.max-size", was="1m", shall="2m"),
        _drift("log-opts.max-file", was="1", shall="2"),
    ]
    host = _host(
        a={"LogConfig": {"Config": {"max-size": "1m"}}},
        b={"LogConfig": {"Config": {"max-file": "1"}}},
        c={"LogConfig": {"Config": {}}},
    )
    reach = _only(reach_of(drifts, host, Impact.RESTART, Disturbed()))
    assert (reach.key, reach.keep) == ("log-opts", ("a", "b"))


@pytest.mark.parametrize(
    ("disturbed", "keep"),
    [(Disturbed(bridged=("a",)), ("a",)), (Disturbed(stopped=("a", "b")), ())],
)
def test_a_value_read_at_start_is_old_in_those_that_run_on(
    disturbed: Disturbed, keep: tuple[str, ...]
) -> None:
    drift = _drift("dns", was=None, shall=["1.1.1.1"])
    reach = _only(reach_of([drift], _host(a=None, b=None), Impact.RESTART, disturbed))
    assert (reach.applies, reach.keep, reach.count) == ("container start", keep, len(keep))


def test_networks_are_counted_and_named_where_they_were_asked_for() -> None:
    drift, host = _drift("default-address-pools", was=None, shall=[]), _host()
    assert asks_networks([drift])
    reach = _only(reach_of([drift], host, drift.impact, Disturbed()))
    assert (reach.keep, reach.count) == ((), 2)
    assert isinstance(host.engine, EngineState)
    named = replace(host, engine=replace(host.engine, network_names=("app", "db")))
    assert _only(reach_of([drift], named, drift.impact, Disturbed())).keep == ("app", "db")


@pytest.mark.parametrize(
    "drift",
    [
        _drift("debug", was=None, shall=True),
        _drift("log-driver", was=None, shall="json-file", impact=Impact.NONE),
        Drift("drop-in", ("drop-in",), "a", None, Impact.RESTART),
    ],
)
def test_what_reaches_all_or_is_in_force_already_is_not_told(drift: Drift) -> None:
    assert reach_of([drift], _host(a=None), drift.impact, Disturbed()) == ()
    assert not asks_containers([drift])


def test_a_stopped_engine_tells_no_names() -> None:
    drift = _drift("log-driver", was=None, shall="local")
    host = host_of({"engine": "down"})
    assert reach_of([drift], host, drift.impact, Disturbed()) == (
        Reach("log-driver", "new containers"),
    )
