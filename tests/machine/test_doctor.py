"""`doctor` and `tree` on a real host with real trouble, its engine up, down and up again.

With DOCKCFGD_PROOF=1 on every release.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox
from machine import Machine
from waiting import wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
_SUITES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
_RUN = ("run", "--detach", "--stop-timeout=1")
_STRAY = (
    "exec $(PATH=$PATH:/usr/libexec/docker command -v docker-proxy) -proto tcp -host-ip 127.0.0.1"
    " -host-port 9999 -container-ip 172.17.0.99 -container-port 80 3>/dev/null"
)


def _doctor(machine: Machine, *options: str) -> tuple[int, list[dict[str, str]]]:
    done = machine.run(["dockcfgctl", "doctor", "--json", *options], check=False)
    document = json.loads(done.stdout)
    findings: list[dict[str, str]] = document["findings"]
    return done.returncode, findings


def _troubles(machine: Machine) -> dict[str, list[str]]:
    _, findings = _doctor(machine, "--problems")
    found: dict[str, list[str]] = {}
    for one in findings:
        found.setdefault(one["check"], []).append(one["what"])
    return found


def _nodes(machine: Machine) -> list[dict[str, Any]]:
    document = json.loads(machine.run(["dockcfgctl", "tree", "--json"]).stdout)
    return [*_all(document["processes"])]


def _all(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _all(node["children"])


def _names(nodes: list[dict[str, Any]], kind: str) -> set[str | None]:
    chosen = [node for node in nodes if node["kind"] == kind]
    return {node["container"]["name"] if node["container"] else None for node in chosen}


def _as_a_guest(machine: Machine) -> None:
    machine.run("useradd guest")
    told = machine.run(["su", "guest", "-c", "dockcfgctl doctor --json"], check=False)
    unseen = [one["what"] for one in json.loads(told.stdout)["findings"]]
    assert "not checked: left-over driver folders" in unseen
    assert "not checked: the running engine" in unseen


def _make_trouble(machine: Machine, identity: str) -> None:
    machine.run(f"mv /var/lib/docker/containers/{identity} /root/")
    machine.run(
        "mkdir -p /var/lib/docker/vfs/dir && head -c 3M /dev/zero > /var/lib/docker/vfs/dir/x"
    )
    machine.run("systemctl unmask --runtime docker.service; systemctl reset-failed docker.service")
    machine.run("systemctl start docker.socket docker.service")
    machine.run("ip link add hostbr type bridge; ip link set hostbr up")
    machine.run("ip route add 172.17.5.0/24 dev hostbr")
    machine.run(["systemd-run", "--quiet", "--unit=stray", "sh", "-c", _STRAY])
    machine.run("chmod 755 /var/lib/dockcfgd")


@pytest.mark.suite(*_SUITES)
def test_real_trouble_is_found_and_every_process_has_a_place(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    make_busybox(machine)
    machine.write("/etc/docker/daemon.json", '{"live-restore": true, "log-driver": "local"}')
    machine.run("systemctl restart docker")
    package = build_deb("bookworm" if suite == "bookworm" else "trixie")
    machine.install_deb(package)
    loop = ("busybox", "sleep", "9999")
    machine.docker(*_RUN, "--name=web", "--publish=8080:80", *loop)
    identity = machine.docker(*_RUN, "--name=lost", *loop).strip()

    code, findings = _doctor(machine)
    assert code == 0, findings
    assert {one["check"] for one in findings if one["level"] == "ok"} >= {
        "versions.engine",
        "storage.space",
        "storage.leftovers",
        "processes.orphans",
        "containers.differing",
        "networks.networks",
        "permissions.permissions",
    }
    nodes = _nodes(machine)
    assert _names(nodes, "shim") == _names(nodes, "init") == {"web", "lost"}
    assert _names(nodes, "docker-proxy") == {"web"}
    assert [node["kind"] for node in nodes].count("dockerd") == 1
    assert not [node["trouble"] for node in nodes if node["trouble"]]

    machine.run("systemctl mask --runtime docker.service && kill -9 $(pidof dockerd)")
    machine.run("systemctl stop docker.socket")
    down = "systemctl is-active --quiet docker.service"
    wait_for(lambda: machine.run(down, check=False).returncode != 0, 20, what="engine's end")
    nodes = _nodes(machine)
    assert _names(nodes, "shim") == {"web", "lost"}
    assert "dockerd" not in {node["kind"] for node in nodes}
    text = machine.run("dockcfgctl tree").stdout
    assert "the shims of 2 containers still run" in " ".join(text.split())
    assert "docker.service is masked" in _troubles(machine)["versions.unit"]

    _make_trouble(machine, identity)
    code, _ = _doctor(machine)
    found = _troubles(machine)
    print(machine.run("dockcfgctl tree; dockcfgctl doctor", check=False).stdout)
    assert code == 1
    assert found["permissions.permissions"] == [
        "/var/lib/dockcfgd has mode 0755: others have too much of it"
    ]
    assert found["storage.leftovers"] == ["vfs left /var/lib/docker/vfs: 3.0 MiB"]
    assert any(what.startswith("network bridge (docker0)") for what in found["networks.networks"])
    assert any("hostbr" in what for what in found["networks.networks"])
    orphans = " ".join(found["processes.orphans"])
    assert f"of {identity[:12]}: the engine knows no such container" in orphans
    assert "holds 127.0.0.1:9999->172.17.0.99:80/tcp" in orphans

    for one in _doctor(machine)[1]:
        if one["check"] == "processes.orphans" and one["remedy"]:
            machine.run(one["remedy"], check=False)
    wait_for(lambda: "processes.orphans" not in _troubles(machine), 10, what="cured host")
    _as_a_guest(machine)
    gauges = machine.run("dockcfgctl metrics").stdout.splitlines()
    assert {"dockcfgd_up 1", "dockcfgd_engine_up 1"} <= set(gauges)
