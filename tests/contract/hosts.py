"""One Docker host, simulated or a real machine, as its ports and a few hands of others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from dockcfgd.adapters.bus import Bus
from dockcfgd.adapters.clock import SystemClock
from dockcfgd.adapters.engine import (
    DockerContainers,
    DockerEngine,
    DockerImages,
    DockerNetworks,
)
from dockcfgd.adapters.engine_http import EngineConnections
from dockcfgd.adapters.systemd import SystemdBus
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobVerb
from dockcfgd.ports import Containers, Engine, Images, Networks, Systemd
from images import make_busybox
from machine import Machine
from tests.fakes import FakeHost

__all__ = ["FakeRig", "Host", "MachineRig", "machine_rig"]

DAEMON_JSON = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"
_JOB_SECONDS = 60.0


class Host(Protocol):
    """A host whose engine serves, with the image busybox:latest and no container."""

    major: int

    @property
    def engine(self) -> Engine: ...
    @property
    def containers(self) -> Containers: ...
    @property
    def images(self) -> Images: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def systemd(self) -> Systemd: ...
    def put(self, path: str, text: str) -> None: ...
    def write_inside(self, container: str, path: str, text: str) -> None: ...
    def read_inside(self, container: str, path: str) -> str: ...
    def kill_engine(self) -> None: ...
    def last_line(self) -> str: ...
    def wait_until(self, holds: Callable[[], bool], *, seconds: float) -> bool: ...
    def reset(self) -> None: ...


class FakeRig:
    """The simulated host."""

    def __init__(self, version: str) -> None:
        self.major = int(version.partition(".")[0])
        self._version = version
        self.reset()

    def reset(self) -> None:
        self._host = FakeHost(version=self._version)
        self._host.image(config={"Cmd": ["sh"], "Env": ["PATH=/bin"]})

    @property
    def engine(self) -> Engine:
        return self._host.engine

    @property
    def containers(self) -> Containers:
        return self._host.containers

    @property
    def images(self) -> Images:
        return self._host.images

    @property
    def networks(self) -> Networks:
        return self._host.networks

    @property
    def systemd(self) -> Systemd:
        return self._host.systemd

    def put(self, path: str, text: str) -> None:
        self._host.files.put(path, text)

    def write_inside(self, container: str, path: str, text: str) -> None:
        self._host.container(container).layer[path] = text.encode()

    def read_inside(self, container: str, path: str) -> str:
        return self._host.content(container)[path].decode()

    def kill_engine(self) -> None:
        self._host.kill_engine()

    def last_line(self) -> str:
        return self._host.systemd.last_line(DOCKER_SERVICE, invocation="")

    def wait_until(self, holds: Callable[[], bool], *, seconds: float) -> bool:
        deadline = self._host.clock.monotonic() + seconds
        while not holds():
            if self._host.clock.monotonic() >= deadline:
                return False
            self._host.clock.sleep(0.1)
        return True


class MachineRig:
    """A booted machine, over its sockets as the host of the machine sees them."""

    def __init__(self, machine: Machine, bus: Bus) -> None:
        self._machine = machine
        self._touched = True
        root = f"/proc/{machine.pid}/root"
        self.systemd: Systemd = SystemdBus(bus, SystemClock())
        connections = EngineConnections(f"{root}/run/docker.sock", serving=self._serving)
        self.engine: Engine = DockerEngine(connections)
        self.containers: Containers = DockerContainers(connections)
        self.images: Images = DockerImages(connections)
        self.networks: Networks = DockerNetworks(connections)
        self.major = int(str(self.engine.info()["ServerVersion"]).partition(".")[0])

    def reset(self) -> None:
        machine = self._machine
        found = machine.run(["ls", DAEMON_JSON, DROP_IN], check=False).stdout
        if found or self._touched or not self._serving():
            machine.run(f"rm -rf {DAEMON_JSON} {DROP_IN}; systemctl daemon-reload")
            self._restart()
            machine.run("rm -rf /var/lib/docker/vfs /var/lib/docker/image/vfs")
            self._touched = False
        machine.run(
            "docker ps -aq | xargs -r docker rm -f; docker network prune -f;"
            "docker volume ls -q | xargs -r docker volume rm -f"
        )
        self._keep_one_image()

    def _keep_one_image(self) -> None:
        """Leave busybox:latest alone, which takes longer to load than to keep."""
        for name in self._machine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split():
            if name != "busybox:latest" and "<none>" not in name:
                self._machine.docker("rmi", name)
        self._machine.docker("image", "prune", "-f")
        if not self._machine.docker("images", "-q", "busybox:latest"):
            make_busybox(self._machine)

    def put(self, path: str, text: str) -> None:
        self._touched = True
        self._machine.run(["mkdir", "-p", path.rpartition("/")[0]])
        self._machine.write(path, text)

    def write_inside(self, container: str, path: str, text: str) -> None:
        self._machine.docker("exec", container, "sh", "-c", f"printf %s '{text}' > {path}")

    def read_inside(self, container: str, path: str) -> str:
        return self._machine.docker("exec", container, "cat", path)

    def kill_engine(self) -> None:
        self._machine.run(["systemctl", "kill", "--signal=KILL", "--kill-who=main", DOCKER_SERVICE])

    def last_line(self) -> str:
        # Without the engine's own log, and the executor's word about an empty variable.
        lines = "journalctl --no-pager -o cat _SYSTEMD_UNIT=docker.service"
        told = f"{lines} | grep -v -e level= -e '^docker.service: ' | tail -1"
        return self._machine.run(f"journalctl --sync; {told}").stdout.strip()

    def wait_until(self, holds: Callable[[], bool], *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        return True

    def _serving(self) -> bool:
        return self.systemd.unit(DOCKER_SERVICE).running

    def _restart(self) -> None:
        for unit in (DOCKER_SERVICE, DOCKER_SOCKET):
            self.systemd.reset_failed(unit)
        self.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=_JOB_SECONDS)
        self.systemd.reset_failed(DOCKER_SERVICE)


@contextmanager
def machine_rig(suite: str) -> Iterator[MachineRig]:
    """Boot a machine of a release for a while."""
    with Machine(suite) as machine:
        machine.boot()
        bus = Bus(f"unix:path=/proc/{machine.pid}/root/run/dbus/system_bus_socket")
        try:
            yield MachineRig(machine, bus)
        finally:
            bus.close()
