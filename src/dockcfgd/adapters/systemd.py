"""systemd's manager over D-Bus (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import math
import signal
import string
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.adapters import journal
from dockcfgd.adapters.bus import (
    CALL_TIMEOUT,
    DISCONNECTED,
    NO_REPLY,
    OWNER_CHANGED,
    Match,
    Remote,
    Signal,
    typed,
)
from dockcfgd.model.errors import BusFailure, SystemdFailure
from dockcfgd.model.host import UnitState
from dockcfgd.model.processes import Process
from dockcfgd.model.systemd import DOCKER_SERVICE, JobResult, JobVerb, JournalLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockcfgd.adapters.bus import Bus, Mailbox
    from dockcfgd.ports import Clock

__all__ = ["ProgramEnd", "SystemdBus"]

_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = Remote(_NAME, _PATH, "org.freedesktop.systemd1.Manager")
_JOB_REMOVED = Match(_NAME, _MANAGER.interface, "JobRemoved", _PATH)
_RELOADING = Match(_NAME, _MANAGER.interface, "Reloading", _PATH)
_OWNER_CHANGED = Match.owner_of(_NAME)
_NO_JOB = "/"
_ALL = "-.slice"
_NAME_LENGTH = 15  # the kernel cuts names off here

_ALREADY_SUBSCRIBED = "org.freedesktop.systemd1.AlreadySubscribed"
_NO_SUCH_JOB = "org.freedesktop.systemd1.NoSuchJob"
_NO_SUCH_PROCESS = "org.freedesktop.systemd1.NoSuchProcess"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
_RATE_LIMITED = "org.freedesktop.DBus.Error.LimitsExceeded"

_RELOAD_TIMEOUT = 120.0  # the answer comes after all generators ran and all units were read
_RELOAD_PATIENCE = 30.0
_SLICE = 1.0  # how often a wait attends to the daemon's watchdog
_BRIEFLY = 0.001
_DOUBT = 5.0  # how often a silent wait looks at the unit itself
_SYSTEMDS_OWN = 15.0  # a program's time is over by systemd's own clock, before ours gives up
_KILL_AFTER_SECONDS = 5
_EXITED = 1  # CLD_EXITED
_OWN_UNIT = "dockcfgd.service"
_LOW_WEIGHT = 10  # of 100, which every other service has
_MICRO = 1_000_000
_ENDLESS = 2**64 - 1

_TYPES = {"service": "Service", "socket": "Socket"}
_VERBS = {
    JobVerb.RELOAD: "reload",
    JobVerb.RESTART: "restart",
    JobVerb.START: "start",
    JobVerb.STOP: "stop",
}


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """How a program ended: systemd's word for it, and its exit status where it exited."""

    result: str
    status: int | None


