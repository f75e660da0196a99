from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.bus import SERVICE_UNKNOWN, Bus, Loop
from dockcfgd.adapters.systemd import SystemdBus
from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.host import UnitState
from dockcfgd.model.processes import Process
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET
from tests.support.clocks import FastClock, PlainClock
from tests.support.looping import until, while_looping
from tests.support.private_bus import ROOT, FakeSystemd, PrivateBus

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.dbus

LIMITED = "org.freedesktop.DBus.Error.LimitsExceeded"
XML = ROOT / "tests" / "support" / "fake_systemd" / "xml"


def test_every_field_of_a_service(systemd: SystemdBus, fake: FakeSystemd) -> None:
    dockerd = ["/usr/bin/dockerd", "-H", "fd://"]
    fake.set_unit(
        DOCKER_SERVICE,
        ActiveState="activating",
        SubState="auto-restart",
        Result="exit-code",
        FragmentPath="/lib/systemd/system/docker.service",
        DropInPaths=["/etc/systemd/system/docker.service.d/override.conf"],
        NeedDaemonReload=True,
        InvocationID=[0xAB, *range(15)],
        MainPID=77,
        NRestarts=4,
        ExecMainStatus=1,
        ExecStart=[[dockerd[0], dockerd, False, 1, 2, 3, 4, 5, 6, 7]],
        Environment=["HTTPS_PROXY=http://proxy:3128", "A=b c"],
        EnvironmentFiles=[["/etc/default/docker", True], ["/etc/needed", False]],
    )
    assert systemd.unit(DOCKER_SERVICE) == UnitState(
        name=DOCKER_SERVICE,
        load_state="loaded",
        active_state="activating",
        sub_state="auto-restart",
        result="exit-code",
        fragment_path="/lib/systemd/system/docker.service",
        drop_in_paths=("/etc/systemd/system/docker.service.d/override.conf",),
        need_daemon_reload=True,
        invocation_id="ab000102030405060708090a0b0c0d0e",
        main_pid=77,
        restarts=4,
        exec_status=1,
        exec_start=("/usr/bin/dockerd", "-H", "fd://"),
        environment=("HTTPS_PROXY=http://proxy:3128", "A=b c"),
        environment_files=("/etc/default/docker", "/etc/needed"),
    )


@pytest.mark.parametrize(
    "version", sorted(folder.name for folder in XML.iterdir() if folder.is_dir())
)
def test_units_of_each_known_systemd(private_bus: PrivateBus, bus: Bus, version: str) -> None:
    with FakeSystemd(private_bus.address, ["--xml", str(XML / version)]):
        systemd = SystemdBus(bus, PlainClock())
        assert systemd.unit(DOCKER_SERVICE).running
        assert systemd.unit(DOCKER_SOCKET).active_state == "active"
        systemd.reload_units()


def test_a_unit_that_does_not_exist(systemd: SystemdBus) -> None:
    for name in ("podman.service", "nonsense"):
        unit = systemd.unit(name)
        assert (unit.load_state, unit.active_state) == ("not-found", "inactive")
        assert (unit.exec_start, unit.invocation_id) == ((), "")


