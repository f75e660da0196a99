"""docker.service's processes as a tree: the engine, containerd, each container, each open port."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from dockcfgd.processes.roles import (
    Known,
    PortMapping,
    Shim,
    container_of,
    init_of,
    is_containerd,
    is_engine,
    is_of_docker,
    mapping_of,
    shim_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockcfgd.model.processes import Process

__all__ = ["Kind", "Node", "Scenery", "Whole", "other_namespaces", "tree_of"]

_UNIT = "/docker.service"


class Kind(StrEnum):
    """What a process is for."""

    ENGINE = "dockerd"
    CONTAINERD = "containerd"
    SHIM = "shim"
    INIT = "init"
    PROXY = "docker-proxy"
    OTHER = "process"


@dataclass(frozen=True, slots=True)
class Whole:
    """A container's processes together: how many, resident bytes, seconds of CPU."""

    processes: int
    memory: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Node:
    """A process in the tree.

    `container` is the id that it serves, empty for none, `known` what is known of that container.
    `trouble` says what is wrong with it. `whole` is there for a container's first process.
    """

    kind: Kind
    process: Process
    container: str = ""
    known: Known | None = None
    mapping: PortMapping | None = None
    whole: Whole | None = None
    trouble: str = ""
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenery:
    """The processes, the containers by id, and whether the list is complete.

    `asked` is whether the engine itself told its containers, `namespaces` are Docker's own in
    containerd.
    """

    processes: Sequence[Process]
    containers: Mapping[str, Known] = field(default_factory=dict)
    asked: bool = True
    namespaces: tuple[str, ...] = ("moby", "plugins.moby")


def tree_of(scenery: Scenery) -> tuple[Node, ...]:
    """Give the roots: the engine first, then containerd, then what lost its parent."""
    engines = [one for one in scenery.processes if is_engine(one)]
    servers = [one for one in scenery.processes if is_containerd(one)]
    own = {one.pid for one in servers if one.parent in {engine.pid for engine in engines}}
    shims: dict[int, list[Node]] = {}
    for process, shim in _shims(scenery):
        at = _server_of(shim, servers, own)
        shims.setdefault(at, []).append(_shim_node(scenery, process, shim, served=bool(at)))
    seen = _ids(node for nodes in shims.values() for node in nodes)
    containerds = {
        one.pid: Node(Kind.CONTAINERD, one, children=tuple(shims.get(one.pid, ())))
        for one in servers
        if one.pid in shims or one.pid in own or not _serves_others(scenery, servers)
    }
    proxies = [_proxy_node(scenery, one, engines) for one in scenery.processes if mapping_of(one)]
    roots = [_engine_node(scenery, one, containerds, proxies, seen) for one in engines]
    roots += [node for pid, node in containerds.items() if pid not in own]
    roots += shims.get(0, [])
    roots += [node for node in proxies if node.process.parent not in {e.pid for e in engines}]
    return (*roots, *_left_over(scenery, roots))


def other_namespaces(scenery: Scenery) -> dict[str, int]:
    """Count the shims that are none of Docker's, by the namespace in containerd."""
    counts: dict[str, int] = {}
    for process in scenery.processes:
        shim = shim_of(process)
        if shim is not None and not is_of_docker(shim, scenery.namespaces):
            counts[shim.namespace] = counts.get(shim.namespace, 0) + 1
    return counts


def _shims(scenery: Scenery) -> Iterator[tuple[Process, Shim]]:
    for process in scenery.processes:
        shim = shim_of(process)
        if shim is not None and is_of_docker(shim, scenery.namespaces):
            yield process, shim


def _serves_others(scenery: Scenery, servers: Sequence[Process]) -> bool:
    """Whether a containerd without a shim of Docker's is likely somebody else's."""
    return len(servers) > 1 and bool(other_namespaces(scenery))


def _server_of(shim: Shim, servers: Sequence[Process], own: set[int]) -> int:
    """Give the pid of the containerd that a shim speaks to: its own one where dockerd has one."""
    of_engine = "/docker/containerd/" in shim.address
    fitting = [one.pid for one in servers if (one.pid in own) is of_engine]
    return fitting[0] if fitting else 0


def _shim_node(scenery: Scenery, process: Process, shim: Shim, *, served: bool) -> Node:
    inside = [one for one in scenery.processes if container_of(one) == shim.container]
    first = init_of(inside, process)
    known = scenery.containers.get(shim.container)
    children: tuple[Node, ...] = ()
    if first is not None:
        whole = Whole(len(inside), sum(o.memory for o in inside), sum(o.cpu for o in inside))
        children = (Node(Kind.INIT, first, shim.container, known, whole=whole),)
    return Node(
        Kind.SHIM,
        process,
        shim.container,
        known,
        trouble=_shim_trouble(scenery, shim, known, served=served),
        children=children,
    )


def _shim_trouble(scenery: Scenery, shim: Shim, known: Known | None, *, served: bool) -> str:
    plugin = shim.namespace.startswith("plugins.")
    if scenery.asked and known is None and not plugin:
        return "the engine knows no such container"
    if scenery.asked and known is not None and not known.active:
        return f"to the engine the container is {known.state}"
    return "" if served else "containerd does not run"


def _proxy_node(scenery: Scenery, process: Process, engines: Sequence[Process]) -> Node:
    mapping = mapping_of(process)
    if mapping is None:
        return Node(Kind.OTHER, process)
    known = next((one for one in scenery.containers.values() if mapping.serves(one)), None)
    trouble = ""
    if process.parent not in {engine.pid for engine in engines}:
        trouble = "no engine started it that still runs"
    elif scenery.asked and known is None:
        trouble = "no running container has this address"
    identity = known.id if known else ""
    return Node(Kind.PROXY, process, identity, known, mapping=mapping, trouble=trouble)


def _engine_node(
    scenery: Scenery,
    engine: Process,
    containerds: Mapping[int, Node],
    proxies: Sequence[Node],
    seen: set[int],
) -> Node:
    mine = [node for node in proxies if node.process.parent == engine.pid]
    mine += [node for node in containerds.values() if node.process.parent == engine.pid]
    placed = seen | _ids(mine)
    for process in scenery.processes:
        if process.parent == engine.pid and process.pid not in placed:
            mine.append(_other(scenery, process, placed))
    return Node(Kind.ENGINE, engine, children=tuple(mine))


def _other(scenery: Scenery, process: Process, placed: set[int], trouble: str = "") -> Node:
    placed.add(process.pid)
    below = tuple(
        _other(scenery, one, placed)
        for one in scenery.processes
        if one.parent == process.pid and one.pid not in placed and not container_of(one)
    )
    return Node(Kind.OTHER, process, trouble=trouble, children=below)


def _left_over(scenery: Scenery, roots: Sequence[Node]) -> Iterator[Node]:
    """Find what else is in the service's cgroup and has no parent in the tree."""
    placed = _ids(roots)
    inside = [
        one
        for one in scenery.processes
        if not one.nested and any(path.endswith(_UNIT) for path in one.cgroups)
    ]
    pids = {one.pid for one in inside}
    for process in inside:
        if process.pid not in placed and process.parent not in pids:
            trouble = "left over in docker.service's cgroup"
            yield _other(scenery, process, placed, trouble)


def _ids(nodes: Iterator[Node] | Sequence[Node]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        found |= {node.process.pid} | _ids(node.children)
    return found
