"""Containers go into containerd's image store and out of it, and keep what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import NewMachine
from dockcfgd.model.drivers import of_containerd
from engine_socket import ask
from images import make_busybox, make_image
from loopback_registry import make_pulled, run_by_digest, serve_registry
from machine import Machine
from migration_zoo import make_zoo
from test_made_anew import expect_alike, expect_disposable
from test_remapped_users import expect_files
from zoo_layers import (
    KINDS,
    KINDS_DISPOSABLE,
    SNAPSHOTTER,
    kinds_of_files,
    layer_digests,
    make_kinds,
    seen_by,
)
from zoo_sight import ROOT, Seen, expect_same, expect_tidy, look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
WITH_STORE = ("trixie", "forky") if PROOF else ("trixie",)
OUT = '[engine]\nstorage-driver = "overlay2"\n[engine.features]\ncontainerd-snapshotter = false'
RUN = ("run", "--detach", "--init")


def into(snapshotter: str = "") -> str:
    named = f'[engine]\nstorage-driver = "{snapshotter}"\n' if snapshotter else ""
    return f"{named}[engine.features]\ncontainerd-snapshotter = true"


def want(machine: Machine, text: str) -> tuple[int, dict[str, Any]]:
    """Ask for a state; give what waiting for it ends with, and the status."""
    settle = '[verify]\nsettle = "1s"\n'
    machine.write("/etc/dockcfgd/conf.toml", f"schema = 1\n{text}\n{settle}")
    done = machine.run(["dockcfgctl", "wait", "--timeout", "12m"], check=False, timeout=730)
    status: dict[str, Any] = json.loads(
        machine.run(["dockcfgctl", "status", "--json"], check=False).stdout
    )
    return done.returncode, status


def change(machine: Machine, text: str, driver: str) -> None:
    code, status = want(machine, text)
    assert code == 0, status["last"]
    assert ask(machine, "/info")["Driver"] == driver


def ctr(machine: Machine, *words: str) -> list[str]:
    return machine.run(["ctr", "--namespace=moby", *words]).stdout.splitlines()


def written_in_store(machine: Machine, snapshotter: str) -> set[str]:
    """Give the keys of the layers in containerd's store that can be written to."""
    lines = ctr(machine, "snapshots", f"--snapshotter={snapshotter}", "ls")
    return {line.split()[0] for line in lines if line.split()[-1] == "Active"}


def left_in_store(machine: Machine, snapshotter: str) -> list[str]:
    """Give what the engine has in containerd's store: names, layers, leases."""
    lines = [
        *ctr(machine, "images", "ls", "--quiet"),
        *ctr(machine, "snapshots", f"--snapshotter={snapshotter}", "ls")[1:],
        *ctr(machine, "leases", "ls")[1:],
    ]
    return [line.split()[0] for line in lines]


def of_any_store(seen: Seen) -> Seen:
    """Leave out what is another in containerd's store: images' IDs and their names by digest."""
    documents = {
        name: {key: value for key, value in one.items() if key not in IMAGE_IDS}
        for name, one in seen.documents.items()
    }
    images = sorted(line.split()[0] for line in seen.images)
    nameless = [str(number) for number in range(len(seen.nameless))]
    return replace(seen, documents=documents, images=images, nameless=nameless, digests=[])


def machine_for(new_machine: NewMachine, suite: str, snapshotter: str) -> Machine:
    """Boot one whose containerd has the snapshotter, on overlay2."""
    machine = new_machine(suite, data="btrfs" if snapshotter == "btrfs" else "host")
    machine.boot()
    return machine


MOMENT = 1_700_000_000_123_456_789
IMAGE_IDS = {"Image", "ImageManifestDescriptor"}


