"""What real engines say, and whether it is read right.

Each fixture holds, for one engine, steps of configuration, the attributes of the reload event and
the parts of /info that followed. The steps: `full` sets every reloadable key by reload, `dropped`
empties the file and reloads, `unset` writes the defaults, the others restart.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.engine_keys.proof import (
    NotObservable,
    Observed,
    event_agrees,
    info_agrees,
    observed,
)
from dockcfgd.engine_keys.table import is_table, lookup, table
from dockcfgd.model.desired import Json, KeyPath

VERSIONS = ("20.10.24", "26.1.5", "28.5.2")
FOLDER = Path(__file__).parent / "fixtures"


def step(version: str, name: str) -> dict[str, Any]:
    fixture: dict[str, Any] = json.loads((FOLDER / f"{version}.json").read_text("utf-8"))
    found: dict[str, Any] = fixture["steps"][name]
    return found


def leaves(config: dict[str, Any], prefix: KeyPath = ()) -> list[tuple[KeyPath, Any]]:
    found: list[tuple[KeyPath, Any]] = []
    for name, value in config.items():
        path = (*prefix, name)
        found += leaves(value, path) if is_table(path) else [(path, value)]
    return found


def other(value: Any) -> Any:
    """Give a value of the same type that is not `value`."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case "1.5g" | "64M" | "67108864":
            return "3g"
        case str():
            return f"{value}x"
        case list():
            return [*value, "10.77.0.0/16"]
        case dict():
            return {**value, "other": {"path": "/usr/bin/other"}}
        case _:
            raise AssertionError(value)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["full", "unset", "case-false", "diag"])
def test_the_event_shows_what_was_written(version: str, name: str) -> None:
    seen = step(version, name)
    unseen = []
    for path, value in leaves(seen["config"]):
        agrees = event_agrees(path, value, seen["event"])
        if agrees is None:
            unseen.append(".".join(path))
        else:
            assert agrees, path
            assert event_agrees(path, other(value), seen["event"]) is False, path
    assert set(unseen) <= {"network-diagnostic-port", "features.cdi"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_event_shows_every_key_that_it_is_said_to(version: str) -> None:
    full = step(version, "full")
    written = {path[0] for path, _ in leaves(full["config"])}
    attributes = set(full["event"]) - {"cluster-store", "cluster-advertise", "cluster-store-opts"}
    assert attributes <= written
    assert {key.event for key in table().keys.values() if key.event} >= set(full["event"])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_event_shows_that_a_removed_key_keeps_its_value_or_not(version: str) -> None:
    """The table's un-set rules, held against a reload with an emptied file."""
    full, dropped = step(version, "full"), step(version, "dropped")
    for path, value in leaves(full["config"]):
        key = lookup(path)
        if key is None or event_agrees(path, value, full["event"]) is None:
            continue
        kept = event_agrees(path, value, dropped["event"])
        assert kept is (key.unset == "write-default"), path
        assert event_agrees(path, None, dropped["event"]) is not True or not kept, path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "name",
    ["full", "unset", "case-false", "restart", "restart2", "containerd", "restarted-defaults"],
)
def test_info_shows_what_was_written(version: str, name: str) -> None:
    if (version, name) == ("20.10.24", "containerd"):
        name = "restart"  # that engine has no containerd image store
    seen = step(version, name)
    for path, value in leaves(seen["config"]):
        assert info_agrees(path, value, seen["info"]) is not False, path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["full", "restart"])
def test_info_contradicts_what_was_not_written(version: str, name: str) -> None:
    seen = step(version, name)
    told = 0
    for path, value in leaves(seen["config"]):
        if info_agrees(path, value, seen["info"]) is None:
            continue
        told += 1
        wrong = {"init-path": "/x"}.get(path[0], other(value))
        assert info_agrees(path, wrong, seen["info"]) is False, path
    assert told >= 8


