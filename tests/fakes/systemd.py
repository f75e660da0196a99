"""systemd's manager with docker.service and docker.socket, in a simulated host."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.host import UnitState
from dockcfgd.model.processes import Process
from dockcfgd.model.systemd import (
    DOCKER_SERVICE,
    DOCKER_SOCKET,
    JobResult,
    JobVerb,
    JournalLine,
)
from tests.fakes.clock import FakeClock
from tests.fakes.configuration import Refused
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import Dockerd
from tests.fakes.files import FakeFiles
from tests.fakes.unit_files import LoadedUnit, environment_of, expanded, load_unit

__all__ = ["FakeSystemd"]

_NAMESPACE = "org.freedesktop.systemd1"
_START_SECONDS = 0.3
_STOP_SECONDS = 0.1
_DEFAULT_RESTART_SECONDS = 0.1


@dataclass
class _Service:
    """docker.service at run time."""

    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    invocation: str = ""
    restarts: int = 0
    exec_status: int = 0
    starts: list[float] = field(default_factory=list)
    began: float = 0.0
    took: float = 0.0
    ready: float = 0.0
    forget_restarts: bool = False


class FakeSystemd:
    """ports.Systemd.

    As PID 1 does: all starts count against the limit, good ones too; a service that fails is
    started again by itself; stopping the socket stops the service; unit files have an effect only
    after they were read. A start and a stop take `start_seconds` and `stop_seconds`. `jobs` lists
    the jobs that were asked for. With `start_hangs` the engine never says that it is ready.
    `cancels` lets somebody cancel the next jobs of a verb. `unreachable` makes every call fail.
    `start_waits`: a start of the engine is queued, as it is at boot until `boot` comes to it.
    With `journal_in_memory` the journal knows nothing of earlier boots.
    `before_start` is what a unit does that is wanted by, and comes before, docker.service.
    """

    def __init__(self, files: FakeFiles, dockerd: Dockerd, clock: FakeClock, cuts: Cuts) -> None:
        self._files = files
        self._dockerd = dockerd
        self._clock = clock
        self._cuts = cuts
        self._service = _Service()
        self._socket = "inactive"
        self._units: dict[str, LoadedUnit] = {}
        self._masked: set[str] = set()
        self._journal: list[JournalLine] = []
        self._killed: set[str] = set()
        self._numbers = itertools.count(1)
        self.jobs: list[tuple[JobVerb, str]] = []
        self.start_hangs = False
        self.start_waits = False
        self.start_seconds, self.stop_seconds = _START_SECONDS, _STOP_SECONDS
        self.unreachable = False
        self.cancels: list[JobVerb] = []
        self.well_started: list[float] = []
        self.journal_in_memory = False
        self.before_start: Callable[[], None] = lambda: None
        self.shutting_down = False
        self._read_units()

    # The port

    def unit(self, name: str) -> UnitState:
        self._reach(f"read the state of {name}")
        unit = self._units.get(name) or LoadedUnit()
        if not unit.found and (name != DOCKER_SERVICE or self._dockerd.process is None):
            return UnitState(name, "not-found", "inactive", "dead")
        load = "masked" if name in self._masked else "loaded"
        stale = unit != load_unit(self._files, name)
        if name == DOCKER_SOCKET:
            sub = {"active": "listening", "failed": "failed"}.get(self._socket, "dead")
            return UnitState(name, load, self._socket, sub, fragment_path=unit.fragment)
        service, process = self._service, self._dockerd.process
        return UnitState(
            name=name,
            load_state=_load_state(unit, load),
            active_state=service.active,
            sub_state=service.sub,
            result=service.result,
            fragment_path=unit.fragment,
            drop_in_paths=unit.drop_ins,
            need_daemon_reload=stale,
            invocation_id=service.invocation,
            main_pid=process.pid if process is not None else 0,
            restarts=service.restarts,
            exec_status=service.exec_status,
            exec_start=unit.command,
            environment=unit.environment,
            environment_files=unit.environment_files,
            queued=self.start_waits,
            started=service.began,
            start_seconds=service.took,
            ready=service.ready,
        )

    def reload_units(self) -> None:
        self._reach("reload the unit files")
        self._cuts.at("before: daemon-reload")
        self._read_units()
        self._cuts.at("after: daemon-reload")

    def run_job(self, verb: JobVerb, unit: str, *, timeout: float, going: float = 0.0) -> JobResult:
        if going and self.stop_seconds > going:
            raise NotImplementedError("a stop that takes too long")
        what = f"{verb.name.lower()} {unit}"
        self._reach(what)
        self._refuse_unloaded(unit, what)
        if unit == DOCKER_SERVICE and verb in {JobVerb.START, JobVerb.RESTART}:
            self._refuse_unloaded(DOCKER_SOCKET, what)  # which the service requires
        self._cuts.at(f"before: {what}")
        self.jobs.append((verb, unit))
        if verb in self.cancels:
            self.cancels.remove(verb)
            return JobResult.CANCELED
        result = self._socket_job(verb) if unit == DOCKER_SOCKET else self._job(verb, timeout)
        self._cuts.at(f"after: {what}")
        return result

    def reset_failed(self, unit: str) -> None:
        self._reach(f"reset the failures of {unit}")
        if unit == DOCKER_SOCKET and self._socket == "failed":
            self._socket = "inactive"
        if unit == DOCKER_SERVICE:
            service = self._service
            service.starts.clear()
            service.restarts = 0
            service.result = "success"
            if service.active == "failed":
                service.active, service.sub = "inactive", "dead"

    def processes(self) -> tuple[Process, ...]:
        """Give those of containers that run, engine or not."""
        self._reach("list the processes")
        running = self._dockerd.running_scopes()
        return tuple(
            Process(pid=pid, parent=1, name="sh", cgroups=(f"/system.slice/{scope}",))
            for pid, scope in enumerate(running, start=1000)
        )

    def kill(self, unit: str) -> None:
        self._reach(f"kill {unit}")
        self._dockerd.end_scope(unit)

    def stopping(self) -> bool:
        self._reach("read the state of the system")
        return self.shutting_down

    def last_line(self, unit: str, *, invocation: str) -> str:
        lines = [
            line.text
            for line in self._journal
            if unit == DOCKER_SERVICE and line.text and invocation in {"", line.invocation}
        ]
        return lines[-1] if lines else ""

    def started_since(self, unit: str, *, since: float) -> bool | None:
        if self.journal_in_memory:
            return None
        return unit == DOCKER_SERVICE and any(at > since for at in self.well_started)

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:
        lines = [line for line in self._journal if line.text and line.at >= since]
        return tuple(lines[-most:]) if unit == DOCKER_SERVICE else ()

    def _write(self, text: str) -> None:
        self._journal.append(JournalLine(self._clock.now(), self._service.invocation, text))

    # What else happens on the host

    def boot(self) -> None:
        """Start the machine's units as at boot."""
        self.start_waits = False
        self._service = _Service()
        self._read_units()
        if self._units[DOCKER_SERVICE].found:
            self._socket = "active"
            self._start()

    def power_off(self) -> None:
        """Forget everything: the machine is off."""
        self._service = _Service()
        self._socket = "inactive"

    def killed(self, unit: str, *, invocation: str) -> bool:
        return unit == DOCKER_SERVICE and invocation in self._killed

    def kill_engine(self) -> None:
        """Kill the engine's process; systemd starts it again."""
        self._killed.add(self._service.invocation)
        self._dockerd.kill()
        self._fail("signal", exec_status=9)

    def crash_engine(self) -> None:
        """Let the engine's process end by itself; systemd starts it again."""
        self._write("panic: runtime error")
        self._dockerd.kill()
        self._fail("exit-code", exec_status=2)

    def mask(self, unit: str) -> None:
        """Mask a unit."""
        self._masked.add(unit)

    def unmask(self, unit: str) -> None:
        """Unmask a unit."""
        self._masked.discard(unit)

    def wake(self) -> None:
        """Do what a foreign client's connection does: the socket starts a stopped engine."""
        if self._socket == "active" and self._service.active in {"inactive", "failed"}:
            self._start()

    # Jobs

    def _socket_job(self, verb: JobVerb) -> JobResult:
        if verb in {JobVerb.STOP, JobVerb.RESTART}:
            self._stop()
            self._socket = "inactive"
        if verb in {JobVerb.START, JobVerb.RESTART}:
            self._socket = "active"
        return JobResult.INVALID if verb is JobVerb.RELOAD else JobResult.DONE

    def _job(self, verb: JobVerb, timeout: float) -> JobResult:
        match verb:
            case JobVerb.RELOAD:
                if self._service.active != "active":
                    return JobResult.INVALID
                self._dockerd.reload()
                return JobResult.DONE
            case JobVerb.STOP:
                self._stop()
                return JobResult.DONE
            case JobVerb.RESTART:
                self._stop()
            case JobVerb.START:
                if self._service.active == "active":
                    return JobResult.DONE
        return self._start_job(timeout)

    def _start_job(self, timeout: float) -> JobResult:
        if DOCKER_SOCKET in self._masked:
            return JobResult.DEPENDENCY
        self._socket = "active"
        if self.start_hangs:
            self.before_start()
            self._begin()
            self._service.active, self._service.sub = "activating", "start"
            self._clock.sleep(timeout)
            return JobResult.TIMEOUT
        if self._service.forget_restarts:
            self._service.restarts = 0
        return JobResult.DONE if self._start() else JobResult.FAILED

    def _stop(self) -> None:
        if self._dockerd.process is not None:
            self._clock.sleep(self.stop_seconds)
            self._dockerd.stop()
        service = self._service
        service.active, service.sub, service.result = "inactive", "dead", "success"
        service.forget_restarts = True

    def _start(self) -> bool:
        self.before_start()
        unit = self._units[DOCKER_SERVICE]
        if not self._begin():
            return False
        service = self._service
        service.began = self._clock.monotonic()
        self._clock.sleep(self.start_seconds)
        service.took = 0.0
        self._write("")
        environment = environment_of(self._files, unit)
        words = expanded(unit.command, environment)[1:]
        try:
            self._dockerd.start(words, environment)
        except Refused as refused:
            self._write(str(refused))
            self._fail("exit-code", exec_status=1)
            return False
        service = self._service
        service.active, service.sub, service.result = "active", "running", "success"
        service.exec_status, service.took = 0, self.start_seconds
        service.ready = self._clock.monotonic()
        self.well_started.append(self._clock.now())
        return True

    def _begin(self) -> bool:
        """Count a start; refuse it above the limit, which takes the socket down too."""
        unit, service = self._units[DOCKER_SERVICE], self._service
        burst = unit.number("Service.StartLimitBurst", 5)
        interval = unit.number("Service.StartLimitInterval", 10)
        now = self._clock.monotonic()
        service.starts = [start for start in service.starts if start > now - interval]
        if len(service.starts) >= burst:
            if service.result == "success":
                service.result = "start-limit-hit"
            service.active = service.sub = "failed"
            self._socket = "failed"
            return False
        service.starts.append(now)
        number = f"invocation {next(self._numbers)}"
        service.invocation = hashlib.sha256(number.encode()).hexdigest()[:32]
        service.forget_restarts = False
        return True

    def _fail(self, result: str, *, exec_status: int) -> None:
        service, unit = self._service, self._units[DOCKER_SERVICE]
        service.active, service.sub = "activating", "auto-restart"
        service.result, service.exec_status = result, exec_status
        invocation = service.invocation
        pause = unit.number("Service.RestartSec", _DEFAULT_RESTART_SECONDS)
        self._clock.at(pause, lambda: self._start_again(invocation))

    def _start_again(self, invocation: str) -> None:
        service = self._service
        if service.sub == "auto-restart" and service.invocation == invocation:
            service.restarts += 1
            self._start()

    # Inside

    def _read_units(self) -> None:
        self._units = {
            name: load_unit(self._files, name) for name in (DOCKER_SERVICE, DOCKER_SOCKET)
        }

    def _reach(self, what: str) -> None:
        if self.unreachable:
            name = "org.freedesktop.DBus.Error.NoReply"
            raise SystemdFailure(what=what, name=name, why="no answer in time")

    def _refuse_unloaded(self, name: str, what: str) -> None:
        unit = self._units.get(name) or LoadedUnit()
        if not unit.found:
            raise SystemdFailure(
                what=what, name=f"{_NAMESPACE}.NoSuchUnit", why=f"Unit {name} not found."
            )
        if name in self._masked:
            raise SystemdFailure(
                what=what, name=f"{_NAMESPACE}.UnitMasked", why=f"Unit {name} is masked."
            )
        if name == DOCKER_SERVICE and not unit.command:
            raise SystemdFailure(
                what=what,
                name=f"{_NAMESPACE}.BadUnitSetting",
                why=f"Unit {name} has a bad unit file setting.",
            )


def _load_state(unit: LoadedUnit, otherwise: str) -> str:
    """Give what became of reading the unit; one whose file has gone runs on."""
    if not unit.found:
        return "not-found"
    return otherwise if unit.command else "bad-setting"
