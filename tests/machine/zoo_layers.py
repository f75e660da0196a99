"""A container with every kind of change to its files, and a digest of what each container has."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tree_of
from dockcfgd.model.drivers import BTRFS_SNAPSHOTTER, SNAPSHOTTERS, engine_name
from dockcfgd.model.host import driver_of
from engine_socket import ask
from machine import Machine
from tests.support.layer_changes import CHANGES, make_folder

__all__ = [
    "KINDS",
    "KINDS_DISPOSABLE",
    "NOT_IN_ARCHIVES",
    "SNAPSHOTTER",
    "fill_with_kinds",
    "kinds_of_files",
    "layer_digests",
    "make_kinds",
    "seen_by",
    "tree_on",
]

KINDS = "kinds"
KINDS_DISPOSABLE = f"disposable-{KINDS}"
SNAPSHOTTER = "overlayfs"
# `docker export` writes the holes of a sparse file, and `docker diff` fails at a path that long.
_NOT_FOR_THE_CLIENT = {"sparse", "deeper than a path"}
# What no archive can hold, or an engine makes something else of when it loads it.
NOT_IN_ARCHIVES = {
    *_NOT_FOR_THE_CLIENT,
    "socket",
    "chattr of no danger",
    "default ACL",
    "default ACL after its files",
    "attribute of a symlink",
    "empty attribute",
    "time before 1970",
    "time far ahead",
}
# What the engine puts into each container at its start, in the layer below the writable one.
_ENGINES_OWN = (
    "dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv",
)  # fmt: skip
# As the container sees it, with nothing mounted in it. A folder that something is mounted in gets
# another time at each start; those of the container's own are compared.
_DIGEST = """\
set -e
export LC_ALL=C LIBMOUNT_FORCE_MOUNT2=always
root=$1 driver=$2
mkdir -p /run/layer
while read -r name id upper lower; do
    case $driver in
    vfs) tree=$root/vfs/dir/$(cat "$root/image/vfs/layerdb/mounts/$id/mount-id") ;;
    btrfs) tree=$root/btrfs/subvolumes/$(cat "$root/image/btrfs/layerdb/mounts/$id/mount-id") ;;
    native) tree=$upper ;;
    containerd-btrfs) mount -t btrfs -o "ro,subvolid=$upper" "$lower" /run/layer; tree=/run/layer ;;
    fuse-overlayfs) fuse-overlayfs -o "ro,lowerdir=$upper:$lower" /run/layer; tree=/run/layer ;;
    *) mount -t overlay layer -o "ro,lowerdir=$upper:$lower" /run/layer; tree=/run/layer ;;
    esac
    cd "$tree"
    find . -mindepth 1 \\( OWN \\) -prune -o \\
        \\( ! -type d -o -path './kinds/*' -o -path './data*' \\) -print0 | sort -z |
        tar --create --file=- --null --no-recursion --files-from=- --format=posix \\
            --numeric-owner --acls --xattrs '--xattrs-include=*' --warning=no-file-ignored \\
            --pax-option=delete=atime,delete=ctime,exthdr.name=%d/%f | sha256sum |
        sed "s/-/$name/"
    cd /
    if [ "$tree" = /run/layer ]; then umount /run/layer; fi
