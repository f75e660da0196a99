"""A process of the host as proc(5) shows it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Process"]


@dataclass(frozen=True, slots=True)
class Process:
    """A process at one look.

    `name` is the kernel's, of 15 letters at most; `arguments` are empty where they cannot be seen.
    `cgroups` are its paths in all hierarchies, each once. `inner` is its id in its own PID
    namespace, `nested` whether that is another one than ours. `memory` is what is resident, in
    bytes, `cpu` the seconds it used, `started` when it began, in seconds since the boot. `uid` is
    the user that it runs as, root where that is not told.
    """

    pid: int
    parent: int
    name: str
    arguments: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    inner: int = 0
    nested: bool = False
    memory: int = 0
    cpu: float = 0.0
    started: float = 0.0
    uid: int = 0
