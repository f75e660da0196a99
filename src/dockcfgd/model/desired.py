"""The desired state: what the TOML files say, merged and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from dockcfgd.model.policy import Backup, Policy, Storage, Verify

__all__ = ["DesiredState", "InputFile", "Json", "KeyPath", "Service", "Source", "dotted"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
KeyPath: TypeAlias = tuple[str, ...]


def dotted(path: KeyPath) -> str:
    """Give a key path as TOML writes it, parts quoted where they need it."""
    return ".".join(
        part if part.replace("-", "").replace("_", "").isalnum() and part.isascii() else f'"{part}"'
        for part in path
    )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value was written.

    An absolute path and a line from 1 (None where the line is unknown).
    """

    file: str
    line: int | None


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that the desired state was read from, with what shows cheaply whether it changed."""

    path: str
    inode: int
    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class Service:
    """The `[service]` table: what the drop-in of docker.service holds.

    `unit` maps section to directive to its values in order; one directive may have several.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    unit: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether no drop-in is wanted."""
        return not (self.environment or self.arguments or any(self.unit.values()))


@dataclass(frozen=True, slots=True)
class DesiredState:
    """A checked desired state.

    `engine` holds `[engine]` and `[engine-extra]` together, nested as daemon.json has them.
    `digest` identifies the meaning of the files, not their layout: comments and order do not change
    it. `sources` names file and line of each key by its full path from the root, such as
    `("engine", "debug")`.
    """

    engine: Mapping[str, Json]
    service: Service
    policy: Policy
    verify: Verify
    backup: Backup
    storage: Storage
    digest: str
    files: tuple[InputFile, ...] = ()
    sources: Mapping[KeyPath, Source] = field(default_factory=dict)
