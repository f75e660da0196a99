"""What the fake shows on the bus, with systemd's own introspection."""

# ruff: noqa: N802 -- members are named as on the bus
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import dbus
import dbus.service

from tests.support.fake_systemd.typed import signatures, typed
from tests.support.fake_systemd.units import PATH, UNIT, Unit, path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fake_systemd.pid1 import Systemd

MANAGER = "org.freedesktop.systemd1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"

Reply: TypeAlias = "Callable[[str], None]"


class Refusal(dbus.DBusException):  # type: ignore[misc]  # dbus ships no types
    """An error answer."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text, name=name)


class Introspected(dbus.service.Object):  # type: ignore[misc]  # dbus ships no types
    """An object that shows systemd's own introspection and properties."""

    def __init__(self, systemd: Systemd, connection: Any, path: str, kind: str) -> None:
        super().__init__(connection, path)
        self._systemd = systemd
        self._xml = systemd.xml(kind)

    def value(self, name: str) -> Any:
        """Give a property as a plain value, None for its zero value."""
        raise NotImplementedError

    @dbus.service.method(INTROSPECTABLE, out_signature="s")
    def Introspect(self) -> str:
        return self._xml

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface: str, name: str) -> Any:
        return self._all(interface)[str(name)]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface: str) -> Any:
        return self._all(interface)

    def _all(self, interface: str) -> dict[str, Any]:
        known = signatures(self._xml, interface)
        return {name: typed(signature, self.value(name)) for name, signature in known.items()}


class UnitObject(Introspected):
    """A unit on the bus."""

    def __init__(self, systemd: Systemd, unit: Unit, connection: Any) -> None:
        super().__init__(systemd, connection, path_of(unit.name), unit.kind)
        self._unit = unit

    def value(self, name: str) -> Any:
        return self._unit.properties.get(name)

    def tell(self, properties: dict[str, Any]) -> None:
        """Send PropertiesChanged for each interface that has one of these."""
        for interface in (UNIT, f"org.freedesktop.systemd1.{self._unit.kind}"):
            values = self._all(interface)
            changed = {name: values[name] for name in properties if name in values}
            if changed:
                self.PropertiesChanged(interface, changed, dbus.Array([], signature="s"))

    @dbus.service.signal(PROPERTIES, signature="sa{sv}as")
    def PropertiesChanged(self, interface: str, changed: Any, invalidated: Any) -> None:
        pass


class Manager(Introspected):
    """The manager on the bus."""

    def __init__(self, systemd: Systemd, connection: Any) -> None:
        super().__init__(systemd, connection, PATH, "manager")

    def value(self, name: str) -> Any:
        return {"SystemState": self._systemd.rules.system_state, "Version": "fake"}.get(name)

    @dbus.service.method(MANAGER, sender_keyword="sender")
    def Subscribe(self, sender: str) -> None:
        self._systemd.took("Subscribe")
        if sender in self._systemd.subscribers:
            raise Refusal(
                "org.freedesktop.systemd1.AlreadySubscribed", "Client is already subscribed."
            )
        self._systemd.subscribers.add(sender)

    @dbus.service.method(MANAGER, in_signature="s", out_signature="o")
    def LoadUnit(self, name: str) -> str:
        self._systemd.took("LoadUnit", name)
        if "." not in name:
            raise Refusal("org.freedesktop.systemd1.NoSuchUnit", f"Unit {name} not found.")
        return path_of(self._systemd.find(name).name)

    @dbus.service.method(MANAGER, in_signature="s", out_signature="a(sus)")
    def GetUnitProcesses(self, name: str) -> list[tuple[str, int, str]]:
        self._systemd.took("GetUnitProcesses", name)
        return [(group, pid, command) for group, pid, command in self._systemd.rules.processes]

    @dbus.service.method(MANAGER, in_signature="ssi")
    def KillUnit(self, name: str, whom: str, number: int) -> None:
        self._systemd.took("KillUnit", name, whom, number)
        if name not in self._systemd.units:
            raise Refusal("org.freedesktop.systemd1.NoSuchUnit", f"Unit {name} not loaded.")

    @dbus.service.method(MANAGER, in_signature="s")
    def ResetFailedUnit(self, name: str) -> None:
        self._systemd.took("ResetFailedUnit", name)
        if name not in self._systemd.units:
            raise Refusal("org.freedesktop.systemd1.NoSuchUnit", f"Unit {name} not loaded.")
        unit = self._systemd.units[name]
        unit.starts.clear()
        if unit.properties["ActiveState"] == "failed":
            self._systemd.change(unit, {**unit.stopped(), "Result": "success"})

    @dbus.service.method(MANAGER, in_signature="u")
    def CancelJob(self, number: int) -> None:
        self._systemd.took("CancelJob", number)
        self._systemd.cancel(number)

    @dbus.service.method(MANAGER, async_callbacks=("reply", "error"))
    def Reload(self, reply: Callable[[], None], error: object) -> None:  # noqa: ARG002
        if self._systemd.took("Reload"):
            self._systemd.daemon_reload(reply)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "error"))
    def StartUnit(self, name: str, mode: str, reply: Reply, error: object) -> None:  # noqa: ARG002
        self._queue("StartUnit", name, mode, reply)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "error"))
    def StopUnit(self, name: str, mode: str, reply: Reply, error: object) -> None:  # noqa: ARG002
        self._queue("StopUnit", name, mode, reply)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "error"))
    def RestartUnit(self, name: str, mode: str, reply: Reply, error: object) -> None:  # noqa: ARG002
        self._queue("RestartUnit", name, mode, reply)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "error"))
    def ReloadUnit(self, name: str, mode: str, reply: Reply, error: object) -> None:  # noqa: ARG002
        self._queue("ReloadUnit", name, mode, reply)

    @dbus.service.method(MANAGER, "ssa(sv)a(sa(sv))", "o", async_callbacks=("reply", "error"))
    def StartTransientUnit(
        self,
        name: str,
        mode: str,
        properties: Any,
        auxiliary: Any,  # noqa: ARG002 -- the method's
        reply: Reply,
        error: object,  # noqa: ARG002 -- dbus-python's
    ) -> None:
        if self._systemd.took("StartTransientUnit", name, mode, dict(properties)["Description"]):
            self._systemd.run_transient(name, dict(properties), reply)

    @dbus.service.method(MANAGER, in_signature="s")
    def UnrefUnit(self, name: str) -> None:
        self._systemd.took("UnrefUnit", name)
        self._systemd.release(name)

    @dbus.service.signal(MANAGER, signature="uoss")
    def JobRemoved(self, number: int, path: str, unit: str, word: str) -> None:
        pass

    @dbus.service.signal(MANAGER, signature="b")
    def Reloading(self, active: bool) -> None:  # noqa: FBT001 -- as the interface has it
        pass

    def _queue(self, verb: str, name: str, mode: str, reply: Reply) -> None:
        if self._systemd.took(verb, name, mode):
            self._systemd.queue(verb, name, reply)
