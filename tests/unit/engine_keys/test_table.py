"""What the key table answers, and that its data hangs together."""

from __future__ import annotations

import pytest

from dockcfgd.engine_keys.key import FileRule, NoDefault, Unset
from dockcfgd.engine_keys.nearest import suggest
from dockcfgd.engine_keys.table import (
    bridgeable,
    default_value,
    event_attribute,
    impact,
    info_probe,
    is_table,
    known_keys,
    leaf,
    lookup,
    reload_watch,
    storage_affecting,
    table,
    unset_rule,
)
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.engine_keys.views import VIEWS
from dockcfgd.model.impact import Impact

BOOKWORM = EngineVersion(20, 10, 24)
TRIXIE = EngineVersion(26, 1, 5)
FORKY = EngineVersion(28, 5, 2)
NEWEST = EngineVersion(29, 7, 2)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("20.10.24+dfsg1", BOOKWORM),
        ("26.1.5+dfsg1", TRIXIE),
        ("28.5.2+dfsg4", FORKY),
        ("29.7.2", NEWEST),
        ("v28.0", EngineVersion(28, 0)),
        ("29.0.0-rc.1", EngineVersion(29, 0)),
    ],
)
def test_reads_a_version(text: str, version: EngineVersion) -> None:
    assert EngineVersion.parse(text) == version


@pytest.mark.parametrize("text", ["", "dev", "library-import", "28"])
def test_refuses_what_is_no_version(text: str) -> None:
    assert EngineVersion.parse_or_none(text) is None
    with pytest.raises(ValueError, match="cannot read"):
        EngineVersion.parse(text)


def test_orders_versions_by_number() -> None:
    assert sorted([NEWEST, BOOKWORM, FORKY, TRIXIE]) == [BOOKWORM, TRIXIE, FORKY, NEWEST]
    assert EngineVersion(9, 0) < EngineVersion(20, 10)


def test_has_each_key_once() -> None:
    assert len(table().keys) == 125
    assert not set(table().keys) & set(table().tables)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("debug", "debug"),
        ("builder.gc.enabled", "builder.gc.enabled"),
        (("log-opts", "max-size"), "log-opts"),
        (("runtimes", "a.b", "path"), "runtimes"),
        (
            ("default-network-opts", "bridge", "com.docker.network.driver.mtu"),
            "default-network-opts",
        ),
    ],
)
def test_finds_the_key_of_a_path(path: str | tuple[str, ...], name: str) -> None:
    key = lookup(path)
    assert key is not None
    assert key.name == name
    assert leaf(path) == key.path


@pytest.mark.parametrize(
    "path",
    ["features", "features.unheard", "debug.inside", "builder.gc", "", ("features.buildkit",)],
)
def test_finds_no_key_for_tables_and_unknown_names(path: str | tuple[str, ...]) -> None:
    assert lookup(path) is None


def test_knows_its_tables() -> None:
    assert is_table("features")
    assert is_table(("builder", "gc"))
    assert not is_table("log-opts")
    assert not is_table(("builder.gc",))


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("debug", BOOKWORM, Impact.RELOAD),
        ("debug", None, Impact.RELOAD),
        ("log-driver", NEWEST, Impact.RESTART),
        ("log-opts.max-size", NEWEST, Impact.RESTART),
        ("authorization-plugins", TRIXIE, Impact.RELOAD),
        ("allow-nondistributable-artifacts", EngineVersion(28, 0, 4), Impact.RELOAD),
        ("allow-nondistributable-artifacts", EngineVersion(28, 1), Impact.RESTART),
        ("allow-nondistributable-artifacts", None, Impact.RESTART),
        ("features.buildkit", BOOKWORM, Impact.RELOAD),
        ("features.cdi", NEWEST, Impact.RESTART),
        ("features.swarm-nftables", EngineVersion(29, 6), Impact.RELOAD),
        ("features.swarm-nftables", EngineVersion(29, 5), Impact.RESTART),
        ("features.containerd-snapshotter", FORKY, Impact.MIGRATE),
        ("nri-opts.enable", EngineVersion(29, 2), Impact.RELOAD),
        ("default-stop-timeout", NEWEST, Impact.RELOAD),
        ("cluster-store", BOOKWORM, Impact.RELOAD),
        ("cluster-store", EngineVersion(23, 0), Impact.RESTART),
        ("storage-driver", BOOKWORM, Impact.MIGRATE),
        ("storage-opts", BOOKWORM, Impact.RESTART),
        ("data-root", BOOKWORM, Impact.MIGRATE),
        ("userns-remap", BOOKWORM, Impact.MIGRATE),
        ("containerd-namespace", BOOKWORM, Impact.MIGRATE),
        ("a-key-of-tomorrow", NEWEST, Impact.RESTART),
        ("features.of-tomorrow", NEWEST, Impact.RESTART),
        ("builder", NEWEST, Impact.RESTART),
        ("features", NEWEST, Impact.MIGRATE),
    ],
)
def test_tells_the_impact(path: str, version: EngineVersion | None, expected: Impact) -> None:
    assert impact(path, version) is expected


