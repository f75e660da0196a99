"""The fake's units and jobs, and its place on the bus."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import dbus.bus
from gi.repository import GLib

from tests.support.fake_systemd import hooks, programs
from tests.support.fake_systemd.behaviour import Rules
from tests.support.fake_systemd.objects import Manager, Refusal, UnitObject
from tests.support.fake_systemd.units import NO_JOB, PATH, Unit, engine_units

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

NAME = "org.freedesktop.systemd1"


class Systemd:
    """The fake: its units, its jobs and its place on the bus."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rules = Rules()
        self.units = {unit.name: unit for unit in engine_units()}
        self.calls: list[list[Any]] = []
        self.given: dict[str, dict[str, Any]] = {}
        self.subscribers: set[str] = set()
        self._job = 100
        self._pid = 1000
        self._objects: list[dbus.service.Object] = []
        self._shown: dict[str, UnitObject] = {}
        self._connection: Any = None
        self.come_back()

    def xml(self, name: str) -> str:
        """Give systemd's own introspection."""
        folder: Path = self.options.xml
        return (folder / f"{name.lower()}.xml").read_text()

    def leave(self) -> None:
        """Close the connection; all subscriptions are forgotten."""
        self._connection.close()
        self._connection = None
        self._objects.clear()
        self._shown.clear()
        self.subscribers.clear()

    def come_back(self) -> None:
        """Connect anew and show all objects, then take the name."""
        self._connection = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
        self.manager = Manager(self, self._connection)
        self._objects.append(self.manager)
        for unit in self.units.values():
            self.show(unit)
        self._connection.request_name(NAME)

    def show(self, unit: Unit) -> None:
        """Put a unit on the bus."""
        if self._connection is not None and unit.name not in self._shown:
            self._shown[unit.name] = UnitObject(self, unit, self._connection)

    def find(self, name: str) -> Unit:
        """Give a unit, a stub of one that does not exist."""
        name = self.rules.aliases.get(name, name)
        if name not in self.units:
            self.units[name] = Unit(name, LoadState="not-found", FragmentPath="")
            self.show(self.units[name])
        return self.units[name]

    def took(self, method: str, *arguments: Any) -> bool:
        """Record a call; False means that it gets no answer."""
        self.calls.append([method, *(str(argument) for argument in arguments)])
        if method in self.rules.errors:
            raise Refusal(self.rules.errors[method], f"{method} is refused by a rule")
        return method not in self.rules.mute

    def change(self, unit: Unit, properties: dict[str, Any]) -> None:
        """Set properties and tell those who listen."""
        unit.properties |= properties
        if self.subscribers and unit.name in self._shown:
            self._shown[unit.name].tell(properties)

    def queue(self, verb: str, name: str, reply: Callable[[str], None]) -> None:
        """Queue a job as PID 1 does, or refuse."""
        unit = self._accept(verb, name)
        self._job += 1
        path = f"{PATH}/job/{self._job}"
        number = self._job
        self.change(unit, {"Job": (number, path)})
        if self.rules.removed == "before":
            self._run(verb, unit, lambda word: self._end(number, unit, verb, word))
            reply(path)
            return
        reply(path)
        delay = int(self.rules.delay * 1000)
        GLib.timeout_add(delay, self._begin, verb, unit, number)

    def run_transient(
        self, name: str, properties: dict[str, Any], reply: Callable[[str], None]
    ) -> None:
        """Start a service that is made of these properties, and run its program.

        One that tells when it is ready is as good as ready, and nothing is run.
        """
        if self.find(name).properties["LoadState"] != "not-found":
            raise Refusal("org.freedesktop.systemd1.UnitExists", f"Unit {name} was already loaded.")
        self._forget(name)
        self.given[name] = properties
        unit = self.units[name] = Unit(name, ActiveState="activating", Transient=True)
        self.show(unit)
        self._job += 1
        number = self._job
        self.change(unit, {"Job": (number, f"{PATH}/job/{number}")})
        reply(f"{PATH}/job/{number}")

        def ended(changes: dict[str, Any]) -> None:
            self.change(unit, {"Job": NO_JOB, **changes})
            word = "done" if changes["Result"] == "success" else "failed"
            self._tell(number, name, self.rules.word("StartTransientUnit") or word)

        if properties["Type"] == "notify":
            self._pid += 1
            ended(unit.started(self._pid))
            return
        programs.run(properties, ended)

    def release(self, name: str) -> None:
        """Forget a transient unit that nobody refers to any more."""
        unit = self.units.get(name)
        if unit is None or not unit.properties.get("Transient"):
            raise Refusal("org.freedesktop.systemd1.NotReferenced", f"{name} is not referenced.")
        if unit.properties["ActiveState"] in {"inactive", "failed"}:
            self._forget(name)

    def cancel(self, number: int) -> None:
        """Cancel a job."""
        for unit in self.units.values():
            if unit.properties["Job"][0] == number:
                self.change(unit, {"Job": NO_JOB})
                self._tell(number, unit.name, "canceled")
                return
        raise Refusal("org.freedesktop.systemd1.NoSuchJob", f"Job {number} does not exist.")

    def daemon_reload(self, reply: Callable[[], None]) -> None:
        """Read the units again."""
        if self.rules.limited:
            self.rules.limited -= 1
            raise Refusal("org.freedesktop.DBus.Error.LimitsExceeded", "Reload rate limit exceeded")
        if self.rules.reload == "lose":
            self.leave()
            self.come_back()
            return
        self.manager.Reloading(True)  # noqa: FBT003 -- the signal's own argument
        if self.options.on_daemon_reload:
            hooks.run(
                self.options.on_daemon_reload, "", lambda _, line: self._reloaded(line, reply)
            )
        else:
            self._reloaded("{}", reply)

    def _reloaded(self, line: str, reply: Callable[[], None]) -> None:
        changes: dict[str, dict[str, Any]] = json.loads(line or "{}")
        for unit in list(self.units.values()):
            self.change(unit, {"NeedDaemonReload": False, **changes.get(unit.name, {})})
        if self.rules.reload == "drop":
            self.leave()
            self.come_back()
            return
        self.manager.Reloading(False)  # noqa: FBT003 -- the signal's own argument
        reply()

    def _forget(self, name: str) -> None:
        del self.units[name]
        self._shown.pop(name).remove_from_connection()

    def _accept(self, verb: str, name: str) -> Unit:
        unit = self.find(name)
        state = unit.properties["LoadState"]
        if state == "masked" and verb != "StopUnit":
            raise Refusal("org.freedesktop.systemd1.UnitMasked", f"Unit {name} is masked.")
        if state == "not-found":
            raise Refusal("org.freedesktop.systemd1.NoSuchUnit", f"Unit {name} not found.")
        if verb == "ReloadUnit" and not unit.active:
            text = f"Job type reload is not applicable for unit {name}."
            raise Refusal("org.freedesktop.systemd1.JobTypeNotApplicable", text)
        return unit

    def _begin(self, verb: str, unit: Unit, number: int) -> bool:
        if unit.properties["Job"][0] == number:
            self._run(verb, unit, lambda word: self._end(number, unit, verb, word))
        return False

    def _run(self, verb: str, unit: Unit, ended: Callable[[str], None]) -> None:
        wanted = self.rules.word(verb)
        if verb == "StopUnit":
            self._stop(unit, lambda: ended(wanted or "done"))
        elif verb == "ReloadUnit":
            self._hook(self.options.on_reload, unit, lambda *_: ended(wanted or "done"))
        elif verb == "RestartUnit" and unit.active:
            self._stop(unit, lambda: self._start(unit, wanted, ended))
        elif verb == "StartUnit" and unit.active and wanted is None:
            ended("done")
        else:
            self._start(unit, wanted, ended)

    def _stop(self, unit: Unit, ended: Callable[[], None]) -> None:
        service = self.units["docker.service"]
        if unit.name == "docker.socket" and service.active:
            # The service requires its socket, so it stops with it.
            self._stop(service, lambda: self._stopped(unit, ended))
        else:
            self._hook(self.options.on_stop, unit, lambda *_: self._stopped(unit, ended))

    def _stopped(self, unit: Unit, ended: Callable[[], None]) -> None:
        self.change(unit, unit.stopped())
        ended()

    def _start(self, unit: Unit, wanted: str | None, ended: Callable[[str], None]) -> None:
        rules = self.rules
        if unit.over_limit(limit=rules.start_limit, interval=rules.start_interval):
            self.change(unit, unit.failed("start-limit-hit", 0))
            ended("failed")
            return
        socket = self.units["docker.socket"]
        if unit.name == "docker.service" and not socket.active:
            self.change(socket, socket.started(0))
        self._hook(
            self.options.on_start, unit, lambda *end: self._started(unit, wanted, ended, *end)
        )

    def _started(
        self, unit: Unit, wanted: str | None, ended: Callable[[str], None], status: int, line: str
    ) -> None:
        word = wanted or ("failed" if status else "done")
        if word in {"done", "skipped"}:
            self._pid += 1
            pid = int(line) if line.strip().isdigit() else self._pid
            self.change(unit, unit.started(pid if unit.kind == "Service" else 0))
        elif word != "canceled":
            self.change(unit, unit.failed("exit-code", status or 1))
        ended(word)

    def _hook(self, command: str, unit: Unit, ended: Callable[[int, str], None]) -> None:
        if command and unit.name == "docker.service":
            hooks.run(command, unit.name, ended)
        else:
            ended(0, "")

    def _end(self, number: int, unit: Unit, verb: str, word: str) -> None:
        self.change(unit, {"Job": NO_JOB, **self.rules.after.get(verb, {})})
        for other in range(self.rules.noise):
            self._tell(9000 + other, f"other-{other}.service", "failed")
        if self.rules.removed != "never":
            for _ in range(self.rules.repeat):
                self._tell(number, unit.name, word)

    def _tell(self, number: int, name: str, word: str) -> None:
        if self.subscribers and self._connection is not None:
            self.manager.JobRemoved(number, f"{PATH}/job/{number}", name, word)
