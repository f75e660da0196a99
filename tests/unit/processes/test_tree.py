"""The tree of a fake /proc: what each process is for, with the engine up and down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dockcfgd.adapters.processes import HostProcesses
from dockcfgd.model.desired import Json
from dockcfgd.processes.known import known_by_engine
from dockcfgd.processes.roles import Known
from dockcfgd.processes.tree import Kind, Node, Scenery, other_namespaces, tree_of
from tests.support.proc_tree import DB, LOST, WEB, ProcTree

_KNOWN = {
    WEB: Known(WEB, "web", "running", "busybox", ("172.17.0.2",)),
    DB: Known(DB, "db", "running", "busybox", ("172.17.0.3",)),
}


@pytest.fixture
def proc(tmp_path: Path) -> ProcTree:
    tree = ProcTree(tmp_path)
    tree.add(1, 0, "/sbin/init")
    tree.containerd()
    for pid, container in ((200, WEB), (300, DB)):
        tree.shim(pid, container)
        tree.inside(pid + 1, pid, container, 1, "/bin/sh", "-c", "serve it")
    tree.inside(205, 200, WEB, 9, "/bin/sh")  # of docker exec: the shim's child too
    tree.inside(206, 201, WEB, 12, "sleep", "1")
    return tree


def _tree(proc: ProcTree, *, asked: bool = True) -> tuple[Node, ...]:
    return tree_of(Scenery(HostProcesses(str(proc.folder)).list(), _KNOWN, asked=asked))


def _lines(nodes: Sequence[Node], depth: int = 0) -> Iterator[str]:
    for node in nodes:
        name = node.known.name if node.known else node.container[:3]
        text = f"{'  ' * depth}{node.kind} {node.process.pid} {name}".rstrip()
        yield text + (f": {node.trouble}" if node.trouble else "")
        yield from _lines(node.children, depth + 1)


def test_each_process_is_where_it_belongs(proc: ProcTree) -> None:
    proc.engine()
    proc.proxy(110, 100, port=8080, address="172.17.0.2")
    proc.add(120, 100, "/usr/sbin/runc", cgroup="/system.slice/docker.service")
    tree = _tree(proc)
    assert [*_lines(tree)] == [
        "dockerd 100",
        "  docker-proxy 110 web",
        "  process 120",
        "containerd 90",
        "  shim 200 web",
        "    init 201 web",
        "  shim 300 db",
        "    init 301 db",
    ]
    mapping = tree[0].children[0].mapping
    assert mapping is not None
    assert mapping.text() == "0.0.0.0:8080->172.17.0.2:80/tcp"
    whole = tree[1].children[0].children[0].whole
    assert whole is not None
    assert (whole.processes, whole.memory) == (3, 3 << 20)
    engine = tree[0].process
    assert (engine.cpu, engine.memory, engine.arguments[1:]) == (
        12.34,
        84_000 << 10,
        ("-H", "fd://"),
    )


def test_a_host_whose_engine_is_down_still_shows_its_shims(proc: ProcTree) -> None:
    proc.proxy(110, 1, port=8080, address="172.17.0.2")
    assert [*_lines(_tree(proc, asked=False))] == [
        "containerd 90",
        "  shim 200 web",
        "    init 201 web",
        "  shim 300 db",
        "    init 301 db",
        "docker-proxy 110 web: no engine started it that still runs",
    ]


def test_what_belongs_to_nobody_is_said(proc: ProcTree) -> None:
    proc.engine()
    proc.shim(400, LOST)
    proc.proxy(110, 100, port=1, address="172.17.0.99")
    proc.proxy(111, 1, port=2, address="172.17.0.2")
    proc.add(130, 1, "/usr/bin/fuse-overlayfs", cgroup="/system.slice/docker.service")
    troubles = [line.strip() for line in _lines(_tree(proc)) if ": " in line]
    assert troubles == [
        "docker-proxy 110: no running container has this address",
        "shim 400 ccc: the engine knows no such container",
        "docker-proxy 111 web: no engine started it that still runs",
        "process 130: left over in docker.service's cgroup",
    ]


def test_a_port_of_a_container_on_an_overlay_network_is_its_own(proc: ProcTree) -> None:
    """Its address on docker_gwbridge, by which the port goes, is in none of its networks."""
    proc.engine()
    proc.proxy(110, 100, port=8080, address="172.18.0.3")
    proc.proxy(111, 100, port=8081, address="172.18.0.3")
    listed: dict[str, Json] = {
        "Id": WEB,
        "Names": ["/web"],
        "State": "running",
        "Ports": [
            {"PrivatePort": 443, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},  # noqa: S104
        ],
        "NetworkSettings": {"Networks": {"mesh": {"IPAddress": "10.0.1.4"}}},
    }
    scenery = Scenery(HostProcesses(str(proc.folder)).list(), known_by_engine([listed]))
    proxies = [line.strip() for line in _lines(tree_of(scenery)) if "docker-proxy" in line]
    assert proxies == [
        "docker-proxy 110 web",
        "docker-proxy 111: no running container has this address",
    ]


def test_an_exited_container_whose_shim_runs(proc: ProcTree) -> None:
    proc.engine()
    known = {**_KNOWN, DB: Known(DB, "db", "exited")}
    tree = tree_of(Scenery(HostProcesses(str(proc.folder)).list(), known))
    assert "  shim 300 db: to the engine the container is exited" in [*_lines(tree)]


def test_shims_without_containerd_are_roots(tmp_path: Path) -> None:
    proc = ProcTree(tmp_path)
    proc.shim(200, WEB)
    assert [*_lines(_tree(proc, asked=False))] == ["shim 200 web: containerd does not run"]


def test_shims_of_others_are_only_counted(proc: ProcTree) -> None:
    proc.engine()
    proc.shim(400, LOST, namespace="k8s.io")
    scenery = Scenery(HostProcesses(str(proc.folder)).list(), _KNOWN)
    assert other_namespaces(scenery) == {"k8s.io": 1}
    assert not [line for line in _lines(tree_of(scenery)) if "400" in line]


def test_an_engine_inside_a_container_is_not_ours(proc: ProcTree) -> None:
    proc.inside(500, 301, DB, 7, "/usr/sbin/dockerd")
    proc.add(510, 1, "/usr/sbin/dockerd", cgroup="/machine.slice/x/docker.service", inner=80)
    assert {node.kind for node in _tree(proc)} == {Kind.CONTAINERD}


def test_a_containerd_of_the_engine_hangs_below_it(tmp_path: Path) -> None:
    proc = ProcTree(tmp_path)
    proc.engine()
    proc.containerd()
    proc.add(101, 100, "containerd", cgroup="/system.slice/docker.service")
    socket = "/var/run/docker/containerd/containerd.sock"
    shim = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", WEB)
    proc.add(200, 1, *shim, "-address", socket, cgroup="/system.slice/docker.service")
    assert [*_lines(_tree(proc))] == [
        "dockerd 100",
        "  containerd 101",
        "    shim 200 web",
        "containerd 90",
    ]


def test_v1_hierarchies_and_processes_that_end_meanwhile(tmp_path: Path) -> None:
    proc = ProcTree(tmp_path)
    proc.add(7, 1, "sleep")
    (tmp_path / "7/cgroup").write_text(f"4:memory:/docker/{WEB}\n1:name=systemd:/docker/{WEB}\n")
    (tmp_path / "8").mkdir()
    (tmp_path / "self").mkdir()
    proc.add(9, 0, "kthreadd")
    (tmp_path / "9/status").write_text("Name:\tkthreadd\nNSpid:\t9\n")
    (one,) = HostProcesses(str(tmp_path)).list()
    assert (one.pid, one.cgroups) == (7, (f"/docker/{WEB}",))