@pytest.mark.parametrize(
    ("path", "version", "rule", "default"),
    [
        ("debug", BOOKWORM, Unset.WRITE_DEFAULT, False),
        ("labels", BOOKWORM, Unset.WRITE_DEFAULT, []),
        ("insecure-registries", BOOKWORM, Unset.WRITE_DEFAULT, []),
        ("registry-mirrors", BOOKWORM, Unset.WRITE_DEFAULT, []),
        ("live-restore", BOOKWORM, Unset.WRITE_DEFAULT, False),
        ("shutdown-timeout", BOOKWORM, Unset.WRITE_DEFAULT, 15),
        ("runtimes", BOOKWORM, Unset.WRITE_DEFAULT, {}),
        ("default-runtime", BOOKWORM, Unset.WRITE_DEFAULT, "runc"),
        ("default-shm-size", BOOKWORM, Unset.WRITE_DEFAULT, "64M"),
        ("default-ipc-mode", BOOKWORM, Unset.WRITE_DEFAULT, "private"),
        ("default-cgroupns-mode", BOOKWORM, Unset.WRITE_DEFAULT, "private"),
        ("default-stop-timeout", NEWEST, Unset.WRITE_DEFAULT, 10),
        ("max-concurrent-downloads", BOOKWORM, Unset.RELOAD_DEFAULT, 3),
        ("max-concurrent-uploads", BOOKWORM, Unset.RELOAD_DEFAULT, 5),
        ("max-download-attempts", BOOKWORM, Unset.RELOAD_DEFAULT, 5),
        ("authorization-plugins", BOOKWORM, Unset.RELOAD_DEFAULT, []),
        ("network-diagnostic-port", BOOKWORM, Unset.RELOAD_DEFAULT, 0),
        ("features.buildkit", BOOKWORM, Unset.RELOAD_DEFAULT, NoDefault.NO_DEFAULT),
        ("nri-opts.enable", NEWEST, Unset.RELOAD_DEFAULT, False),
        ("log-driver", BOOKWORM, Unset.RESTART, "json-file"),
        ("storage-driver", BOOKWORM, Unset.RESTART, NoDefault.NO_DEFAULT),
        ("unheard", BOOKWORM, Unset.RESTART, NoDefault.NO_DEFAULT),
    ],
)
def test_tells_how_to_unset(
    path: str, version: EngineVersion, rule: Unset, default: object
) -> None:
    assert unset_rule(path, version) is rule
    assert default_value(path, version=version) == default


def test_every_key_unset_by_its_default_has_one() -> None:
    for key in table().keys.values():
        if key.unset is Unset.WRITE_DEFAULT:
            assert default_value(key.path) is not NoDefault.NO_DEFAULT, key.name


def test_defaults_differ_by_release_and_host() -> None:
    assert default_value("ip6tables", version=TRIXIE) is False
    assert default_value("ip6tables", version=FORKY) is True
    assert default_value("min-api-version", version=EngineVersion(29, 0)) == "1.44"
    assert default_value("min-api-version", version=NEWEST) == "1.40"
    assert default_value("default-cgroupns-mode", cgroup_version=1) == "host"


@pytest.mark.parametrize(
    "path",
    [
        "storage-driver",
        "data-root",
        "exec-root",
        "userns-remap",
        "containerd",
        "containerd-namespace",
        "features.containerd-snapshotter",
        "exec-opts",
        "bip",
        "bip6",
        "bridge",
        "fixed-cidr",
        "fixed-cidr-v6",
        "mtu",
        "ip",
        "icc",
        "ip-masq",
        "ipv6",
        "default-gateway",
        "default-gateway-v6",
        "allow-direct-routing",
        "unheard-of",
    ],
)
def test_bridges_no_restart_that_containers_would_not_survive_or_would_hide(path: str) -> None:
    assert not bridgeable(path)


