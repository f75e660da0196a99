"""What happens around dockcfgd on a real machine (docs/when-something-around-fails.md)."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guarded import CALM, DAEMON_JSON, DROP_IN, OVERRIDE, Guarded
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
UNIT = "/usr/lib/systemd/system/docker.service"
SOCKET = "/run/docker.sock"
SEEN = 1.0
# An address of documentation (RFC 5737), which no host has.
NOWHERE = "192.0.2.1:9323"
NO_START = CALM.replace("[engine]", f'[engine]\nmetrics-addr = "{NOWHERE}"')

IN_FULL = pytest.mark.skipif(not PROOF, reason="in make proof")

pytestmark = [pytest.mark.suite(*RELEASES), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def prepared(module_machine: Machine, suite: str, build_deb: Callable[[str], Path]) -> Guarded:
    return Guarded(module_machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))


@pytest.fixture
def host(prepared: Guarded) -> Iterator[Guarded]:
    prepared.calm()
    yield prepared
    prepared.whole()


class TestTheBus:
    def test_is_restarted_while_nothing_is_under_way(self, host: Guarded) -> None:
        engine, ours, begun = host.engine, host.pid, host.told()
        host.machine.run(["systemctl", "restart", "dbus"])
        host.awaited(lambda: host.pid not in {ours, "0"}, "a new dockcfgd")
        host.rests("in-sync")
        assert (host.engine, host.told()) == (engine, begun)

    def test_is_restarted_in_a_change(self, host: Guarded) -> None:
        host.slowed()
        ours = host.pid
        driver = host.other_driver()
        host.want_driver(driver)
        host.awaited(lambda: host.machine.unit("docker")["ActiveState"] == "activating", "start")
        host.machine.run(["systemctl", "restart", "dbus"])
        host.awaited(lambda: host.pid not in {ours, "0"}, "a new dockcfgd")
        host.through(driver)


class TestSystemd:
    def test_executes_itself_anew_in_a_job(self, host: Guarded) -> None:
        host.slowed()
        ours, begun = host.pid, host.told()
        driver = host.other_driver()
        host.want_driver(driver)
        host.awaited(lambda: host.machine.unit("docker")["ActiveState"] == "activating", "start")
        host.machine.run(["systemctl", "daemon-reexec"])
        status = host.rests("in-sync")
        assert (status["last"]["verdict"], host.log_driver()) == ("applied", driver)
        assert (host.pid, host.told()) == (ours, begun + 1)

    @IN_FULL
    def test_ends_a_dockcfgd_that_is_stopped_in_a_change(self, host: Guarded) -> None:
        """By its watchdog; a minute of it is two seconds here."""
        short = "/run/systemd/system/dockcfgd.service.d/short.conf"
        host.machine.write(short, "[Service]\nWatchdogSec=2\n")
        host.machine.run("systemctl daemon-reload; systemctl restart dockcfgd")
        try:
            host.rests("in-sync")
            ours = host.pid
            driver = host.other_driver()
            host.want_driver(driver, settle="4s")
            host.until("verifying")
            host.machine.run(["kill", "-STOP", ours])
            host.awaited(lambda: host.pid not in {ours, "0"}, "a new dockcfgd")
            host.through(driver)
            assert "Watchdog timeout" in host.machine.journal("dockcfgd")
        finally:
            host.machine.run(f"rm {short}; systemctl daemon-reload; systemctl restart dockcfgd")


class TestTheEngine:
    @IN_FULL
    def test_hangs(self, host: Guarded) -> None:
        pid, before = host.machine.unit("docker")["MainPID"], host.document
        driver = host.other_driver()
        host.machine.run(["kill", "-STOP", pid])
        try:
            host.want_driver(driver)
            host.rests("pending", saying="waiting for the engine: ")
            assert host.document == before
        finally:
            host.machine.run(["kill", "-CONT", pid])
        host.rests("in-sync")
        assert host.log_driver() == driver

    def test_is_restarted_by_somebody(self, host: Guarded) -> None:
        begun = host.told()

        def another(status: dict[str, Any]) -> bool:
            return str(status["engine"]["pid"]) == host.machine.unit("docker")["MainPID"]

        host.machine.run(["systemctl", "restart", "docker"])
        host.machine.docker("start", "by-itself")
        host.awaited(lambda: another(host.status), "the new engine", timeout=SEEN * 3)
        host.rests("in-sync")
        assert host.told() == begun

    def test_is_stopped_by_somebody(self, host: Guarded) -> None:
        driver = host.other_driver()
        host.machine.run("systemctl stop docker.socket docker.service")
        host.rests("pending", saying="engine stopped")
        host.want_driver(driver)
        host.awaited(lambda: host.document.get("log-driver") == driver, "the file written")
        host.rests("pending", saying="engine stopped")
        assert host.machine.unit("docker")["ActiveState"] == "inactive"
        host.machine.run("systemctl start docker")
        host.rests("in-sync")
        assert host.log_driver() == driver
        host.machine.docker("start", "by-itself")

    def test_is_started_by_somebody_on_what_it_cannot_start_on(self, host: Guarded) -> None:
        """It was written while the engine was down: that start was its proof."""
        before = host.document
        host.machine.run("systemctl stop docker.socket docker.service")
        host.rests("pending", saying="engine stopped")
        host.want(NO_START)
        host.awaited(lambda: host.document.get("metrics-addr") == NOWHERE, "the file written")
        host.rests("pending", saying="engine stopped")
        host.machine.run(["systemctl", "start", "docker"], check=False)
        host.rests("rejected", saying=NOWHERE)
        assert host.document == before
        assert host.machine.ping()
        host.machine.docker("start", "by-itself")
        host.want(CALM)
        host.rests("in-sync")

    def test_is_not_quoted_with_what_a_container_writes(self, host: Guarded) -> None:
        """By the journald driver that has the engine's unit, and may have any end of a line."""
        words = r'level=fatal\342\200\250msg="of a container"\n'
        loud = f"while printf '{words}'; do sleep 0.2; done"
        journald = ("--name=loud", "--log-driver=journald")
        host.machine.docker("run", "-d", "--init", *journald, "busybox", "sh", "-c", loud)
        ask = (
            "import sys; sys.path.insert(0, '/usr/lib/dockcfgd/python');"
            "from dockcfgd.adapters.journal import last_line;"
            f"print(last_line('docker.service', invocation='{host.engine}'))"
        )
        try:
            host.awaited(lambda: "of a container" in host.machine.journal("docker"), "its words")
            said = host.machine.run(["python3", "-c", ask]).stdout
        finally:
            host.machine.docker("rm", "--force", "loud")
        assert said.strip()
        assert "of a container" not in said

    @IN_FULL
    def test_has_lost_its_socket(self, host: Guarded) -> None:
        before, driver = host.document, host.other_driver()
        host.machine.run(["rm", SOCKET])
        host.want_driver(driver)
        host.rests("pending", saying=SOCKET)
        assert host.document == before
        host.machine.run("systemctl stop docker.socket docker; systemctl start docker")
        host.machine.docker("start", "by-itself")
        host.rests("in-sync")
        assert host.log_driver() == driver


