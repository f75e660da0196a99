"""All that the checks judge: what one look at the host gave, and what could not be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dockcfgd.doctor.permissions import Rule
from dockcfgd.model.desired import Json
from dockcfgd.model.facts import Folder, Route
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.vitals import Interface, Kernel, Mount, Owner, Space, Usage
from dockcfgd.planning.rules.scene import Scene
from dockcfgd.processes.tree import Scenery

__all__ = ["Case", "Created", "Dockcfgd", "Leftover", "Place"]


@dataclass(frozen=True, slots=True)
class Dockcfgd:
    """dockcfgd itself: the release of this command, and the published status (None: never)."""

    version: str
    status: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that fills: what it is for, where, how full and of what kind (None: not seen)."""

    name: str
    path: str
    space: Space | None
    folder: Folder | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a storage driver has in data-root that is not the one in use.

    `containers` counts those that the engine hides because they were made with this driver. `usage`
    None: this user may not count it.
    """

    driver: str
    paths: tuple[str, ...]
    usage: Usage | None = None
    containers: int = 0


@dataclass(frozen=True, slots=True)
class Created:
    """A container's name, whether it runs, and the HostConfig it was created with."""

    name: str
    active: bool
    settings: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Case:
    """One look.

    `unread` maps what could not be looked at to the reason; `root` is whether the look was root's.
    `settings` are daemon.json's keys with those of the flags in force. `present` is the scene of
    the engine's rules as the host is, `trials` one for each storage driver. `complaints` are those
    of the engine's own check, None where it was not run. `leftovers`, `created` and
    `networks` are None where nobody could tell.
    """

    host: HostState
    root: bool = True
    unread: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    installed: str = ""
    dockcfgd: Dockcfgd = field(default_factory=lambda: Dockcfgd(""))
    kernel: Kernel = field(default_factory=lambda: Kernel(""))
    present: Scene = field(default_factory=lambda: Scene({}))
    trials: tuple[Scene, ...] = ()
    complaints: tuple[str, ...] | None = None
    places: tuple[Place, ...] = ()
    leftovers: tuple[Leftover, ...] | None = ()
    mounts: tuple[Mount, ...] = ()
    scenery: Scenery = field(default_factory=lambda: Scenery(()))
    created: tuple[Created, ...] | None = ()
    networks: tuple[Mapping[str, Json], ...] | None = ()
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    owners: Mapping[str, Owner | None] = field(default_factory=dict)
    now: float = 0.0

    @property
    def engine(self) -> EngineState | None:
        """The engine, where it could be asked."""
        return self.host.engine if isinstance(self.host.engine, EngineState) else None

    @property
    def data_root(self) -> str:
        """Where the engine keeps, or would keep, its data."""
        if self.engine is not None:
            return self.engine.root
        named = self.settings.get("data-root") or self.settings.get("graph")
        return named if isinstance(named, str) and named else "/var/lib/docker"
