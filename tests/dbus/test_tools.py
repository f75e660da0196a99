"""The published interface as busctl and gdbus see it, and what it says to who is not root."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from dockcfgd.api import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.dbus
NOBODY = 65534
AUTHORITY = "/org/freedesktop/PolicyKit1/Authority"

# A bus that forbids nothing: here the service itself has to refuse.
OPEN = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
"""

# The service without a reconciler: a pause is answered, and told as a changed status.
SERVICE = """\
import queue, sys
from dataclasses import replace
from dockcfgd.adapters.bus import Bus, Loop
from dockcfgd.adapters.polkit import Polkit
from dockcfgd.api import contract
from dockcfgd.api.announcer import Announcer
from dockcfgd.api.service import Service
from dockcfgd.model.status import Phase, Status
from dockcfgd.reconcile.requests import Apply, Pause, Rollback

now = Status(version="0.1.0", pid=7, since=1.0, generation=4_000_000_000, phase=Phase.IDLE)

def take(request):
    global now
    if isinstance(request, Rollback):
        raise queue.Full
    if isinstance(request, Apply) and request.plan:
        request.agreed("the plan is another one")
    if isinstance(request, Pause):
        now = replace(now, phase=Phase.PAUSED, generation=5, confirm_deadline=2.0**33)
        request.answer("")
        announcer.status(now)
        announcer.finished("t1", "applied")

bus, loop = Bus(sys.argv[1]), Loop()
service = Service(
    snapshot=lambda: now,
    enqueue=take,
    sender_uid=bus.sender_uid,
    authority=Polkit(bus),
    complaint=lambda files: "it is broken" if "broken" in files[0][1] else "",
    aside=lambda work: work(),
    new_transaction=lambda: "t1",
)
announcer = Announcer(
    bus.publish(
        contract.OBJECT_PATH,
        contract.interface_xml(),
        handle=service.handle,
        read=service.properties,
    )
)
announcer.status(now)
bus.request_name(contract.BUS_NAME)
print("ready", flush=True)
loop.run()
"""


def run(*command: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, user=uid, group=uid, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    # Others must reach the socket; pytest's own folder is closed to them.
    with tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "bus.conf").write_text(OPEN.format(socket=folder / "bus"))
        command = ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--print-address"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
            try:
                assert daemon.stdout is not None
                assert daemon.stdout.readline()
                yield f"unix:path={folder}/bus"
            finally:
                daemon.terminate()


@pytest.fixture
def service(address: str) -> Iterator[str]:
    command = [sys.executable, "-W", "ignore", "-c", SERVICE, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield address
        finally:
            process.terminate()


def call(
    address: str, method: str, *arguments: str, uid: int = 0
) -> subprocess.CompletedProcess[str]:
    command = ["gdbus", "call", "--address", address, "--dest", contract.BUS_NAME]
    where = ["--object-path", contract.OBJECT_PATH, "--method", f"{contract.INTERFACE}.{method}"]
    return run(*command, *where, "--", *arguments, uid=uid)


def declared() -> dict[str, tuple[str, str]]:
    """Give each member with its kind and signature, from the interface's file."""
    found = {}
    for node in ET.fromstring(contract.interface_xml()).iter():  # noqa: S314 -- our own file
        if node.tag in {"method", "signal"}:
            arguments = [one for one in node.findall("arg") if one.get("direction") != "out"]
            signature = "".join(one.get("type", "") for one in arguments)
            found[node.get("name", "")] = (node.tag, signature or "-")
        elif node.tag == "property":
            found[node.get("name", "")] = (node.tag, node.get("type", ""))
    return found


def test_busctl_sees_what_the_file_declares(service: str) -> None:
    done = run(
        "busctl", f"--address={service}", "introspect", "--no-pager", "--no-legend",
        contract.BUS_NAME, contract.OBJECT_PATH, contract.INTERFACE, uid=NOBODY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(".")]
    assert {row[0][1:]: (row[1], row[2]) for row in rows} == declared()
    values = {row[0][1:]: row[3] for row in rows if row[1] == "property"}
    assert values["Generation"] == "4000000000"
    assert values["Phase"] == '"idle"'


def test_gdbus_gets_the_document(service: str) -> None:
    done = call(service, "GetStatus", uid=NOBODY)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"\('(.*)',\)\n", done.stdout)
    assert found is not None
    assert json.loads(found[1])["desired"]["generation"] == 4_000_000_000


CHANGES = [
    ("Plan", ["[]"]),
    ("Apply", ["[]", "{}"]),
    ("Rollback", ["0", "{}"]),
    ("Confirm", [""]),
    ("Cancel", [""]),
    ("Pause", ["because"]),
    ("Resume", []),
    ("CreateBackup", ["{}"]),
    ("Restore", ["b-1", "{}"]),
    ("PruneBackups", ["{}"]),
]


def test_everything_but_reading_needs_authorisation() -> None:
    methods = {name for name, (kind, _) in declared().items() if kind == "method"}
    assert set(contract.actions()) == methods - {"GetStatus"}


