"""A container moved between drivers in place, by hand around `layers`, as real engines see it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from dockcfgd.layers import Place, copy_layer, place_of, reset_layer
from dockcfgd.layers.archive import image_archive
from dockcfgd.layers.digest import describe_tree
from images import make_busybox
from machine import Machine
from tests.support.layer_changes import CHANGES, make_folder
from zoo_layers import NOT_IN_ARCHIVES

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
ROOT = "/var/lib/docker"
STAGING = f"{ROOT}/staging"
SOCKET = "unix:///run/staging.sock"
# `docker export` writes the holes of a sparse file, and `docker diff` fails at a path that long.
NOT_FOR_THE_CLIENT = {"sparse", "deeper than a path"}


def folder_of(root: Path, name: str) -> Path:
    return root / "kinds" / name.replace(" ", "-")


def seen_by(machine: Machine, container: str) -> Path:
    """Where the host sees the root of a running container."""
    pid = machine.docker("inspect", container, "--format", "{{.State.Pid}}")
    inside = machine.run(["sed", "-n", "s/^NSpid:.*//p", f"/proc/{pid}/status"], check=False)
    assert inside.returncode == 0
    return Path(f"/proc/{machine.pid}/root/proc/{pid}/root")


def tree_lines(root: Path) -> dict[str, str]:
    return without_access_times(
        dict(line.partition(" ")[::2] for line in describe_tree(str(root / "kinds")))
    )


def without_access_times(lines: dict[str, str]) -> dict[str, str]:
    """Leave out what reading changes, and what an engine sets as it likes in an image."""
    fields = {name: line.split(" ") for name, line in lines.items()}
    return {name: " ".join(parts[:5] + parts[6:]) for name, parts in fields.items()}


def exported(machine: Machine, container: str) -> str:
    """Digest what `docker export` gives of the changed files."""
    digest = hashlib.sha256()
    data = machine.run_bytes(["docker", "export", container])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in sorted(archive, key=lambda one: one.name):
            if not member.name.startswith("kinds"):
                continue
            fields = (member.name, member.mode, member.uid, member.gid, member.size, member.mtime)
            digest.update(repr((*fields, member.type, member.linkname, member.devminor)).encode())
            digest.update(member.pax_headers.get("SCHILY.xattr.security.capability", "").encode())
            if member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                digest.update(content.read())
    return digest.hexdigest()


def diff(machine: Machine, container: str) -> set[str]:
    lines = machine.docker("diff", container).splitlines()
    return {line for line in lines if line[2:].startswith("/kinds")}


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [
        f"{name}: {one.get(name, '-')} is now {other.get(name, '-')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def make_container(machine: Machine) -> str:
    """Make an image with files of each kind and a container that changes them."""
    make_busybox(machine)
    machine.docker("run", "--detach", "--name=maker", "busybox", "sleep", "1000")
    root = seen_by(machine, "maker")
    for name in CHANGES:
        make_folder(folder_of(root, name))
    machine.docker("commit", "maker", "kinds:1")
    machine.docker("rm", "--force", "maker")
    container = machine.docker("run", "--detach", "--name=kept", "kinds:1", "sleep", "1000")
    root = seen_by(machine, container)
    for name, action in CHANGES.items():
        if name not in NOT_FOR_THE_CLIENT:
            action(folder_of(root, name))
    machine.docker("stop", "--time=0", container)
    return container


def place_in(machine: Machine, root: str, driver: str, container: str) -> Place:
    return place_of(str(machine.host_path(root)), driver, container)


def stage(machine: Machine, driver: str, container: str) -> str:
    """Fill an engine of its own with the image, and make a container for the writable layer."""
    flags = (
        f"--config-file=/run/none.json --data-root={STAGING} --exec-root=/run/staging "
        f"--pidfile=/run/staging.pid -H {SOCKET} --containerd-namespace=staging "
        "--containerd-plugins-namespace=staging-plugins --bridge=none --iptables=false "
        f"--ip6tables=false --ip-forward=false --ip-masq=false --storage-driver={driver}"
    )
    machine.write("/run/none.json", "{}")
    machine.run(
        "systemd-run --quiet --unit=staging --service-type=notify --property=PrivateNetwork=yes "
        f"--property=Delegate=yes dockerd {flags}"
    )
    image = machine.docker("inspect", container, "--format", "{{.Image}}")
    machine.run(f"docker save {image} | docker -H {SOCKET} load")
    made = machine.docker("-H", SOCKET, "create", image, "/bin/true")
    machine.run("systemctl stop docker.socket docker.service staging.service", timeout=90)
    return made


def move(machine: Machine, container: str, made: str, *, old: str, new: str) -> None:
    """Copy the writable layer, and put the staging engine's folders in place."""
    source = place_in(machine, ROOT, old, container)
    target = place_in(machine, STAGING, new, made)
    reset_layer(target)
    assert copy_layer(source, target).files > 200
    root, staging = machine.host_path(ROOT), machine.host_path(STAGING)
    mounts = staging / "image" / new / "layerdb/mounts"
    (mounts / made).rename(mounts / container)
    for name in (new, f"image/{new}"):
        if (root / name).exists():
            shutil.rmtree(root / name)
        (staging / name).rename(root / name)
    config = root / "containers" / container / "config.v2.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"Driver": new}))
    shutil.rmtree(staging)
    machine.write("/etc/docker/daemon.json", json.dumps({"storage-driver": new}))
    machine.run("systemctl reset-failed docker.service docker.socket; systemctl start docker")


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(300)
def test_there_and_back_in_place(machine: Machine) -> None:
    container = make_container(machine)
    machine.docker("start", container)
    wanted = tree_lines(seen_by(machine, container))
    machine.docker("stop", "--time=0", container)
    changed, digest = diff(machine, container), exported(machine, container)
    assert len(changed) > 200

    made = stage(machine, "vfs", container)
    move(machine, container, made, old="overlay2", new="vfs")
    machine.docker("start", container)
    root = seen_by(machine, container)
    assert not (rows := differences(wanted, tree_lines(root))), "\n".join(rows)
    machine.docker("stop", "--time=0", container)
    assert exported(machine, container) == digest
    on_vfs = diff(machine, container)

    made = stage(machine, "overlay2", container)
    move(machine, container, made, old="vfs", new="overlay2")
    machine.docker("start", container)
    rows = differences(wanted, tree_lines(seen_by(machine, container)))
    assert not rows, "\n".join(rows)
    machine.docker("stop", "--time=0", container)
    assert diff(machine, container) == changed
    assert exported(machine, container) == digest
    assert sorted(changed - on_vfs) == []
    assert sorted(on_vfs - changed) == []


