"""Backups while containers run, and their restore on this and another machine, on real engines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import NewMachine
from images import make_busybox, make_image
from machine import Machine, wait_for
from migration_zoo import content_of, make_zoo
from test_made_anew import losses, states
from zoo_sight import look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
IN_FULL = pytest.mark.skipif(not PROOF, reason="in make proof")
BACKUPS = "/var/lib/dockcfgd/backups"

FILLS = """\
set -e
cd /data; mkdir -p deep/er; echo one > deep/er/file; echo two > file; chmod 4755 file
chown 1000:1001 deep; chmod 2771 deep; ln file hard; ln -s /nowhere soft; mkfifo fifo
mknod null c 1 3; touch -d '2001-02-03 04:05:06' deep/er/file
dd if=/dev/zero of=sparse bs=1 count=1 seek=50000000 2>/dev/null; mkdir -m 1777 empty
echo layer > /written; rm -f /etc/group
"""
WRITES = """\
cd /data; i=0
while :; do i=$((i+1)); echo $i > changes.new; mv changes.new changes; done
"""
# The time of the topmost folder is the volume's own and changes with each mount.
DIGEST = (
    "cd {place} && tar --create --sort=name --format=posix --numeric-owner --acls --xattrs"
    " '--xattrs-include=*' --pax-option='delete=atime,delete=ctime,exthdr.name=%f'"
    " --exclude=./changes --exclude=./changes.new $(ls -A | grep -v changes) | sha256sum"
)
# What one release calls otherwise than another, or leaves out where it is nothing.
OF_RELEASES = (
    ".NetworkMode: default -> bridge",
    ".RestartPolicy.Name:  -> no",
    *(
        f".{name}: {change}"
        for name in ("KernelMemory", "KernelMemoryTCP", "GwPriority")
        for change in ("0 -> None", "None -> 0")
    ),
)


def package_of(suite: str) -> str:
    return "bookworm" if suite == "bookworm" else "trixie"


def place_of(machine: Machine, volume: str) -> str:
    return machine.docker("volume", "inspect", "--format={{.Mountpoint}}", volume)


def digest(machine: Machine, volume: str) -> str:
    return machine.run(DIGEST.format(place=place_of(machine, volume))).stdout


def control(machine: Machine, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run `dockcfgctl backup …`; give its document."""
    command = ["dockcfgctl", "backup", *arguments, "--json"]
    done = machine.run(command, check=False, timeout=200)
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def made(machine: Machine, *arguments: str) -> str:
    document = control(machine, "create", *arguments)
    assert (document["verdict"], document["reason"]) == ("applied", None), document
    return str(document["backup"])


def prepared(machine: Machine, package: Path) -> None:
    make_busybox(machine)
    make_image(machine, "app:1", layers_mb=[2, 1])
    machine.install_deb(package)
    machine.write("/etc/dockcfgd/conf.toml", "schema = 1\n[backup]\nvolumes = true\n")
    machine.docker("network", "create", "--subnet=10.77.0.0/24", "net1")
    machine.docker("volume", "create", "--label=kept=yes", "data")
    run = ("run", "--detach", "--init", "--restart=unless-stopped", "--volume=data:/data")
    machine.docker(
        *run, f"--env=FILLS={FILLS}", f"--env=WRITES={WRITES}", "--name=web", "busybox", "sh", "-c",
        '[ -e /data/ready ] || { sh -c "$FILLS" && touch /data/ready; }; exec sh -c "$WRITES"',
    )  # fmt: skip
    machine.docker(
        *run,
        "--network=net1",
        "--ip=10.77.0.5",
        "--name=reader",
        "app:1",
        "sh",
        "-c",
        "sleep 1000000",
    )
    wait_for(
        lambda: machine.exists(f"{place_of(machine, 'data')}/ready"), 20.0, what="it is filled"
    )
    path = f"{place_of(machine, 'data')}/file"
    machine.run(["python3", "-c", _ATTRIBUTES, path])


