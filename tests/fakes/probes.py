"""What answers, and what commands say, on a simulated host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dockcfgd.model.probes import CommandEnd, Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.dockerd import Dockerd

__all__ = ["FakeProbes"]

_LOOPBACK = {"127.0.0.1": {"0.0.0.0", "127.0.0.1"}, "::1": {"::", "::1"}}  # noqa: S104 -- as the engine shows it
_COMMAND_SECONDS = 0.01


class FakeProbes:
    """ports.Probes.

    What a running container publishes answers, but for the container ports in `silent`. `commands`
    gives the exit status of each command there is; what it prints as the last line is `lines`'.
    `ran` lists the commands that were run.
    """

    def __init__(self, dockerd: Dockerd, clock: FakeClock) -> None:
        self._dockerd, self._clock = dockerd, clock
        self.silent: set[tuple[str, int]] = set()
        self.commands: dict[str, Callable[[], int]] = {"true": lambda: 0, "false": lambda: 1}
        self.lines: dict[str, str] = {}
        self.ran: list[str] = []
        self.dialled = 0

    def answering(self, endpoints: Sequence[Endpoint]) -> frozenset[Endpoint]:
        self.dialled += 1
        open_ports = {
            (str(binding["IP"]), int(binding["PublicPort"]))
            for container in self._dockerd.containers()
            for binding in container.published()
            if (container.name, binding["PrivatePort"]) not in self.silent
        }
        return frozenset(
            (address, port)
            for address, port in endpoints
            if any((bound, port) in open_ports for bound in _LOOPBACK.get(address, {address}))
        )

    def run(self, command: str, *, timeout: float) -> CommandEnd:
        self._clock.sleep(_COMMAND_SECONDS)
        self.ran.append(command)
        if command not in self.commands:
            line = f"/bin/sh: 1: {command.split(maxsplit=1)[0]}: not found"
            return CommandEnd("exited 127", line, not_run=True)
        status = self.commands[command]()
        if status < 0:
            self._clock.sleep(timeout)
            return CommandEnd(f"did not end within {timeout:.0f} s")
        return (
            CommandEnd(f"exited {status}", self.lines.get(command, "")) if status else CommandEnd()
        )