class SystemdBus:
    """`ports.Systemd` on a bus connection, which its owner opens and closes.

    Any thread may use it, with or without a running loop; only `watch_unit` needs one. While a job
    is awaited the clock's `sleep` is called at least once a second, briefly. A lost bus connection
    is a SystemdFailure with the name DISCONNECTED.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._hints: dict[str, Callable[[str], None]] = {}
        self._heard: set[str] = set()

    def unit(self, name: str) -> UnitState:
        """Give the unit's state, loading it if need be.

        `exec_start` is the first command with its arguments, `environment_files` the paths without
        the `-` prefix.
        """
        with _own_errors(f"read the state of {name}"):
            try:
                path = self._bus.call(_MANAGER, "LoadUnit", name)
            except BusFailure as error:
                if error.name != _NO_SUCH_UNIT:
                    raise
                return UnitState(name, "not-found", "inactive", "dead")
            self._listen(name, path)
            values = self._bus.properties(Remote(_NAME, path, "org.freedesktop.systemd1.Unit"))
            kind = _TYPES.get(name.rpartition(".")[2])
            if kind:
                interface = f"org.freedesktop.systemd1.{kind}"
                values |= self._bus.properties(Remote(_NAME, path, interface))
        return _unit_state(name, values)

    def processes(self) -> tuple[Process, ...]:
        """Give the host's processes: number, name, arguments and control group of each.

        systemd sees them all; dockcfgd.service does not (ProtectProc=). An argument with a space in
        it counts as several.
        """
        with _own_errors("list the processes"):
            rows = self._bus.call(_MANAGER, "GetUnitProcesses", _ALL)
        return tuple(_process(*row) for row in rows)

    def reload_units(self) -> None:
        """Read the unit files again; returns when that is done.

        A rate limit that an administrator has set is waited for, half a minute at most. The clock's
        `sleep` is called at least once a second.
        """
        give_up = self._clock.monotonic() + _RELOAD_PATIENCE
        with _own_errors("reload the unit files"):
            while True:
                try:
                    self._bus.call_attending(
                        _MANAGER,
                        "Reload",
                        timeout=_RELOAD_TIMEOUT,
                        attend=lambda: self._clock.sleep(0),
                    )
                except BusFailure as error:
                    # Some versions drop the connection while they reload, and the answer with it.
                    if error.name == NO_REPLY and self._units_are_read(give_up):
                        return
                    if error.name != _RATE_LIMITED or self._clock.monotonic() >= give_up:
                        raise
                else:
                    return
                self._clock.sleep(_SLICE)

    def run_job(self, verb: JobVerb, unit: str, *, timeout: float, going: float = 0.0) -> JobResult:
        """Queue a job, replacing one that is queued, and wait for its end.

        At `timeout` the job is cancelled and the result is TIMEOUT, unless it ended just then. With
        `going` that time begins when the present process has gone, which may take `going` seconds.
        """
        allowed = _Allowance(self._clock.monotonic() + going + timeout)
        if going:
            allowed.old, allowed.seconds = self.unit(unit).main_pid, timeout
        with (
            _own_errors(f"{_VERBS[verb]} {unit}"),
            # A job's end is often told before the call that queued it is answered: listen first.
            self._bus.mailbox(_JOB_REMOVED, _OWNER_CHANGED) as mailbox,
        ):
            self._subscribe()
            patience = min(going + timeout, CALL_TIMEOUT)
            job = self._bus.call(_MANAGER, verb.value, unit, "replace", timeout=patience)
            states = {"inactive", "failed"} if verb is JobVerb.STOP else {"active", "reloading"}
            return self._await(_Job(job, unit, good_states=states), mailbox, allowed)

    def run_program(
        self,
        unit: str,
        arguments: Sequence[str],
        *,
        what: str,
        timeout: float,
        output: str = "",
        attend: Callable[[], None] | None = None,
        properties: Sequence[tuple[str, Any]] = (),
    ) -> ProgramEnd:
        """Run a program as a service of its own, out of this one's confinement, up to its end.

        What it writes goes to the journal, or to the file `output`, which is made anew. At
        `timeout` systemd ends it. `attend` is called every second or so; an error of it ends the
        program and passes. `properties` are further ones of its unit.
        """
        deadline = self._clock.monotonic() + timeout + _SYSTEMDS_OWN
        own = _service(arguments, what=what, output=output, timeout=timeout)
        with (
            _own_errors(f"run {what}"),
            self._bus.mailbox(_JOB_REMOVED, _OWNER_CHANGED) as mailbox,
        ):
            self._subscribe()
            given = [*own, *properties]
            path = self._bus.call(_MANAGER, "StartTransientUnit", unit, "fail", given, [])
            job = _Job(path, unit, good_states={"inactive"})
            try:
                result = self._await(job, mailbox, _Allowance(deadline), attend=attend)
            except BaseException:
                self._bus.call(_MANAGER, "StopUnit", unit, "replace")
                self._bus.call(_MANAGER, "UnrefUnit", unit)
                raise
            service = Remote(_NAME, job.unit_path, "org.freedesktop.systemd1.Service")
            values = self._bus.properties(service)
            if result is JobResult.TIMEOUT:
                self._bus.call(_MANAGER, "StopUnit", unit, "replace")
            self._bus.call(_MANAGER, "UnrefUnit", unit)
        if result in {JobResult.TIMEOUT, JobResult.CANCELED}:
            return ProgramEnd(str(result), None)
        exited = values["ExecMainCode"] == _EXITED
        return ProgramEnd(values["Result"], values["ExecMainStatus"] if exited else None)

    def start_service(
        self, unit: str, arguments: Sequence[str], *, what: str, timeout: float
    ) -> None:
        """Start a program as a service of its own that tells when it is ready.

        It has no network, yields to others, and ends with this service. SystemdFailure where it
        does not come up.
        """
        properties = _beside(arguments, what=what, timeout=timeout)
        deadline = self._clock.monotonic() + timeout + _SYSTEMDS_OWN
        with (
            _own_errors(f"start {what}"),
            self._bus.mailbox(_JOB_REMOVED, _OWNER_CHANGED) as mailbox,
        ):
            self._subscribe()
            path = self._bus.call(_MANAGER, "StartTransientUnit", unit, "fail", properties, [])
            job = _Job(path, unit, good_states={"active"})
            result = self._await(job, mailbox, _Allowance(deadline))
        if not result.good:
            why = self.last_line(unit, invocation="") or f"the job ended as {result}"
            raise SystemdFailure(what=f"start {what}", name=result, why=why)

    def reset_failed(self, unit: str) -> None:
        """Forget failures and the count against the start limit; fine if it is not loaded."""
        with _own_errors(f"reset the failures of {unit}"):
            try:
                self._bus.call(_MANAGER, "ResetFailedUnit", unit)
            except BusFailure as error:
                if error.name != _NO_SUCH_UNIT:
                    raise

    def kill(self, unit: str) -> None:
        """Send SIGKILL to all processes of a unit; fine if it is not loaded or has none."""
        with _own_errors(f"kill {unit}"):
            try:
                self._bus.call(_MANAGER, "KillUnit", unit, "all", signal.SIGKILL)
            except BusFailure as error:
                if error.name not in {_NO_SUCH_UNIT, _NO_SUCH_PROCESS}:
                    raise

    def stopping(self) -> bool:
        """Whether systemd is shutting the machine down."""
        with _own_errors("read the state of the system"):
            return bool(self._bus.property(_MANAGER, "SystemState") == "stopping")

    def last_line(self, unit: str, *, invocation: str) -> str:
        """Give the journal line that tells most of how the unit's process ended, or ""."""
        return journal.last_line(unit, invocation=invocation)

    def killed(self, unit: str, *, invocation: str) -> bool:
        """Whether SIGKILL of somebody else, or want of memory, ended a run of the unit."""
        return journal.killed(unit, invocation=invocation)

    def started_since(self, unit: str, *, since: float) -> bool | None:
        """Whether the unit was started well since a moment; None where the journal cannot tell."""
        return journal.started_since(unit, since=since)

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:
        """Give the last journal lines of the unit's process itself since a moment, oldest first."""
        return journal.lines(unit, since=since, most=most)

    def watch_unit(self, name: str, hint: Callable[[str], None]) -> None:
        """Call `hint` from the loop with a reason when the unit or systemd itself may have changed.

        Hints may come in bursts, be needless or, rarely, missing; the first comes at once. Where
        the name is another unit's alias, hints of that unit come once `unit` was asked for it.
        """
        self._hints[name] = hint
        self._listen(name, f"{_PATH}/unit/{_escaped(name)}")
        self._bus.subscribe(_RELOADING, lambda told: self._reloading(told, hint))
        self._bus.watch_name(_NAME, lambda owner: self._owner_changed(owner, hint))

    def _listen(self, name: str, path: str) -> None:
        """Hear of changes of a watched unit at `path`: only at its own name's does systemd tell."""
        hint = self._hints.get(name)
        if hint is None or path in self._heard:
            return
        self._heard.add(path)
        properties = "org.freedesktop.DBus.Properties"
        changed = Match(_NAME, properties, "PropertiesChanged", path)
        self._bus.subscribe(changed, lambda _: hint(f"{name} changed"))

    def _owner_changed(self, owner: str, hint: Callable[[str], None]) -> None:
        if owner:
            # systemd sends no signals before somebody subscribes, and a new one has no subscribers.
            # The hint comes after that, so that whoever looks then misses no later change.
            self._bus.send(_MANAGER, "Subscribe", lambda: hint("systemd is there"))

    def _reloading(self, told: Signal, hint: Callable[[str], None]) -> None:
        if told.arguments == (False,):
            hint("systemd has read its units again")

    def _subscribe(self) -> None:
        try:
            self._bus.call(_MANAGER, "Subscribe")
        except BusFailure as error:
            if error.name != _ALREADY_SUBSCRIBED:
                raise

    def _await(
        self,
        job: _Job,
        mailbox: Mailbox,
        allowed: _Allowance,
        *,
        attend: Callable[[], None] | None = None,
    ) -> JobResult:
        doubt = self._clock.monotonic() + _DOUBT
        while (left := allowed.deadline - self._clock.monotonic()) > 0:
            told = mailbox.next(timeout=min(left, _SLICE))
            self._clock.sleep(_BRIEFLY)
            if attend is not None:
                attend()
            if told is not None and job.ended_by(told):
                return _result(told)
            if allowed.old and self._main_pid(job) not in {allowed.old, None}:
                allowed.begin(self._clock.monotonic())
            restarted = told is not None and told.member == OWNER_CHANGED and told.arguments[2]
            if restarted or self._clock.monotonic() >= doubt:
                doubt = self._clock.monotonic() + _DOUBT
                result = self._look(job, mailbox)
                if result is not None:
                    return result
        return self._cancel(job, mailbox)

    def _main_pid(self, job: _Job) -> int | None:
        service = Remote(_NAME, job.unit_path, "org.freedesktop.systemd1.Service")
        try:
            return int(self._bus.property(service, "MainPID"))
        except BusFailure as error:
            if error.name == DISCONNECTED:
                raise
            return None

    def _look(self, job: _Job, mailbox: Mailbox) -> JobResult | None:
        """Judge by the unit itself, for a signal may be lost while systemd executes itself anew."""
        try:
            self._subscribe()
            remote = Remote(_NAME, job.unit_path, "org.freedesktop.systemd1.Unit")
            unit = self._bus.properties(remote)
        except BusFailure as error:
            if error.name == DISCONNECTED:
                raise
            return None
        pending = unit["Job"][1]
        if pending == job.path:
            return None
        told = mailbox.until(job.ended_by, timeout=0)
        if told is not None:
            return _result(told)
        if pending != _NO_JOB:
            return JobResult.CANCELED
        return JobResult.DONE if unit["ActiveState"] in job.good_states else JobResult.FAILED

    def _cancel(self, job: _Job, mailbox: Mailbox) -> JobResult:
        try:
            self._bus.call(_MANAGER, "CancelJob", job.number)
        except BusFailure as error:
            if error.name != _NO_SUCH_JOB:
                raise
            told = mailbox.until(job.ended_by, timeout=0)
            if told is not None:
                return _result(told)
        return JobResult.TIMEOUT

    def _units_are_read(self, give_up: float) -> bool:
        while True:
            try:
                return not self.unit(DOCKER_SERVICE).need_daemon_reload
            except SystemdFailure as error:
                if error.name == DISCONNECTED or self._clock.monotonic() >= give_up:
                    raise
            self._clock.sleep(_SLICE)