class TestTheUnit:
    @pytest.mark.parametrize("name", ["docker.service", "docker.socket"])
    def test_is_masked(self, host: Guarded, name: str) -> None:
        engine, before = host.engine, host.machine.read(DAEMON_JSON)
        host.machine.run(["systemctl", "mask", name])
        try:
            driver = host.other_driver()
            host.want_driver(driver)
            host.rests("degraded", saying=f"{name} is masked")
            assert (host.engine, host.machine.read(DAEMON_JSON)) == (engine, before)
            host.whole()
        finally:
            host.machine.run(["systemctl", "unmask", name])
        # A socket that was masked has lost its file descriptors: the first start fails for it.
        host.through(driver)

    def test_is_gone(self, host: Guarded) -> None:
        engine = host.engine
        host.machine.run(f"mv {UNIT} {UNIT}.away; systemctl daemon-reload")
        try:
            driver = host.other_driver()
            host.want_driver(driver)
            host.rests("degraded", saying="docker.service is not installed")
            assert host.engine == engine
        finally:
            host.machine.run(f"mv {UNIT}.away {UNIT}; systemctl daemon-reload")
        host.rests("in-sync")
        assert host.log_driver() == driver

    @IN_FULL
    def test_is_renamed_and_goes_by_an_alias(self, host: Guarded) -> None:
        def renamed(command: str) -> None:
            host.machine.run(
                f"systemctl stop docker.socket docker.service && {command}"
                " && systemctl daemon-reload && systemctl start docker.socket docker.service"
            )
            host.machine.docker("start", "by-itself", "web")

        moby = UNIT.replace("docker.service", "moby.service")
        renamed(f"mv {UNIT} {moby} && ln -s moby.service {UNIT}")
        try:
            assert host.machine.unit("docker.service", "Id") == {"Id": "moby.service"}
            host.rests("in-sync")
            driver = host.other_driver()
            host.want_driver(driver)
            host.awaited(lambda: host.document.get("log-driver") == driver, "the file written")
            assert host.rests("in-sync")["last"]["verdict"] == "applied"
            assert host.log_driver() == driver
        finally:
            renamed(f"mv {moby} {UNIT}")

    def test_is_replaced_by_a_new_one_of_the_package(self, host: Guarded) -> None:
        """As dpkg does it: a new file renamed over the old one, then daemon-reload."""
        engine, old = host.engine, host.machine.read(UNIT)
        new = old.replace("/usr/sbin/dockerd ", "/usr/sbin/dockerd --mtu=1400 ")
        assert new != old
        host.machine.write(f"{UNIT}.dpkg-new", new)
        try:
            host.machine.run(f"mv {UNIT}.dpkg-new {UNIT}; systemctl daemon-reload")
            host.rests("pending", saying="policy.drift-max-impact is reload")
            assert (host.engine, "--mtu=1400" in host.command()) == (engine, False)
            host.machine.run(["dockcfgctl", "apply"], timeout=90)
            assert "--mtu=1400" in host.command()
        finally:
            host.machine.write(UNIT, old)

    def test_is_overridden_by_systemctl_edit(self, host: Guarded) -> None:
        """What the override says holds, and what was moved out of the command stays out."""
        engine = host.engine
        command = "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
        text = f"[Service]\nLimitNOFILE=4711\nExecStart=\nExecStart={command} --mtu=1400\n"
        host.machine.write(OVERRIDE, text)
        host.machine.run(["systemctl", "daemon-reload"])
        host.rests("pending", saying="policy.drift-max-impact is reload")
        assert host.engine == engine
        host.machine.run(["dockcfgctl", "apply"], timeout=90)
        assert host.command()[-1] == "--mtu=1400"
        assert "fd://" not in host.command()
        assert host.machine.unit("docker", "LimitNOFILE") == {"LimitNOFILE": "4711"}

    def test_has_lost_our_drop_in(self, host: Guarded) -> None:
        before, engine = host.machine.read(DROP_IN), host.engine
        host.machine.run(["rm", DROP_IN])
        host.awaited(lambda: host.machine.exists(DROP_IN), "the drop-in", timeout=5)
        host.rests("in-sync")
        assert (host.machine.read(DROP_IN), host.engine) == (before, engine)
        assert host.machine.unit("docker", "NeedDaemonReload") == {"NeedDaemonReload": "no"}


