"""What the checks look for: changes of a host that is well, and what is found then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dockcfgd.doctor.case import Case, Created, Dockcfgd, Leftover, Place
from dockcfgd.doctor.finding import Level
from dockcfgd.doctor.storage import CONTAINERD
from dockcfgd.model.facts import Folder, Route
from dockcfgd.model.files import FileKind
from dockcfgd.model.host import EngineDown, UnitFile
from dockcfgd.model.processes import Process
from dockcfgd.model.vitals import Interface, Mount, Owner, Space, Usage
from dockcfgd.planning.rules.storage import planned_driver
from dockcfgd.processes.roles import Known
from dockcfgd.processes.tree import Scenery
from tests.unit.doctor.surroundings import STATUS, with_info

__all__ = ["CASES"]

_GIB = 1024**3
_ID = "a" * 64
_OK, _INFO, _WARNING, _ERROR = Level.OK, Level.INFO, Level.WARNING, Level.ERROR


def _unit(case: Case, **changes: Any) -> Case:
    return replace(case, host=replace(case.host, unit=replace(case.host.unit, **changes)))


def _down(case: Case, **changes: Any) -> Case:
    gone = replace(case.host, engine=EngineDown("docker.service is inactive (dead)"))
    idle = {"active_state": "inactive", "sub_state": "dead", "main_pid": 0}
    scenery = replace(case.scenery, asked=False)
    case = replace(case, host=gone, networks=None, created=None, scenery=scenery)
    return _unit(case, **{**idle, **changes})


def _engine(case: Case, **changes: Any) -> Case:
    engine = case.engine
    assert engine is not None
    return replace(case, host=replace(case.host, engine=replace(engine, **changes)))


def _json(case: Case, text: str) -> Case:
    seen = replace(case.host.daemon_json, content=text.encode())
    return replace(case, host=replace(case.host, daemon_json=seen))


def _flag(case: Case, flag: str) -> Case:
    first, *others = case.host.unit_files
    unit = UnitFile(first.path, first.text.replace("ExecStart=", "ExecStart=-", 0))
    lines = [
        f"{line} {flag}" if line.startswith("ExecStart=") else line
        for line in unit.text.splitlines()
    ]
    changed = (UnitFile(first.path, "\n".join(lines)), *others)
    return replace(case, host=replace(case.host, unit_files=changed))


def _said(case: Case, **changes: Any) -> Case:
    status = {**STATUS, **changes}
    return replace(case, dockcfgd=Dockcfgd(case.dockcfgd.version, status))


def _present(case: Case, **settings: Any) -> Case:
    scene = replace(case.present, settings={**case.present.settings, **settings})
    return replace(case, present=scene)


def _place(case: Case, space: Space | None, folder: Folder | None = None) -> Case:
    return replace(case, places=(Place("data-root", "/var/lib/docker", space, folder),))


def _space(free: int, total: int, inodes: int = 900) -> Space:
    return Space(1, total * _GIB, free * _GIB, 1000, inodes)


def _trial(case: Case, driver: str, **folder: Any) -> Case:
    (scene,) = (one for one in case.trials if planned_driver(one) == driver)
    folders = {path: replace(one, **folder) for path, one in scene.facts.folders.items()}
    changed = replace(scene, facts=replace(scene.facts, folders=folders))
    return replace(case, trials=(changed,))


def _containerd(case: Case, **folder: Any) -> Case:
    place = Place(CONTAINERD, "/srv/containerd", _space(1, 2), Folder(filesystem="xfs", **folder))
    return replace(case, places=(place,))


def _left(case: Case, driver: str, **more: Any) -> Case:
    root = "/var/lib/docker"
    usage = more.pop("usage", Usage(5 << 20))
    left = Leftover(driver, (f"{root}/{driver}", f"{root}/image/{driver}"), usage, **more)
    return replace(case, leftovers=(left,))


def _processes(case: Case, *processes: Process, known: Mapping[str, Known] | None = None) -> Case:
    engine = Process(100, 1, "dockerd")
    scenery = Scenery((engine, *processes), known or {})
    return replace(case, scenery=scenery)


def _shim(container: str) -> Process:
    words = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", container)
    return Process(200, 1, "containerd-shim", words)


def _proxy(parent: int) -> Process:
    words = ("docker-proxy", "-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", "99")
    return Process(300, parent, "docker-proxy", (*words, "-container-ip", "172.17.0.9"))


def _made(case: Case, **settings: Any) -> Case:
    log: dict[str, Any] = {"LogConfig": {"Type": "local", "Config": {}}, "Runtime": "runc"}
    return replace(case, created=(Created("old", active=True, settings={**log, **settings}),))


def _option(name: str) -> str:
    return name.replace("__", "\0").replace("_", ".").replace("\0", "_")


def _network(case: Case, name: str = "bridge", driver: str = "bridge", **options: str) -> Case:
    document: dict[str, Any] = {
        "Name": name,
        "Id": "b" * 64,
        "Driver": driver,
        "Options": {_option(key): value for key, value in options.items()},
        "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
    }
    return replace(case, networks=(document,))


def _inner(case: Case) -> Case:
    """Give the case with a network that has no way out."""
    (network,) = _network(case, "mine").networks or ()
    return replace(case, networks=({**network, "Internal": True},))


def _swarm(case: Case) -> Case:
    """Give the case with a network that the swarm knows and this node has not made."""
    (network,) = _network(case, "mine").networks or ()
    return replace(case, networks=({**network, "Scope": "swarm"},))


def _bare(case: Case, *, EnableIPv4: bool = True, **options: str) -> Case:  # noqa: N803 -- the API's
    """Give the case with a network of whose bridge the host has no address."""
    (network,) = _network(case, "mine", **options).networks or ()
    bridge = Interface("br-" + "b" * 12, "up", 1500, bridge=True)
    return _links(replace(case, networks=({**network, "EnableIPv4": EnableIPv4},)), bridge)


def _links(case: Case, *links: Interface) -> Case:
    return replace(case, interfaces=links)


def _owner(case: Case, path: str, **changes: Any) -> Case:
    owner = replace(Owner(FileKind.REGULAR, 0, 0, 0o600), **changes)
    return replace(case, owners={**case.owners, path: owner})


_UPLINK = Interface("wan0", "up", 1400, ("10.1.2.3/24",), default_route=True)
_DOCKER0 = Interface("docker0", "down", 1500, ("172.17.0.1/16",), bridge=True)
_MTU = {"com_docker_network_driver_mtu": "1400"}

# name: what is changed on the host that is well, the check, and the level and a part of the text.
CASES: dict[str, tuple[Callable[[Case], Case], str, Level, str]] = {
    "masked": (lambda c: _unit(c, load_state="masked"), "versions.unit", _ERROR, "masked"),
    "no unit": (lambda c: _unit(c, load_state="not-found"), "versions.unit", _ERROR, "no docker.s"),
    "units stale": (
        lambda c: _unit(c, need_daemon_reload=True),
        "versions.unit",
        _WARNING,
        "systemctl daemon-reload",
    ),
    "crashed": (lambda c: _unit(c, restarts=2), "versions.unit", _WARNING, "2 times by itself"),
    "stopped": (_down, "versions.engine", _WARNING, "does not run"),
    "failed": (
        lambda c: _down(c, active_state="failed", result="exit-code", exec_status=1),
        "versions.engine",
        _ERROR,
        "exit-code (status 1)",
    ),
    "crash loop": (
        lambda c: _down(c, active_state="activating", sub_state="auto-restart"),
        "versions.engine",
        _ERROR,
        "the engine failed",
    ),
    "hangs": (
        lambda c: _down(c, active_state="active", main_pid=7),
        "versions.engine",
        _ERROR,
        "not answer",
    ),
    "not for this user": (
        lambda c: replace(_down(c, active_state="active", main_pid=7), root=False),
        "versions.engine",
        _INFO,
        "sudo dockcfgctl doctor",
    ),
    "old engine": (lambda c: _engine(c, version="19.03.15"), "versions.engine", _ERROR, "too old"),
    "new engine": (lambda c: _engine(c, version="30.0.1"), "versions.engine", _INFO, "newer than"),
    "odd engine": (lambda c: _engine(c, version="dev"), "versions.engine", _INFO, "cannot read"),
    "engine upgraded": (
        lambda c: replace(c, installed="28.5.2"),
        "versions.engine",
        _WARNING,
        "28.5.2 is installed",
    ),
    "other flags": (
        lambda c: replace(c, host=replace(c.host, command=("dockerd", "--debug"))),
        "versions.command",
        _INFO,
        "its next start will use: ",
    ),
    "no dockcfgd": (
        lambda c: replace(c, dockcfgd=Dockcfgd("1.0")),
        "versions.dockcfgd",
        _INFO,
        "enable --now",
    ),
    "dockcfgd upgraded": (
        lambda c: _said(c, daemon={"version": "0.0.9"}),
        "versions.dockcfgd",
        _WARNING,
        "0.0.9 runs",
    ),
    "degraded": (
        lambda c: _said(c, condition="degraded", reason="disk full"),
        "versions.dockcfgd",
        _ERROR,
        "disk full",
    ),
    "rejected": (
        lambda c: _said(c, condition="rejected"),
        "versions.dockcfgd",
        _WARNING,
        "rejected",
    ),
    "paused": (lambda c: _said(c, phase="paused"), "versions.dockcfgd", _INFO, "dockcfgctl resume"),
    "no JSON": (lambda c: _json(c, "{"), "configuration.file", _ERROR, "does not start with it"),
    "unknown key": (
        lambda c: _json(c, '{"live-restor": true}'),
        "configuration.file",
        _WARNING,
        "live-restore",
    ),
    "engine's own check": (
        lambda c: replace(c, complaints=("nope",)),
        "configuration.file",
        _ERROR,
        "nope",
    ),
    "unreadable": (
        lambda c: replace(c, unread={c.host.daemon_json.path: "no"}, root=False),
        "configuration.file",
        _INFO,
        "not checked: /etc/docker/daemon.json",
    ),
    "flag and file": (
        lambda c: _flag(c, "--live-restore"),
        "configuration.flags",
        _ERROR,
        "--live-restore comes from /",
    ),
    "cannot start": (
        lambda c: _present(c, bip="10.0.0.0/8"),
        "configuration.rules",
        _ERROR,
        "bip keeps",
    ),
    "misleads": (
        lambda c: replace(
            _present(c, bip="10.1.2.9/24"),
            present=replace(
                _present(c, bip="10.1.2.9/24").present,
                facts=replace(c.present.facts, routes=(Route("10.1.2.0/24", "eth0"),)),
            ),
        ),
        "configuration.rules",
        _WARNING,
        "eth0",
    ),
    "edited": (
        lambda c: _json(c, '{"log-driver": "journald", "live-restore": true}'),
        "configuration.in_use",
        _WARNING,
        "another log-driver than /etc/docker/daemon.json",
    ),
    "warned": (
        lambda c: with_info(c, Warnings=["WARNING: bridge-nf-call-iptables is disabled"]),
        "configuration.warnings",
        _WARNING,
        "bridge-nf-call-iptables",
    ),
    "lacking": (
        lambda c: with_info(
            c, Warnings=["WARNING: No memory limit support", "WARNING: No pids support"]
        ),
        "configuration.warnings",
        _WARNING,
        "a memory limit, pids",
    ),
    "cgroupfs": (
        lambda c: with_info(c, CgroupDriver="cgroupfs"),
        "kernel.cgroups",
        _WARNING,
        "cgroupfs",
    ),
    "cgroup v1": (lambda c: with_info(c, CgroupVersion="1"), "kernel.cgroups", _INFO, "v1"),
    "no cgroups": (
        lambda c: replace(_down(c), kernel=replace(c.kernel, cgroups=None)),
        "kernel.cgroups",
        _INFO,
        "not checked",
    ),
    "no swap limit": (
        lambda c: replace(c, kernel=replace(c.kernel, swap_limit=False)),
        "kernel.swap_limit",
        _WARNING,
        "swapaccount=1",
    ),
    "swap limit unseen": (
        lambda c: replace(c, kernel=replace(c.kernel, swap_limit=None)),
        "kernel.swap_limit",
        _INFO,
        "not checked",
    ),
    "swap limit as the engine says": (
        lambda c: with_info(c, SwapLimit=False),
        "kernel.swap_limit",
        _WARNING,
        "cannot be limited",
    ),
    "clock alone": (
        lambda c: replace(c, kernel=replace(c.kernel, synchronized=False)),
        "kernel.clock",
        _WARNING,
        "set-ntp",
    ),
    "clock behind": (
        lambda c: _owner(c, "/etc/docker", mtime=c.now + 3600),
        "kernel.clock",
        _ERROR,
        "3600 s later",
    ),
    "swarm with live-restore": (
        lambda c: with_info(c, Swarm={"LocalNodeState": "active"}),
        "kernel.live_restore",
        _ERROR,
        "swarm node",
    ),
    "swarm": (
        lambda c: replace(
            with_info(c, Swarm={"LocalNodeState": "active"}, LiveRestoreEnabled=False),
            settings={},
        ),
        "kernel.live_restore",
        _INFO,
        "swarm",
    ),
    "no live-restore": (
        lambda c: with_info(c, LiveRestoreEnabled=False),
        "kernel.live_restore",
        _INFO,
        "1 container running",
    ),
    "vfs": (lambda c: with_info(c, Driver="vfs"), "storage.in_use", _WARNING, "full copy"),
    "no d_type": (
        lambda c: _trial(c, "overlay2", d_type=False),
        "storage.drivers",
        _ERROR,
        "made without d_type",
    ),
    "right filesystem": (
        lambda c: _trial(c, "btrfs", filesystem="btrfs"),
        "storage.drivers",
        _OK,
        "btrfs could be used",
    ),
    "containerd without d_type": (
        lambda c: _containerd(c, d_type=False),
        "storage.image_store",
        _INFO,
        "cannot be used",
    ),
    "containerd with d_type": (
        lambda c: _containerd(c, d_type=True),
        "storage.image_store",
        _OK,
        "/srv/containerd on xfs",
    ),
    "read-only": (
        lambda c: _place(c, _space(50, 100), Folder(options=frozenset({"ro"}))),
        "storage.mounted",
        _ERROR,
        "read-only",
    ),
    "noexec": (
        lambda c: _place(c, _space(50, 100), Folder(options=frozenset({"noexec", "rw"}))),
        "storage.mounted",
        _WARNING,
        "mounted noexec",
    ),
    "mounted still": (
        lambda c: replace(
            c,
            mounts=tuple(
                Mount(f"/var/lib/docker/overlay2/{n}/merged", "overlay") for n in range(3)
            ),
        ),
        "storage.unmounted",
        _WARNING,
        "3 layers of containers mounted, 1 container running",
    ),
    "full": (
        lambda c: _place(c, _space(1, 1000)),
        "storage.space",
        _ERROR,
        "1.0 GiB of 1000 GiB free",
    ),
    "filling": (lambda c: _place(c, _space(4, 100)), "storage.space", _WARNING, "(4%)"),
    "few of many": (lambda c: _place(c, _space(50, 1000)), "storage.space", _OK, "(5%)"),
    "no inodes": (
        lambda c: _place(c, _space(50, 100, 5)),
        "storage.space",
        _ERROR,
        "5 of 1000 inodes",
    ),
    "few inodes": (lambda c: _place(c, _space(50, 100, 50)), "storage.space", _WARNING, "(5%)"),
    "space unseen": (lambda c: _place(c, None), "storage.space", _INFO, "not checked"),
    "left over": (
        lambda c: _left(c, "vfs", containers=2),
        "storage.leftovers",
        _WARNING,
        "/var/lib/docker/image/vfs: 5.0 MiB",
    ),
    "left over and hidden": (
        lambda c: _left(c, "vfs", containers=2),
        "storage.leftovers",
        _WARNING,
        "2 containers made with it",
    ),
    "left over, as dockcfgd keeps it": (
        lambda c: _left(_said(c, kept={"driver": "vfs", "freeing": False}), "vfs"),
        "storage.leftovers",
        _INFO,
        "dockcfgctl storage prune",
    ),
    "left over, to be chosen": (
        lambda c: _left(c, "btrfs"),
        "storage.leftovers",
        _WARNING,
        "may choose it",
    ),
    "left over, much": (
        lambda c: _left(c, "vfs", usage=Usage(1, complete=False)),
        "storage.leftovers",
        _WARNING,
        "more than 1 B",
    ),
    "left over unseen": (
        lambda c: replace(c, leftovers=None),
        "storage.leftovers",
        _INFO,
        "not checked",
    ),
    "shim": (
        lambda c: _processes(c, _shim(_ID), Process(90, 1, "containerd")),
        "processes.orphans",
        _WARNING,
        "the engine knows no such container",
    ),
    "proxy": (lambda c: _processes(c, _proxy(1)), "processes.orphans", _WARNING, "127.0.0.1:99"),
    "left in the cgroup": (
        lambda c: _processes(c, Process(9, 1, "thing", cgroups=("/system.slice/docker.service",))),
        "processes.orphans",
        _WARNING,
        "process 9 (thing)",
    ),
    "shim of a container": (
        lambda c: _processes(
            c, _shim(_ID), Process(90, 1, "containerd"), known={_ID: Known(_ID, "web", "running")}
        ),
        "processes.orphans",
        _OK,
        "belongs to a container",
    ),
    "going on": (
        lambda c: replace(
            c,
            scenery=Scenery(
                (_shim(_ID), Process(90, 1, "containerd")), {_ID: Known(_ID, "web")}, asked=False
            ),
        ),
        "processes.orphans",
        _INFO,
        "1 container: web",
    ),
    "going on, to be stopped": (
        lambda c: replace(
            c,
            settings={},
            scenery=Scenery(
                (_shim(_ID), Process(90, 1, "containerd")), {_ID: Known(_ID, "web")}, asked=False
            ),
        ),
        "processes.orphans",
        _WARNING,
        "will stop them",
    ),
    "engine not asked": (
        lambda c: replace(c, scenery=Scenery((Process(100, 1, "dockerd"),), {}, asked=False)),
        "processes.orphans",
        _INFO,
        "not checked",
    ),
    "old log driver": (
        lambda c: _made(c, LogConfig={"Type": "journald", "Config": {}}),
        "containers.differing",
        _INFO,
        "1 container with log-driver journald, a new one gets local: old",
    ),
    "old log options": (
        lambda c: replace(_made(c), settings={"log-opts": {"max-size": "9m"}}),
        "containers.differing",
        _INFO,
        "a new one gets max-size=9m",
    ),
    "old shm": (
        lambda c: replace(_made(c, ShmSize=67108864), settings={"default-shm-size": "1G"}),
        "containers.differing",
        _INFO,
        "default-shm-size 67108864",
    ),
    "same shm": (
        lambda c: replace(_made(c, ShmSize=1 << 30), settings={"default-shm-size": "1G"}),
        "containers.differing",
        _OK,
        "every container",
    ),
    "old runtime": (lambda c: _made(c, Runtime="kata"), "containers.differing", _INFO, "kata"),
    "containers untold": (
        lambda c: replace(c, created=None),
        "containers.differing",
        _INFO,
        "not checked",
    ),
    "endless log": (
        lambda c: _made(c, LogConfig={"Type": "json-file", "Config": {}}),
        "containers.endless_logs",
        _WARNING,
        "1 log without an end: old",
    ),
    "no interface": (
        lambda c: _links(c, _UPLINK),
        "networks.networks",
        _ERROR,
        "(docker0) has no interface",
    ),
    "no interface, as no task of the swarm is here": (
        lambda c: _links(_swarm(c), _UPLINK),
        "networks.networks",
        _OK,
        "network mine (bridge) of the swarm: no task uses it here",
    ),
    "overlap": (
        lambda c: replace(
            _network(c), routes=(Route("172.17.5.0/24", "vpn0"), Route("172.17.0.0/16", "docker0"))
        ),
        "networks.networks",
        _WARNING,
        "172.17.0.0/16 overlaps 172.17.5.0/24, which this host reaches through vpn0",
    ),
    "all that is led through a VPN": (
        lambda c: replace(
            _network(c), routes=(Route("0.0.0.0/1", "tun0"), Route("128.0.0.0/1", "tun0"))
        ),
        "networks.networks",
        _OK,
        "network bridge (docker0): 172.17.0.1/16, up, MTU 1500",
    ),
    "beside": (
        lambda c: replace(
            _network(c), routes=(Route("172.18.0.0/16", "vpn0"), Route("172.17.0.0/16", "docker0"))
        ),
        "networks.networks",
        _OK,
        "network bridge (docker0): 172.17.0.1/16, up, MTU 1500",
    ),
    "too large": (
        lambda c: _links(_network(c), _DOCKER0, _UPLINK),
        "networks.networks",
        _WARNING,
        "mtu = 1400",
    ),
    "network too large": (
        lambda c: _links(_network(c, "mine"), replace(_DOCKER0, name="br-" + "b" * 12), _UPLINK),
        "networks.networks",
        _WARNING,
        "network mine (br-bbbbbbbbbbbb) has an MTU of 1500",
    ),
    "network too large, that leads nowhere": (
        lambda c: _links(_inner(c), replace(_DOCKER0, name="br-" + "b" * 12), _UPLINK),
        "networks.networks",
        _OK,
        "network mine (br-bbbbbbbbbbbb)",
    ),
    "network small enough": (
        lambda c: _links(
            _network(c, "mine", **_MTU), replace(_DOCKER0, name="br-" + "b" * 12), _UPLINK
        ),
        "networks.networks",
        _OK,
        "network mine",
    ),
    "down": (
        lambda c: _links(_network(c), replace(_DOCKER0, ports=("veth1",))),
        "networks.networks",
        _WARNING,
        "veth1 hang on it",
    ),
    "no address": (
        lambda c: _links(_network(c), replace(_DOCKER0, addresses=())),
        "networks.networks",
        _WARNING,
        "no IPv4",
    ),
    "no address, as it has no IPv4": (
        lambda c: _bare(c, EnableIPv4=False),
        "networks.networks",
        _OK,
        "network mine (br-bbbbbbbbbbbb): 172.17.0.0/16",
    ),
    "no address, as the engine gives it none": (
        lambda c: _bare(c, com_docker_network_bridge_inhibit__ipv4="true"),
        "networks.networks",
        _OK,
        "network mine (br-bbbbbbbbbbbb): 172.17.0.0/16",
    ),
    "no address, as it is isolated": (
        lambda c: _bare(c, com_docker_network_bridge_gateway__mode__ipv4="isolated"),
        "networks.networks",
        _OK,
        "network mine (br-bbbbbbbbbbbb): 172.17.0.0/16",
    ),
    "left bridge": (
        lambda c: _links(_network(c), _DOCKER0, replace(_DOCKER0, name="br-0123456789ab")),
        "networks.networks",
        _WARNING,
        "ip link delete br-0123456789ab",
    ),
    "no forwarding": (
        lambda c: replace(c, kernel=replace(c.kernel, forwarding=False)),
        "networks.networks",
        _WARNING,
        "ip_forward=1",
    ),
    "other drivers": (
        lambda c: _network(c, "lan", "macvlan"),
        "networks.networks",
        _OK,
        "lan (macvlan)",
    ),
    "overlap while down": (
        lambda c: replace(_down(c), routes=(Route("172.17.5.0/24", "vpn0"),)),
        "networks.networks",
        _WARNING,
        "docker0 172.17.0.0/16 overlaps",
    ),
    "no docker0 while down": (
        lambda c: _links(_down(c), _UPLINK),
        "networks.docker0",
        _INFO,
        "no docker0",
    ),
    "open state": (
        lambda c: _owner(c, "/var/lib/dockcfgd", mode=0o755),
        "permissions.permissions",
        _ERROR,
        "chmod go-rwx /var/lib/dockcfgd",
    ),
    "foreign state": (
        lambda c: _owner(c, "/var/lib/dockcfgd/state.db", uid=7),
        "permissions.permissions",
        _ERROR,
        "belongs to uid 7",
    ),
    "open socket": (
        lambda c: _owner(c, "/run/docker.sock", mode=0o666),
        "permissions.permissions",
        _ERROR,
        "chmod o-rwx",
    ),
    "writable desired state": (
        lambda c: _owner(c, "/etc/dockcfgd/conf.toml", mode=0o664),
        "permissions.permissions",
        _ERROR,
        "chmod go-w /etc/dockcfgd/conf.toml",
    ),
    "permissions unseen": (
        lambda c: replace(c, owners={**c.owners, "/var/lib/dockcfgd/state.db": None}, root=False),
        "permissions.permissions",
        _INFO,
        "state.db",
    ),
    "secrets in the open": (
        lambda c: _owner(
            _json(c, '{"proxies": {"http-proxy": "http://me:hidden-Qx7@h"}}'),
            c.host.daemon_json.path,
            mode=0o644,
        ),
        "permissions.secrets",
        _WARNING,
        "chmod go-r",
    ),
}
