"""The ports that a migration acts through, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import text
from dockcfgd.model.host import driver_of, on_swarm_node, remaps_users

if TYPE_CHECKING:
    from dockcfgd.ports import Clock, Containers, Engine, Files, FolderArchives, Images, Networks

__all__ = ["Access", "Facts", "empty_volumes"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What an engine says of itself.

    `api` is the version that its documents have, `driver` what model.drivers calls its storage.
    """

    version: str
    api: str
    driver: str
    root: str


@dataclass(frozen=True, slots=True)
class Access:
    """The engine's API, the host's files, and time.

    `folders` is None where what containers write cannot be read but by the engine's API.
    """

    engine: Engine
    containers: Containers
    images: Images
    networks: Networks
    files: Files
    clock: Clock
    folders: FolderArchives | None = None

    def facts(self) -> Facts:
        """Ask the engine for its version, API version, driver and data-root."""
        api = self.engine.ping()
        info = self.engine.info()
        return Facts(
            version=text(info, "ServerVersion"),
            api=api,
            driver=driver_of(info),
            root=text(info, "DockerRootDir") or "/var/lib/docker",
        )

    def in_swarm(self) -> bool:
        """Ask the engine whether it is a node of a swarm."""
        return on_swarm_node(self.engine.info())

    def remaps_users(self) -> bool:
        """Ask the engine whether containers have users of their own."""
        return remaps_users(self.engine.info())


def empty_volumes(access: Access) -> frozenset[str]:
    """Give the names of the volumes on this host without content."""
    return frozenset(
        text(volume, "Name")
        for volume in access.networks.volumes()
        if text(volume, "Driver") == "local" and not access.files.names(text(volume, "Mountpoint"))
    )