SHOWN: dict[str, dict[str, Json]] = {
    "full": {
        "debug": True,
        "live-restore": True,
        "default-runtime": "crun",
        "default-cgroupns-mode": "host",
        "registry-mirrors": ["https://mirror.example.com/", "http://second.example.com:8080/"],
        "insecure-registries": [
            "10.1.0.0/16",
            "127.0.0.1:5000",
            "Mixed.Example.com",
            "reg.example.com:5000",
        ],
        "seccomp-profile": "builtin",
        "log-driver": "json-file",
        "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=systemd"],
        "features.containerd-snapshotter": False,
        "userns-remap": False,
        "default-address-pools": [],
    },
    "restart": {
        "experimental": True,
        "data-root": "/var/lib/docker/other",
        "storage-driver": "vfs",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "log-driver": "local",
        "init-path": "/usr/bin/docker-init",
        "node-generic-resources": ["gpu=1", "disk=fast"],
        "default-address-pools": [
            {"base": "10.10.0.0/16", "size": 24},
            {"base": "10.11.0.0/16", "size": 26},
        ],
        "default-cgroupns-mode": "private",
        "insecure-registries": [],
    },
    "restart2": {
        "data-root": "/var/lib/docker",
        "userns-remap": True,
        "seccomp-profile": "/etc/docker/seccomp.json",
    },
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SHOWN)
def test_info_is_read_as_daemon_json_would_have_it(version: str, name: str) -> None:
    info = step(version, name)["info"]
    for dotted, value in SHOWN[name].items():
        assert observed(tuple(dotted.split(".")), info) == Observed(value), dotted


@pytest.mark.parametrize("version", VERSIONS)
def test_runtimes_are_read_one_by_one(version: str) -> None:
    info = step(version, "full")["info"]
    crun: Json = {"path": "/usr/bin/runc", "runtimeArgs": ["--debug", "--log-format=json"]}
    assert observed(("runtimes", "crun"), info) == Observed(crun)
    assert observed(("runtimes", "gone"), info) is NotObservable.NOT_OBSERVABLE
    assert info_agrees(("runtimes", "crun"), crun, info) is True
    assert info_agrees(("runtimes", "crun"), {"path": "/usr/bin/runc"}, info) is False
    assert info_agrees(("runtimes", "gone"), crun, info) is False
    assert info_agrees(("runtimes",), {"bare": {"path": "/usr/bin/runc"}}, info) is True


def test_a_runtime_with_a_type_is_known_by_name_only() -> None:
    seen = step("28.5.2", "full")
    typed = {"runtimeType": "io.containerd.runc.v2"}
    assert info_agrees(("runtimes", "typed"), typed, seen["info"]) is True
    assert event_agrees(("runtimes", "typed"), typed, seen["event"]) is True
    assert event_agrees(("runtimes", "gone"), typed, seen["event"]) is False


def test_a_data_root_may_be_named_as_that_of_remapped_users() -> None:
    path = ("data-root",)
    info: dict[str, Json] = {"DockerRootDir": "/srv/20.10", "SecurityOptions": []}
    assert info_agrees(path, "/srv/20.10", info) is True
    assert info_agrees(path, "/srv", info) is False
    remapped: dict[str, Json] = {**info, "SecurityOptions": ["name=userns"]}
    assert info_agrees(path, "/srv", remapped) is True


def test_the_image_store_shows() -> None:
    info = step("28.5.2", "containerd")["info"]
    path = ("features", "containerd-snapshotter")
    assert info_agrees(path, wanted=True, info=info) is True
    assert info_agrees(path, wanted=False, info=info) is False
    assert info_agrees(path, None, info) is None
    assert info_agrees(("storage-driver",), "native", info) is True


