"""A real machine or a real dockcfgd dies in the middle of a storage migration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox, make_image
from machine import Machine, wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
STEPS = (
    "back up images",
    "make a place",
    "stop the engine",
    "copy what",
    "put what was made ready",
    "start the engine",
    "back up what",
    "prove the running",
)
# Until what runs is noted a crash of the machine is one like any other.
LIVE = STEPS[:2]
TRIED = STEPS if PROOF else ("put what was made ready",)
DRIVER = '[engine]\nstorage-driver = "vfs"\n'


def status(machine: Machine) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(machine.read("/run/dockcfgd/status.json"))
    return document


def is_at(machine: Machine, step: str) -> bool:
    steps = (status(machine)["last"] or {}).get("steps", [])
    return any(step in one["name"] for one in steps)


def prepared(machine: Machine, package: Path) -> None:
    make_busybox(machine)
    machine.install_deb(package)
    machine.docker("run", "-d", "--init", "--name", "plain", "busybox", "sleep", "10000")
    write = "echo kept > /data; exec sleep 10000"
    machine.docker(
        "run",
        "-d",
        "--init",
        "--restart",
        "always",
        "--name",
        "always",
        "busybox",
        "sh",
        "-c",
        write,
    )


def begun(machine: Machine, step: str) -> None:
    machine.write("/etc/dockcfgd/conf.toml", DRIVER)
    wait_for(lambda: is_at(machine, step), timeout=60, what=f"{step} begins", interval=0.02)


def check(machine: Machine, *, running: tuple[str, ...] = ("always", "plain")) -> None:
    """Expect the engine on the old state or the new one, its containers, and a true report."""
    machine.run(["dockcfgctl", "wait", "--timeout", "120s"], check=False, timeout=130)
    wait_for(lambda: status(machine)["phase"] == "idle", timeout=60, what="dockcfgd at rest")
    driver = machine.docker("info", "--format", "{{.Driver}}").strip()
    verdict = status(machine)["last"]["verdict"]
    assert {"vfs": "applied", "overlay2": "rolled-back"}[driver] == verdict
    written = machine.read("/etc/docker/daemon.json") if driver == "vfs" else "{}"
    assert json.loads(written).get("storage-driver") == (driver if driver == "vfs" else None)
    found = machine.docker("ps", "--format", "{{.Names}}").split()
    assert sorted(found) == sorted(running)
    assert machine.docker("ps", "--all", "--quiet").count("\n") == 1
    assert machine.docker("exec", "always", "cat", "/data") == "kept"


@pytest.mark.suite(*RELEASES)
@pytest.mark.parametrize("step", TRIED)
def test_dockcfgd_is_killed(
    machine: Machine, suite: str, build_deb: Callable[[str], Path], step: str
) -> None:
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    begun(machine, step)
    machine.run(["systemctl", "kill", "--signal=KILL", "dockcfgd"])
    check(machine)


@pytest.mark.suite(*RELEASES)
@pytest.mark.parametrize("step", TRIED)
def test_the_machine_crashes(
    machine: Machine, suite: str, build_deb: Callable[[str], Path], step: str
) -> None:
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    begun(machine, step)
    machine.kill()
    machine.boot()
    check(machine, running=("always",) if step in LIVE else ("always", "plain"))


@pytest.mark.suite(*RELEASES)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_the_staging_engine_is_lost(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """Its unit ends with dockcfgd's, and systemd would start it again behind a new dockcfgd."""
    make_image(machine, "big:1", layers_mb=[150])
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    for lost in ("systemctl restart dockcfgd", "systemctl kill --signal=KILL dockcfgd-staging"):
        before = machine.docker("inspect", "--format={{.State.Pid}}", "plain", "always")
        machine.write("/etc/dockcfgd/conf.toml", f"# {lost}\n{DRIVER}")
        wait_for(lambda: machine.unit("dockcfgd-staging", "ActiveState")["ActiveState"] == "active")
        machine.run(lost, timeout=120)
        wait_for(lambda: status(machine)["phase"] == "idle", timeout=120, what="rest")
        if machine.docker("info", "--format={{.Driver}}") == "overlay2":
            assert machine.docker("inspect", "--format={{.State.Pid}}", "plain", "always") == before
            found = machine.run(["dockcfgctl", "backup", "list", "--json"]).stdout
            assert all(one["complete"] for one in json.loads(found)["backups"]), found
            machine.run(["dockcfgctl", "apply", "--yes"], timeout=120)
        check(machine)
        assert machine.docker("info", "--format={{.Driver}}") == "vfs"
        machine.write("/etc/dockcfgd/conf.toml", DRIVER.replace("vfs", "overlay2"))
        machine.run(["dockcfgctl", "wait", "--timeout", "120s"], timeout=130)
