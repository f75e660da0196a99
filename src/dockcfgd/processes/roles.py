"""What a process of Docker is for, told by its name, its arguments and its cgroup."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.processes import Process

__all__ = [
    "Known",
    "PortMapping",
    "Shim",
    "container_of",
    "init_of",
    "is_containerd",
    "is_engine",
    "is_of_docker",
    "left_shim",
    "mapping_of",
    "shim_of",
]

_ENGINE, _CONTAINERD, _SHIM, _PROXY = "dockerd", "containerd", "containerd-shim", "docker-proxy"
# docker-<id>.scope of systemd's cgroup driver, <id> below some parent with cgroupfs.
_CONTAINER = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)")


@dataclass(frozen=True, slots=True)
class Known:
    """A container that the engine or its files know.

    `state` is empty where only the files were read. `addresses` are those in its networks, and
    `published` the host's address, port and protocol of each port that the engine shows.
    """

    id: str
    name: str
    state: str = ""
    image: str = ""
    addresses: tuple[str, ...] = ()
    published: tuple[tuple[str, int, str], ...] = ()

    @property
    def active(self) -> bool:
        """Whether its processes should exist; of one whose state is not known that is so."""
        return self.state in {"", "running", "paused", "restarting", "removing"}


@dataclass(frozen=True, slots=True)
class Shim:
    """A shim's container, and the namespace and socket of containerd that it belongs to."""

    container: str
    namespace: str
    address: str


@dataclass(frozen=True, slots=True)
class PortMapping:
    """What a docker-proxy forwards."""

    protocol: str
    host_address: str
    host_port: int
    container_address: str
    container_port: int

    def serves(self, known: Known) -> bool:
        """Whether it is the container's.

        By its address, or the port: for an overlay network it leads to docker_gwbridge, and what
        the container has there is in none of its networks.
        """
        host = (self.host_address, self.host_port, self.protocol)
        return self.container_address in known.addresses or host in known.published

    def text(self) -> str:
        """Give it as `docker ps` writes it."""
        host, inner = _bracketed(self.host_address), _bracketed(self.container_address)
        return f"{host}:{self.host_port}->{inner}:{self.container_port}/{self.protocol}"


def container_of(process: Process) -> str:
    """Give the id of the container that a process is in by its cgroup, empty for none."""
    for path in process.cgroups:
        found = _CONTAINER.search(path)
        if found is not None:
            return found[1]
    return ""


def is_engine(process: Process) -> bool:
    """Whether it is this host's dockerd, not one in a container or another machine."""
    return process.name == _ENGINE and _ours(process)


def is_containerd(process: Process) -> bool:
    """Whether it is a containerd of this host."""
    return process.name == _CONTAINERD and _ours(process)


def shim_of(process: Process) -> Shim | None:
    """Give what a shim of this host is for; None for another process."""
    if not process.name.startswith(_SHIM) or not _ours(process):
        return None
    given = _options(process.arguments)
    return Shim(given.get("id", ""), given.get("namespace", ""), given.get("address", ""))


def mapping_of(process: Process) -> PortMapping | None:
    """Give what a docker-proxy of this host forwards; None for another process."""
    if process.name != _PROXY or not _ours(process):
        return None
    given = _options(process.arguments)
    return PortMapping(
        protocol=given.get("proto", "tcp"),
        host_address=given.get("host-ip", ""),
        host_port=_number(given.get("host-port", "")),
        container_address=given.get("container-ip", ""),
        container_port=_number(given.get("container-port", "")),
    )


def is_of_docker(shim: Shim, namespaces: Iterable[str] = ("moby", "plugins.moby")) -> bool:
    """Whether Docker is the one that has this shim's namespace; with userns-remap it has a tail."""
    return any(
        shim.namespace == name or shim.namespace.startswith(f"{name}-") for name in namespaces
    )


def left_shim(container: str, processes: Sequence[Process]) -> int | None:
    """Give the shim of a container of Docker of which no process is left; None if there is none."""
    if any(container_of(process) == container for process in processes):
        return None
    found = [(process.pid, shim_of(process)) for process in processes]
    pids = [
        pid for pid, shim in found if shim and shim.container == container and is_of_docker(shim)
    ]
    return pids[0] if len(pids) == 1 else None


def init_of(inside: Sequence[Process], shim: Process | None) -> Process | None:
    """Give the first process of a container; `inside` are those in its cgroup.

    It has number 1 in a PID namespace of its own; where there is none it is the oldest that the
    shim started.
    """
    first = [one for one in inside if one.nested and one.inner == 1]
    started = [one for one in inside if shim is not None and one.parent == shim.pid]
    # A container may hold containers, whose first processes are not the shim's children.
    best = [one for one in first if one in started] or first or started or list(inside)
    return min(best, key=lambda one: (one.started, one.pid), default=None)


def _ours(process: Process) -> bool:
    """Whether it is of the host's own Docker: one in rootless mode is its user's."""
    return process.uid == 0 and not process.nested and not container_of(process)


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """Read `-name value`, `--name value` and `-name=value`; a switch has no value."""
    found: dict[str, str] = {}
    name = ""
    for word in arguments[1:]:
        if word.startswith("-") and len(word) > 1:
            name, equals, value = word.lstrip("-").partition("=")
            found[name] = value
            name = "" if equals else name
        elif name:
            found[name], name = word, ""
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
