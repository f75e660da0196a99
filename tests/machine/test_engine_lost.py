"""The engine is killed in the middle of a storage migration: at each step, and the staging one."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driver_change import changed, newest, other, rest, status, until, want
from images import make_busybox
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
CONTAINERS = {"always": "always", "by-hand": "unless-stopped", "plain": "no"}
# From this step on dockcfgd knows what ran; before it the engine's end is one like any other: one
# that comes up stops the containers that still run, which counts as stopped by hand.
NOTED = "note which containers run"
CALM_SECONDS = 15.0
SAMPLE = ("start what ran before",)
SEED, MOMENTS = 20261201, 30 if PROOF else 3
# A task without a process whose container containerd does not know: what an engine of 20.10 leaves
# that is killed while it takes a container down, now and then.
LEAVE = """
import os, signal, subprocess, sys, time
sys.path.insert(0, "/usr/lib/dockcfgd/python")
from dockcfgd.adapters import grpc
from dockcfgd.adapters.protobuf import encoded
ctr = ("ctr", "--namespace=moby")
subprocess.run((*ctr, "run", "--detach", "--config=/left/spec.json", sys.argv[1]), check=True)
def tasks():
    rows = subprocess.run((*ctr, "task", "list"), check=True, capture_output=True, text=True).stdout
    return {row.split()[0]: row.split() for row in rows.splitlines()}
os.kill(int(tasks()[sys.argv[1]][1]), signal.SIGKILL)
while tasks()[sys.argv[1]][2] != "STOPPED":
    time.sleep(0.05)
grpc.call("/run/containerd/containerd.sock", "/containerd.services.containers.v1.Containers/Delete",
          encoded((1, sys.argv[1])), metadata={"containerd-namespace": "moby"}, what="forget it",
          limit=10, attend=lambda: None)
"""
Document = dict[str, Any]


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(3600 if PROOF else 400)
def test_the_engine_is_killed_at_each_step(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    steps = changed(machine, "vfs")
    driver, losses, tried = "vfs", [], 0
    for number, step in enumerate(steps):
        if not PROOF and not step.startswith(SAMPLE):
            continue
        at, wrong, driver = killed_and_judged(machine, driver, steps, number)
        losses += [f"{at}: {wrong}"] if wrong else []
        tried += 1
    print(f"{suite}-engine: {tried} of {len(steps)} places to be killed at, {len(losses)} failed")
    assert losses == []
    # It is not left where a change can no longer be made.
    changed(machine, other(driver))
    assert machine.docker("ps", "--quiet").count("\n") + 1 == len(CONTAINERS)


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(3600 if PROOF else 400)
def test_the_engine_is_killed_at_any_moment(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """Not only where a step begins: also while it starts or takes down containers, say."""
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    steps = changed(machine, "vfs")
    first = steps.index(NOTED)
    drawn = random.Random(SEED)  # noqa: S311 -- to be repeatable is the point
    driver, losses = "vfs", []
    for _ in range(MOMENTS):
        number, later = drawn.randrange(first, len(steps)), drawn.uniform(0.0, 0.4)
        at, wrong, driver = killed_and_judged(machine, driver, steps, number, later=later)
        losses += [f"{at}: {wrong}"] if wrong else []
    print(f"{suite}-moment: {MOMENTS} of {MOMENTS} places to be killed at, {len(losses)} failed")
    assert losses == []
    changed(machine, other(driver))
    assert machine.docker("ps", "--quiet").count("\n") + 1 == len(CONTAINERS)


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(300)
def test_a_shim_that_an_engine_left_is_ended(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """A container that containerd has forgotten, but for its task, is started all the same."""
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    identity = machine.docker("inspect", "--format={{.Id}}", "plain")
    machine.write("/leave", LEAVE)
    machine.run("mkdir -p /left/bin /run/systemd/system/docker.service.d")
    machine.run("docker cp plain:/bin/busybox /left/bin/busybox")
    bundle = f"/run/containerd/io.containerd.runtime.v2.task/moby/{identity}"
    spec = json.loads(machine.run(["cat", f"{bundle}/config.json"]).stdout)
    spec["process"]["args"] = ["/bin/busybox", "sleep", "1000"]
    spec["mounts"] = [one for one in spec["mounts"] if one["type"] != "bind"]
    machine.write("/left/spec.json", json.dumps(spec | {"root": {"path": "/left"}, "hooks": {}}))
    before = f"[Service]\nExecStartPre=/usr/bin/python3 /leave {identity}\n"
    machine.write("/run/systemd/system/docker.service.d/leave.conf", before)
    machine.run("systemctl daemon-reload")
    want(machine, "vfs")
    last = rest(machine, calm=CALM_SECONDS)["last"]
    assert (last["verdict"], last["reason"]) == ("applied", None)
    said = machine.run(["journalctl", "--unit=docker", "--output=cat"]).stdout
    assert f"task {identity}: already exists" in said, "the shim was not in the way"
    running = machine.docker("ps", "--format={{.Names}}").split()
    assert set(running) == set(CONTAINERS)


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(300)
def test_what_a_start_that_was_cut_off_has_left_is_waited_for(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """The engine was killed while it started a container: containerd and runc still have of it."""
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    identity = machine.docker("inspect", "--format={{.Id}}", "plain")
    bundle = f"/run/containerd/io.containerd.runtime.v2.task/moby/{identity}"
    options = json.loads(machine.run(["cat", f"{bundle}/options.json"]).stdout)
    machine.write("/cut-off", f"""#!/bin/sh
