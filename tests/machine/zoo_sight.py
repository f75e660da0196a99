"""What the users of a host see of it, and that it is the same after its storage driver changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from engine_socket import ask, ask_bytes
from machine import Machine
from migration_zoo import BY_HAND_ALWAYS, Content, content_of

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
ACTIVE = {"running", "paused", "restarting"}
MAC_ASKED = {"/mac", "/bridge-mac"}
ASKED = ("IPAMConfig", "Aliases", "Links", "DriverOpts", "GwPriority")

_LOGS = "logs?stdout=1&stderr=1&timestamps=1"

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
    nameless: list[str]
    digests: list[str]
    volumes: list[str]
    networks: dict[str, Document]
    # Those with --rm, which are made anew by each change: their documents alone.
    disposable: dict[str, Document]


def look(machine: Machine) -> Seen:
    """See all that there is."""
    listed = [one["Id"] for one in ask(machine, "/containers/json?all=1")]
    every = {
        name_of(one): one for one in (ask(machine, f"/containers/{one}/json") for one in listed)
    }
    found = {name: one for name, one in every.items() if not name.startswith("disposable")}
    passing = {name: one for name, one in every.items() if name not in found}
    images = ask(machine, "/images/json")
    tags = [f"{tag} {one['Id']}" for one in images for tag in _tags(one)]
    return Seen(
        documents={name: comparable(one) for name, one in found.items()},
        states={name: one["State"]["Status"] for name, one in found.items()},
        contents={name: content_of(machine, name) for name in found},
        logs={name: ask_bytes(machine, f"/containers/{name}/{_LOGS}").hex() for name in found},
        changes={name: _changes(machine, name) for name in found},
        images=sorted(tag for tag in tags if "dockcfgd-kept" not in tag),
        nameless=_nameless(machine, images, found),
        digests=sorted(f"{digest} {one['Id']}" for one in images for digest in _digests(one)),
        volumes=sorted(one["Name"] for one in ask(machine, "/volumes")["Volumes"]),
        networks={one["Name"]: network(one) for one in ask(machine, "/networks")},
        disposable={
            name: comparable(one) | {"Status": one["State"]["Status"]}
            for name, one in passing.items()
        },
    )


def name_of(document: Document) -> str:
    return str(document["Name"]).removeprefix("/")


def network(document: Document) -> Document:
    """Give what a network is, whoever is in it.

    The engine makes `bridge` anew at each start, and shows a gateway of its choice from then on.
    """
    left = {"Containers", "Status", *(("Id", "Created") if document["Name"] == "bridge" else ())}
    kept = {key: value for key, value in document.items() if key not in left}
    ranges = document["IPAM"].get("Config") or []
    kept["IPAM"] = [one.get("Subnet") for one in ranges]
    return kept


def _tags(image: Document) -> list[str]:
    # Engines of 20.10 say so where newer ones give no name.
    return [one for one in image["RepoTags"] or [] if one != "<none>:<none>"]


def _nameless(machine: Machine, listed: list[Document], found: dict[str, Document]) -> list[str]:
    """Give the IDs of images without a name: those that are listed, and those of containers."""
    counting = {one["Id"] for one in listed} | {one["Image"] for one in found.values()}
    every = ask(machine, "/images/json?all=1")
    return sorted(one["Id"] for one in every if one["Id"] in counting and not _tags(one))


def _digests(image: Document) -> list[str]:
    return [one for one in image["RepoDigests"] or [] if "<none>" not in one]


def _changes(machine: Machine, name: str) -> list[str]:
    found = ask(machine, f"/containers/{name}/changes") or []
    return sorted(f"{'CAD'[one['Kind']]} {one['Path']}" for one in found)


def comparable(document: Document) -> Document:
    kept = {key: value for key, value in document.items() if key not in DIFFERS}
    # The engine fills these in when it loads a container that was made without them.
    filled = {key: document["HostConfig"][key] or [] for key in ("Dns", "DnsOptions", "DnsSearch")}
    kept["HostConfig"] = document["HostConfig"] | filled
    kept["Mounts"] = sorted(document["Mounts"], key=lambda mount: str(mount["Destination"]))
    networks = document["NetworkSettings"]["Networks"]
    kept["Networks"] = {name: _asked(document, one) for name, one in networks.items()}
    if document["State"]["Status"] not in ACTIVE:
        kept["State"], kept["RestartCount"] = document["State"], document["RestartCount"]
    return kept


def _asked(document: Document, endpoint: Document) -> Document:
    """Give what was asked of an endpoint, and of its addresses those."""
    given = {key: endpoint.get(key) for key in ASKED}
    if (endpoint.get("IPAMConfig") or {}).get("IPv4Address"):
        given["IPAddress"] = endpoint["IPAddress"]
    if document["Name"] in MAC_ASKED:
        given["MacAddress"] = endpoint["MacAddress"]
    return given


def expect_same(before: Seen, after: Seen) -> None:
    """Expect what there was, but that the engine was started anew."""
    before = _started_anew(before)
    assert after.documents.keys() == before.documents.keys()
    for name, document in before.documents.items():
        assert after.documents[name] == document
    assert after.states == before.states
    assert after.contents == before.contents
    assert after.logs == before.logs
    assert after.images == before.images
    # Containers with --rm bring others.
    assert set(before.nameless) <= set(after.nameless)
    assert after.digests == before.digests
    assert after.volumes == before.volumes
    assert after.networks == before.networks


def _started_anew(seen: Seen) -> Seen:
    """Give what was seen, with the container running that any start of the engine starts."""
    if seen.states.get(BY_HAND_ALWAYS) != "exited":
        return seen
    kept = seen.documents[BY_HAND_ALWAYS].items()
    document = {key: value for key, value in kept if key not in {"State", "RestartCount"}}
    return replace(
        seen,
        documents=seen.documents | {BY_HAND_ALWAYS: document},
        states=seen.states | {BY_HAND_ALWAYS: "running"},
    )


def change_to(machine: Machine, driver: str) -> Document:
    """Ask for a driver; give the status after it."""
    text = f'schema = 1\n[engine]\nstorage-driver = "{driver}"\n'
    machine.write("/etc/dockcfgd/conf.toml", text)
    done = machine.run(["dockcfgctl", "wait", "--timeout", "10m"], check=False, timeout=610)
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
        # An engine that ends while it removes a container with --rm, as at any restart, may leave
        # a folder without its configuration, which no engine loads (moby, daemon/delete.go).
        "folders of data-root": f"find {ROOT} -mindepth 1 -maxdepth 2"
        f" ! -path '{ROOT}/containers/*' | wc -l",
        "folders of containers": f"ls {ROOT}/containers/*/config.v2.json | wc -l",
        "writable layers": f"ls -d {ROOT}/image/*/layerdb/mounts/* | wc -l",
        "layers": f"ls -d {ROOT}/image/*/layerdb/sha256/* | wc -l",
        "backups": "ls /var/lib/dockcfgd/backups | wc -l",
        "units": "systemctl list-units --all --plain --no-legend 'dockcfgd-*' | wc -l",
        "subvolumes": f"btrfs subvolume list {ROOT} 2>/dev/null | wc -l",
        "kept": "find /var/lib/dockcfgd -mindepth 1 -maxdepth 1 | wc -l",
        "running": "ls /run/dockcfgd | wc -l",
    }
    return {name: int(machine.run(line).stdout) for name, line in count.items()}
