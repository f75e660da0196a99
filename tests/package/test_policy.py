"""The bus policy, held by a real dbus-daemon on a private socket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dockcfgd.api import contract

pytestmark = [
    pytest.mark.dbus,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root and somebody else"),
]

NAME = "org.dockcfgd1"
NOBODY = 65534

# As /usr/share/dbus-1/system.conf has it, where the distribution's services get their start.
SYSTEM = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""

SERVICE = """\
import sys
import dbus, dbus.bus, dbus.mainloop.glib, dbus.service
from gi.repository import GLib

class Manager(dbus.service.Object):
    @dbus.service.method("org.dockcfgd1.Manager", out_signature="s")
    def GetStatus(self):
        GLib.timeout_add(50, self.StatusChanged, "changed")
        return "status"

    @dbus.service.method("org.dockcfgd1.Manager", in_signature="s", out_signature="s")
    def Pause(self, reason):
        return "paused"

    @dbus.service.method("org.dockcfgd1.Test", out_signature="s")
    def Secret(self):
        return "secret"

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return "value"

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return {"Phase": "idle"}

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ssv")
    def Set(self, interface, name, value):
        pass

    @dbus.service.signal("org.dockcfgd1.Manager", signature="s")
    def StatusChanged(self, text):
        pass

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
name = dbus.service.BusName("org.dockcfgd1", bus, do_not_queue=True)
manager = Manager(bus, "/org/dockcfgd1")
print("ready", flush=True)
GLib.MainLoop().run()
"""


@dataclass(frozen=True)
class Bus:
    address: str

    def call(self, method: str, *arguments: str, uid: int) -> subprocess.CompletedProcess[str]:
        command = ["gdbus", "call", "--address", self.address, "--dest", NAME]
        where = ["--object-path", "/org/dockcfgd1", "--method", method]
        return self._run(*command, *where, *arguments, uid=uid)

    def own(self, *, uid: int) -> subprocess.CompletedProcess[str]:
        script = (
            "import sys, dbus.bus as b; "
            f"print(b.BusConnection(sys.argv[1]).request_name('{NAME}', b.NAME_FLAG_DO_NOT_QUEUE))"
        )
        return self._run("/usr/bin/python3", "-c", script, self.address, uid=uid)

    @staticmethod
    def _run(*command: str, uid: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, user=uid, group=uid, capture_output=True, text=True, timeout=20, check=False
        )


@pytest.fixture
def bus(tmp_path: Path, tree: Path) -> Iterator[Bus]:
    # Others must reach the socket; pytest's own folder is closed to them.
    folder = Path("/tmp") / f"dockcfgd-policy-{os.getpid()}"
    folder.mkdir(mode=0o755)
    socket = folder / "bus"
    configuration = tmp_path / "bus.conf"
    policy = tree / "packaging/dbus/org.dockcfgd1.conf"
    configuration.write_text(SYSTEM.format(socket=socket, policy=policy))
    command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline(), "dbus-daemon does not start with this policy"
            yield Bus(f"unix:path={socket}")
        finally:
            daemon.terminate()
    socket.unlink(missing_ok=True)
    folder.rmdir()


@pytest.fixture
def service(bus: Bus) -> Iterator[Bus]:
    command = [sys.executable, "-c", SERVICE, bus.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield bus
        finally:
            process.terminate()


def test_root_may_own_the_name(bus: Bus) -> None:
    done = bus.own(uid=0)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_nobody_may_not_own_the_name(bus: Bus) -> None:
    done = bus.own(uid=NOBODY)
    assert "AccessDenied" in done.stderr


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("org.freedesktop.DBus.Introspectable.Introspect", ()),
        ("org.freedesktop.DBus.Properties.Get", ("org.dockcfgd1.Manager", "Phase")),
        ("org.freedesktop.DBus.Properties.GetAll", ("org.dockcfgd1.Manager",)),
        ("org.freedesktop.DBus.Peer.Ping", ()),
        ("org.dockcfgd1.Manager.GetStatus", ()),
        # Who may do it is for dockcfgd to find out, with polkit.
        ("org.dockcfgd1.Manager.Pause", ("because",)),
    ],
)
def test_anyone_may_ask(service: Bus, method: str, arguments: tuple[str, ...]) -> None:
    done = service.call(method, *arguments, uid=NOBODY)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("org.freedesktop.DBus.Properties.Set", ("org.dockcfgd1.Manager", "Phase", "<'idle'>")),
        ("org.dockcfgd1.Test.Secret", ()),
    ],
)
def test_only_root_may_call_anything_else(
    service: Bus, method: str, arguments: tuple[str, ...]
) -> None:
    assert service.call(method, *arguments, uid=0).returncode == 0
    assert "AccessDenied" in service.call(method, *arguments, uid=NOBODY).stderr


def test_anyone_hears_the_signals(service: Bus) -> None:
    command = ["gdbus", "monitor", "--address", service.address, "--dest", NAME]
    with subprocess.Popen(
        command, user=NOBODY, group=NOBODY, stdout=subprocess.PIPE, text=True
    ) as monitor:
        try:
            assert monitor.stdout is not None
            while "is owned by" not in monitor.stdout.readline():
                assert monitor.poll() is None
            service.call("org.dockcfgd1.Manager.GetStatus", uid=0)
            assert "StatusChanged ('changed',)" in monitor.stdout.readline()
        finally:
            monitor.terminate()


def test_polkit_hears_of_every_action(tree: Path) -> None:
    root = ET.parse(tree / "packaging/polkit/org.dockcfgd1.policy").getroot()  # noqa: S314 -- ours
    declared = [action.get("id", "") for action in root.iter("action")]
    assert sorted(declared) == sorted(set(contract.actions().values()))
    for default in ("allow_any", "allow_inactive", "allow_active"):
        given = {one.text or "" for one in root.iter(default)}
        assert given <= {"auth_admin", "auth_admin_keep"}