@pytest.mark.suite(*WITH_STORE)
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not PROOF, reason="in make proof")
@pytest.mark.parametrize("snapshotter", ["overlayfs", "native", "btrfs"])
def test_zoo_into_the_store_and_out(
    new_machine: NewMachine, build_deb: Callable[[str], Path], suite: str, snapshotter: str
) -> None:
    machine = machine_for(new_machine, suite, snapshotter)
    make_zoo(machine)
    make_kinds(machine)
    # containerd leaves `trusted.` attributes out of what it unpacks.
    machine.docker("rm", "--force", KINDS_DISPOSABLE)
    serve_registry(machine)
    make_pulled(machine)
    machine.install_deb(build_deb("trixie"))
    before, digests, files = look(machine), layer_digests(machine), kinds_of_files(machine)
    change(machine, into(snapshotter), snapshotter)
    there = look(machine)
    expect_same(of_any_store(before), of_any_store(there))
    expect_disposable(before, there)
    expect_files(files, kinds_of_files(machine))
    # It copies an image for each container, with other times of folders that hold hard links.
    copied = {KINDS} if snapshotter == "native" else set()
    seen = layer_digests(machine)
    assert {name for name in digests if seen[name] != digests[name]} <= copied
    passing = machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file")
    assert passing == "disposable\nmine"
    machine.docker("exec", "always", "sh", "-c", "echo on it > /on-it")
    run_by_digest(machine, "stored", container="stored")
    change(machine, OUT, "overlay2")
    assert machine.docker("exec", "stored", "echo", "here") == "here"
    stored = machine.docker("inspect", "--format={{.Image}}", "stored")
    machine.docker("rm", "--force", "stored")
    machine.docker("rmi", stored)
    assert machine.docker("exec", "always", "cat", "/on-it") == "on it"
    machine.docker("exec", "always", "rm", "/on-it")
    after = look(machine)
    # Names by digest come back with the next pull.
    expect_same(replace(before, digests=[]), replace(after, digests=[]))
    expect_disposable(before, after)
    assert after.changes == before.changes
    assert layer_digests(machine) == digests
    expect_tidy(machine)
    print(f"{machine.suite}: {len(digests)} containers to {snapshotter} and back")


# Where containers would run on while their files are moved, they are not moved in place.
_LIVE_RESTORE_BY_FLAG = """\
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --live-restore
"""


@pytest.mark.suite(*WITH_STORE)
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_out_of_the_store_made_anew(
    machine: Machine, build_deb: Callable[[str], Path], suite: str
) -> None:
    machine.write("/etc/docker/daemon.json", '{"features": {"containerd-snapshotter": true}}')
    machine.write("/etc/systemd/system/docker.service.d/live.conf", _LIVE_RESTORE_BY_FLAG)
    machine.run("systemctl daemon-reload && systemctl restart docker")
    make_zoo(machine)
    machine.install_deb(build_deb("trixie"))
    before = look(machine)
    change(machine, OUT, "overlay2")
    expect_alike(of_any_store(before), of_any_store(look(machine)))
    back = ["dockcfgctl", "storage", "rollback", "--yes", "--no-backup"]
    refused = machine.run(back, check=False, timeout=600)
    assert "live-restore is set by a flag" in f"{refused.stdout}{refused.stderr}"
    machine.run("rm /etc/systemd/system/docker.service.d/live.conf; systemctl daemon-reload")
    machine.run("systemctl restart docker", timeout=300)
    machine.run(back, timeout=600)
    assert ask(machine, "/info")["Driver"] == "overlayfs"
    expect_same(without_logs(before), without_logs(look(machine)))
    machine.run(["dockcfgctl", "storage", "prune", "--yes"], timeout=600)
    expect_same(without_logs(before), without_logs(look(machine)))
    print(f"{suite}: {len(before.documents)} containers made anew out of the store, and back")


def without_logs(seen: Seen) -> Seen:
    """Leave out what containers that were removed come back without."""
    kept = of_any_store(seen)
    documents = {
        name: {key: value for key, value in one.items() if key != "LogPath"}
        for name, one in kept.documents.items()
    }
    return replace(kept, documents=documents, logs={})


def make_few(machine: Machine, package: Path) -> None:
    """Make three containers, of an image without a name and one with, and install the package."""
    make_busybox(machine)
    make_image(machine, "app:1", layers_mb=[1])
    machine.docker(*RUN, "--name=web", "--volume=data:/data", "app:1", "sleep", "100000")
    machine.docker(*RUN, "--name=disposable", "--rm", "busybox", "sleep", "100000")
    machine.docker("exec", "web", "sh", "-c", "echo then > /written; rm /bin/vi; mkfifo /pipe")
    machine.docker("exec", "disposable", "sh", "-c", "echo mine > /written")
    # Now the image of `web` has no name any more.
    make_image(machine, "app:1", layers_mb=[0.5])
    machine.docker("create", "--name=never", "--label=of=mine", "app:1", "true")
    machine.install_deb(package)


