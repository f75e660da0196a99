"""What a host is measured by: space, interfaces, owners of files, the kernel."""

from __future__ import annotations

from dataclasses import dataclass

from dockcfgd.model.files import FileKind

__all__ = ["Interface", "Kernel", "Mount", "Owner", "Space", "Usage"]


@dataclass(frozen=True, slots=True)
class Space:
    """The filesystem under a folder, or under its nearest parent that is there.

    `device` is equal for two folders on the same filesystem. Inodes are 0 where it has no table of
    them. `free_bytes` and `free_inodes` are those that an ordinary user could still take.
    """

    device: int
    total_bytes: int
    free_bytes: int
    total_inodes: int = 0
    free_inodes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What folders occupy on their disk; `complete` unless the time for counting ran out."""

    bytes: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: where, and of what filesystem."""

    point: str
    filesystem: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. `state` is the kernel's word: up, down, unknown, lowerlayerdown.

    `addresses` are its IPv4 ones with their prefix length, `ports` the interfaces of a bridge.
    """

    name: str
    state: str
    mtu: int
    addresses: tuple[str, ...] = ()
    bridge: bool = False
    ports: tuple[str, ...] = ()
    default_route: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """The running kernel. None stands for what cannot be seen.

    `cgroups` is 1 or 2, the version that controllers are used by; `swap_limit` whether swap of a
    cgroup can be limited, `synchronized` whether the clock follows a time server.
    """

    release: str
    cgroups: int | None = None
    swap_limit: bool | None = None
    synchronized: bool | None = None
    forwarding: bool | None = None
    systemd: bool = True


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a path is, links followed. `mtime` is in seconds since 1970."""

    kind: FileKind
    uid: int = 0
    gid: int = 0
    mode: int = 0
    mtime: float = 0.0
