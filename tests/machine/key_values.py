"""For each key of the table a value that is not its default, in groups that can stand together.

A group is one daemon.json. A key that no group tries has its reason in NOT_TRIED.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dockcfgd.engine_keys.key import Key
from dockcfgd.engine_keys.table import impact, known_keys
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import Json
from dockcfgd.model.impact import Impact
from dockcfgd.planning import leaves

__all__ = ["BASE", "NOT_TRIED", "SPARED", "document", "groups", "reloadable"]

Values = Mapping[str, Json]

# What the machines' unit leaves to the file: their drop-in starts dockerd without flags.
BASE: Values = {"hosts": ["fd://"]}

_RELOADED: Values = {
    "debug": True,
    "live-restore": True,
    "shutdown-timeout": 31,
    "default-stop-timeout": 7,
    "labels": ["site=home"],
    "authorization-plugins": ["guard"],
    "default-runtime": "other",
    "runtimes": {"other": {"path": "/usr/bin/runc"}},
    "default-shm-size": "32M",
    "default-ipc-mode": "shareable",
    "default-cgroupns-mode": "host",
    "registry-mirrors": ["https://mirror.example.com"],
    "insecure-registries": ["registry.example.com:5000", "10.77.0.0/16"],
    "allow-nondistributable-artifacts": ["registry.example.com"],
    "max-concurrent-downloads": 9,
    "max-concurrent-uploads": 8,
    "max-download-attempts": 7,
    "features.buildkit": False,
    "network-diagnostic-port": 9999,
}

_CARRIED: Values = {
    "log-driver": "local",
    "log-opts": {"max-size": "3m"},
    "log-level": "debug",
    "raw-logs": True,
    "experimental": True,
    "pidfile": "/run/other.pid",
    "metrics-addr": "127.0.0.1:9323",
    "hosts": ["fd://", "unix:///run/other.sock", "tcp://127.0.0.1:2376"],
    "group": "adm",
    "tls": True,
    "tlsverify": True,
    "tlscacert": "/etc/docker/tls.pem",
    "tlscert": "/etc/docker/tls.pem",
    "tlskey": "/etc/docker/tls.key",
    "api-cors-header": "https://ui.example.com",
    "cgroup-parent": "probe.slice",
    "init": True,
    "init-path": "/usr/local/bin/other-init",
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1234, "Hard": 1234}},
    "no-new-privileges": True,
    "seccomp-profile": "unconfined",
    "dns": ["10.99.0.53"],
    "dns-opts": ["ndots:3"],
    "dns-search": ["example.com"],
    "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1400"}},
    "host-gateway-ip": "10.0.0.9",
    "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}],
    "ip-forward": False,
    "ip-forward-no-drop": True,
    "userland-proxy-path": "/usr/local/bin/other-proxy",
    "network-control-plane-mtu": 1400,
    "proxies.http-proxy": "http://proxy.example.com:3128",
    "proxies.https-proxy": "http://proxy.example.com:3129",
    "proxies.no-proxy": "localhost,.example.com",
    "builder.gc.enabled": True,
    "builder.gc.defaultKeepStorage": "20GB",
    "builder.gc.policy": [{"all": True, "keepStorage": "10GB"}],
    "builder.entitlements.network-host": False,
    "builder.entitlements.security-insecure": True,
    "builder.history.maxAge": "48h",
    "builder.history.maxEntries": 50,
    "swarm-default-advertise-addr": "127.0.0.1",
    "node-generic-resources": ["gpu=1"],
    "oom-score-adjust": 100,
    "deprecated-key-path": "/etc/docker/other-key.json",
}
# Those that cannot stand beside the first ones, or would hide them.
_CARRIED_TOO: Values = {
    "log-format": "json",
    "userland-proxy": False,
    "features.cdi": True,
    "host-gateway-ips": ["10.0.0.9"],
    "builder.gc.defaultReservedSpace": "20GB",
    "builder.gc.defaultMaxUsedSpace": "80GB",
    "builder.gc.defaultMinFreeSpace": "10GB",
}
_CDI_BY_DEFAULT = EngineVersion(28, 2)

_DOCKER0: Values = {
    "bip": "172.26.0.1/16",
    "mtu": 1400,
    "icc": False,
    "ip": "127.0.0.1",
    "ip-masq": False,
    "ipv6": True,
    "fixed-cidr": "172.26.1.0/24",
    "fixed-cidr-v6": "fd00:b::/64",
    "default-gateway": "172.26.0.254",
    "default-gateway-v6": "fd00:b::ff",
    "allow-direct-routing": True,
}
_SECCOMP_WORDS = EngineVersion(23, 0)
_IP6TABLES_BY_DEFAULT = EngineVersion(27, 0)
_NO_FIREWALL: Values = {"iptables": False}
_SIX: Values = {"bip6": "fd00:a::1/64"}
_OTHER_BRIDGE: Values = {"bridge": "none"}
_MOVED: Values = {
    "data-root": "/srv/docker",
    "exec-root": "/run/other-docker",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "containerd-namespace": "other",
    "storage-driver": "vfs",
}
_REMAPPED: Values = {"userns-remap": "default"}
_SNAPSHOTTER: Values = {"features.containerd-snapshotter": True}

# Containers live through a change of these, and still it is not done under them.
SPARED: Mapping[str, str] = {
    "iptables": "the rules of containers that live on would stay for ever (seen on all releases)",
    "ip6tables": "as iptables",
    "exec-opts": "they would stay in cgroups of the other driver; no machine has controllers",
    "experimental": "only beside ip6tables",
}
NOT_TRIED: Mapping[str, str] = {
    "storage-opts": "a size per container needs project quotas",
    "containerd": "another containerd would have to run",
    "graph": "data-root by another name",
    "cri-containerd": "only for a containerd that the engine starts",
    "rootless": "only for an engine of an ordinary user",
    "cpu-rt-period": "needs real-time groups in the kernel",
    "cpu-rt-runtime": "needs real-time groups in the kernel",
    "selinux-enabled": "needs SELinux in the kernel",
    "cluster-store": "discovery talks to a server that is not there",
    "cluster-advertise": "discovery talks to a server that is not there",
    "cluster-store-opts": "discovery talks to a server that is not there",
}


def reloadable(version: EngineVersion) -> Values:
    """Give the keys that a reload of this release takes, each with another value."""
    return _of(_RELOADED, version)


def groups(version: EngineVersion) -> Iterator[tuple[str, Values]]:
    """Give the documents that try every key which is restart-only in this release."""
    too: dict[str, Json] = {**_CARRIED_TOO, "features.cdi": version < _CDI_BY_DEFAULT}
    carried: dict[str, Json] = {**_CARRIED, "cdi-spec-dirs": ["/etc/other-cdi"]}
    docker0, no_firewall = dict(_DOCKER0), dict(_NO_FIREWALL)
    if version < _SECCOMP_WORDS:
        carried["seccomp-profile"] = "/etc/docker/seccomp.json"
    if version < _CDI_BY_DEFAULT:
        # The folders are shown where CDI is on.
        too["cdi-spec-dirs"] = carried.pop("cdi-spec-dirs")
    if version < _IP6TABLES_BY_DEFAULT:
        # These engines have it among their experiments.
        docker0 |= {"ip6tables": True, "experimental": True}
    else:
        # Not beside icc = false.
        no_firewall["ip6tables"] = False
    six: Values = {**_SIX, "ipv6": True} if _of(_SIX, version) else {}
    named: dict[str, Values] = {
        "carried": carried,
        "carried-too": too,
        "docker0": docker0,
        "no-firewall": no_firewall,
        "six": six,
        "other-bridge": _OTHER_BRIDGE,
        "moved": _MOVED,
        "remapped": _REMAPPED,
        "snapshotter": _SNAPSHOTTER,
    }
    for name, values in named.items():
        chosen = _of(values, version)
        if chosen:
            yield name, chosen


def document(values: Values) -> dict[str, Json]:
    """Give the daemon.json that sets these keys beside the machines' own."""
    made: dict[str, Json] = {}
    for name, value in {**BASE, **values}.items():
        leaves.put(made, tuple(name.split(".")), value)
    return made


def _of(values: Values, version: EngineVersion) -> Values:
    """Leave out what this release does not know, does nothing with, or dies of."""
    known = {key.name: key for key in known_keys(version)}
    return {
        name: value
        for name, value in values.items()
        if name in known
        and not any(fatal.window.holds(version) for fatal in known[name].fatal)
        and not _ignored(known[name], version)
        and (values is not _RELOADED or impact(name, version) is Impact.RELOAD)
    }


def _ignored(key: Key, version: EngineVersion) -> bool:
    return key.ignored_from is not None and version >= key.ignored_from