@pytest.mark.suite(*ALL)
def test_an_archive_of_a_stopped_engines_data_is_loaded(machine: Machine) -> None:
    make_busybox(machine)
    machine.docker("run", "--detach", "--name=maker", "busybox", "sleep", "1000")
    for name in CHANGES.keys() - NOT_IN_ARCHIVES:
        make_folder(folder_of(seen_by(machine, "maker"), name))
    machine.docker("commit", "maker", "kinds:1")
    machine.docker("rm", "--force", "maker")
    container = machine.docker("run", "--detach", "--name=kept", "kinds:1", "sleep", "1000")
    root = seen_by(machine, container)
    for name in CHANGES.keys() - NOT_IN_ARCHIVES:
        CHANGES[name](folder_of(root, name))
    wanted = tree_lines(root)
    image = machine.docker("inspect", container, "--format", "{{.Image}}")
    machine.run("systemctl stop docker.socket docker.service", timeout=90)
    content = machine.host_path(ROOT) / "image/overlay2/imagedb/content/sha256"
    config = json.loads((content / image.removeprefix("sha256:")).read_text())
    archive = io.BytesIO()
    made = image_archive(place_in(machine, ROOT, "overlay2", container), archive, config=config)
    machine.run("systemctl start docker")
    machine.run_bytes(["docker", "load"], source=archive.getvalue())
    again = machine.docker("run", "--detach", made.image, "sleep", "1000")
    rows = differences(wanted, tree_lines(seen_by(machine, again)))
    assert not rows, "\n".join(rows)