@pytest.mark.parametrize(("method", "arguments"), CHANGES)
def test_without_polkit_who_is_not_root_is_told_so_by_name(
    service: str, method: str, arguments: list[str]
) -> None:
    done = call(service, method, *arguments, uid=NOBODY)
    why = "only root may, as there is no polkit on this host"
    assert f"{contract.NOT_AUTHORIZED}: cannot {method.lower()}: {why}" in done.stderr


@pytest.fixture
def polkit(address: str) -> Iterator[Callable[..., str]]:
    """Run a polkit; what is given calls a method of it."""
    fake = Path(__file__).parent.parent / "support/fake_polkit.py"
    command = ["/usr/bin/python3", str(fake), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def tell(method: str, *arguments: str) -> str:
            where = ["--dest=org.freedesktop.PolicyKit1", f"--object-path={AUTHORITY}"]
            member = f"--method=org.dockcfgd1.Test.{method}"
            return run("gdbus", "call", "--address", address, *where, member, *arguments).stdout

        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield tell
        finally:
            process.terminate()


def test_polkit_lets_others_in(service: str, polkit: Callable[..., str]) -> None:
    polkit("SetAnswer", "true", "false", "0.0")
    done = call(service, "Apply", "[]", "{}", uid=NOBODY)
    assert done.stdout == "('t1',)\n", done.stderr
    kind, sender, action, flags = polkit("Asked").strip("()',\n").split()
    assert (kind, action, flags) == ("system-bus-name", "org.dockcfgd1.apply", "0")
    assert sender.startswith(":1.")
    assert call(service, "Pause", "because", uid=NOBODY).stdout == "()\n"
    assert polkit("Asked").split()[2] == "org.dockcfgd1.pause"


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        ("false", "polkit forbids org.dockcfgd1.pause"),
        ("true", "polkit wants somebody to authorise org.dockcfgd1.pause, and nobody could be"),
    ],
)
def test_polkit_keeps_others_out(
    service: str, polkit: Callable[..., str], challenge: str, why: str
) -> None:
    polkit("SetAnswer", "false", challenge, "0.0")
    done = call(service, "Pause", "because", uid=NOBODY)
    assert f"{contract.NOT_AUTHORIZED}: cannot pause: {why}" in done.stderr
    assert call(service, "Pause", "because", uid=0).returncode == 0


def test_a_prompt_holds_nobody_up(service: str, polkit: Callable[..., str]) -> None:
    polkit("SetAnswer", "true", "false", "2.0")
    command = [
        "busctl", f"--address={service}", "--allow-interactive-authorization=yes", "call",
        contract.BUS_NAME, contract.OBJECT_PATH, contract.INTERFACE, "Pause", "s", "because",
    ]  # fmt: skip
    with subprocess.Popen(command, user=NOBODY, group=NOBODY) as asking:
        while not polkit("Asked").strip("()',\n"):
            time.sleep(0.02)
        began = time.monotonic()
        assert call(service, "GetStatus", uid=NOBODY).returncode == 0
        assert call(service, "Apply", "[]", "{}").returncode == 0
        assert asking.poll() is None
        assert time.monotonic() - began < 1.5
        assert asking.wait(10) == 0
    assert polkit("Asked").split()[3].startswith("1")


def test_files_that_are_no_desired_state_have_their_own_error(service: str) -> None:
    done = call(service, "Apply", "[('a.toml', 'broken')]", "{}")
    assert f"{contract.INVALID_DESIRED_STATE}: cannot apply: it is broken" in done.stderr


def test_a_plan_that_nobody_agreed_to_has_its_own_error(service: str) -> None:
    done = call(service, "Apply", "[]", "{'plan': <'0123'>}")
    assert f"{contract.PLAN_CHANGED}: cannot apply: the plan is another one" in done.stderr


@pytest.mark.parametrize(
    ("method", "arguments", "name"),
    [
        ("Apply", ["[('a.conf', '')]", "{}"], contract.INVALID_ARGUMENTS),
        ("Apply", ["[]", "{'unknown': <1>}"], contract.INVALID_ARGUMENTS),
        ("Rollback", ["0", "{}"], contract.BUSY),
    ],
)
def test_what_root_cannot_have_is_named(
    service: str, method: str, arguments: list[str], name: str
) -> None:
    assert f"GDBus.Error:{name}: " in call(service, method, *arguments).stderr


def test_changed_properties_come_with_their_types_before_the_end(service: str) -> None:
    command = ["gdbus", "monitor", "--address", service, "--dest", contract.BUS_NAME]
    with subprocess.Popen(
        command, user=NOBODY, group=NOBODY, stdout=subprocess.PIPE, text=True
    ) as monitor:
        try:
            assert monitor.stdout is not None
            while "is owned by" not in monitor.stdout.readline():
                assert monitor.poll() is None
            assert call(service, "Pause", "because").returncode == 0
            lines: list[str] = []
            while not lines or "TransactionFinished" not in lines[-1]:
                lines.append(monitor.stdout.readline())
                assert lines[-1], "gdbus has ended"
        finally:
            monitor.terminate()
    [changed] = [line for line in lines if "PropertiesChanged" in line]
    assert "'Phase': <'paused'>" in changed
    assert "'Generation': <uint32 5>" in changed
    assert "'ConfirmDeadline': <uint64 8589934592>" in changed
    assert "'Version'" not in changed
    assert any(f"{contract.INTERFACE}.StatusChanged" in line for line in lines)