@dataclass(slots=True)
class _Allowance:
    """Until when a job may take; `seconds` more from when the process `old` has gone."""

    deadline: float
    old: int = 0
    seconds: float = 0.0

    def begin(self, now: float) -> None:
        self.old, self.deadline = 0, now + self.seconds


class _Job:
    """A job that was queued."""

    def __init__(self, path: str, unit: str, *, good_states: set[str]) -> None:
        self.path = path
        self.number = int(path.rpartition("/")[2])
        self.unit_path = f"{_PATH}/unit/{_escaped(unit)}"
        self.good_states = good_states

    def ended_by(self, told: Signal) -> bool:
        return told.member == "JobRemoved" and told.arguments[1] == self.path


def _service(
    arguments: Sequence[str], *, what: str, output: str, timeout: float
) -> list[tuple[str, Any]]:
    """Give the properties of a program's service. With AddRef it stays until we have looked."""
    properties = [
        ("Description", typed("s", what)),
        ("Type", typed("s", "oneshot")),
        ("AddRef", typed("b", True)),  # noqa: FBT003 -- a property's value
        ("CollectMode", typed("s", "inactive-or-failed")),
        ("ExecStart", typed("a(sasb)", [(arguments[0], list(arguments), False)])),
        ("Environment", typed("as", ["HOME=/root"])),
        ("TimeoutStartUSec", typed("t", int(timeout * _MICRO))),
        ("TimeoutStopUSec", typed("t", _KILL_AFTER_SECONDS * _MICRO)),
        ("UMask", typed("u", 0o077)),
    ]
    if output:
        properties.append(("StandardOutputFileToTruncate", typed("s", output)))
        properties.append(("StandardError", typed("s", "inherit")))
    return properties