_ATTRIBUTES = """\
import os, sys
os.setxattr(sys.argv[1], "user.mine", b"1")
os.setxattr(sys.argv[1], "trusted.mine", b"2")
# cap_net_raw, as setcap(8) writes it
capability = bytes.fromhex("0100000200200000" + 12 * "00")
os.setxattr(sys.argv[1], "security.capability", capability)
"""


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(400)
def test_what_is_lost_comes_back(
    machine: Machine,
    suite: str,
    build_deb: Callable[[str], Path],
) -> None:
    prepared(machine, build_deb(package_of(suite)))
    pid = "{{.State.Pid}} {{.State.StartedAt}} {{.State.Status}}"
    ran = machine.docker("inspect", f"--format={pid}", "web", "reader")
    before, layer = digest(machine, "data"), content_of(machine, "web")

    backup = made(machine, "--comment", "before it is lost")
    assert machine.docker("inspect", f"--format={pid}", "web", "reader") == ran
    assert "dockcfgd-kept" not in machine.docker("images")
    assert control(machine, "verify", backup)["good"]
    listed = control(machine, "list")["backups"]
    assert [(one["id"], one["complete"], one["origin"]) for one in listed] == [
        (backup, True, "operator")
    ]

    # lost, and back
    refused = control(machine, "restore", backup, code=1)
    assert refused["verdict"] == "refused"
    assert "web" in refused["reason"]
    machine.docker("rm", "--force", "web", "reader")
    machine.docker("volume", "rm", "data")
    machine.docker("rmi", "app:1")
    restored = control(machine, "restore", backup)
    assert (restored["verdict"], restored["reason"]) == ("applied", None), restored
    assert digest(machine, "data") == before
    assert content_of(machine, "web") == layer
    assert sorted(machine.docker("ps", "--format={{.Names}}").split()) == ["reader", "web"]
    address = '{{(index .NetworkSettings.Networks "net1").IPAMConfig.IPv4Address}}'
    assert machine.docker("inspect", f"--format={address}", "reader") == "10.77.0.5"
    changes = f"{place_of(machine, 'data')}/changes"
    first = machine.read(changes)
    wait_for(lambda: machine.read(changes) != first, 10.0, what="it goes on")

    # a single one, onto another driver; the volume is there and stays
    machine.write("/etc/docker/daemon.json", '{"storage-driver": "vfs"}')
    machine.run("systemctl reset-failed docker; systemctl restart docker", timeout=120)
    restored = control(machine, "restore", backup, "reader")
    assert restored["reason"] == "volume data is there and was left as it is"
    assert machine.docker("ps", "--all", "--format={{.Names}}") == "reader"
    # The one without a name has what it had written: the folder that its volume is mounted on.
    assert sorted(machine.docker("images", "--format={{.Repository}}").split()) == ["<none>", "app"]
    assert digest(machine, "data") == before

    # damaged
    # Twice another byte than it was, so that one of them is another than it was.
    damage = "printf %b '\\000\\377' | dd of=volumes/data.tar.zst bs=1 seek=50 conv=notrunc"
    machine.run(f"cd {BACKUPS}/{backup} && cp volumes/data.tar.zst /whole && {damage}")
    machine.run(f"! cmp -s /whole {BACKUPS}/{backup}/volumes/data.tar.zst")
    assert not control(machine, "verify", backup, code=1)["good"]
    machine.docker("rm", "--force", "reader")
    machine.docker("volume", "rm", "data")
    refused = control(machine, "restore", backup, code=1)
    assert refused["verdict"] == "refused"
    assert "data.tar.zst: its checksum is wrong" in refused["reason"]
    assert machine.docker("volume", "ls", "--quiet") == ""
    assert control(machine, "prune", backup)["removed"] == [backup]
    assert machine.run(["ls", BACKUPS]).stdout == ""


