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


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(1200)
def test_what_passing_containers_have_said_comes_along(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """Of each life all that it has said up to its end."""
    make_busybox(machine)
    for driver in ("json-file", "local"):
        machine.docker(
            "run", "--detach", "--rm", f"--name={driver}", f"--log-driver={driver}", "busybox",
            "sh", "-c", "trap 'echo ends; exit' TERM; echo begins; while :; do sleep 0.1; done",
        )  # fmt: skip
    witness = machine.docker("run", "-d", "--init", "--name=witness", "busybox", "sleep", "1000000")
    machine.install_deb(build_deb("bookworm" if suite == "bookworm" else "trixie"))
    text = '[engine]\nlog-level = "warn"\n[policy]\nrestart = "plain"\n'
    machine.write("/etc/dockcfgd/conf.toml", f'schema = 1\n{text}[verify]\nsettle = "1s"\n')
    machine.run(["dockcfgctl", "wait", "--timeout", "5m"], timeout=310)
    expect_said(machine, lives=2)
    assert kept_logs(machine) == []
    change(machine, "vfs")
    expect_said(machine, lives=3)
    machine.run(["dockcfgctl", "storage", "rollback", "--yes", "--no-backup"], timeout=600)
    assert machine.docker("info", "--format={{.Driver}}") != "vfs"
    # The one that ran last was made of the one of then, and its log goes on.
    expect_said(machine, lives=4)

    machine.run(["dockcfgctl", "storage", "prune", "--yes"], timeout=600)
    assert kept_logs(machine) == []
    expect_said(machine, lives=4)
    # A file that no known release has there: then all are made anew.
    driver = machine.docker("info", "--format={{.Driver}}")
    mounts = f"/var/lib/docker/image/{driver}/layerdb/mounts/{witness}"
    if machine.run(["test", "-d", mounts], check=False).returncode == 0:
        machine.run(["touch", f"{mounts}/unknown"])
        machine.run(["dockcfgctl", "apply", "--yes"], check=False, timeout=600)
        assert machine.docker("info", "--format={{.Driver}}") == "vfs"
        assert machine.docker("inspect", "--format={{.Id}}", "witness") != witness
        expect_said(machine, lives=5)


def expect_said(machine: Machine, *, lives: int) -> None:
    said = ["begins", *["ends", "begins"] * (lives - 1)]
    for driver in ("json-file", "local"):
        assert machine.docker("logs", driver).split() == said, driver


def kept_logs(machine: Machine) -> list[str]:
    found = machine.run("find /var/lib/docker/dockcfgd -name logs", check=False)
    return found.stdout.split()


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
