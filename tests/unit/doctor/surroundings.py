"""A host that is well, as the doctor sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dockcfgd import __version__
from dockcfgd.doctor.case import Case
from dockcfgd.doctor.look import Instruments, examine
from dockcfgd.model.host import EngineState
from dockcfgd.settings import Settings
from tests.fakes.host import FakeHost
from tests.fakes.processes import FakeProcesses
from tests.fakes.vitals import FakeVitals

__all__ = ["STATUS", "Ward", "with_info"]

STATUS: Mapping[str, Any] = {
    "daemon": {"version": __version__},
    "phase": "idle",
    "condition": "in-sync",
    "reason": None,
}
_DAEMON_JSON = '{"log-driver": "local", "live-restore": true}'


class Ward:
    """A simulated host with one container, and what the doctor needs to look at it."""

    def __init__(self, *, daemon_json: str = _DAEMON_JSON) -> None:
        self.host = FakeHost(daemon_json=daemon_json)
        self.host.run("web")
        self.vitals = FakeVitals(self.host.files)
        self.processes = FakeProcesses()
        self.root = True

    def instruments(self) -> Instruments:
        return Instruments(self.vitals, self.processes, root=self.root, status=STATUS)

    def case(self) -> Case:
        return examine(self.host.effects, Settings(), self.instruments())


def with_info(case: Case, **changes: Any) -> Case:
    """Give the case with other values in the engine's /info."""
    engine = case.host.engine
    assert isinstance(engine, EngineState)
    changed = replace(engine, info={**engine.info, **changes})
    return replace(case, host=replace(case.host, engine=changed))