@pytest.mark.suite("trixie")
@pytest.mark.timeout(200)
@IN_FULL
def test_killed_while_containers_are_held(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    prepared(machine, build_deb(package_of(suite)))
    place = place_of(machine, "data")
    machine.run(f"head -c 300M /dev/urandom > {place}/big", timeout=60)
    machine.run(["dockcfgctl", "backup", "create", "--no-wait"])
    state = "--format={{.State.Status}}"
    wait_for(lambda: machine.docker("inspect", state, "web") == "paused", 60.0, what="it is held")
    machine.run("systemctl kill --kill-whom=main --signal=KILL dockcfgd")
    wait_for(
        lambda: machine.docker("inspect", state, "web") == "running", 30.0, what="it is let go"
    )
    wait_for(lambda: control(machine, "list")["backups"] == [], 30.0, what="nothing is left")
    assert "dockcfgd-kept" not in machine.docker("images")
    backup = made(machine)
    assert control(machine, "verify", backup)["good"]


@pytest.mark.suite("trixie")
@pytest.mark.timeout(300)
@IN_FULL
def test_by_schedule_and_with_containers_stopped_or_not(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    prepared(machine, build_deb(package_of(suite)))
    runs = ("inspect", "--format={{.State.StartedAt}} {{.State.Status}}", "web", "reader")
    ran = machine.docker(*runs).splitlines()

    def scheduled(consistency: str) -> str:
        there = {one["id"] for one in control(machine, "list")["backups"]}
        wish = f'volumes = true\nkeep = 1\nschedule = "*:*:0/5"\nconsistency = "{consistency}"\n'
        machine.write("/etc/dockcfgd/conf.toml", f"schema = 1\n[backup]\n{wish}")

        def new() -> str:
            listed = control(machine, "list")["backups"]
            whole = [one for one in listed if one["complete"] and one["id"] not in there]
            return str(whole[0]["id"]) if whole else ""

        made_by_itself: str = wait_for(new, 60.0, what="a backup by schedule")
        machine.write("/etc/dockcfgd/conf.toml", "schema = 1\n")
        idle = ["dockcfgctl", "wait", "--timeout", "60s"]
        machine.run(idle, timeout=70)
        return made_by_itself

    backup = scheduled("none")
    assert machine.docker(*runs).splitlines() == ran
    assert control(machine, "show", backup)["origin"] == "schedule"
    scheduled("stop")
    after = machine.docker(*runs).splitlines()
    assert [line.split()[1] for line in after] == ["running", "running"]
    # Both have the volume.
    assert [line > before for line, before in zip(after, ran, strict=True)] == [True, True]
    listed = control(machine, "list")["backups"]
    assert len(listed) == 1, "one is to be kept"
    assert control(machine, "verify", listed[0]["id"])["good"]


@pytest.mark.parametrize(
    ("source", "target"), [("bookworm", "forky"), ("forky", "bookworm"), ("trixie", "trixie")]
)
@pytest.mark.timeout(900)
@IN_FULL
def test_all_of_it_on_another_machine(
    source: str, target: str, new_machine: NewMachine, build_deb: Callable[[str], Path]
) -> None:
    first = new_machine(source)
    first.boot()
    make_zoo(first)
    first.install_deb(build_deb(package_of(source)))
    names = first.docker("ps", "--all", "--format={{.Names}}").split()
    before, named = look(first), digest(first, "named")
    written = {name: content_of(first, name) for name in names}
    document = control(first, "create", "--volumes")
    assert document["verdict"] == "applied", document
    folder = f"{BACKUPS}/{document['backup']}"
    content = first.run_bytes(["tar", "-C", BACKUPS, "-cf", "-", document["backup"]])

    second = new_machine(target)
    second.boot()
    second.write("/etc/docker/daemon.json", '{"storage-driver": "vfs"}')
    second.run("systemctl reset-failed docker; systemctl restart docker", timeout=120)
    second.run("mkdir -p /srv/bound && echo bound > /srv/bound/file")
    second.install_deb(build_deb(package_of(target)))
    second.run(["mkdir", "-p", "--mode=0700", BACKUPS])
    second.run_bytes(["tar", "-C", BACKUPS, "-xf", "-"], source=content)
    assert control(second, "verify", document["backup"])["good"], folder
    restored = control(second, "restore", document["backup"])
    assert restored["verdict"] == "applied", restored
    assert sorted(second.docker("ps", "--all", "--format={{.Names}}").split()) == sorted(names)
    assert {name: content_of(second, name) for name in names} == written
    assert digest(second, "named") == named
    after = look(second)
    found = losses(before, after, of=[*before.documents, *before.disposable])
    usual = OF_RELEASES if source != target else ()
    assert [line for line in found if not line.endswith(usual)] == []
    assert states(after) == states(before)
    assert after.volumes == before.volumes


@pytest.mark.suite("trixie")
@pytest.mark.timeout(400)
@IN_FULL
def test_what_was_in_containerds_store_comes_back(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """There, and on a storage driver: images have other IDs in the store than anywhere else."""
    machine.write("/etc/docker/daemon.json", '{"features": {"containerd-snapshotter": true}}')
    machine.run("systemctl reset-failed docker; systemctl restart docker", timeout=120)
    prepared(machine, build_deb(package_of(suite)))
    assert machine.docker("info", "--format={{.Driver}}") == "overlayfs"
    before, layer = digest(machine, "data"), content_of(machine, "web")
    backup = made(machine)
    for driver in ("overlayfs", "vfs"):
        if driver == "vfs":
            machine.write("/etc/docker/daemon.json", '{"storage-driver": "vfs"}')
            machine.run("systemctl reset-failed docker; systemctl restart docker", timeout=120)
        else:
            machine.docker("rm", "--force", "web", "reader")
            machine.docker("volume", "rm", "data")
            machine.docker("rmi", "--force", "app:1", "busybox")
        assert machine.docker("info", "--format={{.Driver}}") == driver
        restored = control(machine, "restore", backup)
        assert restored["verdict"] == "applied", restored
        assert digest(machine, "data") == before
        assert content_of(machine, "web") == layer
        assert sorted(machine.docker("ps", "--format={{.Names}}").split()) == ["reader", "web"]