done
"""


def make_kinds(machine: Machine, *, but: Collection[str] = ()) -> None:
    """Make an image with files of each kind, and running containers that changed them.

    One has --rm, and is made anew by each change: of what an archive can hold. One has removed its
    working directory, and has ended.
    """
    machine.docker("run", "--detach", "--name=maker", "busybox", "sleep", "1000")
    root = seen_by(machine, "maker")
    for name in CHANGES:
        make_folder(_folder(root, name))
    machine.docker("commit", "maker", "kinds:1")
    machine.docker("rm", "--force", "maker")
    for container, options, left in (
        (KINDS, (), _NOT_FOR_THE_CLIENT),
        (KINDS_DISPOSABLE, ("--rm",), NOT_IN_ARCHIVES),
    ):
        machine.docker("run", "--detach", "--init", *options, f"--name={container}", "kinds:1",
                       "sleep", "1000000")  # fmt: skip
        root = seen_by(machine, container)
        for name in [one for one in CHANGES if one not in left and one not in but]:
            CHANGES[name](_folder(root, name))
    # The engine makes the image's working directory in each container that it creates.
    machine.docker("run", "--name=no-workdir", "--entrypoint=/bin/sh", "app:full", "-c",
                   "cd / && rmdir /work")  # fmt: skip


def fill_with_kinds(machine: Machine, volume: str, *, but: Collection[str] = ()) -> None:
    """Make files of each kind in a volume, and change them."""
    place = machine.docker("volume", "inspect", "--format={{.Mountpoint}}", volume)
    root = Path(f"/proc/{machine.pid}/root{place}")
    for name in [one for one in CHANGES if one not in but and one not in _NOT_FOR_THE_CLIENT]:
        make_folder(_folder(root, name))
        CHANGES[name](_folder(root, name))


def seen_by(machine: Machine, container: str) -> Path:
    """Give where the host sees the root of a running container."""
    pid = machine.docker("inspect", container, "--format={{.State.Pid}}")
    return Path(f"/proc/{machine.pid}/root/proc/{pid}/root")


def layer_digests(machine: Machine) -> dict[str, str]:
    """Digest an archive of all that each container has in its files, by its name.

    With owners, modes, times to the nanosecond, attributes, ACLs, links and devices. Of those with
    --rm, whose programs begin anew, the one with every kind of change is there, but on vfs: that
    copies what an image has without attributes and with some hard links apart.
    """
    info = ask(machine, "/info")
    driver = driver_of(info)
    lines = []
    for one in ask(machine, "/containers/json?all=1"):
        document = ask(machine, f"/containers/{one['Id']}/json")
        name = document["Name"].removeprefix("/")
        disposable = document["HostConfig"]["AutoRemove"]
        if disposable and (name != KINDS_DISPOSABLE or driver == "vfs"):
            continue
        if driver in SNAPSHOTTERS:
            layers = _in_containerd(machine, one["Id"], driver)
        else:
            data = document["GraphDriver"]["Data"] or {}
            layers = f"{data.get('UpperDir', '')} {data.get('LowerDir', '')}"
        lines.append(f"{name} {one['Id']} {layers}\n")
    own = " -o ".join(f"-path ./{path}" for path in _ENGINES_OWN)
    command = ["sh", "-c", _DIGEST.replace("OWN", own), "sh", info["DockerRootDir"], driver]
    said = machine.run(command, input="".join(lines), timeout=300.0).stdout
    digests = dict(line.split()[::-1] for line in said.splitlines())
    assert len(digests) == len(lines), said
    return digests


def kinds_of_files(machine: Machine) -> dict[str, list[Any]]:
    """Give all that files are in the container with every kind of change, but times of folders."""
    root = f"/proc/{machine.docker('inspect', KINDS, '--format={{.State.Pid}}')}/root"
    return tree_on(machine, root, f"{root}/kinds")


def tree_on(machine: Machine, root: str, *tops: str) -> dict[str, list[Any]]:
    """Give what `tree_of` does, of a machine's files."""
    program = Path(tree_of.__file__).read_text()
    said = machine.run(["python3", "-", root, *tops], input=program, timeout=120).stdout
    seen: dict[str, list[Any]] = json.loads(said)
    return seen


def _in_containerd(machine: Machine, container: str, driver: str) -> str:
    """Give the folders of a container's layers, on btrfs the subvolume's ID and the device.

    With `native` there is one folder.
    """
    command = ["ctr", "--namespace=moby", "snapshots", f"--snapshotter={engine_name(driver)}"]
    said = machine.run([*command, "mounts", "/run/layer", container]).stdout
    # mount -t KIND SOURCE /run/layer -o OPTIONS
    words, _, options = said.strip().partition(" /run/layer -o ")
    found = dict(option.partition("=")[::2] for option in options.split(","))
    if driver == BTRFS_SNAPSHOTTER:
        return f"{found['subvolid']} {words.split()[-1]}"
    if driver == "native":
        return words.split()[-1]
    return f"{found['upperdir']} {found['lowerdir']}"


def _folder(root: Path, name: str) -> Path:
    return root / "kinds" / name.replace(" ", "-")
