"""Containers of every kind keep what they are while the storage driver changes under them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox
from machine import Machine
from migration_zoo import Content, content_of, make_zoo

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
ROOT = "/var/lib/docker"
# What may differ, of the documents that the engine shows of a container.
DIFFERS = {
    "Driver", "GraphDriver", "Storage", "State", "NetworkSettings", "RestartCount", "ExecIDs",
}  # fmt: skip
ASKED = ("IPAMConfig", "Aliases", "Links", "DriverOpts", "GwPriority")

Document = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """All that a host holds for its users."""

    documents: dict[str, Document]
    states: dict[str, str]
    contents: dict[str, Content]
    logs: dict[str, str]
    changes: dict[str, list[str]]
    images: list[str]
    volumes: list[str]


def look(machine: Machine) -> Seen:
    docker = machine.docker
    names = [
        name
        for name in docker("ps", "--all", "--format={{.Names}}").split()
        if not name.startswith("disposable")
    ]
    found = {one["Name"].removeprefix("/"): one for one in json.loads(docker("inspect", *names))}
    listed = docker("images", "--no-trunc", "--format={{.Repository}}:{{.Tag}} {{.ID}}")
    return Seen(
        documents={name: comparable(one) for name, one in found.items()},
        states={name: one["State"]["Status"] for name, one in found.items()},
        contents={name: content_of(machine, name) for name in names},
        logs={name: docker("logs", name) for name in names},
        changes={name: sorted(docker("diff", name).splitlines()) for name in names},
        images=sorted(line for line in listed.splitlines() if "dockcfgd-kept" not in line),
        volumes=sorted(docker("volume", "ls", "--quiet").split()),
    )


def comparable(document: Document) -> Document:
    kept = {key: value for key, value in document.items() if key not in DIFFERS}
    kept["Mounts"] = sorted(document["Mounts"], key=lambda mount: str(mount["Destination"]))
    networks = document["NetworkSettings"]["Networks"]
    kept["Networks"] = {
        name: {key: one.get(key) for key in ASKED} for name, one in networks.items()
    }
    kept["ExitCode"] = document["State"]["ExitCode"] if kept["Name"] == "/exited-3" else None
    return kept


def expect_same(before: Seen, after: Seen) -> None:
    assert after.documents.keys() == before.documents.keys()
    for name, document in before.documents.items():
        assert after.documents[name] == document
    assert after.states == before.states
    assert after.contents == before.contents
    assert after.logs == before.logs
    assert after.images == before.images
    assert after.volumes == before.volumes


def change_to(machine: Machine, driver: str) -> Document:
    """Ask for a driver; give the status after it."""
    text = f'schema = 1\n[engine]\nstorage-driver = "{driver}"\n'
    machine.write("/etc/dockcfgd/conf.toml", text)
    done = machine.run(["dockcfgctl", "wait", "--timeout", "5m"], check=False, timeout=310)
    status: Document = json.loads(machine.run(["dockcfgctl", "status", "--json"]).stdout)
    assert done.returncode == 0, status["last"]
    assert machine.docker("info", "--format={{.Driver}}") == driver
    return status


def expect_tidy(machine: Machine) -> None:
    """Expect one state from before, a whole backup, and nothing of what was needed on the way."""
    assert len(machine.run(["ls", f"{ROOT}/dockcfgd"]).stdout.split()) == 1
    units = machine.run("systemctl list-units --all --plain --no-legend 'dockcfgd-*'").stdout
    assert {line.split()[0] for line in units.splitlines()} <= {"dockcfgd-recover.service"}
    listed = json.loads(machine.run(["dockcfgctl", "backup", "list", "--json"]).stdout)
    newest = listed["backups"][0]
    assert newest["complete"]
    machine.run(["dockcfgctl", "backup", "verify", newest["id"]])


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(900)
def test_there_and_back(machine: Machine, build_deb: Callable[[str], Path], suite: str) -> None:
    make_zoo(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)
    change_to(machine, "vfs")
    expect_same(before, look(machine))
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    machine.docker("exec", "always", "sh", "-c", "echo on vfs > /on-vfs")
    change_to(machine, "overlay2")
    assert machine.docker("exec", "always", "cat", "/on-vfs") == "on vfs"
    machine.docker("exec", "always", "rm", "/on-vfs")
    after = look(machine)
    expect_same(before, after)
    assert after.changes == before.changes
    expect_tidy(machine)


@pytest.mark.suite(*ALL)
@pytest.mark.machine(data="btrfs")
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_to_btrfs_and_back(machine: Machine, build_deb: Callable[[str], Path], suite: str) -> None:
    machine.write("/etc/docker/daemon.json", '{"storage-driver": "overlay2"}')
    machine.run("systemctl restart docker")
    make_zoo(machine)
    machine.install_deb(build_deb(suite))
    before = look(machine)
    change_to(machine, "btrfs")
    expect_same(before, look(machine))
    change_to(machine, "overlay2")
    expect_same(before, look(machine))
    expect_tidy(machine)


@pytest.mark.suite("trixie")
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_ten_times_there_and_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    make_busybox(machine)
    machine.docker("run", "-d", "--init", "--name=plain", "busybox", "sleep", "100000")
    machine.docker("exec", "plain", "sh", "-c", "echo kept > /kept")
    machine.install_deb(build_deb(suite))
    before, sizes = look(machine), []
    for _ in range(10):
        change_to(machine, "vfs")
        change_to(machine, "overlay2")
        expect_same(before, look(machine))
        expect_tidy(machine)
        sizes.append(int(machine.run(f"du -sk {ROOT} | cut -f1").stdout))
    assert sizes[-1] <= sizes[1] * 1.05, sizes
