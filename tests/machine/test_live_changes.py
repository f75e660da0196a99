"""What is pulled, built, made and removed while images are copied to another driver comes along."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images import make_busybox, make_image
from loopback_registry import serve_registry
from machine import Machine, wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
LATE = "localhost:5000/late:1"
DOCKERFILE = "FROM busybox\nRUN echo built > /built\n"


def steps_of(machine: Machine) -> list[str]:
    place = Path(f"/proc/{machine.pid}/root/run/dockcfgd/status.json")
    last: dict[str, Any] = json.loads(place.read_bytes())["last"] or {}
    return [str(step["name"]) for step in last.get("steps", [])]


def copying(machine: Machine) -> bool:
    return any(name.startswith("back up images") for name in steps_of(machine))


def stopping(machine: Machine) -> bool:
    return any(name.startswith("stop the engine") for name in steps_of(machine))


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_what_comes_meanwhile(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    docker, run = machine.docker, ("run", "--detach", "--init", "--stop-timeout=3")
    make_busybox(machine)
    serve_registry(machine)
    make_image(machine, LATE, layers_mb=[1])
    docker("push", "--quiet", LATE)
    digest = docker("inspect", "--format={{index .RepoDigests 0}}", LATE)
    docker("rmi", LATE)
    make_image(machine, "big:1", layers_mb=[100, 100])
    for name in ("stays", "goes"):
        docker(*run, f"--name={name}", "busybox", "sleep", "1000000")
    machine.install_deb(build_deb(suite))
    machine.write("/root/build/Dockerfile", DOCKERFILE)
    machine.write("/etc/dockcfgd/conf.toml", 'schema = 1\n[engine]\nstorage-driver = "vfs"\n')
    wait_for(lambda: copying(machine), 120, what="the copy of images", interval=0.01)

    docker("pull", "--quiet", LATE)
    docker(*run, "--name=new", "--volume=new:/new", LATE, "sh", "-c",
           "echo 1 > /written; echo 1 > /new/written; sleep 1000000")  # fmt: skip
    assert not stopping(machine), "the copy was over before anything came"
    machine.run("DOCKER_BUILDKIT=0 docker build --tag built:1 /root/build", timeout=120)
    docker("rm", "--force", "goes")
    docker("tag", "busybox", "other:name")
    print(f"{suite}: done while {steps_of(machine)[-1]}")
    made = docker("inspect", "--format={{.Id}} {{.Created}} {{.Image}}", "new")

    done = machine.run(["dockcfgctl", "wait", "--timeout", "10m"], check=False, timeout=610)
    status = json.loads(machine.run(["dockcfgctl", "status", "--json"]).stdout)
    assert done.returncode == 0, status["last"]
    assert docker("info", "--format={{.Driver}}") == "vfs"
    assert docker("inspect", "--format={{.Id}} {{.Created}} {{.Image}}", "new") == made
    assert docker("exec", "new", "cat", "/written", "/new/written") == "1\n1"
    assert sorted(docker("ps", "--all", "--format={{.Names}}").split()) == ["new", "stays"]
    assert sorted(docker("ps", "--format={{.Names}}").split()) == ["new", "stays"]
    assert docker("run", "--rm", "built:1", "cat", "/built") == "built"
    assert docker("run", "--rm", digest, "echo", "late") == "late"
    assert "Image is up to date" in docker("pull", LATE)
    names = docker("images", "--format={{.Repository}}:{{.Tag}}").split()
    assert {"big:1", "built:1", "other:name", "busybox:latest", LATE} <= set(names)


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_cancelled_while_images_are_copied(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    docker = machine.docker
    make_busybox(machine)
    make_image(machine, "big:1", layers_mb=[100, 100])
    docker("run", "--detach", "--init", "--name=stays", "busybox", "sleep", "1000000")
    docker("run", "--detach", "--init", "--rm", "--name=disposable", "busybox", "sleep", "1000000")
    machine.install_deb(build_deb(suite))

    def traces() -> list[str]:
        ran = docker("inspect", "--format={{.State.StartedAt}}", "stays", "disposable")
        names = docker("ps", "--all", "--format={{.Names}} {{.Status}}").count("Up")
        # Those made within one second stand in any order.
        images = sorted(docker("images", "--all", "--format={{.ID}} {{.Tag}}").splitlines())
        folders = "/var/lib/dockcfgd/backups /var/lib/docker/dockcfgd"
        kept = machine.run(f"find {folders} -mindepth 1 2>/dev/null", check=False)
        units = machine.run("systemctl list-units --all --plain --no-legend 'dockcfgd-*.service'")
        staging = [line.split()[0] for line in units.stdout.splitlines() if "-recover" not in line]
        return [ran, str(names), " ".join(images), kept.stdout, " ".join(staging)]

    engine = machine.unit("docker", "InvocationID")
    before = traces()
    machine.write("/etc/dockcfgd/conf.toml", 'schema = 1\n[engine]\nstorage-driver = "vfs"\n')
    wait_for(lambda: copying(machine), 120, what="the copy of images", interval=0.01)
    assert traces() != before
    begun = time.monotonic()
    assert machine.run(["dockcfgctl", "cancel"]).returncode == 0

    def cancelled() -> bool:
        status = json.loads(machine.run(["dockcfgctl", "status", "--json"], check=False).stdout)
        return bool(status["phase"] == "idle" and status["reason"] == "cancelled by root")

    wait_for(cancelled, 60, what="the end of the change", interval=0.05)
    print(f"{suite}: taken back within {time.monotonic() - begun:.1f} s of the word")
    assert machine.unit("docker", "InvocationID") == engine
    assert docker("info", "--format={{.Driver}}") == "overlay2"
    assert traces() == before


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_daemon_json_is_edited_while_images_are_copied(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    """It is met before the engine is stopped for a file that nobody has planned."""
    docker, file = machine.docker, "/etc/docker/daemon.json"
    make_busybox(machine)
    make_image(machine, "big:1", layers_mb=[100, 100])
    docker("run", "--detach", "--init", "--name=stays", "busybox", "sleep", "1000000")
    machine.install_deb(build_deb(suite))
    engine = machine.unit("docker", "InvocationID")
    started = docker("inspect", "--format={{.State.StartedAt}}", "stays")
    machine.write("/etc/dockcfgd/conf.toml", 'schema = 1\n[engine]\nstorage-driver = "vfs"\n')
    wait_for(lambda: copying(machine), 120, what="the copy of images", interval=0.01)
    machine.write(file, '{"shutdown-timeout": 20}\n')

    status = Path(f"/proc/{machine.pid}/root/run/dockcfgd/status.json")

    def taken_back() -> bool:
        last: dict[str, Any] = json.loads(status.read_bytes())["last"] or {}
        return last.get("verdict") == "rolled-back" and file in str(last["reason"])

    wait_for(taken_back, 120, what="the end of the change", interval=0.01)
    assert machine.unit("docker", "InvocationID") == engine
    assert docker("inspect", "--format={{.State.StartedAt}}", "stays") == started

    def moved() -> bool:
        # The engine is restarted meanwhile.
        return docker("info", "--format={{.Driver}}", check=False) == "vfs"

    wait_for(moved, 180, what="the next attempt")
    machine.run(["dockcfgctl", "wait", "--timeout", "3m"], timeout=190)
    assert json.loads(machine.read(file))["shutdown-timeout"] == 20
    assert docker("ps", "--format={{.Names}}") == "stays"
