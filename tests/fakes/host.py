"""A whole simulated Docker host: all ports, over one state that persists as a real host's does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dockcfgd.effects import Effects
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET
from tests.fakes.calendar import FakeCalendar
from tests.fakes.clock import FakeClock
from tests.fakes.containers import Container
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import Dockerd
from tests.fakes.engine import FakeContainers, FakeEngine, FakeImages, FakeNetworks
from tests.fakes.files import FakeFiles
from tests.fakes.folders import FakeFolders
from tests.fakes.freeing import FakeFreeing
from tests.fakes.images import apply_layer
from tests.fakes.probes import FakeProbes
from tests.fakes.roots import FakeRoots
from tests.fakes.staging import FakeCarrier, FakeStaging
from tests.fakes.surroundings import FakeSurroundings
from tests.fakes.systemd import FakeSystemd
from tests.fakes.unit_checker import FakeUnitChecker
from tests.fakes.unit_files import DOCKER_SERVICE_FILE, DOCKER_SOCKET_FILE, unit_text
from tests.fakes.validator import FakeValidator

__all__ = ["FakeHost"]

_BUSYBOX = {"/bin/busybox": b"busybox"}


class FakeHost:
    """A booted Debian with docker.io, nothing configured, no image, no container.

        host = FakeHost()
        host.files.put("/etc/docker/daemon.json", '{"debug": true}')
        host.run("web", layer={"/data": b"1"}, restart="always")

    `host.clock`, `files`, `systemd`, `engine`, `containers`, `images`, `networks`, `validator`,
    `unit_checker`, `surroundings`, `probes`, `folders`, `staging` and `carrier` are the ports.
    `cuts` crashes dockcfgd at a chosen effect; `power_cut`, `kill_engine` and `boot` are what
    happens to hosts. With `data_root` (a folder of the test's own) the engine's stores are real
    folders that can be moved aside; else they are in memory only.
    """

    def __init__(
        self,
        *,
        version: str = "26.1.5+dfsg1",
        data_root: str = "",
        cuts: Cuts | None = None,
        daemon_json: str = "",
    ) -> None:
        self.cuts = cuts or Cuts()
        self.clock = FakeClock()
        self.files = FakeFiles(self.cuts)
        self.dockerd = Dockerd(
            self.files,
            self.clock,
            version=version,
            data_root=data_root or "/var/lib/docker",
            on_disk=bool(data_root),
        )
        self._install()
        if daemon_json:
            self.files.put("/etc/docker/daemon.json", daemon_json)
        self.systemd = FakeSystemd(self.files, self.dockerd, self.clock, self.cuts)
        self.engine = FakeEngine(self.dockerd, self.cuts)
        self.containers = FakeContainers(self.dockerd, self.cuts)
        self.images = FakeImages(self.dockerd, self.cuts)
        self.networks = FakeNetworks(self.dockerd, self.cuts)
        self.validator = FakeValidator(self.dockerd)
        self.unit_checker = FakeUnitChecker()
        self.calendar = FakeCalendar()
        self.surroundings = FakeSurroundings(self.files)
        self.probes = FakeProbes(self.dockerd, self.clock)
        self.folders = FakeFolders(self.dockerd, self.files, self.cuts)
        self.staging = FakeStaging(self.dockerd, self.files, self.clock, self.cuts)
        self.carrier = FakeCarrier(self.dockerd, self.cuts)
        self.roots = FakeRoots(self.dockerd, self.cuts)
        self.freeing = FakeFreeing(self.dockerd, self.cuts)
        self.systemd.boot()
        # The boot is long ago.
        self.clock.advance(3600)

    @property
    def effects(self) -> Effects:
        """The ports as dockcfgd is given them."""
        return Effects(
            calendar=self.calendar,
            files=self.files,
            systemd=self.systemd,
            engine=self.engine,
            containers=self.containers,
            images=self.images,
            networks=self.networks,
            validator=self.validator,
            unit_checker=self.unit_checker,
            clock=self.clock,
            surroundings=self.surroundings,
            probes=self.probes,
            folders=self.folders,
            staging=self.staging,
            carrier=self.carrier,
            roots=self.roots,
            freeing=self.freeing,
        )

    # What a host's other users do

    def image(
        self,
        tag: str = "busybox:latest",
        files: Mapping[str, bytes] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """Import an image; give its ID."""
        return self.dockerd.images.add(files or _BUSYBOX, tag=tag, config=config)

    def run(
        self,
        name: str,
        *,
        image: str = "busybox:latest",
        layer: Mapping[str, bytes | None] | None = None,
        restart: str = "no",
        body: Mapping[str, Any] | None = None,
        host_config: Mapping[str, Any] | None = None,
    ) -> str:
        """Create and start a container that has written `layer`; give its ID."""
        if image == "busybox:latest" and not any(
            image in known.tags for known in self.dockerd.images.images.values()
        ):
            self.image()
        host = {"RestartPolicy": {"Name": restart, "MaximumRetryCount": 0}, **(host_config or {})}
        asked = {"Image": image, "Cmd": ["sleep", "infinity"], "HostConfig": host, **(body or {})}
        made = self.containers.create(name, asked)
        self.containers.start(made)
        self.container(name).layer.update(layer or {})
        return made

    def fill(self, volume: str, content: Mapping[str, bytes]) -> None:
        """Put files into a volume, made if need be."""
        self.networks.create_volume({"Name": volume, "Driver": "local"})
        self.folders.fill(volume, content)

    def volume(self, name: str) -> dict[str, bytes]:
        """Give the files of a volume; KeyError where there is none of the name."""
        return self.folders.content(name)

    def remove_volume(self, name: str) -> None:
        """Remove a volume and its content."""
        self.folders.remove(name)

    def container(self, name: str) -> Container:
        """Give a container that the engine shows; KeyError where it shows none of the name."""
        for container in self.dockerd.containers():
            if container.name == name:
                return container
        raise KeyError(name)

    def content(self, name: str) -> dict[str, bytes]:
        """Give the files that a container sees: its image's with its writable layer over them."""
        container = self.container(name)
        store = self.dockerd.images
        files = store.content(store.find(container.image))
        apply_layer(files, container.layer)
        return files

    def names(self, *, running: bool | None = None) -> list[str]:
        """Give the names of the containers that the engine shows, of those that run (not) only."""
        return sorted(
            container.name
            for container in self.dockerd.containers()
            if running is None or container.alive is running
        )

    def refuse_start(self, reason: Callable[[Mapping[str, Any]], str | None]) -> None:
        """Let the engine's start end with a reason that no check foresees.

        `reason` gets the flat effective configuration and gives the engine's last line, or None:

            host.refuse_start(lambda config: "listen tcp :9323: address in use"
                              if "metrics-addr" in config else None)
        """
        self.dockerd.refusals.append(reason)

    def kill_engine(self) -> None:
        """Kill the engine's process."""
        self.systemd.kill_engine()

    def crash(self) -> None:
        """End every process of the machine at once; what was written stays written."""
        self.dockerd.power_off()
        self.systemd.power_off()
        self.cuts.restart()

    def power_cut(self) -> None:
        """Take the power away: as `crash`, and what was not synced is lost."""
        self.crash()
        self.files.power_cut()

    def boot(self) -> None:
        """Switch the machine on; the engine starts."""
        self.clock.advance(10)
        self.systemd.boot()

    def _install(self) -> None:
        major = self.dockerd.release.major
        self.files.put(DOCKER_SERVICE_FILE, unit_text(DOCKER_SERVICE, major=major))
        self.files.put(DOCKER_SOCKET_FILE, unit_text(DOCKER_SOCKET, major=major))
        self.files.put("/etc/default/docker", "# DOCKER_OPTS=\n")
        self.files.put("/usr/sbin/dockerd", b"\x7fELF", mode=0o755)
        self.files.folder("/etc/docker")
        self.files.folder("/etc/systemd/system")
