"""Each rule of the engine with something that it refuses and something close by that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.facts import Facts, Folder
from dockcfgd.model.host import Container
from dockcfgd.planning.launch import parse_flags
from dockcfgd.planning.rules import RULES, breaches_of
from dockcfgd.planning.rules.breach import Weight
from dockcfgd.planning.rules.questions import questions_of
from dockcfgd.planning.rules.scene import Scene, with_flags
from tests.unit.planning.rule_pairs import MIDDLE, NEWEST, PAIRS, ROOT, ROUTES
from tests.unit.planning.rule_pairs import engine as make_engine


def _scene(settings: Mapping[str, Any], version: str = MIDDLE, **more: Any) -> Scene:
    scene = Scene(settings=settings, version=EngineVersion.parse(version), build=version)
    return replace(scene, **more)


def _found(scene: Scene, weight: Weight | None = None) -> list[str]:
    wanted = {Weight.STOPS, Weight.MISLEADS} if weight is None else {weight}
    return [".".join(one.path) for one in breaches_of(scene) if one.weight in wanted]


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_refused_and_what_is_taken(name: str) -> None:
    wrong, key, right, beside = PAIRS[name]
    assert _found(_scene(wrong, **beside)) == [key]
    assert _found(_scene(right, **beside)) == []


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("filesystem that the kernel lacks", "apt install linux-image"),
        ("overlay on an overlay", "mkfs.ext4 DEVICE"),
        ("no d_type", "tune2fs -O filetype DEVICE"),
        ("btrfs elsewhere", "mkfs.btrfs DEVICE"),
        ("zfs elsewhere", "zfs create"),
        ("fuse without its device", "modprobe fuse"),
        ("fuse without its program", "apt install fuse-overlayfs"),
        ("fuse without fusermount", "apt install fuse3"),
        ("zfs without its device", "modprobe zfs"),
        ("zfs without its program", "apt install zfsutils-linux"),
        ("devicemapper without its device, 20.10", "modprobe dm_mod"),
    ],
)
def test_a_driver_that_cannot_work_is_refused_with_the_command_that_mends_it(
    name: str, command: str
) -> None:
    wrong, _, _, beside = PAIRS[name]
    (found,) = breaches_of(_scene(wrong, **beside))
    assert command in found.hint


@pytest.mark.parametrize(
    ("driver", "store", "named"),
    [("overlay2", "", "overlay2"), ("overlayfs", "io.containerd.snapshotter.v1", "btrfs")],
)
def test_of_several_drivers_with_data_one_is_named_that_is_there(
    driver: str, store: str, named: str
) -> None:
    engine = make_engine(Driver=driver, DriverStatus=[["driver-type", store]])
    scene = _scene({}, prior_drivers=("btrfs", "overlay2"), engine=engine)
    (found,) = breaches_of(scene)
    assert f'such as "{named}"' in found.hint


def test_a_pool_is_refused_whatever_its_size() -> None:
    pools = [{"base": "10.0.0.0/8", "size": 10**13}]
    assert _found(_scene({"default-address-pools": pools})) == ["default-address-pools"]


def test_every_rule_that_refuses_has_a_pair() -> None:
    scenes = [
        _scene(settings, **beside)
        for wrong, _, right, beside in PAIRS.values()
        for settings in (wrong, right)
    ]
    idle = {rule for rule in RULES if not any(list(rule(scene)) for scene in scenes)}
    assert {rule.__name__ for rule in idle} == {
        "apart",
        "cgroup_driver_change",
        "every_interface",
        "selinux",
    }


@pytest.mark.parametrize(
    ("option", "right", "wrong"),
    [
        ("max-size", ["10", "1.5m", "10 MB"], ["10x", "0", "-1", ""]),
        ("max-file", ["1", "3"], ["0", "x", "-1"]),
        ("mode", ["blocking", "non-blocking"], ["sometimes"]),
        ("cache-disabled", ["true", "0", "F"], ["yes", "maybe"]),
        ("labels-regex", ["^a", r"\pL+", "[[:alpha:]]"], ["(", "[a", "*a", "(?=a)", r"(a)\1"]),
        ("tag", ["{{.Name}}/{{.ID}}", "{{ json . }}", "plain"], ["{{", "{{.Nope}}"]),
    ],
)  # fmt: skip
def test_values_of_log_options(option: str, right: list[str], wrong: list[str]) -> None:
    for value in right:
        assert _found(_scene({"log-opts": {option: value}})) == [], value
    for value in wrong:
        assert _found(_scene({"log-opts": {option: value}})) == [f"log-opts.{option}"], value


@pytest.mark.parametrize(
    ("driver", "option", "right", "wrong"),
    [
        ("syslog", "syslog-address", "tcp+tls://h:1", "http://h"),
        ("syslog", "syslog-facility", "local3", "local8"),
        ("syslog", "syslog-facility", "23", "24"),
        ("syslog", "syslog-format", "rfc5424", "rfc1"),
        ("fluentd", "fluentd-address", "tls://h:1", "nope://h"),
        ("fluentd", "fluentd-address", "h:24224", "h:99999"),
        ("fluentd", "fluentd-retry-wait", "1s", "1"),
        ("fluentd", "fluentd-async-reconnect-interval", "100ms", "10ms"),
        ("gelf", "gelf-compression-level", "-1", "10"),
        ("gelf", "gelf-address", "udp://h:1", "udp://h"),
        ("awslogs", "awslogs-create-group", "true", "x"),
        ("awslogs", "awslogs-format", "json/emf", "json"),
        ("splunk", "splunk-url", "https://h:1", "https://h:1/path"),
    ],
)
def test_values_of_drivers(driver: str, option: str, right: str, wrong: str) -> None:
    needed = {
        "gelf-address": "udp://h:1",
        "awslogs-group": "g",
        "splunk-token": "t",
        "splunk-url": "https://h:1",
    }
    base = {name: value for name, value in needed.items() if name.startswith(driver)}
    for value, found in ((right, []), (wrong, [f"log-opts.{option}"])):
        options = {**base, option: value}
        assert _found(_scene({"log-driver": driver, "log-opts": options})) == found, value


@pytest.mark.parametrize(
    ("settings", "key", "beside"),
    [
        ({"log-opts": {"max-file": "3"}}, "log-opts.max-file", {}),
        ({"log-driver": "gcplogs"}, "log-opts.gcp-project", {}),
        ({"mtu": 1000, "ipv6": True}, "mtu", {"version": NEWEST}),
        ({"bip": "10.0.0.1/32"}, "bip", {}),
        ({"bip": "172.30.0.1/24", "fixed-cidr": "172.30.1.0/25"}, "fixed-cidr", {}),
        ({"default-address-pools": [
            {"base": "10.80.0.0/16", "size": 24}, {"base": "10.80.4.0/22", "size": 24}]},
         "default-address-pools", {}),
        ({"fixed-cidr-v6": "fd00::/64"}, "fixed-cidr-v6", {}),
        ({"default-address-pools": [{"base": "10.80.0.0/24", "size": 24}]},
         "default-address-pools", {}),
        ({"default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]},
         "default-address-pools", {"facts": ROUTES}),
        ({"exec-opts": ["a=b"]}, "exec-opts", {}),
        ({"exec-opts": ["native.cgroupdriver=cgroupfs"], "live-restore": True}, "exec-opts",
         {"engine": replace(make_engine(CgroupDriver="systemd"), containers=())}),
        ({"selinux-enabled": True}, "selinux-enabled",
         {"facts": Facts(files={"/sys/fs/selinux/enforce": None})}),
        ({"hosts": ["tcp://0.0.0.0:2375"]}, "hosts", {}),
        ({"metrics-addr": "0.0.0.0:9323"}, "metrics-addr", {}),
        ({"data-root": "/a"}, "data-root",
         {"facts": Facts(folders={"/a": Folder(filesystem="tmpfs")})}),
        ({}, "features.containerd-snapshotter", {"version": NEWEST}),
        ({}, "features.containerd-snapshotter",
         {"version": NEWEST, "prior_drivers": ("overlay2",)}),
    ],
)  # fmt: skip
def test_what_is_only_told(settings: dict[str, Any], key: str, beside: dict[str, Any]) -> None:
    engine = beside.get("engine")
    if engine is not None:
        running = Container(id="a", name="a", image="b", state="running")
        beside = {**beside, "engine": replace(engine, containers=(running,))}
    scene = _scene(settings, **beside)
    assert _found(scene, Weight.NOTED) == [key] or key in _found(scene, Weight.NOTED)
    assert _found(scene) == []


def test_a_foreign_leaf_is_called_one() -> None:
    path = ("log-opts", "max-size")
    settings = {"log-driver": "journald", "log-opts": {"max-size": "1m"}}
    (breach,) = breaches_of(_scene(settings, foreign=frozenset({path})))
    assert "from somebody else" in breach.message
    assert "take it out of /etc/docker/daemon.json" in breach.hint


def test_flags_count_as_keys_do() -> None:
    flags = parse_flags(["--bip=172.30.0.1/24", "--icc=false", "--log-opt", "max-size=x"])
    settings = with_flags({"bridge": "br0"}, flags)
    assert settings["icc"] is False
    assert _found(_scene(settings)) == ["log-opts.max-size", "bip"]


@pytest.mark.parametrize(
    ("document", "version", "found"),
    [
        ({"default-runtime": "kata"}, "26.1.5", []),
        ({"default-runtime": "kata", "runtimes": {"a": {"path": "/a"}}}, "26.1.5", []),
        ({"default-runtime": "kata"}, "20.10.24", ["default-runtime"]),
        ({"default-runtime": "kata", "runtimes": {"kata": {"path": "/a"}}}, "20.10.24", []),
        ({"default-runtime": "none"}, "26.1.5", ["default-runtime"]),
    ],
)
def test_a_default_runtime_may_be_one_of_a_flag(
    document: dict[str, Any], version: str, found: list[str]
) -> None:
    settings = with_flags(document, parse_flags(["--add-runtime=Kata=/usr/bin/kata"]))
    by_flag = frozenset({"runtimes"} - set(document))
    assert _found(_scene(settings, version, by_flag=by_flag)) == found


def test_what_runs_already_needs_no_proof() -> None:
    engine = make_engine(Driver="overlay2", DockerRootDir=ROOT)
    assert (
        questions_of(_scene({"storage-driver": "overlay2"}, engine=engine)).folders == frozenset()
    )
    asked = questions_of(_scene({"storage-driver": "overlay2", "data-root": "/srv"}, engine=engine))
    assert "/srv/overlay2" in asked.folders
    assert asked.filesystems


def test_what_fuse_needs_is_asked() -> None:
    asked = questions_of(_scene({"storage-driver": "fuse-overlayfs"}))
    assert asked.devices == {"/dev/fuse"}
    assert {"fuse-overlayfs", "fusermount3"} <= asked.programs
