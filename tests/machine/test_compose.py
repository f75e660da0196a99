"""A compose project is to compose after a change of the storage what it was before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox
from machine import Machine, wait_for
from test_containerd_store import OUT, change, into
from zoo_layers import SNAPSHOTTER
from zoo_sight import change_to

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
_PROJECT = """\
services:
  db:
    image: busybox
    command: sleep 1000000
    init: true
    volumes: [data:/data, /unnamed]
    healthcheck: {test: "true", interval: 1s}
    networks: {back: {ipv4_address: 10.79.0.9, aliases: [store]}}
  web:
    image: busybox
    command: sleep 1000000
    init: true
    restart: unless-stopped
    depends_on: {db: {condition: service_healthy}}
    ports: ["8081:80"]
    networks: [back, front]
  worker: {image: busybox, command: sleep 1000000, init: true, networks: [back], scale: 2}
  once:
    image: busybox
    command: "true"
    networks: [front]
networks:
  back: {ipam: {config: [{subnet: 10.79.0.0/24}]}}
  front: {}
volumes: {data: {}}
"""
_TELLING = ("ID", "Name", "Service", "Project", "Image", "Command", "State", "Health", "ExitCode",
            "Labels", "Mounts", "Networks", "Publishers")  # fmt: skip


@pytest.mark.suite("trixie")
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_a_project_goes_on(machine: Machine, build_deb: Callable[[str], Path], suite: str) -> None:
    make_busybox(machine)
    machine.write("/srv/p/compose.yaml", _PROJECT)
    compose(machine, "up", "--detach", "--pull=never")
    machine.install_deb(build_deb(suite))
    before = settled(machine)
    assert len(before) == 5
    for driver in ("vfs", "overlay2"):
        change_to(machine, driver)
        assert settled(machine) == before
    # The labels have the image's ID of then, wherever the image has another one.
    change(machine, into(), SNAPSHOTTER)
    assert settled(machine) == before
    change(machine, OUT, "overlay2")
    assert settled(machine) == before
    said = compose(machine, "up", "--detach", "--pull=never")
    assert "Recreate" not in said
    assert settled(machine) == before
    compose(machine, "down", "--volumes")
    assert machine.docker("ps", "--all", "--quiet") == ""
    assert machine.docker("volume", "ls", "--quiet") == ""


def compose(machine: Machine, *arguments: str) -> str:
    command = ["docker", "compose", "--project-directory=/srv/p", "--ansi=never", *arguments]
    done = machine.run(command, timeout=180)
    return done.stdout + done.stderr


def settled(machine: Machine) -> dict[str, dict[str, Any]]:
    """Give what `shown` does once health checks have had their first result since the start."""
    wait_for(lambda: all(one["Health"] != "starting" for one in shown(machine).values()))
    return shown(machine)


def shown(machine: Machine) -> dict[str, dict[str, Any]]:
    """Give what `docker compose ps` tells, times left aside."""
    found = {}
    for line in compose(machine, "ps", "--all", "--format=json").splitlines():
        one = json.loads(line)
        kept = {key: one.get(key) for key in _TELLING}
        # The engine lists these in any order.
        for key in ("Labels", "Mounts", "Networks"):
            kept[key] = sorted(kept[key].split(","))
        found[str(one["Name"])] = kept
    return found
