"""What engines seldom hold, and lose nothing of when their storage changes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from images import make_busybox
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
LONG = "v" * 250
WHITEOUT = "/data/.wh.kept"
STATES = {
    "vfs": '[engine]\nstorage-driver = "vfs"',
    "overlayfs": "[engine.features]\ncontainerd-snapshotter = true",
}


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(600)
def test_odd_objects_come_along(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    make_busybox(machine)
    image = make_layerless(machine)
    machine.docker("volume", "create", LONG)
    machine.docker("create", "--name=data-only", f"--volume={LONG}:/data", "nothing", "/none")
    keep = f"mkdir /data; echo kept > {WHITEOUT}; echo 1 > /data/kept; exec sleep 1000000"
    machine.docker("run", "-d", "--init", "--name=packer", "busybox", "sh", "-c", keep)
    damaged = machine.docker("create", "--name=damaged", "busybox")
    machine.run(["systemctl", "stop", "docker.socket", "docker.service"])
    machine.run(["truncate", "--size=0", f"/var/lib/docker/containers/{damaged}/config.v2.json"])
    machine.run(["systemctl", "start", "docker.service"])
    machine.docker("start", "packer")
    ids = ids_of(machine)
    assert set(ids) == {"data-only", "packer"}
    machine.install_deb(build_deb("bookworm" if suite == "bookworm" else "trixie"))
    change(machine, "vfs")
    assert machine.docker("image", "inspect", "--format={{.Id}}", "nothing") == image
    expect_all(machine, ids)
    newest = json.loads(machine.run(["dockcfgctl", "backup", "list", "--json"]).stdout)["backups"][
        0
    ]
    machine.run(["dockcfgctl", "backup", "verify", newest["id"]])
    shown = machine.run(["dockcfgctl", "backup", "show", newest["id"]]).stdout
    assert WHITEOUT.removeprefix("/") in shown, "that the archive is without it is not told"
    if suite != "bookworm":
        change(machine, "overlayfs")
        assert machine.docker("image", "inspect", "--format={{.RepoTags}}", "nothing")
        expect_all(machine, ids)


def make_layerless(machine: Machine) -> str:
    """Build an image that has labels and no layer; give its ID."""
    machine.write("/build/Dockerfile", 'FROM scratch\nLABEL purpose="holds a volume"\n')
    machine.run("DOCKER_BUILDKIT=0 docker build --tag nothing:latest /build")
    assert "<nil>" in machine.docker(
        "image", "inspect", "--format={{.RootFS.Layers}}", "nothing"
    ) or (machine.docker("image", "inspect", "--format={{len .RootFS.Layers}}", "nothing") == "0")
    return machine.docker("image", "inspect", "--format={{.Id}}", "nothing")


def ids_of(machine: Machine) -> dict[str, str]:
    lines = machine.docker("ps", "--all", "--no-trunc", "--format={{.Names}} {{.ID}}").splitlines()
    return dict(line.split() for line in lines)


def change(machine: Machine, driver: str) -> None:
    settle = '[verify]\nsettle = "1s"\n'
    machine.write("/etc/dockcfgd/conf.toml", f"schema = 1\n{STATES[driver]}\n{settle}")
    done = machine.run(["dockcfgctl", "wait", "--timeout", "5m"], check=False, timeout=310)
    said = machine.run(["dockcfgctl", "status"], check=False).stdout
    assert done.returncode == 0, said
    assert machine.docker("info", "--format={{.Driver}}") == driver


def expect_all(machine: Machine, ids: dict[str, str]) -> None:
    assert ids_of(machine) == ids
    assert machine.docker("ps", "--format={{.Names}}") == "packer"
    found = machine.docker("exec", "packer", "cat", WHITEOUT, "/data/kept").split()
    assert found == ["kept", "1"]
    assert LONG in machine.docker("volume", "ls", "--quiet").split()
    mounted = machine.docker("inspect", "--format={{(index .Mounts 0).Name}}", "data-only")
    assert mounted == LONG
