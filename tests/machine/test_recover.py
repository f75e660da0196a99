"""A change is cut off and dockcfgd does not come back: the engine starts on the old state."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import NewMachine
from images import make_busybox
from machine import Machine, wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)

OLD = '{"labels": ["rack=7"]}\n'
DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"
UNDO = "/var/lib/dockcfgd/undo"
RELOAD = '[engine]\nlabels = ["rack=8"]\n'
RESTART = """\
[engine]
log-driver = "local"
[service]
environment = { HTTPS_PROXY = "http://proxy:3128" }
"""
MIGRATE = '[engine]\nstorage-driver = "vfs"\nlog-driver = "local"\n' + RESTART.split("\n", 2)[2]
STEPS = {
    "write": RESTART,
    "restart the engine": RESTART,
    "prove": RESTART,
    "start the engine": MIGRATE,
    "put what was made ready": MIGRATE,
}
TRIED = tuple(STEPS) if PROOF else ("prove",)


def prepared(machine: Machine, package: Path) -> None:
    make_busybox(machine)
    machine.write("/etc/docker/daemon.json", OLD)
    machine.run(["systemctl", "restart", "docker"])
    machine.install_deb(package)
    write = "echo kept > /data; exec sleep 10000"
    run = ["run", "-d", "--init", "--restart", "always", "--name", "always", "busybox"]
    machine.docker(*run, "sh", "-c", write)


def status(machine: Machine) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(machine.read("/run/dockcfgd/status.json"))
    return document


def is_at(machine: Machine, step: str) -> bool:
    return any(step in one["name"] for one in (status(machine)["last"] or {}).get("steps", []))


def cut_off(machine: Machine, step: str, text: str) -> None:
    """Kill dockcfgd as a step is at work, and keep it from coming back."""
    machine.write("/etc/dockcfgd/conf.toml", text)
    wait_for(lambda: is_at(machine, step), timeout=60, what=f"{step} begins", interval=0.01)
    machine.run("systemctl kill --signal=KILL dockcfgd; systemctl mask dockcfgd")


def runs_old(machine: Machine) -> None:
    """Expect the engine on the old files, with what they say in force, and its container."""
    assert machine.read("/etc/docker/daemon.json") == OLD
    assert not machine.exists(DROP_IN)
    assert machine.run(["ls", "-A", UNDO]).stdout == ""
    info = json.loads(machine.docker("info", "--format", "{{json .}}"))
    assert (info["Driver"], info["LoggingDriver"]) == ("overlay2", "json-file")
    assert info["Labels"] == ["rack=7"]
    unit = machine.unit("docker.service", "MainPID", "NeedDaemonReload")
    assert unit["NeedDaemonReload"] == "no"
    environment = machine.run(f"tr '\\0' '\\n' < /proc/{unit['MainPID']}/environ").stdout
    assert "HTTPS_PROXY" not in environment
    wait_for(
        lambda: machine.docker("ps", "--format", "{{.Names}}") == "always", what="its container"
    )
    assert machine.docker("exec", "always", "cat", "/data") == "kept"


def told(machine: Machine) -> str:
    said = machine.journal("dockcfgd-recover.service")
    assert "is taken back; dockcfgd finishes the rest" in said
    return said


def comes_back(machine: Machine) -> None:
    """Expect dockcfgd to finish with the engine left running, then to make the change anew."""
    before = machine.unit("docker.service", "InvocationID")
    machine.run(["systemctl", "unmask", "dockcfgd"])
    machine.run(["systemctl", "start", "dockcfgd"], timeout=120)
    wait_for(lambda: status(machine)["phase"] == "idle", timeout=60, what="dockcfgd at rest")
    last = status(machine)["last"]
    assert last["verdict"] == "rolled-back"
    assert "interrupted" in last["reason"]
    assert machine.unit("docker.service", "InvocationID") == before
    machine.run(["dockcfgctl", "apply"], timeout=160)
    assert status(machine)["condition"] == "in-sync"
    assert machine.docker("exec", "always", "cat", "/data") == "kept"


def package_of(suite: str) -> str:
    return "bookworm" if suite == "bookworm" else "trixie"


@pytest.mark.suite(*RELEASES)
@pytest.mark.parametrize("step", TRIED)
def test_engine_is_started_by_hand(
    machine: Machine, suite: str, build_deb: Callable[[str], Path], step: str
) -> None:
    prepared(machine, build_deb(package_of(suite)))
    cut_off(machine, step, STEPS[step])
    assert machine.run(["ls", "-A", UNDO]).stdout != ""
    machine.run("mv /usr/lib/dockcfgd/python /usr/lib/dockcfgd/broken")
    machine.run("systemctl reset-failed docker docker.socket; systemctl restart docker")
    print(told(machine))
    runs_old(machine)
    machine.run("mv /usr/lib/dockcfgd/broken /usr/lib/dockcfgd/python")
    comes_back(machine)


@pytest.mark.suite(*RELEASES)
@pytest.mark.parametrize("step", TRIED)
def test_machine_boots(
    machine: Machine, suite: str, build_deb: Callable[[str], Path], step: str
) -> None:
    prepared(machine, build_deb(package_of(suite)))
    cut_off(machine, step, STEPS[step])
    machine.kill()
    machine.boot()
    print(told(machine))
    runs_old(machine)
    comes_back(machine)


@pytest.mark.suite(*RELEASES)
def test_power_is_cut_in_a_migration(
    new_machine: NewMachine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    machine = new_machine(suite, data="ext4")
    machine.boot()
    prepared(machine, build_deb(package_of(suite)))
    machine.run("sync")
    cut_off(machine, "put what was made ready", MIGRATE)
    machine.run("sync -f /etc")
    machine.power_cut()
    machine.boot()
    print(told(machine))
    runs_old(machine)
