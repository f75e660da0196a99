"""A machine whose engine dockcfgd looks after, for tests of what happens around the two."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from images import make_busybox
from machine import Machine, wait_for

__all__ = ["CALM", "CONF", "DAEMON_JSON", "DROP_IN", "OVERRIDE", "Guarded"]

CONF = "/etc/dockcfgd/conf.toml"
DAEMON_JSON = "/etc/docker/daemon.json"
OVERRIDES = "/etc/systemd/system/docker.service.d"
DROP_IN = f"{OVERRIDES}/zz-dockcfgd.conf"
OVERRIDE = f"{OVERRIDES}/override.conf"
CALM = '[engine]\nmax-concurrent-downloads = 5\nhosts = ["fd://"]\n[verify]\nsettle = "500ms"\n'
_STATUS = "/run/dockcfgd/status.json"
_SLOW = "/run/slow"
_OURS = "dockcfgd.service"
_DOCKER = "docker.service"
_CONTAINERS = ("by-itself", "web")


class Guarded:
    """A booted machine with dockcfgd from its package, two containers, and CALM in force.

    While `slowed`, the engine's start takes two seconds more.
    """

    def __init__(self, machine: Machine, package: Path) -> None:
        self.machine = machine
        make_busybox(machine)
        machine.write(DAEMON_JSON, '{"labels": ["rack=7"]}\n')
        wait = f"[Service]\nExecStartPre=/bin/sh -c 'test ! -e {_SLOW} || sleep 2'\n"
        machine.write(f"{OVERRIDES}/10-slow.conf", wait)
        machine.run("systemctl daemon-reload; systemctl restart docker")
        machine.docker("run", "-d", "--init", "--restart=always", "--name=web", "busybox",
                       "sleep", "100000")  # fmt: skip
        machine.docker("run", "-d", "--init", "--name=by-itself", "busybox", "sleep", "100000")
        self.want(CALM)
        machine.install_deb(package)
        self.rests("in-sync")

    def calm(self) -> None:
        """Come to rest with all in order, whatever was before."""
        self.machine.run(f"rm -f {_SLOW} {OVERRIDE}; systemctl daemon-reload")
        self.machine.run("systemctl reset-failed; systemctl start docker.socket docker.service")
        self.machine.run(["dockcfgctl", "apply"], check=False, timeout=120)
        self.rests("in-sync")
        self.machine.docker("start", *_CONTAINERS)

    def slowed(self) -> None:
        self.machine.run(["touch", _SLOW])

    def want(self, text: str) -> None:
        """Put a desired state in place of the one before."""
        self.machine.write(CONF, f"schema = 1\n{text}")

    def other_driver(self) -> str:
        """Give a log driver that the engine does not have: another one takes a restart."""
        return "json-file" if self.log_driver() == "local" else "local"

    def want_driver(self, driver: str, *, settle: str = "500ms") -> None:
        """Want CALM and a log driver, by a plain restart."""
        text = CALM.replace("[engine]", f'[engine]\nlog-driver = "{driver}"')
        self.want(text.replace("500ms", settle) + '[policy]\nrestart = "plain"\n')

    @property
    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.machine.read(_STATUS))
        return document

    def rests(self, condition: str, *, saying: str = "", timeout: float = 60.0) -> dict[str, Any]:
        """Wait until a living dockcfgd rests in a condition; give the status."""

        def rested() -> dict[str, Any] | None:
            status = self.status
            there = status["condition"] == condition and saying in (status["reason"] or "")
            done = there and status["phase"] == "idle"
            return status if done and self.alive(status) else None

        status: dict[str, Any] = self.awaited(rested, f"{condition} {saying}", timeout=timeout)
        return status

    def alive(self, status: dict[str, Any]) -> bool:
        """Whether the dockcfgd that wrote this is there."""
        return str(status["daemon"]["pid"]) == self.machine.unit(_OURS)["MainPID"]

    def until(self, phase: str) -> None:
        """Wait for a phase of the change under way."""
        self.awaited(lambda: self.status["phase"] == phase, phase)

    def awaited(
        self, told: Callable[[], Any], what: str, *, timeout: float = 60.0, interval: float = 0.03
    ) -> Any:
        """Wait for what a function gives; what dockcfgd said is told where it does not come."""
        try:
            return wait_for(told, timeout=timeout, what=what, interval=interval)
        except TimeoutError as late:
            said = json.dumps(self.status, indent=1)
            raise AssertionError(f"{late}\n{said}\n{self.machine.journal(_OURS)[-6000:]}") from late

    def told(self) -> int:
        """Give how many changes were begun so far."""
        return self.machine.journal(_OURS).count("transaction.begins")

    @property
    def pid(self) -> str:
        """The process of dockcfgd."""
        return self.machine.unit(_OURS)["MainPID"]

    @property
    def engine(self) -> str:
        """The engine's run."""
        return self.machine.unit(_DOCKER, "InvocationID")["InvocationID"]

    def command(self) -> list[str]:
        """Give the engine's command line."""
        pid = self.machine.unit(_DOCKER)["MainPID"]
        return self.machine.run_bytes(["cat", f"/proc/{pid}/cmdline"]).decode().split("\0")[:-1]

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.machine.read(DAEMON_JSON))
        return document

    def through(self, driver: str) -> None:
        """Hold that a change ends well at last: tried again at once where it was taken back."""

        def ended() -> bool:
            status = self.status
            verdict = (status["last"] or {}).get("verdict")
            done = status["phase"] == "idle" and verdict in {"applied", "rolled-back"}
            return done and self.alive(status) and status["condition"] != "pending"

        for _ in range(3):
            self.awaited(ended, "the end of the change", timeout=90)
            if self.status["condition"] != "in-sync":
                self.machine.run(["dockcfgctl", "apply"], check=False, timeout=90)
        self.rests("in-sync")
        assert self.log_driver() == driver

    def log_driver(self) -> str:
        return self.machine.docker("info", "--format={{.LoggingDriver}}")

    def whole(self) -> None:
        """Hold that the engine serves and what ran runs."""
        assert self.machine.ping(), "the engine does not serve"
        running = sorted(self.machine.docker("ps", "--format={{.Names}}").split())
        assert running == list(_CONTAINERS), running

    def seen_within(
        self, change: Callable[[], object], seen: Callable[[dict[str, Any]], bool]
    ) -> float:
        """Make a change; give the seconds from its end until the status shows it."""
        # /run is a filesystem of the machine's own.
        place = Path(f"/proc/{self.machine.pid}/root{_STATUS}")
        change()
        begin = time.monotonic()
        while True:
            if seen(json.loads(place.read_bytes())):
                return time.monotonic() - begin
            if time.monotonic() - begin > 30:
                raise AssertionError(f"not seen: {place.read_text()}")
            time.sleep(0.002)