def _any_drift(status: dict[str, Any]) -> bool:
    return bool(status["drifts"]) or status["phase"] != "idle"


@IN_FULL
@pytest.mark.parametrize("what", ["drop-in edited", "drop-in removed", "unit replaced"])
def test_what_others_write_is_seen_within_a_second(
    host: Guarded, record_property: Callable[[str, object], None], what: str
) -> None:
    machine, old = host.machine, host.machine.read(UNIT)
    command = {
        "drop-in edited": f"echo '[Service]' >> {DROP_IN}",
        "drop-in removed": f"rm {DROP_IN}",
        "unit replaced": f"sed -i 's|bin/dockerd |&--mtu=1400 |' {UNIT}; systemctl daemon-reload",
    }[what]
    seconds = []
    for _ in range(3):  # another test may have the processors meanwhile
        seconds.append(host.seen_within(partial(machine.run, command), _any_drift))
        machine.write(UNIT, old)
        host.calm()
    print(f"{what}: seen after {', '.join(f'{one:.2f}' for one in seconds)} s")
    record_property("seconds", seconds)
    assert min(seconds) < SEEN


@IN_FULL
def test_a_restart_by_somebody_is_seen_within_a_second(
    host: Guarded, record_property: Callable[[str, object], None]
) -> None:
    seconds = []
    for _ in range(3):
        old = host.machine.unit("docker")["MainPID"]
        restart = partial(host.machine.run, ["systemctl", "restart", "docker"])

        def another(status: dict[str, Any], old: str = old) -> bool:
            return status["engine"]["active"] and str(status["engine"]["pid"]) != old

        seconds.append(host.seen_within(restart, another))
        host.calm()
    print(f"restart by somebody: seen after {', '.join(f'{one:.2f}' for one in seconds)} s")
    record_property("seconds", seconds)
    assert min(seconds) < SEEN


