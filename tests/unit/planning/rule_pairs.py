"""Pairs of configurations, of which the engine takes one and not the other.

Each has what is refused, the key that it is about, what is taken, and what both have beside it.
"""

from __future__ import annotations

from typing import Any

from dockcfgd.model.facts import Facts, Folder, Program, Route
from dockcfgd.model.host import EngineState

__all__ = ["MIDDLE", "NEW", "NEWEST", "OLD", "PAIRS", "ROOT", "ROUTES", "engine"]

OLD, MIDDLE, NEW, NEWEST = "20.10.24", "26.1.5", "28.5.2", "29.7.2"
ROOT = "/var/lib/docker"


def _folder(driver: str, kind: str, **more: Any) -> Facts:
    return Facts(folders={f"{ROOT}/{driver}": Folder(filesystem=kind, **more)})


def engine(version: str = MIDDLE, **info: Any) -> EngineState:
    return EngineState(version=version, api_version="1.45", info=info)


_GELF = {"log-driver": "gelf"}
ROUTES = Facts(routes=(Route("10.66.0.0/16", "vpn0"), Route("172.17.0.0/16", "docker0")))
_POOL = {"base": "10.80.0.0/16", "size": 24}

PAIRS: dict[str, tuple[dict[str, Any], str, dict[str, Any], dict[str, Any]]] = {
    "driver that no engine has": (
        {"storage-driver": "nope"}, "storage-driver", {"storage-driver": "vfs"}, {},
    ),
    "driver of older engines": (
        {"storage-driver": "aufs"}, "storage-driver", {"storage-driver": "overlay2"}, {},
    ),
    "driver that this build lacks": (
        {"storage-driver": "zfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"version": NEW, "build": "28.5.2+dfsg4"},
    ),
    "several drivers with data": (
        {}, "storage-driver", {"storage-driver": "overlay2"},
        {"prior_drivers": ("btrfs", "overlay2")},
    ),
    "driver of the environment": (
        {"storage-driver": "overlay2"}, "storage-driver", {"storage-driver": "vfs"},
        {"environment": {"DOCKER_DRIVER": "vfs"}},
    ),
    "filesystem that the kernel lacks": (
        {"storage-driver": "overlay2"}, "storage-driver", {"storage-driver": "btrfs"},
        {"facts": Facts(filesystems=frozenset({"btrfs"}))},
    ),
    "overlay on an overlay": (
        {"storage-driver": "overlay2"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": _folder("overlay2", "overlay", d_type=True)},
    ),
    "no d_type": (
        {"storage-driver": "overlay2"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": _folder("overlay2", "xfs", d_type=False)},
    ),
    "zfs elsewhere": (
        {"storage-driver": "zfs"}, "storage-driver",
        {"storage-driver": "zfs", "storage-opts": ["zfs.fsname=pool/docker"]},
        {"facts": _folder("zfs", "ext4")},
    ),
    "btrfs elsewhere": (
        {"storage-driver": "btrfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": _folder("btrfs", "ext4")},
    ),
    "fuse without its device": (
        {"storage-driver": "fuse-overlayfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": Facts(devices={"/dev/fuse": False})},
    ),
    "fuse without its program": (
        {"storage-driver": "fuse-overlayfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": Facts(programs={"fuse-overlayfs": Program.MISSING})},
    ),
    "fuse without fusermount": (
        {"storage-driver": "fuse-overlayfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": Facts(programs=dict.fromkeys(("fusermount3", "fusermount"), Program.MISSING))},
    ),
    "zfs without its device": (
        {"storage-driver": "zfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": Facts(devices={"/dev/zfs": False})},
    ),
    "zfs without its program": (
        {"storage-driver": "zfs"}, "storage-driver", {"storage-driver": "vfs"},
        {"facts": Facts(programs={"zfs": Program.MISSING})},
    ),
    "option of another driver": (
        {"storage-driver": "vfs", "storage-opts": ["overlay2.size=1G"]}, "storage-opts",
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.size=1G"]}, {},
    ),
    "option of no driver": (
        {"storage-opts": ["overlay2.nope=1"]}, "storage-opts", {"storage-opts": []}, {},
    ),
    "option with no size": (
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.size=x"]}, "storage-opts",
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.size=0"]}, {},
    ),
    "size without project quotas": (
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.size=1G"]}, "storage-opts",
        {"storage-driver": "overlay2"}, {"facts": _folder("overlay2", "xfs", d_type=True)},
    ),
    "vfs.xattrs": (
        {"storage-driver": "vfs", "storage-opts": ["vfs.xattrs=no"]}, "storage-opts",
        {"storage-driver": "vfs", "storage-opts": ["vfs.xattrs=i_want_broken_containers"]}, {},
    ),
    "no snapshotter": (
        {"storage-driver": "overlay2", "features": {"containerd-snapshotter": True}},
        "storage-driver",
        {"storage-driver": "overlayfs", "features": {"containerd-snapshotter": True}}, {},
    ),
    "snapshotter without its feature": (
        {"storage-driver": "overlayfs"}, "storage-driver",
        {"storage-driver": "overlayfs", "features": {"containerd-snapshotter": True}}, {},
    ),
    "snapshotter beside data of a driver, 29": (
        {"storage-driver": "overlayfs"}, "storage-driver",
        {"storage-driver": "overlayfs", "features": {"containerd-snapshotter": True}},
        {"version": NEWEST, "prior_drivers": ("overlay2",)},
    ),
    "snapshotter with userns-remap, 29": (
        {"userns-remap": "default", "features": {"containerd-snapshotter": True}},
        "features.containerd-snapshotter",
        {"userns-remap": "default", "features": {"containerd-snapshotter": False}},
        {"version": NEWEST},
    ),
    "log driver of nobody": (
        {"log-driver": "loki"}, "log-driver", {"log-driver": "local"},
        {"facts": Facts(plugins={})},
    ),
    "log driver that the running engine lacks": (
        {"log-driver": "gcplogs"}, "log-driver", {"log-driver": "local"},
        {"facts": Facts(plugins={}), "engine": engine(Plugins={"Log": ["local", "json-file"]})},
    ),
    "log option of another driver": (
        {"log-driver": "journald", "log-opts": {"max-size": "1m"}}, "log-opts.max-size",
        {"log-driver": "local", "log-opts": {"max-size": "1m"}}, {},
    ),
    "gelf without an address": (
        _GELF, "log-opts.gelf-address",
        {**_GELF, "log-opts": {"gelf-address": "udp://127.0.0.1:12201"}}, {},
    ),
    "gelf over TCP, compressed": (
        {**_GELF, "log-opts": {"gelf-address": "tcp://h:1", "gelf-compression-type": "gzip"}},
        "log-opts.gelf-compression-type",
        {**_GELF, "log-opts": {"gelf-address": "udp://h:1", "gelf-compression-type": "gzip"}}, {},
    ),
    "gelf over UDP, connected": (
        {**_GELF, "log-opts": {"gelf-address": "udp://h:1", "gelf-tcp-max-reconnect": "3"}},
        "log-opts.gelf-tcp-max-reconnect",
        {**_GELF, "log-opts": {"gelf-address": "tcp://h:1", "gelf-tcp-max-reconnect": "3"}}, {},
    ),
    "buffer of what blocks": (
        {"log-opts": {"max-buffer-size": "4m"}}, "log-opts.max-buffer-size",
        {"log-opts": {"mode": "non-blocking", "max-buffer-size": "4m"}}, {},
    ),
    "compression of one file": (
        {"log-opts": {"compress": "true", "max-file": "3"}}, "log-opts.compress",
        {"log-opts": {"compress": "true", "max-file": "3", "max-size": "1m"}}, {},
    ),
    "one file of local": (
        {"log-driver": "local", "log-opts": {"max-file": "1"}}, "log-opts.max-file",
        {"log-driver": "local", "log-opts": {"max-file": "1", "compress": "false"}}, {},
    ),
    "fluentd-async twice": (
        {"log-driver": "fluentd",
         "log-opts": {"fluentd-async": "true", "fluentd-async-connect": "true"}},
        "log-opts.fluentd-async-connect",
        {"log-driver": "fluentd", "log-opts": {"fluentd-async": "true"}}, {},
    ),
    "entries of awslogs": (
        {"log-driver": "awslogs", "log-opts": {
            "awslogs-group": "g", "awslogs-datetime-format": "%Y", "awslogs-multiline-pattern": "^",
        }},
        "log-opts.awslogs-multiline-pattern",
        {"log-driver": "awslogs", "log-opts": {"awslogs-group": "g"}}, {},
    ),
    "socket of syslog": (
        {"log-driver": "syslog", "log-opts": {"syslog-address": "unix:///no"}},
        "log-opts.syslog-address",
        {"log-driver": "syslog", "log-opts": {"syslog-address": "unix:///dev/log"}},
        {"facts": Facts(folders={"/no": Folder(), "/dev/log": Folder(blocked_by="/dev/log")})},
    ),
    "bip and bridge": (
        {"bip": "172.30.0.1/24", "bridge": "br0"}, "bip", {"bip": "172.30.0.1/24"}, {},
    ),
    "icc and iptables": ({"icc": False, "iptables": False}, "icc", {"icc": False}, {}),
    "icc and ip6tables, 28": (
        {"icc": False, "ip6tables": False, "ipv6": True}, "icc",
        {"icc": False, "ip6tables": False}, {"version": NEW},
    ),
    "icc and ip6tables, 27": (
        {"icc": False, "ip6tables": False, "ipv6": True}, "icc",
        {"icc": False, "ipv6": True}, {"version": "27.5.1"},
    ),
    "bip that is a network": ({"bip": "172.30.0.0/24"}, "bip", {"bip": "172.30.0.1/24"}, {}),
    "bip that is a broadcast": ({"bip": "172.30.0.255/24"}, "bip", {"bip": "172.30.0.0/31"}, {}),
    "bip of IPv6": ({"bip": "fd00::1/64"}, "bip", {"bip": "172.30.0.1/24"}, {}),
    "bip of loopback": ({"bip": "127.0.0.1/24"}, "bip", {"bip": "169.254.1.1/24"}, {}),
    "bip of everything": ({"bip": "1.2.3.4/0"}, "bip", {"bip": "1.2.3.4/8"}, {}),
    "fixed-cidr outside, 28": (
        {"bip": "172.30.0.1/24", "fixed-cidr": "172.30.1.0/25"}, "fixed-cidr",
        {"bip": "172.30.0.1/24", "fixed-cidr": "172.30.0.0/16"}, {"version": NEW},
    ),
    "fixed-cidr of IPv6": (
        {"fixed-cidr": "fd00::/64"}, "fixed-cidr", {"fixed-cidr": "10.0.0.0/24"}, {},
    ),
    "gateway outside": (
        {"bip": "172.30.0.1/24", "default-gateway": "172.31.0.1"}, "default-gateway",
        {"bip": "172.30.0.1/24", "default-gateway": "172.30.0.9"}, {},
    ),
    "gateway that is docker0": (
        {"bip": "172.30.0.1/24", "default-gateway": "172.30.0.1"}, "default-gateway",
        {"bip": "172.30.0.1/24", "default-gateway": "172.30.0.9"}, {},
    ),
    "gateway outside of docker0 as it is": (
        {"default-gateway": "172.31.0.1"}, "default-gateway", {"default-gateway": "172.17.0.9"},
        {"facts": ROUTES},
    ),
    "mtu too small": ({"mtu": 67}, "mtu", {"mtu": 68}, {}),
    "mtu too great": ({"mtu": 65536}, "mtu", {"mtu": 65535}, {}),
    "ipv6 without a network": (
        {"ipv6": True}, "ipv6", {"ipv6": True, "fixed-cidr-v6": "fd00:a::/64"}, {},
    ),
    "fixed-cidr-v6 of IPv4": (
        {"ipv6": True, "fixed-cidr-v6": "10.0.0.0/24"}, "fixed-cidr-v6",
        {"ipv6": True, "fixed-cidr-v6": "fd00:a::/64"}, {},
    ),
    "fixed-cidr-v6 of multicast": (
        {"ipv6": True, "fixed-cidr-v6": "ff00::/64"}, "fixed-cidr-v6",
        {"ipv6": True, "fixed-cidr-v6": "fe80::/64"}, {},
    ),
    "gateway of IPv6 outside": (
        {"ipv6": True, "fixed-cidr-v6": "fd00:a::/64", "default-gateway-v6": "fd00:b::9"},
        "default-gateway-v6",
        {"ipv6": True, "fixed-cidr-v6": "fd00:a::/64", "default-gateway-v6": "fd00:a::9"}, {},
    ),
    "ip6tables as an experiment": (
        {"ip6tables": True}, "ip6tables", {"ip6tables": True, "experimental": True}, {},
    ),
    "log value": (
        {"log-opts": {"max-size": "x"}}, "log-opts.max-size", {"log-opts": {"max-size": "1m"}}, {},
    ),
    "pool smaller than its networks": (
        {"default-address-pools": [{"base": "10.80.0.0/24", "size": 16}]}, "default-address-pools",
        {"default-address-pools": [_POOL]}, {},
    ),
    "pool of too many networks": (
        {"default-address-pools": [_POOL, {"base": "fd00::/8", "size": 64}]},
        "default-address-pools",
        {"default-address-pools": [_POOL, {"base": "fd00::/48", "size": 64}]}, {},
    ),
    "pools of IPv6 only": (
        {"default-address-pools": [{"base": "fd00::/48", "size": 64}]}, "default-address-pools",
        {"default-address-pools": [{"base": "fd00::/48", "size": 64}], "bip": "172.30.0.1/24"}, {},
    ),
    "pool that the host uses": (
        {"default-address-pools": [{"base": "10.66.3.0/24", "size": 28}]}, "default-address-pools",
        {"default-address-pools": [_POOL, {"base": "172.17.0.0/16", "size": 24}]},
        {"facts": ROUTES},
    ),
    "bip that the host uses": (
        {"bip": "10.66.3.1/24"}, "bip", {"bip": "172.17.0.1/16"}, {"facts": ROUTES},
    ),
    "runtime that is missing": (
        {"runtimes": {"a": {"path": "/a"}}}, "runtimes.a", {"runtimes": {"b": {"path": "/b"}}},
        {"facts": Facts(programs={"/a": Program.MISSING, "/b": Program.RUNNABLE})},
    ),
    "runtime that cannot be run": (
        {"runtimes": {"a": {"path": "/a"}}}, "runtimes.a", {"runtimes": {"b": {"path": "/b"}}},
        {"facts": Facts(programs={"/a": Program.NOT_EXECUTABLE})},
    ),
    "runtime type that is missing": (
        {"runtimes": {"a": {"runtimeType": "io.containerd.kata.v2"}}}, "runtimes.a",
        {"runtimes": {"a": {"runtimeType": "io.containerd.runc.v2"}}},
        {"facts": Facts(programs={"containerd-shim-kata-v2": Program.MISSING})},
    ),
    "runtime called runc": (
        {"runtimes": {"runc": {"path": "/a"}}}, "runtimes.runc", {"runtimes": {}}, {},
    ),
    "default runtime of nobody": (
        {"default-runtime": "a"}, "default-runtime",
        {"default-runtime": "a", "runtimes": {"a": {"path": "/a"}}}, {},
    ),
    "default runtime that is missing": (
        {"default-runtime": "io.containerd.kata.v2"}, "default-runtime",
        {"default-runtime": "io.containerd.runc.v2"},
        {"facts": Facts(programs={"containerd-shim-kata-v2": Program.MISSING})},
    ),
    "cgroup driver": (
        {"exec-opts": ["native.cgroupdriver=x"]}, "exec-opts",
        {"exec-opts": ["native.cgroupdriver=cgroupfs"]}, {},
    ),
    "option of exec-opts, 28": ({"exec-opts": ["a=b"]}, "exec-opts", {}, {"version": NEW}),
    "cgroup parent that is no slice": (
        {"cgroup-parent": "/docker"}, "cgroup-parent", {"cgroup-parent": "docker.slice"}, {},
    ),
    "cgroup parent of systemd only": (
        {"cgroup-parent": "a/b.slice", "exec-opts": ["native.cgroupdriver=systemd"]},
        "cgroup-parent",
        {"cgroup-parent": "/docker", "exec-opts": ["native.cgroupdriver=cgroupfs"]}, {},
    ),
    "real time": (
        {"cpu-rt-period": 1000}, "cpu-rt-period", {"cpu-rt-period": 0},
        {"engine": engine(CgroupVersion="2")},
    ),
    "limit that there is not": (
        {"default-ulimits": {"nope": {"Name": "nope"}}}, "default-ulimits.nope",
        {"default-ulimits": {"nofile": {"Name": "nofile"}}}, {},
    ),
    "init that is missing": (
        {"init": True, "init-path": "/no"}, "init-path", {"init": False, "init-path": "/no"},
        {"facts": Facts(programs={"/no": Program.MISSING})},
    ),
    "proxy that is missing": (
        {"userland-proxy-path": "/no"}, "userland-proxy-path",
        {"userland-proxy": False, "userland-proxy-path": "/no"},
        {"facts": Facts(programs={"/no": Program.MISSING})},
    ),
    "proxy by its name": (
        {"userland-proxy-path": "docker-proxy"}, "userland-proxy-path",
        {"userland-proxy-path": "/usr/sbin/docker-proxy"}, {},
    ),
    "profile that is missing": (
        {"seccomp-profile": "/no"}, "seccomp-profile", {"seccomp-profile": "unconfined"},
        {"facts": Facts(files={"/no": None})},
    ),
    "profile that is no JSON": (
        {"seccomp-profile": "/bad"}, "seccomp-profile", {"seccomp-profile": "/good"},
        {"facts": Facts(files={"/bad": "{", "/good": '{"defaultAction": "SCMP_ACT_ALLOW"}'})},
    ),
    "profile that is no object": (
        {"seccomp-profile": "/bad"}, "seccomp-profile", {"seccomp-profile": "/good"},
        {"facts": Facts(files={"/bad": "[]", "/good": "{}"})},
    ),
    "profile with an action of its own": (
        {"seccomp-profile": "/bad"}, "seccomp-profile", {"seccomp-profile": "/good"},
        {"facts": Facts(files={"/bad": '{"defaultAction": "NO"}', "/good": "{}"})},
    ),
    "user that there is not": (
        {"userns-remap": "nope"}, "userns-remap", {"userns-remap": "default"},
        {"facts": Facts(accounts={("user", "nope"): False})},
    ),
    "group that there is not": (
        {"userns-remap": "a:nope"}, "userns-remap", {"userns-remap": "dockremap"},
        {"facts": Facts(accounts={("user", "a"): True, ("group", "nope"): False})},
    ),
    "user without a range": (
        {"userns-remap": "a"}, "userns-remap", {"userns-remap": "b"},
        {"facts": Facts(files={"/etc/subuid": "b:1:2", "/etc/subgid": "a:1:2\nb:1:2"})},
    ),
    "certificate that is missing": (
        {"tls": True, "tlscert": "/no", "tlskey": "/k"}, "tlscert",
        {"tls": False, "tlscert": "/no"},
        {"facts": Facts(files={"/no": None})},
    ),
    "authorization by nobody": (
        {"authorization-plugins": ["a"]}, "authorization-plugins", {"authorization-plugins": ["b"]},
        {"facts": Facts(plugins={"b:latest": frozenset({"authz"})})},
    ),
    "authorization by what does not": (
        {"authorization-plugins": ["a"]}, "authorization-plugins", {"authorization-plugins": ["b"]},
        {"facts": Facts(plugins={"a": frozenset({"logdriver"}), "b": frozenset()})},
    ),
    "group of the socket": (
        {"group": "nope", "hosts": ["unix:///x"]}, "group", {"group": "nope", "hosts": ["fd://"]},
        {"facts": Facts(accounts={("group", "nope"): False})},
    ),
    "live-restore on a swarm node": (
        {"live-restore": True}, "live-restore", {"live-restore": False},
        {"engine": engine(Swarm={"LocalNodeState": "active"})},
    ),
    "relative data-root": ({"data-root": "a"}, "data-root", {"data-root": "/a"}, {}),
    "relative folder of CDI": (
        {"cdi-spec-dirs": ["a"]}, "cdi-spec-dirs", {"cdi-spec-dirs": ["/a"]}, {},
    ),
    "data-root that is a file": (
        {"data-root": "/a"}, "data-root", {"data-root": "/b"},
        {"facts": Facts(folders={"/a": Folder(blocked_by="/a"), "/b": Folder()})},
    ),
    "data-root in /proc": (
        {"data-root": "/a"}, "data-root", {"data-root": "/b"},
        {"facts": Facts(folders={"/a": Folder(filesystem="proc")})},
    ),
    "data-root with a colon": ({"data-root": "/a:b"}, "data-root", {"data-root": "/a b"}, {}),
    "exec-root that is long": (
        {"exec-root": f"/run/{'a' * 100}"}, "exec-root", {"exec-root": "/run/a"}, {},
    ),
    "roots in one": (
        {"data-root": "/a", "exec-root": "/a/"}, "exec-root",
        {"data-root": "/a", "exec-root": "/b"}, {},
    ),
    "socket nowhere": (
        {"hosts": ["unix:///no/s"]}, "hosts", {"hosts": ["unix:///run/s"]},
        {"facts": Facts(folders={"/no": Folder(), "/run": Folder(there=True)})},
    ),
    "port that there is not": (
        {"hosts": ["tcp://127.0.0.1:99999"]}, "hosts", {"hosts": ["tcp://127.0.0.1:2376"]}, {},
    ),
    "bridge that nobody made": (
        {"bridge": "br0"}, "bridge", {"bridge": "br1"},
        {"facts": Facts(folders={"/sys/class/net/br0/bridge": Folder()})},
    ),
    "age of the builder's cache": (
        {"builder": {"gc": {"enabled": True, "policy": [{"filter": ["unused-for=x"]}]}}},
        "builder.gc.policy",
        {"builder": {"gc": {"enabled": True, "policy": [{"filter": ["unused-for=48h"]}]}}}, {},
    ),
    "containerd that is not there": (
        {"containerd": "/no.sock"}, "containerd", {"containerd": "/yes.sock"},
        {"facts": Facts(folders={
            "/no.sock": Folder(), "/yes.sock": Folder(blocked_by="/yes.sock"),
        })},
    ),
    "TLS without a key": (
        {"tls": True, "tlscert": "/c"}, "tlskey",
        {"tls": True, "tlscert": "/c", "tlskey": "/k"}, {},
    ),
    "TLS of the file, its certificate by flag": (
        {"tls": True, "tlscert": "/c", "tlskey": "/k"}, "tlscert",
        {"tls": False, "tlscert": "/c"}, {"by_flag": frozenset({"tlscert"})},
    ),
    "TLS of the file, its authority by flag": (
        {"tlsverify": True, "tlscacert": "/a", "tlscert": "/c", "tlskey": "/k"}, "tlscacert",
        {"tls": True, "tlscacert": "/a", "tlscert": "/c", "tlskey": "/k"},
        {"by_flag": frozenset({"tlscacert"})},
    ),
    "TLS by flag, with no authority": (
        {"tls": True, "tlscert": "/c", "tlskey": "/k"}, "tlscacert",
        {"tls": True, "tlscacert": "/a", "tlscert": "/c", "tlskey": "/k"},
        {"by_flag": frozenset({"tls"}), "facts": Facts(files={"/root/.docker/ca.pem": None})},
    ),
    "TLS by flag, with the certificate of a home": (
        {"tlsverify": True, "tlscacert": "/a", "tlskey": "/k"}, "tlscert",
        {"tlsverify": True, "tlscacert": "/a", "tlscert": "/c", "tlskey": "/k"},
        {
            "by_flag": frozenset({"tlsverify"}), "environment": {"HOME": "/h"},
            "facts": Facts(files={"/h/.docker/cert.pem": None}),
        },
    ),
    "certificate that is none": (
        {"tls": True, "tlscert": "/no", "tlskey": "/k"}, "tlscert", {"tls": False},
        {"facts": Facts(files={"/no": "x"})},
    ),
    "one namespace": (
        {"containerd-namespace": "plugins.moby"}, "containerd-namespace",
        {"containerd-namespace": "other"}, {},
    ),
    "metrics without a port": (
        {"metrics-addr": "127.0.0.1"}, "metrics-addr", {"metrics-addr": "127.0.0.1:9323"}, {},
    ),
    "metrics without a host": (
        {"metrics-addr": ":9323"}, "metrics-addr", {"metrics-addr": "[::1]:9323"}, {},
    ),
    "switch of the kernel check, 20.10": (
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.override_kernel_check=x"]},
        "storage-opts",
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.override_kernel_check=true"]},
        {"version": OLD},
    ),
    "devicemapper without its device, 20.10": (
        {"storage-driver": "devicemapper"}, "storage-driver", {"storage-driver": "overlay"},
        {"version": OLD, "facts": Facts(devices={"/dev/mapper/control": False})},
    ),
    "bip with no room, 20.10": (
        {"bip": "172.30.0.0/31"}, "bip", {"bip": "172.30.0.1/30"}, {"version": OLD},
    ),
    "pool with no room, 20.10": (
        {"default-address-pools": [{"base": "10.80.0.0/24", "size": 31}]}, "default-address-pools",
        {"default-address-pools": [{"base": "10.80.0.0/24", "size": 30}]}, {"version": OLD},
    ),
}  # fmt: skip