def mark(machine: Machine, name: str) -> None:
    """Give a file of a container with --rm what a commit by the engine loses."""
    path = seen_by(machine, "disposable") / name
    os.setxattr(path, "user.colour", b"blue")
    os.utime(path, ns=(MOMENT, MOMENT))


def marked(machine: Machine, name: str) -> bool:
    path = seen_by(machine, "disposable") / name
    found = os.getxattr(path, "user.colour") if os.listxattr(path) else b""
    return (found, path.stat().st_mtime_ns) == (b"blue", MOMENT)


@pytest.mark.suite(*WITH_STORE)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("snapshotter", ["overlayfs", "btrfs"] if PROOF else ["overlayfs"])
def test_there_and_back_and_freed(
    new_machine: NewMachine, build_deb: Callable[[str], Path], suite: str, snapshotter: str
) -> None:
    machine = machine_for(new_machine, suite, snapshotter)
    make_few(machine, build_deb("trixie"))
    before, digests = look(machine), layer_digests(machine)
    mark(machine, "written")
    # Without a name it is overlayfs that the engine takes.
    wanted = into("" if snapshotter == SNAPSHOTTER else snapshotter)

    change(machine, wanted, snapshotter)
    expect_same(of_any_store(before), of_any_store(look(machine)))
    # Those of the stand-ins are gone.
    every = machine.docker("ps", "--all", "--quiet", "--no-trunc").split()
    assert written_in_store(machine, snapshotter) == set(every)
    assert layer_digests(machine) == digests
    assert machine.docker("exec", "disposable", "cat", "/written") == "mine"
    assert marked(machine, "written")
    machine.docker("exec", "disposable", "sh", "-c", "echo in the store > /more")
    mark(machine, "more")
    kept = json.loads(machine.run(["dockcfgctl", "storage", "status", "--json"]).stdout)["kept"]
    assert (kept["driver"], kept["can_go_back"]) == ("overlay2", True)
    # One that was moved there goes as those do that were made there.
    machine.docker("rm", "never")
    machine.docker("exec", "web", "sh", "-c", "echo since > /written")

    change(machine, OUT, "overlay2")
    assert machine.docker("exec", "web", "cat", "/written") == "since"
    assert machine.docker("exec", "disposable", "cat", "/written", "/more") == "mine\nin the store"
    assert marked(machine, "written")
    assert marked(machine, "more")
    kept = json.loads(machine.run(["dockcfgctl", "storage", "status", "--json"]).stdout)["kept"]
    assert kept["driver"] == of_containerd(snapshotter)

    # What the store has from then is neither mixed with nor lost.
    there = left_in_store(machine, snapshotter)
    code, status = want(machine, wanted)
    assert code == 1
    assert "dockcfgctl storage prune" in status["last"]["reason"]
    assert ask(machine, "/info")["Driver"] == "overlay2"
    assert left_in_store(machine, snapshotter) == there
    want(machine, OUT)

    machine.docker("exec", "web", "sh", "-c", "echo later > /written")
    machine.run(["dockcfgctl", "storage", "rollback", "--yes"], timeout=300)
    assert ask(machine, "/info")["Driver"] == snapshotter
    assert machine.docker("exec", "web", "cat", "/written") == "since"
    machine.run(["dockcfgctl", "storage", "rollback", "--yes"], timeout=300)
    assert ask(machine, "/info")["Driver"] == "overlay2"
    assert machine.docker("exec", "web", "cat", "/written") == "later"

    machine.run(["dockcfgctl", "storage", "prune", "--yes"], timeout=300)
    assert left_in_store(machine, snapshotter) == []
    assert machine.run(["ls", f"{ROOT}/dockcfgd"]).stdout == ""
    assert machine.docker("exec", "web", "cat", "/written") == "later"

    # Taken back, such a change takes out again what it has brought.
    machine.write(
        "/etc/dockcfgd/conf.d/never.toml",
        f'[verify]\ncommands = ["! docker info | grep -q \\"Driver: {snapshotter}\\""]\n',
    )
    code, status = want(machine, wanted)
    assert (code, status["last"]["verdict"]) == (1, "rolled-back"), status["last"]
    assert ask(machine, "/info")["Driver"] == "overlay2"
    assert machine.docker("exec", "web", "cat", "/written") == "later"
    assert left_in_store(machine, snapshotter) == []