@IN_FULL
def test_a_state_folder_that_was_read_only_at_the_start_is_written_again(host: Guarded) -> None:
    """The service keeps the view of the mounts that it began with; a new one has another."""
    machine, state, kept = host.machine, "/var/lib/dockcfgd", "/root/state"
    machine.run(
        f"systemctl stop dockcfgd && cp -a {state} {kept}"
        f" && mount -t tmpfs -o mode=700 tmpfs {state}"
        f" && cp -a {kept}/. {state} && mount -o remount,ro {state} && systemctl start dockcfgd"
    )
    try:
        driver = host.other_driver()
        host.want_driver(driver)
        host.rests("degraded", saying=os.strerror(errno.EROFS))
        ours, engine = host.pid, host.engine
        machine.run(["mount", "-o", "remount,rw", state])
        host.awaited(lambda: host.pid not in {ours, "0"}, "a new dockcfgd", timeout=20)
        assert host.rests("in-sync")["last"]["verdict"] == "applied"
        assert host.log_driver() == driver
        assert host.engine != engine
        assert "mounts.outdated" in machine.journal("dockcfgd")
    finally:
        machine.run(
            f"systemctl stop dockcfgd; rm -rf {kept}; cp -a {state} {kept}; umount {state}"
            f" && cp -a {kept}/. {state}; rm -rf {kept}; systemctl start dockcfgd"
        )


def test_a_hand_edit_is_seen_within_a_second(
    host: Guarded, record_property: Callable[[str, object], None]
) -> None:
    seconds: list[float] = []
    ours, place = host.document, Path(f"/proc/{host.machine.pid}/root{DAEMON_JSON}")
    for number in range(5):
        other = ours | {"max-concurrent-downloads": 20 + number}
        begun = host.told()
        seconds.append(
            host.seen_within(
                partial(place.write_text, json.dumps(other)),
                lambda status: bool(status["drifts"]) or status["phase"] != "idle",
            )
        )
        host.awaited(lambda: host.document == ours, "the edit put back")
        host.rests("in-sync")
        assert host.told() == begun + 1
        time.sleep(0.2)
        host.machine.run(["dockcfgctl", "apply"])  # an edit again and again would be a fight
    print(f"hand edits seen after {', '.join(f'{one:.2f}' for one in seconds)} s")
    record_property("seconds until a hand edit shows", seconds)
    assert max(seconds) < SEEN