def test_a_feature_that_went_is_seen_in_the_event() -> None:
    path = ("features", "buildkit")
    assert event_agrees(path, None, step("26.1.5", "dropped")["event"]) is True
    assert event_agrees(path, None, step("26.1.5", "full")["event"]) is False
    assert (
        event_agrees(path, wanted=False, attributes=step("26.1.5", "case-false")["event"]) is True
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_not_set_is_compared_with_the_default(version: str) -> None:
    seen = step(version, "unset")
    for name in (
        "debug",
        "labels",
        "default-shm-size",
        "shutdown-timeout",
        "max-download-attempts",
    ):
        assert event_agrees((name,), None, seen["event"]) is True, name
    for name in ("debug", "labels", "registry-mirrors", "log-driver", "default-cgroupns-mode"):
        assert info_agrees((name,), None, seen["info"]) is True, name
    assert info_agrees(("log-driver",), None, step(version, "restart")["info"]) is False


def test_a_proxy_is_compared_without_its_secret() -> None:
    info = step("28.5.2", "restart")["info"]
    path = ("proxies", "http-proxy")
    assert info_agrees(path, "http://user:p%40ss@proxy.example.com:3128", info) is True
    assert info_agrees(path, "http://someone:else@proxy.example.com:3128", info) is True
    assert info_agrees(path, "http://proxy.example.com:3128", info) is False
    assert observed(path, info) == Observed("http://xxxxx:xxxxx@proxy.example.com:3128")


@pytest.mark.parametrize("proxy", ["http://user:p[ss@proxy:3128", "http://user:p^ss@proxy:3128"])
def test_a_proxy_that_the_engine_cannot_read_is_shown_as_it_is(proxy: str) -> None:
    path, info = ("proxies", "http-proxy"), {**step("28.5.2", "restart")["info"]}
    assert info_agrees(path, proxy, {**info, "HttpProxy": proxy}) is True
    assert info_agrees(path, proxy, {**info, "HttpProxy": "http://another:3128"}) is False


def test_pools_are_compared_as_the_engine_writes_them() -> None:
    path, wanted = ("default-address-pools",), [{"base": "FD00:0:0::/48", "size": 64}]
    info: dict[str, Json] = {**step("28.5.2", "restart")["info"]}
    for shown in ("fd00::/48", "FD00:0:0::/48"):  # engines before 27.0 write what they were given
        pools: Json = [{"Base": shown, "Size": 64}]
        assert info_agrees(path, wanted, {**info, "DefaultAddressPools": pools}) is True
        assert (
            info_agrees(path, [{**wanted[0], "size": 60}], {**info, "DefaultAddressPools": pools})
            is False
        )


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("mtu", 1400),
        ("log-opts.max-size", "10m"),
        ("unheard-of", True),
        ("proxies.http-proxy", ""),
        ("exec-opts", []),
    ],
)
def test_tells_nothing_where_nothing_is_shown(path: str, wanted: object) -> None:
    seen = step("28.5.2", "full")
    assert info_agrees(tuple(path.split(".")), wanted, seen["info"]) is None
    assert event_agrees(tuple(path.split(".")), wanted, seen["event"]) is None


def test_an_engine_that_does_not_show_a_key_proves_nothing() -> None:
    old, new = step("20.10.24", "restart"), step("26.1.5", "restart")
    assert info_agrees(("no-new-privileges",), wanted=True, info=old["info"]) is None
    assert info_agrees(("no-new-privileges",), wanted=True, info=new["info"]) is True
    assert info_agrees(("cdi-spec-dirs",), ["/etc/cdi"], old["info"]) is None
    assert info_agrees(("containerd-namespace",), "moby", new["info"]) is None


def test_folders_are_shown_only_where_cdi_is_on() -> None:
    off, on = step("26.1.5", "full")["info"], step("26.1.5", "restart")["info"]
    assert info_agrees(("cdi-spec-dirs",), ["/etc/cdi"], off) is None
    assert info_agrees(("cdi-spec-dirs",), ["/etc/cdi", "/opt/cdi"], on) is True
    assert info_agrees(("cdi-spec-dirs",), [""], on) is False
    assert info_agrees(("features", "cdi"), wanted=True, info=on) is True
    assert info_agrees(("features", "cdi"), wanted=False, info=on) is False
    assert info_agrees(("features", "cdi"), wanted=True, info=off) is None


def test_registries_are_compared_as_the_engine_reads_them() -> None:
    seen = step("28.5.2", "full")
    wanted = [
        "127.0.0.0/8",
        "::1/128",
        "10.1.7.7/16",
        "https://reg.example.com:5000",
        "Mixed.Example.com",
        "127.0.0.1:5000",
    ]
    assert info_agrees(("insecure-registries",), wanted, seen["info"]) is True
    assert event_agrees(("insecure-registries",), wanted, seen["event"]) is True
    assert info_agrees(("insecure-registries",), wanted[3:], seen["info"]) is False


def test_the_order_of_mirrors_counts_and_that_of_labels_does_not() -> None:
    seen = step("28.5.2", "full")
    mirrors, labels = seen["config"]["registry-mirrors"], seen["config"]["labels"]
    assert event_agrees(("registry-mirrors",), mirrors[::-1], seen["event"]) is False
    assert info_agrees(("registry-mirrors",), mirrors[::-1], seen["info"]) is False
    assert event_agrees(("labels",), labels[::-1], seen["event"]) is True
    assert info_agrees(("labels",), labels[::-1], seen["info"]) is True


def test_nri_shows_in_the_event() -> None:
    attributes = {"nri-opts": "{true /opt/nri  }"}
    assert event_agrees(("nri-opts", "enable"), wanted=True, attributes=attributes) is True
    assert event_agrees(("nri-opts", "enable"), wanted=False, attributes=attributes) is False
    assert event_agrees(("nri-opts", "plugin-path"), "/opt/nri", attributes) is None