def _beside(arguments: Sequence[str], *, what: str, timeout: float) -> list[tuple[str, Any]]:
    """Give the properties of a service that works beside those that earn the host's living."""
    return [
        ("Description", typed("s", what)),
        ("Type", typed("s", "notify")),
        ("CollectMode", typed("s", "inactive-or-failed")),
        ("ExecStart", typed("a(sasb)", [(arguments[0], list(arguments), False)])),
        ("Environment", typed("as", ["HOME=/root"])),
        ("BindsTo", typed("as", [_OWN_UNIT])),
        ("After", typed("as", [_OWN_UNIT])),
        ("PrivateNetwork", typed("b", True)),  # noqa: FBT003 -- a property's value
        ("Delegate", typed("b", True)),  # noqa: FBT003 -- a property's value
        ("KillMode", typed("s", "mixed")),
        ("CPUWeight", typed("t", _LOW_WEIGHT)),
        ("IOWeight", typed("t", _LOW_WEIGHT)),
        ("TimeoutStartUSec", typed("t", int(timeout * _MICRO))),
        ("TimeoutStopUSec", typed("t", int(timeout * _MICRO))),
    ]


def _result(told: Signal) -> JobResult:
    word = told.arguments[3]
    return JobResult(word) if word in set(JobResult) else JobResult.UNKNOWN