def test_a_masked_unit(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.set_unit(DOCKER_SERVICE, LoadState="masked", ExecStart=[])
    unit = systemd.unit(DOCKER_SERVICE)
    assert (unit.load_state, unit.exec_start) == ("masked", ())


def test_reading_a_unit_that_is_refused(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(errors={"LoadUnit": "org.freedesktop.DBus.Error.AccessDenied"})
    with pytest.raises(SystemdFailure, match=r"cannot read the state of docker\.service: "):
        systemd.unit(DOCKER_SERVICE)


@pytest.mark.parametrize(
    "ask",
    [
        lambda systemd: systemd.unit(DOCKER_SERVICE),
        lambda systemd: systemd.stopping(),
        lambda systemd: systemd.reload_units(),
        lambda systemd: systemd.reset_failed(DOCKER_SERVICE),
    ],
)
def test_a_bus_without_systemd(bus: Bus, ask: Callable[[SystemdBus], object]) -> None:
    with pytest.raises(SystemdFailure) as failure:
        ask(SystemdBus(bus, PlainClock()))
    assert failure.value.name == SERVICE_UNKNOWN


def test_whether_the_machine_goes_down(systemd: SystemdBus, fake: FakeSystemd) -> None:
    assert not systemd.stopping()
    fake.rules(system_state="stopping")
    assert systemd.stopping()


def test_killing(systemd: SystemdBus, fake: FakeSystemd) -> None:
    for name in (DOCKER_SERVICE, "gone.scope"):
        systemd.kill(name)
    assert fake.calls("KillUnit")[0] == ["KillUnit", DOCKER_SERVICE, "all", "9"]
    fake.rules(errors={"KillUnit": "org.freedesktop.DBus.Error.AccessDenied"})
    with pytest.raises(SystemdFailure, match=r"^cannot kill docker\.service: "):
        systemd.kill(DOCKER_SERVICE)


@pytest.mark.parametrize(
    ("told", "seconds"), [(90_000_000, 90.0), (2**64 - 1, math.inf), (1_500_000, 1.5)]
)
def test_how_long_a_stop_may_take(
    systemd: SystemdBus, fake: FakeSystemd, told: int, seconds: float
) -> None:
    fake.set_unit(DOCKER_SERVICE, TimeoutStopUSec=told)
    assert systemd.unit(DOCKER_SERVICE).stop_seconds == seconds


def test_forgetting_failures(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.set_unit(DOCKER_SERVICE, ActiveState="failed", Result="start-limit-hit")
    systemd.reset_failed(DOCKER_SERVICE)
    assert systemd.unit(DOCKER_SERVICE).active_state == "inactive"
    systemd.reset_failed("not-loaded.service")


def test_reload_reads_the_units_again(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.set_unit(DOCKER_SERVICE, NeedDaemonReload=True)
    systemd.reload_units()
    assert not systemd.unit(DOCKER_SERVICE).need_daemon_reload


def test_reload_shows_what_the_files_say_now(private_bus: PrivateBus, bus: Bus) -> None:
    hook = """echo '{"docker.service": {"Environment": ["A=1"]}}'"""
    with FakeSystemd(private_bus.address, ["--on-daemon-reload", hook]):
        systemd = SystemdBus(bus, PlainClock())
        systemd.reload_units()
        assert systemd.unit(DOCKER_SERVICE).environment == ("A=1",)


def test_a_rate_limit_is_waited_for(bus: Bus, fake: FakeSystemd) -> None:
    fake.rules(limited=3)
    SystemdBus(bus, FastClock()).reload_units()
    assert len(fake.calls("Reload")) == 4


def test_a_rate_limit_is_not_waited_for_without_end(bus: Bus, fake: FakeSystemd) -> None:
    fake.rules(limited=1000)
    with pytest.raises(SystemdFailure, match=r"^cannot reload the unit files: .*rate") as failure:
        SystemdBus(bus, FastClock()).reload_units()
    assert failure.value.name == LIMITED


def test_a_reload_that_swallows_its_answer(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.set_unit(DOCKER_SERVICE, NeedDaemonReload=True)
    fake.rules(reload="drop")
    systemd.reload_units()
    assert not systemd.unit(DOCKER_SERVICE).need_daemon_reload


def test_a_lost_reload_is_a_failure(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.set_unit(DOCKER_SERVICE, NeedDaemonReload=True)
    fake.rules(reload="lose")
    with pytest.raises(SystemdFailure, match="cannot reload the unit files"):
        systemd.reload_units()


def test_the_clock_is_attended_while_units_are_read(
    private_bus: PrivateBus, bus: Bus, clock: PlainClock
) -> None:
    with FakeSystemd(private_bus.address, ["--on-daemon-reload", "sleep 2.3; echo '{}'"]):
        SystemdBus(bus, clock).reload_units()
    assert clock.sleeps >= 2


def test_hints_of_the_unit_that_the_name_is_an_alias_of(
    systemd: SystemdBus, fake: FakeSystemd, loop: Loop
) -> None:
    fake.set_unit(
        "moby.service",
        ActiveState="active",
        SubState="running",
        MainPID=7,
        DropInPaths=[],
        NeedDaemonReload=False,
        InvocationID=[1] * 16,
    )
    fake.rules(aliases={DOCKER_SERVICE: "moby.service"})
    hints: list[str] = []
    systemd.watch_unit(DOCKER_SERVICE, hints.append)

    def work() -> None:
        until(lambda: "systemd is there" in hints)
        assert systemd.unit(DOCKER_SERVICE).running
        hints.clear()
        fake.set_unit("moby.service", ActiveState="failed")
        until(lambda: "docker.service changed" in hints)

    while_looping(loop, work)


def test_hints_when_a_unit_changes_even_after_systemd_was_anew(
    systemd: SystemdBus, fake: FakeSystemd, loop: Loop
) -> None:
    hints: list[str] = []
    systemd.watch_unit(DOCKER_SERVICE, hints.append)

    def wait_for(hint: str) -> None:
        until(lambda: hint in hints)
        hints.clear()

    def work() -> None:
        wait_for("systemd is there")
        fake.set_unit(DOCKER_SERVICE, ActiveState="failed")
        wait_for("docker.service changed")
        fake.leave()
        fake.come_back()
        wait_for("systemd is there")
        fake.set_unit(DOCKER_SERVICE, ActiveState="active")
        wait_for("docker.service changed")
        systemd.reload_units()
        wait_for("systemd has read its units again")

    while_looping(loop, work)


def test_the_hosts_processes(systemd: SystemdBus, fake: FakeSystemd) -> None:
    shim = "/usr/bin/containerd-shim-runc-v2 -namespace moby -id abc"
    fake.rules(processes=[["/init.scope", 1, "/sbin/init"], ["/system.slice/a.service", 7, shim]])
    assert systemd.processes() == (
        Process(1, 0, "init", ("/sbin/init",), ("/init.scope",)),
        Process(7, 0, "containerd-shim", tuple(shim.split()), ("/system.slice/a.service",)),
    )
    assert fake.calls("GetUnitProcesses") == [["GetUnitProcesses", "-.slice"]]


def test_processes_that_cannot_be_listed(systemd: SystemdBus, fake: FakeSystemd) -> None:
    fake.rules(errors={"GetUnitProcesses": "org.freedesktop.DBus.Error.AccessDenied"})
    with pytest.raises(SystemdFailure, match="cannot list the processes: "):
        systemd.processes()
