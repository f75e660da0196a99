"""A real dockcfgd or a real machine dies in the middle of a change: at each step, in each way."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import NewMachine
from cutting import WAYS, Change, Cutting
from images import make_busybox, make_image
from machine import Machine, wait_for

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
SAMPLE = 3
DRIVER = '[engine]\nstorage-driver = "vfs"\n'

_PROXY = '[service]\nenvironment = {{ HTTPS_PROXY = "http://{}:3128" }}\n'
CHANGES = [
    Change(
        "reload",
        '[engine]\nlabels = ["rack=7"]\nmax-concurrent-downloads = 5\n',
        '[engine]\nlabels = ["rack=8"]\nmax-concurrent-downloads = 6\n',
    ),
    Change(
        "restart",
        '[engine]\nlog-driver = "json-file"\n' + _PROXY.format("one"),
        '[engine]\nlog-driver = "local"\n' + _PROXY.format("two"),
    ),
    Change(
        "migration",
        '[engine]\nstorage-driver = "overlay2"\nlog-driver = "json-file"\n',
        '[engine]\nstorage-driver = "vfs"\nlog-driver = "local"\n',
    ),
    Change(
        "data-root",
        '[engine]\ndata-root = "/data/one"\n',
        '[engine]\ndata-root = "/data/two"\n',
    ),
]
# What it leaves behind has to be freed before the next time.
_FREED = "[storage]\nkeep-previous = false\n"
STORE = Change(
    "containerd-store",
    '[engine]\nstorage-driver = "overlay2"\nfeatures = { containerd-snapshotter = false }\n'
    + _FREED,
    "[engine]\nfeatures = { containerd-snapshotter = true }\n" + _FREED,
)
TRIED = [*CHANGES, STORE] if PROOF else CHANGES[:3]


@pytest.mark.timeout(7200 if PROOF else 400)
@pytest.mark.suite(*RELEASES)
@pytest.mark.parametrize("change", TRIED, ids=lambda change: change.name)
def test_cut_off_at_each_step(
    new_machine: NewMachine, suite: str, build_deb: Callable[[str], Path], change: Change
) -> None:
    if change is STORE and suite == "bookworm":
        pytest.skip("its engine has no such store")
    machine = new_machine(suite, data="ext4", folders=("/data",))
    machine.boot()
    cutting = Cutting(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"), change)
    places = list(itertools.product(range(len(cutting.steps)), WAYS))
    stride = 1 if PROOF else _stride(len(places))
    cuts = [cutting.cut(number, way) for number, way in places[::stride]]
    reached = {(cut.step, cut.way) for cut in cuts}
    if PROOF:
        # A step may be over before it is seen.
        cuts += [cutting.cut(*place) for place in places if place not in reached]
        reached = {(cut.step, cut.way) for cut in cuts}
    losses = [cut.wrong for cut in cuts if cut.wrong]
    print(
        f"{suite}-{change.name}: {len(reached)} of {len(places)} places to be cut off at"
        f" ({len(cutting.steps)} steps by {', '.join(WAYS)}), {len(cuts)} cuts,"
        f" {len(losses)} losses"
    )
    assert losses == []


def _stride(places: int) -> int:
    """Give one that takes a sample with each of the ways in it."""
    stride = places // SAMPLE
    while math.gcd(stride, len(WAYS)) != 1:
        stride += 1
    return stride


def status(machine: Machine) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(machine.read("/run/dockcfgd/status.json"))
    return document


def prepared(machine: Machine, package: Path) -> None:
    make_busybox(machine)
    machine.install_deb(package)
    machine.docker("run", "-d", "--init", "--name", "plain", "busybox", "sleep", "10000")
    write = "echo kept > /data; exec sleep 10000"
    machine.docker(
        "run",
        "-d",
        "--init",
        "--restart",
        "always",
        "--name",
        "always",
        "busybox",
        "sh",
        "-c",
        write,
    )


def check(machine: Machine, *, running: tuple[str, ...] = ("always", "plain")) -> None:
    """Expect the engine on the old state or the new one, its containers, and a true report."""
    machine.run(["dockcfgctl", "wait", "--timeout", "120s"], check=False, timeout=130)
    wait_for(lambda: status(machine)["phase"] == "idle", timeout=60, what="dockcfgd at rest")
    driver = machine.docker("info", "--format", "{{.Driver}}").strip()
    verdict = status(machine)["last"]["verdict"]
    assert {"vfs": "applied", "overlay2": "rolled-back"}[driver] == verdict
    written = machine.read("/etc/docker/daemon.json") if driver == "vfs" else "{}"
    assert json.loads(written).get("storage-driver") == (driver if driver == "vfs" else None)
    found = machine.docker("ps", "--format", "{{.Names}}").split()
    assert sorted(found) == sorted(running)
    assert machine.docker("ps", "--all", "--quiet").count("\n") == 1
    assert machine.docker("exec", "always", "cat", "/data") == "kept"


@pytest.mark.suite(*RELEASES)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_the_staging_engine_is_lost(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """Its unit ends with dockcfgd's, and systemd would start it again behind a new dockcfgd."""
    make_image(machine, "big:1", layers_mb=[150])
    prepared(machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    for lost in ("systemctl restart dockcfgd", "systemctl kill --signal=KILL dockcfgd-staging"):
        before = machine.docker("inspect", "--format={{.State.Pid}}", "plain", "always")
        machine.write("/etc/dockcfgd/conf.toml", f"# {lost}\n{DRIVER}")
        wait_for(lambda: machine.unit("dockcfgd-staging", "ActiveState")["ActiveState"] == "active")
        machine.run(lost, timeout=120)
        wait_for(lambda: status(machine)["phase"] == "idle", timeout=120, what="rest")
        if machine.docker("info", "--format={{.Driver}}") == "overlay2":
            assert machine.docker("inspect", "--format={{.State.Pid}}", "plain", "always") == before
            found = machine.run(["dockcfgctl", "backup", "list", "--json"]).stdout
            assert all(one["complete"] for one in json.loads(found)["backups"]), found
            machine.run(["dockcfgctl", "apply", "--yes"], timeout=120)
        check(machine)
        assert machine.docker("info", "--format={{.Driver}}") == "vfs"
        machine.write("/etc/dockcfgd/conf.toml", DRIVER.replace("vfs", "overlay2"))
        machine.run(["dockcfgctl", "wait", "--timeout", "120s"], timeout=130)
