"""Containers of every kind keep what they are while the storage driver changes under them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from conftest import NewMachine
from images import make_busybox
from loopback_registry import expect_digests, make_pulled, serve_registry
from machine import Machine
from migration_zoo import BY_HAND_ALWAYS, make_zoo
from test_made_anew import expect_disposable
from zoo_layers import KINDS_DISPOSABLE, layer_digests, make_kinds
from zoo_sight import ROOT, Seen, change_to, expect_same, expect_tidy, look, trace_of

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
IN_FULL = pytest.mark.skipif(not PROOF, reason="in make proof")

# What an engine that is restarted starts again by itself.
BY_POLICY = {"always", "unless", "paused-always", "settings", BY_HAND_ALWAYS}


def package_of(suite: str) -> str:
    return "bookworm" if suite == "bookworm" else "trixie"


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(1800)
def test_there_and_back(machine: Machine, build_deb: Callable[[str], Path], suite: str) -> None:
    there_and_back(machine, build_deb(package_of(suite)), "vfs")


@pytest.mark.suite(*ALL)
@pytest.mark.machine(data="btrfs")
@pytest.mark.timeout(1800)
@IN_FULL
def test_to_btrfs_and_back(machine: Machine, build_deb: Callable[[str], Path], suite: str) -> None:
    machine.write("/etc/docker/daemon.json", '{"storage-driver": "overlay2"}')
    machine.run("systemctl restart docker")
    there_and_back(machine, build_deb(package_of(suite)), "btrfs")


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(1800)
@IN_FULL
def test_to_fuse_overlayfs_and_back(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    there_and_back(machine, build_deb(package_of(suite)), "fuse-overlayfs")


def there_and_back(machine: Machine, package: Path, driver: str) -> None:
    make_zoo(machine)
    make_kinds(machine)
    serve_registry(machine)
    make_pulled(machine)
    machine.install_deb(package)
    before, digests = look(machine), layer_digests(machine)
    expect_sparse(machine)
    change_to(machine, driver)
    expect_all(machine, before, digests)
    machine.docker("exec", "always", "sh", "-c", "echo on it > /on-it")
    change_to(machine, "overlay2")
    assert machine.docker("exec", "always", "cat", "/on-it") == "on it"
    machine.docker("exec", "always", "rm", "/on-it")
    assert expect_all(machine, before, digests).changes == before.changes
    expect_tidy(machine)
    machine.run("systemctl restart docker", timeout=180)
    # As before any of it: the others have no policy, or were stopped by hand.
    assert set(machine.docker("ps", "--format={{.Names}}").split()) == BY_POLICY
    print(f"{machine.suite}: {len(digests)} containers to {driver} and back")


def expect_all(machine: Machine, before: Seen, digests: Mapping[str, str]) -> Seen:
    """Expect that all containers are what they were; give what was seen of them."""
    after = look(machine)
    expect_same(before, after)
    expect_disposable(before, after)
    expect_sparse(machine)
    seen = layer_digests(machine)
    assert digests.keys() - seen.keys() <= {KINDS_DISPOSABLE}
    assert seen == {name: digests[name] for name in seen}
    expect_digests(machine)
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    return after


def expect_sparse(machine: Machine) -> None:
    """Expect that a file of a megabyte that is a hole but for its end takes no room for that."""
    said = machine.docker("exec", "writer", "stat", "-c", "%s %b", "/data/sparse")
    size, blocks = map(int, said.split())
    assert size == 1_000_001
    assert blocks * 512 < size // 2


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("driver", ["vfs", "btrfs", "fuse-overlayfs"])
@IN_FULL
def test_ten_times_there_and_back(
    new_machine: NewMachine, build_deb: Callable[[str], Path], driver: str
) -> None:
    machine = new_machine("trixie", data="btrfs" if driver == "btrfs" else "host")
    machine.boot()
    machine.write("/etc/docker/daemon.json", '{"storage-driver": "overlay2"}')
    machine.run("systemctl restart docker")
    make_busybox(machine)
    machine.docker("volume", "create", "one")
    machine.docker("run", "-d", "--init", "--name=plain", "--volume=one:/one", "--volume=/two",
                   "busybox", "sleep", "100000")  # fmt: skip
    machine.docker("run", "-d", "--rm", "--init", "--name=disposable-one", "--volume=/three",
                   "busybox", "sleep", "100000")  # fmt: skip
    machine.docker("exec", "plain", "sh", "-c", "echo kept > /kept")
    machine.install_deb(build_deb("trixie"))
    before, sizes, traces = look(machine), [], []
    for _ in range(10):
        change_to(machine, driver)
        change_to(machine, "overlay2")
        expect_same(before, look(machine))
        expect_tidy(machine)
        sizes.append(int(machine.run(f"du -sk {ROOT} | cut -f1").stdout))
        traces.append(trace_of(machine))
    # From the second time on there are as many backups as are kept. A container with --rm that the
    # engine is about to remove as it stops may leave its layer, which goes with what is kept.
    counts = {name: [trace[name] for trace in traces] for name in traces[0]}
    assert {name: of for name, of in counts.items() if max(of[4:]) > max(of[1:4])} == {}
    assert counts["backups"][-1] == 3
    assert sizes[-1] <= sizes[1] * 1.05, sizes
