"""The processes of the simulated host: those that a test puts there."""

from __future__ import annotations

from dockcfgd.model.processes import Process

__all__ = ["FakeProcesses"]


class FakeProcesses:
    """ports.Processes, over a list."""

    def __init__(self, *processes: Process) -> None:
        self.processes = list(processes)

    def list(self) -> tuple[Process, ...]:
        return tuple(self.processes)
