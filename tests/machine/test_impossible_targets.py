"""Storage drivers that cannot work are refused before anything is touched, with a way out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import NewMachine
from images import make_busybox, make_image
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
# By driver: what is told, and the command that mends it.
REFUSED = {
    "overlay2": ("without d_type", "tune2fs -O filetype DEVICE"),
    "btrfs": ("needs /var/lib/docker on btrfs", "mkfs.btrfs DEVICE"),
    "fuse-overlayfs": ("/dev/fuse cannot be opened", "modprobe fuse"),
    "zfs": ("the program zfs is not installed", "apt install zfsutils-linux"),
    "aufs": ("this engine no longer has aufs", "use overlay2"),
    "devicemapper": ("this engine no longer has devicemapper", "use overlay2"),
}
BACKUPS = "ls -A /var/lib/dockcfgd/backups"
Document = dict[str, Any]


def planned(machine: Machine, driver: str) -> Document:
    """Give the plan for a driver."""
    machine.write("/root/wanted.toml", f'schema = 1\n[engine]\nstorage-driver = "{driver}"\n')
    done = machine.run(["dockcfgctl", "plan", "--json", "/root/wanted.toml"], check=False)
    document: Document = json.loads(done.stdout)
    return document


def refusals(document: Document) -> str:
    return " ".join(f"{one['message']} ({one['hint']})" for one in document["refusals"])


@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_what_kernel_filesystem_and_programs_do_not_allow(
    new_machine: NewMachine, build_deb: Callable[[str], Path]
) -> None:
    machine = new_machine("trixie", data="ext4-without-d_type", devices=())
    machine.write("/etc/docker/daemon.json", '{"storage-driver": "vfs"}')
    machine.boot()
    make_busybox(machine)
    machine.docker("run", "-d", "--init", "--name=web", "busybox", "sleep", "100000")
    machine.install_deb(build_deb("trixie"))
    before = machine.docker("inspect", "--format={{.State.StartedAt}} {{.Id}}", "web")
    for driver, (why, way_out) in REFUSED.items():
        told = refusals(planned(machine, driver))
        assert why in told, told
        assert way_out in told, told
    machine.docker("swarm", "init", "--advertise-addr=127.0.0.1")
    told = refusals(planned(machine, "overlay2"))
    assert "this host is a swarm node" in told
    assert "docker swarm leave" in told
    assert machine.docker("inspect", "--format={{.State.StartedAt}} {{.Id}}", "web") == before
    assert machine.run(["ls", "/var/lib/docker"]).stdout.split().count("overlay2") == 0


@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_what_there_is_no_room_for(
    new_machine: NewMachine, build_deb: Callable[[str], Path]
) -> None:
    machine = new_machine("trixie", data="ext4", size_mb=1024)
    machine.boot()
    make_image(machine, "big:1", layers_mb=[120, 60])
    machine.docker("run", "-d", "--init", "--name=web", "big:1", "sleep", "100000")
    machine.install_deb(build_deb("trixie"))
    before = machine.docker("inspect", "--format={{.State.StartedAt}} {{.Id}}", "web")
    folders = machine.run("find /var/lib/docker -maxdepth 1 | sort").stdout
    machine.write("/etc/dockcfgd/conf.toml", 'schema = 1\n[engine]\nstorage-driver = "vfs"\n')
    machine.run(["dockcfgctl", "wait", "--timeout", "2m"], check=False, timeout=130)
    status = json.loads(machine.run(["dockcfgctl", "status", "--json"], check=False).stdout)
    assert "free, and the images" in status["last"]["reason"], status["last"]
    assert "on vfs take" in status["last"]["reason"], status["last"]
    assert "docker image prune" in status["last"]["reason"]
    assert machine.docker("info", "--format={{.Driver}}") == "overlay2"
    assert machine.docker("inspect", "--format={{.State.StartedAt}} {{.Id}}", "web") == before
    assert machine.run("find /var/lib/docker -maxdepth 1 | sort").stdout == folders
    assert machine.run(BACKUPS, check=False).stdout == ""

    free = int(machine.run("df --output=avail -B1 /var/lib/docker | tail -1").stdout)
    machine.run(["fallocate", "-l", str(free - (100 << 20)), "/var/lib/docker/filler"])
    said = machine.run(["dockcfgctl", "backup", "create", "--json"], check=False, timeout=130)
    document = json.loads(said.stdout)
    assert (said.returncode, document["verdict"]) == (1, "refused"), document
    assert "free, and the backup takes up to" in document["reason"]
    assert machine.run(BACKUPS, check=False).stdout == ""