mkdir {bundle} {options["root"]}/moby/{identity}
systemd-run --on-active=4 --timer-property=AccuracySec=100ms rmdir {bundle}
""", mode=0o755)  # fmt: skip
    machine.run("mkdir -p /run/systemd/system/docker.service.d")
    before = "[Service]\nExecStartPost=/cut-off\n"
    machine.write("/run/systemd/system/docker.service.d/cut-off.conf", before)
    machine.run("systemctl daemon-reload")
    want(machine, "vfs")
    last = rest(machine, calm=CALM_SECONDS)["last"]
    assert (last["verdict"], last["reason"]) == ("applied", None)
    said = machine.run(["journalctl", "--unit=docker", "--output=cat"]).stdout
    assert f"mkdir {bundle}: file exists" in said
    assert "container with given ID already exists" in said
    running = machine.docker("ps", "--format={{.Names}}").split()
    assert set(running) == set(CONTAINERS)


def prepared(machine: Machine, package: Path) -> None:
    make_busybox(machine)
    write = "[ -e /mark ] || echo $0 > /mark; echo $0 > /kept/mark; exec sleep 1000000"
    for name, policy in CONTAINERS.items():
        machine.docker("run", "-d", "--init", "--stop-timeout=3", f"--name={name}",
                       f"--restart={policy}", f"--volume={name}:/kept", "busybox",
                       "sh", "-c", write, name)  # fmt: skip
    machine.install_deb(package)


def killed_and_judged(
    machine: Machine, driver: str, steps: list[str], number: int, *, later: float = 0.0
) -> tuple[str, str, str]:
    """Kill the engine in a change from `driver`; give when, what is wrong, and the driver then.

    All containers run again after it.
    """
    goal = other(driver)
    reached = killed(machine, goal, number, later=later)
    last = rest(machine, calm=CALM_SECONDS)["last"]
    wrong = what_is_wrong(
        machine, last, driver=driver, goal=goal, noted=reached >= steps.index(NOTED)
    )
    at = f"{later:.3f} s into {steps[number]} (in {steps[min(reached, len(steps) - 1)]})"
    print(f"killed {at}: {last['verdict']} {last['reason']} {wrong}")
    machine.docker("start", *CONTAINERS)
    return at, wrong, machine.docker("info", "--format={{.Driver}}")


def killed(machine: Machine, goal: str, number: int, *, later: float) -> int:
    """Kill the engine once a step of the change has begun, `later` seconds after it.

    Give the step that has begun by then.
    """
    before = newest(machine)
    want(machine, goal)
    until(machine, number, after=before)
    time.sleep(later)
    machine.run("systemctl kill --kill-whom=main --signal=KILL docker", check=False)
    return len(status(machine)["last"]["steps"]) - 1


def what_is_wrong(machine: Machine, last: Document, *, driver: str, goal: str, noted: bool) -> str:
    """Say what is not as the verdict says, or gone."""
    if last["verdict"] not in {"applied", "rolled-back"}:
        return f"{last['verdict']}: {last['reason']}"
    expected = goal if last["verdict"] == "applied" else driver
    found = machine.docker("info", "--format={{.Driver}}")
    if found != expected:
        return f"{last['verdict']} is said, and the engine is on {found}"
    named = set(machine.docker("ps", "--all", "--format={{.Names}}").split())
    if named != set(CONTAINERS):
        return f"there are {named}"
    must = set(CONTAINERS) if noted else {"always"}
    running = set(machine.docker("ps", "--format={{.Names}}").split())
    if not must <= running:
        return f"{must - running} do not run"
    machine.docker("start", *CONTAINERS)
    for name in CONTAINERS:
        marks = machine.docker("exec", name, "cat", "/mark", "/kept/mark", check=False).split()
        if marks != [name, name]:
            return f"{name} holds {marks}"
    return ""
