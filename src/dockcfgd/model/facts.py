"""What kernel, filesystems, accounts and programs of a host offer the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

__all__ = ["AccountKind", "Facts", "Folder", "Program", "Questions", "Route"]

AccountKind = Literal["user", "group"]


class Program(StrEnum):
    """What stands where a program is looked for."""

    RUNNABLE = "runnable"
    NOT_EXECUTABLE = "not executable"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the filesystem under it; of the nearest parent where it is not there yet.

    `filesystem` is the kernel's name, such as ext4. `d_type` tells whether the filesystem names the
    kind of a file in its folder's entries (None: it could not be seen). `blocked_by` is the path
    that stands where a folder is needed and is none, empty where there is none. `apart`: the path
    itself is a link or a mount, so that it cannot be renamed with what is in it.
    """

    filesystem: str = ""
    d_type: bool | None = None
    free_bytes: int = 0
    there: bool = False
    blocked_by: str = ""
    options: frozenset[str] = frozenset()
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A network that the host reaches through an interface. The default routes are none."""

    network: str
    interface: str


@dataclass(frozen=True, slots=True)
class Questions:
    """Which facts are wanted: paths of folders and files, names or paths of programs, devices.

    `data_root` is the folder whose drivers with data, and whose plugins, are meant.
    """

    folders: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    accounts: frozenset[tuple[AccountKind, str]] = frozenset()
    filesystems: bool = False
    routes: bool = False
    plugins: bool = False
    data_root: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers. What was not asked is in none of them.

    `filesystems` are those that the running kernel has or can load. `files` holds texts, None for
    what is no readable file. `plugins` maps names to the plugin's kinds, such as `authz`, empty for
    one that tells them only when it is asked. `prior_drivers` are the storage drivers that have
    data in the wanted data-root.
    """

    folders: Mapping[str, Folder] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)
    programs: Mapping[str, Program] = field(default_factory=dict)
    devices: Mapping[str, bool] = field(default_factory=dict)
    accounts: Mapping[tuple[AccountKind, str], bool] = field(default_factory=dict)
    filesystems: frozenset[str] | None = None
    routes: tuple[Route, ...] | None = None
    plugins: Mapping[str, frozenset[str]] | None = None
    prior_drivers: tuple[str, ...] | None = None
