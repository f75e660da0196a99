"""Units of the fake: their properties, and what jobs do to them."""

from __future__ import annotations

import os
import time
from typing import Any

PATH = "/org/freedesktop/systemd1"
UNIT = "org.freedesktop.systemd1.Unit"
KINDS = {"service": "Service", "socket": "Socket"}
NO_JOB = (0, "/")

_ENGINE = ("/usr/sbin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock")


def path_of(name: str) -> str:
    """Give a unit's object path."""
    return f"{PATH}/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)


class Unit:
    """A unit, its properties as plain values in one table for all its interfaces."""

    def __init__(self, name: str, **properties: Any) -> None:
        self.name = name
        self.starts: list[float] = []
        self.properties: dict[str, Any] = {
            "Id": name,
            "LoadState": "loaded",
            "ActiveState": "inactive",
            "SubState": "dead",
            "Result": "success",
            "Job": NO_JOB,
            "FragmentPath": f"/lib/systemd/system/{name}",
            **properties,
        }

    @property
    def kind(self) -> str:
        """The interface of the unit's type, without its prefix."""
        return KINDS.get(self.name.rpartition(".")[2], "Service")

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.properties["ActiveState"] in {"active", "reloading"}

    def over_limit(self, *, limit: int, interval: float) -> bool:
        """Count one more start, and say whether it is one too many."""
        now = time.monotonic()
        self.starts = [start for start in self.starts if now - start < interval]
        if limit and len(self.starts) >= limit:
            return True
        self.starts.append(now)
        return False

    def started(self, pid: int) -> dict[str, Any]:
        """Give what a good start changes."""
        running = "running" if self.kind == "Service" else "listening"
        return {
            "ActiveState": "active",
            "SubState": running,
            "Result": "success",
            "InvocationID": list(os.urandom(16)),
            "MainPID": pid,
            "ExecMainPID": pid,
            "ExecMainStatus": 0,
        }

    def stopped(self) -> dict[str, Any]:
        """Give what a stop changes."""
        return {"ActiveState": "inactive", "SubState": "dead", "MainPID": 0}

    def failed(self, result: str, status: int) -> dict[str, Any]:
        """Give what a failed start changes."""
        return {
            "ActiveState": "failed",
            "SubState": "failed",
            "Result": result,
            "MainPID": 0,
            "ExecMainStatus": status,
        }


def engine_units() -> list[Unit]:
    """Give docker.service and docker.socket, both running."""
    service = Unit(
        "docker.service",
        DropInPaths=[],
        ExecStart=[(_ENGINE[0], [*_ENGINE, "$DOCKER_OPTS"], False, 0, 0, 0, 0, 0, 0, 0)],
        Environment=[],
        EnvironmentFiles=[("/etc/default/docker", True)],
        StartLimitBurst=3,
        StartLimitIntervalUSec=60_000_000,
    )
    service.properties |= service.started(1000)
    socket = Unit("docker.socket")
    socket.properties |= socket.started(0)
    return [service, socket]