def _process(cgroup: str, pid: int, command: str) -> Process:
    words = tuple(command.split())
    name = words[0].rpartition("/")[2][:_NAME_LENGTH] if words else ""
    return Process(pid=pid, parent=0, name=name, arguments=words, cgroups=(cgroup,))


def _unit_state(name: str, values: Mapping[str, Any]) -> UnitState:
    commands = values.get("ExecStart", ())
    ready = values.get("ActiveEnterTimestampMonotonic", 0) / _MICRO
    began = values.get("ExecMainStartTimestampMonotonic")
    started = ready if began is None else began / _MICRO
    stop = values.get("TimeoutStopUSec", 0)
    return UnitState(
        name=name,
        load_state=values["LoadState"],
        active_state=values["ActiveState"],
        sub_state=values["SubState"],
        result=values.get("Result", "success"),
        fragment_path=values["FragmentPath"],
        drop_in_paths=tuple(values["DropInPaths"]),
        need_daemon_reload=values["NeedDaemonReload"],
        invocation_id=bytes(values["InvocationID"]).hex(),
        main_pid=values.get("MainPID", 0),
        restarts=values.get("NRestarts", 0),
        exec_status=values.get("ExecMainStatus", 0),
        queued=values.get("Job", (0, "/"))[0] != 0,
        exec_start=tuple(commands[0][1]) if commands else (),
        environment=tuple(values.get("Environment", ())),
        environment_files=tuple(path for path, _ in values.get("EnvironmentFiles", ())),
        started=started,
        start_seconds=round(ready - started, 3) if 0 < started < ready else 0.0,
        ready=ready,
        stop_seconds=math.inf if stop == _ENDLESS else stop / _MICRO,
    )


def _escaped(name: str) -> str:
    """Give a unit's name as its object path has it."""
    plain = string.ascii_letters + string.digits
    return "".join(letter if letter in plain else f"_{ord(letter):02x}" for letter in name)


@contextmanager
def _own_errors(what: str) -> Iterator[None]:
    try:
        yield
    except BusFailure as error:
        raise SystemdFailure(what=what, name=error.name, why=error.text) from error
