"""All adapters as one Effects, for the two composition roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.adapters.calendar import SystemdCalendar
from dockcfgd.adapters.carrier import UnitCarrier
from dockcfgd.adapters.containerd import Containerd, address_in
from dockcfgd.adapters.dockerd import DockerdValidator
from dockcfgd.adapters.engine import (
    DockerContainers,
    DockerEngine,
    DockerImages,
    DockerNetworks,
)
from dockcfgd.adapters.engine_http import EngineConnections
from dockcfgd.adapters.files import HostFiles
from dockcfgd.adapters.folder_archives import UnitFolderArchives
from dockcfgd.adapters.freeing import UnitFreeing
from dockcfgd.adapters.left_shims import LeftShims
from dockcfgd.adapters.probes import UnitProbes
from dockcfgd.adapters.roots import UnitRoots
from dockcfgd.adapters.serving import Serving
from dockcfgd.adapters.staging import UnitStaging
from dockcfgd.adapters.surroundings import HostSurroundings
from dockcfgd.adapters.systemd import SystemdBus
from dockcfgd.adapters.systemd_analyze import SystemdAnalyze
from dockcfgd.effects import Effects
from dockcfgd.model.systemd import DOCKER_SERVICE

if TYPE_CHECKING:
    from dockcfgd.adapters.bus import Bus
    from dockcfgd.ports import Clock
    from dockcfgd.settings import Settings

__all__ = ["host_effects"]


def host_effects(settings: Settings, bus: Bus, clock: Clock) -> Effects:
    """Give the ports of this host. Asking the engine never starts one that is stopped."""
    systemd = SystemdBus(bus, clock)

    connections = EngineConnections(
        settings.docker_socket, serving=Serving(systemd), attend=lambda: clock.sleep(0)
    )
    files = HostFiles()
    containerd = Containerd(
        lambda: address_in(systemd.unit(DOCKER_SERVICE).exec_start), attend=lambda: clock.sleep(0)
    )
    return Effects(
        calendar=SystemdCalendar(),
        files=files,
        systemd=systemd,
        engine=DockerEngine(connections),
        containers=DockerContainers(connections, end_left_shim=LeftShims(systemd).end),
        images=DockerImages(connections, containerd),
        networks=DockerNetworks(connections),
        validator=DockerdValidator(),
        unit_checker=SystemdAnalyze(),
        clock=clock,
        surroundings=HostSurroundings(),
        probes=UnitProbes(systemd, settings.runtime_dir),
        folders=UnitFolderArchives(systemd, containerd, settings.runtime_dir),
        staging=UnitStaging(
            systemd, files, clock, containerd=containerd, runtime_dir=settings.runtime_dir
        ),
        carrier=UnitCarrier(systemd, containerd, settings.runtime_dir),
        roots=UnitRoots(systemd, clock, settings.runtime_dir),
        freeing=UnitFreeing(systemd, containerd, settings.runtime_dir),
    )