@pytest.mark.parametrize(
    "path", ["log-driver", "log-opts.max-size", "dns", "metrics-addr", "hosts", "default-ulimits"]
)
def test_bridges_the_others(path: str) -> None:
    assert bridgeable(path)


def test_what_migrates_affects_storage_and_is_never_bridged() -> None:
    for key in table().keys.values():
        if key.impact is Impact.MIGRATE:
            assert storage_affecting(key.path), key.name
            assert not bridgeable(key.path), key.name


def test_tells_where_a_value_is_seen() -> None:
    assert event_attribute("max-concurrent-downloads") == "max-concurrent-downloads"
    assert event_attribute("features.buildkit") == "features"
    assert event_attribute("log-driver") is None
    probe = info_probe("log-driver")
    assert probe is not None
    assert probe.path == "LoggingDriver"
    assert info_probe("log-opts") is None
    assert reload_watch("authorization-plugins") >= 20
    assert reload_watch("debug") == 0


def test_every_way_of_comparing_exists_and_is_used() -> None:
    used = {key.info.compare for key in table().keys.values() if key.info is not None}
    assert used == set(VIEWS)


def test_every_reloadable_key_but_these_is_proven_by_the_event_or_info() -> None:
    unseen = {
        key.name
        for key in table().keys.values()
        if key.impact is Impact.RELOAD and not key.observable
    }
    assert unseen == {
        "authorization-plugins",
        "network-diagnostic-port",
        "nri-opts.plugin-config-path",
        "nri-opts.plugin-path",
        "nri-opts.socket-path",
    }


def test_knows_the_keys_of_a_release() -> None:
    old, new = ({key.name for key in known_keys(version)} for version in (BOOKWORM, NEWEST))
    assert {"cluster-store", "oom-score-adjust", "api-cors-header"} <= old
    assert not {"cluster-store", "oom-score-adjust", "api-cors-header"} & new
    assert {"bip6", "nri-opts.enable", "default-stop-timeout"} <= new
    assert not {"bip6", "default-stop-timeout"} & old
    assert "default-init" not in old | new
    assert {key.name for key in known_keys()} == new


def test_replacements_are_keys_or_places_of_the_desired_state() -> None:
    for key in table().keys.values():
        target = key.replacement.partition(" ")[0]
        assert not target or target.startswith("service.") or lookup(target), key.name


def test_file_spellings_are_keys() -> None:
    for flag, name in table().flag_spellings.items():
        assert not name or name.startswith("service.") or lookup(name) or is_table(name), flag
        assert lookup(flag) is None


def test_keys_that_no_engine_reads_are_marked() -> None:
    unread = {key.name for key in table().keys.values() if key.file is not FileRule.READ}
    assert unread == {
        "containerd-plugin-namespace",
        "containerd-plugins-namespace",
        "default-init",
        "disable-legacy-registry",
        "features.windows-dns-proxy",
        "resolv-conf",
        "swarm-raft-election-tick",
        "swarm-raft-heartbeat-tick",
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("log-drivr", "log-driver"),
        ("host", "hosts"),
        ("--host", "hosts"),
        ("http-proxy", "proxies.http-proxy"),
        ("add-runtime", "runtimes"),
        ("config-file", "service.arguments --config-file"),
        ("Debug", "debug"),
        ("storage_driver", "storage-driver"),
        ("buildkit", "features.buildkit"),
        ("gc", "builder.gc"),
        ("builder.gc.enable", "builder.gc.enabled"),
        ("builder.gc.defaultkeepstorage", "builder.gc.defaultKeepStorage"),
        ("features.containerd-snapshoter", "features.containerd-snapshotter"),
        ("features.foo", None),
        ("zebra", None),
        ("", None),
    ],
)
def test_suggests_the_right_name(wrong: str, right: str | None) -> None:
    assert suggest(wrong) == right


def test_suggests_no_key_that_the_release_does_not_have() -> None:
    assert suggest("bip7", NEWEST) in {"bip", "bip6"}
    assert suggest("bip7", BOOKWORM) == "bip"


def test_impacts_have_an_order_and_words() -> None:
    assert Impact.NONE < Impact.RELOAD < Impact.RESTART < Impact.MIGRATE
    assert [Impact.parse(each.word) for each in Impact] == list(Impact)
    with pytest.raises(ValueError, match="cannot read 'Reload' as an impact"):
        Impact.parse("Reload")
