"""The ports as one value, for what acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.migration.access import Access

if TYPE_CHECKING:
    from dockcfgd.ports import (
        Calendar,
        Carrier,
        Clock,
        Containers,
        Engine,
        Files,
        FolderArchives,
        Freeing,
        Images,
        Networks,
        Probes,
        Roots,
        Staging,
        Surroundings,
        Systemd,
        UnitChecker,
        Validator,
    )

__all__ = ["Effects"]


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything outside that observing and acting need."""

    files: Files
    systemd: Systemd
    engine: Engine
    containers: Containers
    images: Images
    networks: Networks
    validator: Validator
    unit_checker: UnitChecker
    clock: Clock
    surroundings: Surroundings
    calendar: Calendar
    probes: Probes
    folders: FolderArchives
    staging: Staging
    carrier: Carrier
    roots: Roots
    freeing: Freeing

    @property
    def access(self) -> Access:
        """The part that migrations use."""
        return Access(
            engine=self.engine,
            containers=self.containers,
            images=self.images,
            networks=self.networks,
            files=self.files,
            clock=self.clock,
            folders=self.folders,
        )
