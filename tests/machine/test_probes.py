"""What worked before a change works after it, or the change goes back: on a real engine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import NewMachine
from images import make_busybox
from machine import Machine, wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
IN_FULL = pytest.mark.skipif(not PROOF, reason="in make proof")

FETCH = "busybox wget -q -O - http://127.0.0.1:8080/passwd"
TRIES = "try what has to work again"
RUNS_LOCAL = "docker info --format '{{.LoggingDriver}}' | grep -q local"


def prepared(machine: Machine, package: Path) -> None:
    make_busybox(machine)
    machine.write("/etc/docker/daemon.json", '{"labels": ["rack=7"]}\n')
    machine.run(["systemctl", "restart", "docker"])
    machine.install_deb(package)
    httpd = ("busybox", "httpd", "-f", "-h", "/etc", "-p", "80")
    check = ("--health-cmd=wget -q -O - http://127.0.0.1/passwd", "--health-interval=2s")
    start = ("run", "-d", "--init", "--restart=always")
    machine.docker(*start, "--name=web", "-p", "8080:80", *check, *httpd)
    # The engine's proxy takes connections to it, and nobody is behind it.
    machine.docker(*start, "--name=deaf", "-p", "8081:81", "busybox", "sleep", "1000000")
    machine.docker(*start, "--name=any", "-p", "80", *httpd)
    wait_for(lambda: healthy(machine), what="the container is healthy")


def package_of(release: str) -> str:
    return "bookworm" if release == "bookworm" else "trixie"


def healthy(machine: Machine) -> bool:
    return "(healthy)" in machine.docker("ps", "--filter=name=web", "--format={{.Status}}")


def changed(machine: Machine, text: str) -> dict[str, Any]:
    """Drop a desired state; give the status after the verdict."""
    machine.write("/etc/dockcfgd/conf.toml", f"schema = 1\n{text}")
    machine.run(["dockcfgctl", "wait", "--timeout", "150s"], check=False, timeout=160)
    document: dict[str, Any] = json.loads(machine.read("/run/dockcfgd/status.json"))
    return document


def seconds_of(document: dict[str, Any], name: str) -> float:
    steps = document["last"]["steps"]
    return sum(float(step["seconds"]) for step in steps if step["name"] == name)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("release", RELEASES)
def test_what_worked_works_again(
    release: str,
    new_machine: NewMachine,
    build_deb: Callable[[str], Path],
    record_property: Callable[[str, object], None],
) -> None:
    machine = new_machine(release)
    machine.boot()
    prepared(machine, build_deb(package_of(release)))

    # proven with all probes, by a plain restart and by one that spares the containers
    for restart, driver in (("plain", "local"), ("bridged", "json-file")):
        verify = f"[verify]\ncommands = ['{FETCH}']\nsettle = '1s'\n"
        text = f'[engine]\nlog-driver = "{driver}"\n[policy]\nrestart = "{restart}"\n'
        status = changed(machine, text + verify)
        assert (status["condition"], status["last"]["verdict"]) == ("in-sync", "applied"), status
        assert healthy(machine)
        assert "root" in machine.run(FETCH).stdout
        record_property(f"{restart}: seconds of {TRIES}", seconds_of(status, TRIES))

    # a port that is silent from then on
    # The rules of the engine before stay, and lead nowhere in another network.
    text = '[engine]\niptables = false\nuserland-proxy = false\nbip = "10.9.0.1/24"\n'
    status = changed(machine, f"{text}[verify]\ntimeout = '15s'\nsettle = '1s'\n")
    assert status["last"]["verdict"] == "rolled-back", status
    assert "port 8080 of web answered before and does not" in status["last"]["reason"]
    assert "deaf" not in status["last"]["reason"]
    assert "root" in machine.run(FETCH).stdout

    # a command that the change breaks
    broken = f"! {RUNS_LOCAL} || {{ echo it is local >&2; exit 9; }}"
    text = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"\n'
    verify = f"[verify]\ntimeout = '10s'\nsettle = '1s'\ncommands = [\"{broken}\"]\n"
    status = changed(machine, text + verify)
    assert status["last"]["verdict"] == "rolled-back", status
    said = f"verify.commands: `{broken}` exited 9: it is local"
    assert status["last"]["reason"] == said
    assert machine.docker("info", "--format={{.LoggingDriver}}") == "json-file"
    assert machine.run(["dockcfgctl", "status"], check=False).returncode == 1
    assert machine.docker("ps", "--quiet").count("\n") == 2  # three run
    units = machine.run("systemctl list-units --all --no-legend 'dockcfgd-probe*'").stdout
    assert units == ""


@IN_FULL
@pytest.mark.timeout(400)
@pytest.mark.parametrize("release", RELEASES)
def test_a_failed_driver_leaves_nothing_behind(
    release: str, new_machine: NewMachine, build_deb: Callable[[str], Path]
) -> None:
    """The engine starts by itself on its old driver: no second one has a folder."""
    machine = new_machine(release)
    machine.boot()
    machine.write("/etc/docker/daemon.json", '{"labels": ["rack=7"]}\n')
    machine.run("chown 0:adm /etc/docker/daemon.json; chmod 640 /etc/docker/daemon.json")
    name = "'/etc/docker/daemon.json', 'user.origin'"
    machine.run(["python3", "-c", f"import os; os.setxattr({name}, b'puppet')"])
    machine.run(["systemctl", "restart", "docker"])
    machine.install_deb(build_deb(package_of(release)))
    before = machine.read("/etc/docker/daemon.json")
    driver = machine.docker("info", "--format={{.Driver}}")
    check = "docker info --format '{{.Driver}}' | grep -qv vfs"
    verify = f"[verify]\ntimeout = '5s'\nsettle = '1s'\ncommands = [\"{check}\"]\n"
    status = changed(machine, f'[engine]\nstorage-driver = "vfs"\n{verify}')
    assert status["last"]["verdict"] == "rolled-back", status
    assert "verify.commands" in status["last"]["reason"]
    assert machine.docker("info", "--format={{.Driver}}") == driver
    assert "vfs" not in machine.run(["ls", "/var/lib/docker"]).stdout.split()
    assert machine.read("/etc/docker/daemon.json") == before
    assert machine.run("stat -c '%U:%G %a' /etc/docker/daemon.json").stdout == "root:adm 640\n"
    kept = machine.run(["python3", "-c", f"import os; print(os.getxattr({name}))"]).stdout
    assert kept == "b'puppet'\n"
    machine.run("systemctl reset-failed docker.service docker.socket; systemctl restart docker")
    assert machine.docker("info", "--format={{.Driver}}") == driver


@IN_FULL
@pytest.mark.timeout(400)
@pytest.mark.parametrize("release", RELEASES)
def test_a_way_back_that_fails_stops_everything_automatic(
    release: str, new_machine: NewMachine, build_deb: Callable[[str], Path]
) -> None:
    machine = new_machine(release)
    machine.boot()
    prepared(machine, build_deb(package_of(release)))
    before = machine.read("/etc/docker/daemon.json")
    # The command stands for somebody who takes the engine's program away meanwhile.
    spoil = f"! {RUNS_LOCAL} || {{ mv /usr/sbin/dockerd /usr/sbin/dockerd.away; exit 1; }}"
    text = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"\n'
    verify = f"[verify]\ntimeout = '5s'\nsettle = '1s'\ncommands = [\"{spoil}\"]\n"
    status = changed(machine, text + verify)
    assert status["condition"] == "degraded", status
    assert status["last"]["verdict"] == "degraded"
    assert "and going back failed too" in status["last"]["reason"]
    assert machine.read("/etc/docker/daemon.json") == before
    shown = machine.run(["dockcfgctl", "status"], check=False)
    assert shown.returncode == 1
    assert "degraded" in shown.stdout
    lines = machine.run("journalctl -u dockcfgd -o cat").stdout
    assert "degraded" in lines

    # Nothing of dockcfgd's: not at its start, not when the program is there again, with which
    # systemd may bring the engine up by its own rule.
    begun = machine.run("journalctl -u dockcfgd -o cat | grep -c transaction.begins").stdout
    machine.run("mv /usr/sbin/dockerd.away /usr/sbin/dockerd; systemctl restart dockcfgd")
    time.sleep(2)
    status = json.loads(machine.read("/run/dockcfgd/status.json"))
    assert status["condition"] == "degraded"
    assert "and going back failed too" in status["reason"]
    again = machine.run("journalctl -u dockcfgd -o cat | grep -c transaction.begins").stdout
    assert again == begun
    assert machine.read("/etc/docker/daemon.json") == before

    # an operator's word
    machine.run("systemctl reset-failed docker.service docker.socket; systemctl start docker")
    machine.write("/etc/dockcfgd/conf.toml", '[engine]\nlog-driver = "local"\n')
    machine.run(["dockcfgctl", "apply"], timeout=150)
    status = json.loads(machine.read("/run/dockcfgd/status.json"))
    assert status["condition"] == "in-sync", status
    assert machine.docker("info", "--format={{.LoggingDriver}}") == "local"
