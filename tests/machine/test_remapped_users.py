"""Containers get other users of the host (userns-remap), and lose nothing by it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machine import Machine
from migration_zoo import make_zoo
from test_made_anew import expect_disposable
from test_moved_root import (
    USUAL,
    expect_one_copy,
    moved,
    some_containers,
    status_of,
    tree,
)
from zoo_layers import fill_with_kinds, layer_digests, make_kinds
from zoo_sight import expect_same, look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
FIRST = 100_000
REMAPPED = f"{USUAL}/{FIRST}.{FIRST}"
# What a range of 65536 users has no place for.
NO_PLACE = {"great owner"}
# A volume that is another folder.
OF_THE_HOST = "volumes/with-options/_data"
# What an ACL says of one user, and of one group.
_NAMED = (0x02, 0x08)
Tree = dict[str, list[Any]]
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


def files_of(machine: Machine, root: str) -> Tree:
    """Give layers and volumes, but those of containers with --rm, which get others."""
    passing = machine.docker("ps", "--all", "--quiet", "--filter=name=disposable").split()
    places = "{{.GraphDriver.Data.UpperDir}} {{range .Mounts}}{{.Source}} {{end}}"
    left = [
        place.removeprefix(f"{root}/").removesuffix("/diff")
        for place in machine.docker("inspect", f"--format={places}", *passing).split()
    ]
    return {
        path: entry
        for path, entry in tree(machine, root).items()
        if path.startswith(("overlay2/", "volumes/")) and not path.startswith(("overlay2/l", *left))
    }


def shifted(files: Tree) -> Tree:
    """Give files as they are where users are others; those of the host stay its users'."""
    return {
        path: entry if path.startswith(OF_THE_HOST) else _of_others(entry)
        for path, entry in files.items()
    }


def _of_others(entry: list[Any]) -> list[Any]:
    mode, user, group, *rest = entry
    attributes = {
        name: _of_other(one) if name.startswith("system.posix_acl_") else one
        for name, one in rest[5].items()
    }
    return [mode, user + FIRST, group + FIRST, *rest[:5], attributes, *rest[6:]]


def _of_other(acl: str) -> str:
    head, entries = acl[:8], struct.iter_unpack("<HHI", bytes.fromhex(acl[8:]))
    told = (
        struct.pack("<HHI", kind, may, who + FIRST if kind in _NAMED else who)
        for kind, may, who in entries
    )
    return head + b"".join(told).hex()


def expect_files(before: Tree, after: Tree) -> None:
    """Expect all that there was; beside it there are the layers of containers with --rm."""
    found = {path: (one, after.get(path)) for path, one in before.items()}
    assert [f"{path}: {a} -> {b}" for path, (a, b) in found.items() if a != b] == []


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
    fill_with_kinds(machine, "named", but=NO_PLACE)
    make_kinds(machine, but=NO_PLACE)
    before, digests, files = look(machine), layer_digests(machine), files_of(machine, USUAL)
    change_to(machine, "default")
    there = look(machine)
    expect_same(moved(before, USUAL, REMAPPED), there)
    expect_disposable(moved(before, USUAL, REMAPPED), there)
    expect_files(shifted(files), files_of(machine, REMAPPED))
    process = json.loads(machine.docker("inspect", "always"))[0]["State"]["Pid"]
    assert machine.run(["stat", "-c", "%u", f"/proc/{process}"]).stdout.strip() == "100000"
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    change_to(machine, "")
    after = look(machine)
    expect_same(before, after)
    expect_disposable(before, after)
    assert layer_digests(machine) == digests
    expect_files(files, files_of(machine, USUAL))
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
