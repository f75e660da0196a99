"""Containers get other users of the host (userns-remap), and lose nothing by it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import Machine
from migration_zoo import make_zoo
from test_moved_root import USUAL, expect_one_copy, moved, some_containers, status_of
from zoo_sight import expect_same, look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
REMAPPED = f"{USUAL}/100000.100000"
_MAKE = (
    "useradd --system --user-group --no-create-home --shell /bin/false dockremap &&"
    " usermod --add-subuids 100000-165535 --add-subgids 100000-165535 dockremap"
)


def change_to(machine: Machine, users: str) -> None:
    """Ask for users; the engine works in a folder of its own for them."""
    named = f'userns-remap = "{users}"\n' if users else ""
    text = f'schema = 1\n[engine]\n{named}debug = false\n[verify]\nsettle = "500ms"\n'
    machine.write("/etc/dockcfgd/conf.toml", text)
    done = machine.run(["dockcfgctl", "wait", "--timeout", "5m"], check=False, timeout=310)
    status = status_of(machine)
    assert done.returncode == 0, status["last"] or status["desired"]
    root = machine.docker("info", "--format={{.DockerRootDir}}")
    assert root == (REMAPPED if users else USUAL)


def refused(machine: Machine, users: str) -> str:
    """Ask for users in vain; give why."""
    text = f'schema = 1\n[engine]\nuserns-remap = "{users}"\n'
    machine.write("/etc/dockcfgd/conf.toml", text)
    machine.run(["dockcfgctl", "wait", "--timeout", "1m"], check=False, timeout=70)
    return "; ".join(one["message"] for one in status_of(machine)["desired"]["errors"])


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_containers_of_every_kind_there_and_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    make_zoo(machine)
    machine.install_deb(build_deb(suite))
    assert "/etc/subuid has no range for dockremap" in refused(machine, "default")
    machine.run(_MAKE)
    names = "host-net (network of the host), settings (a domain name)"
    assert names in refused(machine, "dockremap")
    machine.docker("rm", "--force", "host-net", "settings")
    machine.docker("run", "--detach", "--name=host-net", "--network=host", "--userns=host",
                   "--stop-timeout=3", "busybox", "sleep", "1000000")  # fmt: skip
    machine.docker("run", "--detach", "--name=settings", "--user=1000:1000", "--cap-add=NET_ADMIN",
                   "--cap-drop=MKNOD", "--sysctl=net.ipv4.ip_forward=1", "--read-only", "--init",
                   "--tmpfs=/scratch:size=1m", "--device=/dev/null", "--oom-score-adj=100",
                   "--stop-timeout=3", "busybox", "sleep", "1000000")  # fmt: skip
    before = look(machine)
    change_to(machine, "default")
    expect_same(moved(before, USUAL, REMAPPED), look(machine))
    process = json.loads(machine.docker("inspect", "always"))[0]["State"]["Pid"]
    assert machine.run(["stat", "-c", "%u", f"/proc/{process}"]).stdout.strip() == "100000"
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    change_to(machine, "")
    after = look(machine)
    expect_same(before, after)
    print(f"{suite}: {len(before.documents)} containers to other users and back")


@pytest.mark.suite("trixie")
@pytest.mark.machine(folders=("/data",))
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_what_is_kept_and_taken_back(machine: Machine, build_deb: Callable[[str], Path]) -> None:
    some_containers(machine)
    machine.run(_MAKE)
    machine.install_deb(build_deb("trixie"))
    before = look(machine)
    text = 'schema = 1\n[engine]\nuserns-remap = "default"\n[verify]\ncommands = ["false"]\n'
    machine.write("/etc/dockcfgd/conf.toml", text)
    machine.run(["dockcfgctl", "wait", "--timeout", "5m"], check=False, timeout=310)
    assert status_of(machine)["last"]["verdict"] == "rolled-back", status_of(machine)["last"]
    expect_same(before, look(machine))
    assert machine.docker("exec", "disposable", "cat", "/1") == "1"
    expect_one_copy(machine, USUAL)
    assert machine.run(f"ls {REMAPPED}", check=False).returncode != 0
