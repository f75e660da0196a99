"""What the users of a host see of it, and that it is the same after its storage driver changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from machine import Machine
from migration_zoo import Content, content_of

__all__ = [
    "ROOT",
    "Document",
    "Seen",
    "change_to",
    "expect_same",
    "expect_tidy",
    "look",
    "trace_of",
]

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


def trace_of(machine: Machine) -> dict[str, int]:
    """Count what must not pile up, by its name."""
    count = {
        "images": "docker images --all --quiet | wc -l",
        "containers": "docker ps --all --quiet | wc -l",
        "volumes": "docker volume ls --quiet | wc -l",
        "networks": "docker network ls --quiet | wc -l",
        "mounts": "wc -l < /proc/self/mountinfo",
        "folders of data-root": f"find {ROOT} -mindepth 1 -maxdepth 2 | wc -l",
        "writable layers": f"ls -d {ROOT}/image/*/layerdb/mounts/* | wc -l",
        "layers": f"ls -d {ROOT}/image/*/layerdb/sha256/* | wc -l",
        "backups": "ls /var/lib/dockcfgd/backups | wc -l",
        "units": "systemctl list-units --all --plain --no-legend 'dockcfgd-*' | wc -l",
        "subvolumes": f"btrfs subvolume list {ROOT} 2>/dev/null | wc -l",
        "kept": "find /var/lib/dockcfgd -mindepth 1 -maxdepth 1 | wc -l",
        "running": "ls /run/dockcfgd | wc -l",
    }
    return {name: int(machine.run(line).stdout) for name, line in count.items()}
