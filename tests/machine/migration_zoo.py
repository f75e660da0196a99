"""Containers that between them use all that a migration must carry over."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

from engine_socket import ask_bytes, tell
from images import make_busybox, make_image
from machine import Machine

__all__ = [
    "ANONYMOUS_DATA",
    "BY_HAND_ALWAYS",
    "Content",
    "content_of",
    "make_disposable",
    "make_zoo",
]

_TRAP = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"
_TELLS = """\
if [ ! -e /told ]; then
i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i of what there is to tell; done; touch /told
fi
"""
# It runs again whenever an engine that has it starts.
BY_HAND_ALWAYS = "by-hand-always"
ANONYMOUS_DATA = "kept although nobody named the volume"

_WRITES = """\
set -e
if [ ! -e /data ]; then
mkdir -p /data/deep/er; echo one > /data/deep/er/file; echo two > /data/file
chmod 4755 /data/file; chown 1000:1001 /data/deep; chmod 2771 /data/deep
ln /data/file /data/hard; ln -s /nowhere /data/soft; mkfifo /data/fifo; mknod /data/null c 1 3
touch -d '2001-02-03 04:05:06' /data/deep/er/file; rm -f /etc/group; rm -rf /tmp
dd if=/dev/zero of=/data/sparse bs=1 count=1 seek=1000000 2>/dev/null
echo 'root::0:0:root:/root:/bin/sh' > /etc/passwd; chmod 1711 /root
fi
"""


def make_zoo(machine: Machine) -> None:
    """Make images, networks, volumes and containers; some run, are paused, ended or never ran."""
    _make_images(machine)
    docker = machine.docker
    docker("network", "create", "--subnet=10.77.0.0/24", "--label=net=1", "net1")
    docker("network", "create", "--subnet=10.78.0.0/24", "--internal", "net2")
    docker("volume", "create", "--label=kept=yes", "named")
    machine.run("mkdir -p /srv/bound && echo bound > /srv/bound/file")

    run = ("run", "--detach", "--stop-timeout=3")
    docker(*run, "--name=writer", "busybox", "sh", "-c", f"{_WRITES}\n{_TRAP}")
    docker(*run, "--name=entry", "app:full", "one", "two")
    docker(*run, "--name=no-entry", "--entrypoint=", "app:full", "sh", "-c", _TRAP)
    docker(*run, "--name=other-entry", "--entrypoint=/bin/sh", "app:full", "-c", _TRAP)
    docker(
        *run, "--name=settings", "--env=A=b", "--env=EMPTY=", "--user=1000:1000", "--workdir=/tmp",
        "--label=com.example=1", "--hostname=own-name", "--domainname=example.org",
        "--restart=on-failure:3", "--stop-signal=SIGINT", "--cap-add=NET_ADMIN", "--cap-drop=MKNOD",
        "--ulimit=nofile=1024:2048", "--sysctl=net.ipv4.ip_forward=1", "--read-only", "--init",
        "--tmpfs=/scratch:size=1m", "--shm-size=8m", "--dns=10.9.9.9", "--add-host=peer:10.1.1.1",
        "--log-driver=json-file", "--log-opt=max-size=1m", "--device=/dev/null:/dev/mine",
        "--security-opt=no-new-privileges", "--pids-limit=50", "--oom-score-adj=100",
        "--health-cmd=true", "--health-interval=1s", "busybox", "sh", "-c", _TRAP,
    )  # fmt: skip
    docker(*run, "--name=always", "--restart=always", "busybox", "sh", "-c", _TRAP)
    docker(*run, "--name=unless", "--restart=unless-stopped", "app:1", "sh", "-c", _TRAP)
    docker(
        *run, "--name=volumes", "--volume=named:/named", "--volume=/anonymous",
        "--volume=/srv/bound:/bound:ro", "--mount=type=volume,target=/mounted",
        "app:full", "-c", "x",
    )  # fmt: skip
    docker(*run, "--name=emptied", "--volume=emptied:/vol", "app:full", "-c", "x")
    docker("exec", "emptied", "rm", "/vol/seed")
    docker(*run, "--name=in-memory", "--mount=type=tmpfs,target=/in-memory", "busybox",
           "sh", "-c", _TRAP)  # fmt: skip
    machine.docker("exec", "volumes", "sh", "-c", f"echo '{ANONYMOUS_DATA}' > /anonymous/file")
    machine.docker("exec", "volumes", "sh", "-c", "echo mounted > /mounted/file; rm /vol/seed")
    docker(*run, "--name=sharer", "--volumes-from=volumes:ro", "busybox", "sh", "-c", _TRAP)
    docker(
        *run, "--name=networks", "--network=net1", "--ip=10.77.0.50", "--network-alias=first",
        "--network-alias=second", "busybox", "sh", "-c", _TRAP,
    )  # fmt: skip
    docker("network", "connect", "--ip=10.78.0.60", "--alias=third", "net2", "networks")
    docker(*run, "--name=mac", "--mac-address=02:42:0a:4d:00:99", "--network=net1", "busybox",
           "sh", "-c", _TRAP)  # fmt: skip
    docker(*run, "--name=bridge-mac", "--mac-address=02:42:ac:11:00:99", "busybox",
           "sh", "-c", _TRAP)  # fmt: skip
    docker(*run, "--name=ports", "--publish=8080:80", "--publish=127.0.0.1::81", "--expose=82",
           "busybox", "sh", "-c", _TRAP)  # fmt: skip
    docker(*run, "--name=linked", "--link=ports:web", "busybox", "sh", "-c", _TRAP)
    docker(*run, "--name=in-network", "--network=container:networks", "app:full", "-c", "x")
    docker(*run, "--name=ipc-owner", "--ipc=shareable", "busybox", "sh", "-c", _TRAP)
    docker(*run, "--name=in-ipc", "--ipc=container:ipc-owner", "--pid=container:ipc-owner",
           "busybox", "sh", "-c", _TRAP)  # fmt: skip
    docker(*run, "--name=host-net", "--network=host", "busybox", "sh", "-c", _TRAP)
    docker(*run, "--name=no-net", "--network=none", "--uts=host", "busybox", "sh", "-c", _TRAP)
    network = docker("network", "inspect", "--format", "{{.Id}}", "net1")
    docker(*run, "--name=by-id", f"--network={network}", "busybox", "sh", "-c", _TRAP)
    compose = "--label=com.docker.compose."
    docker(*run, "--name=compose-web", f"{compose}project=p", f"{compose}service=web",
           f"{compose}depends_on=db:x:false", "busybox", "sh", "-c", _TRAP)  # fmt: skip
    docker(*run, "--name=compose-db", f"{compose}project=p", f"{compose}service=db", "busybox",
           "sh", "-c", _TRAP)  # fmt: skip
    docker(*run, "--name=paused", "busybox", "sh", "-c", _TRAP)
    docker("pause", "paused")
    make_disposable(machine)
    docker("run", "--name=exited-3", "busybox", "sh", "-c", "echo bye > /last; exit 3", check=False)
    docker("run", "--name=exited-always", "--restart=on-failure:1", "busybox", "true")
    docker("create", "--name=created", "--env=NEVER=ran", "busybox", "sh", "-c", _TRAP)
    _make_more(machine)
    _make_by_other_clients(machine)
    docker("create", "--name=be", "busybox", "sh", "-c", _TRAP)  # the beginning of some ID, perhaps
    # Now these have no name any more: the image of `unnamed-image`, that of `of-parent`, which the
    # engine does not list as app:child is made of it, and one that nothing is of.
    for name in ("moved", "parent", "gone"):
        docker("tag", "busybox", f"app:{name}")


def _make_more(machine: Machine) -> None:
    """Make what is rarer: devices by request, other logs, states that a hand or a failure left."""
    docker, run = machine.docker, ("run", "--detach", "--stop-timeout=3")
    docker("create", "--name=devices", "--gpus=all", "--device-cgroup-rule=c 42:* rmw",
           "busybox", "sh", "-c", _TRAP)  # fmt: skip
    docker(
        *run, "--name=groups", "--group-add=1234", "--ulimit=core=0", "--ulimit=nproc=100:200",
        "--sysctl=net.core.somaxconn=77", "--sysctl=net.ipv4.ping_group_range=0 100",
        "--env=LINES=one\ntwo", "--label=a.b/c=d e", "--tty", "--interactive",
        "--cgroupns=private", "busybox", "sh", "-c", _TRAP,
    )  # fmt: skip
    docker(*run, "--name=local-log", "--log-driver=local", "--log-opt=max-size=20k",
           "--log-opt=max-file=3", "busybox", "sh", "-c", f"{_TELLS}\n{_TRAP}")  # fmt: skip
    docker(*run, "--name=rotated", "--log-opt=max-size=20k", "--log-opt=max-file=3",
           "--log-opt=labels=a", "busybox", "sh", "-c", f"{_TELLS}\n{_TRAP}")  # fmt: skip
    docker(*run, "--name=no-log", "--log-driver=none", "busybox", "sh", "-c", _TRAP)
    docker(*run, "--name=no-health", "--no-healthcheck", "app:full", "-c", "x")
    docker(*run, "--name=unhealthy", "--health-cmd=false", "--health-interval=1s",
           "--health-retries=1", "--health-start-period=0s", "busybox", "sh", "-c", _TRAP,
           )  # fmt: skip
    docker(*run, "--name=peer", "--network=net1", "--link=networks:known", "--ip=10.77.0.51",
           "busybox", "sh", "-c", _TRAP)  # fmt: skip
    docker("volume", "create", "--opt=type=none", "--opt=o=bind", "--opt=device=/srv/bound",
           "with-options")  # fmt: skip
    docker(
        *run, "--name=mounts", "--volume=with-options:/options",
        "--mount=type=bind,source=/srv/bound,target=/bound,readonly,bind-propagation=rslave",
        "--mount=type=volume,source=labelled,target=/labelled,volume-label=of=mount,volume-nocopy",
        "--mount=type=tmpfs,target=/in-memory,tmpfs-size=1048576,tmpfs-mode=1770",
        "busybox", "sh", "-c", _TRAP,
    )  # fmt: skip
    docker(*run, "--name=by-hand", "--restart=unless-stopped", "busybox", "sh", "-c", _TRAP)
    docker(*run, f"--name={BY_HAND_ALWAYS}", "--restart=always", "busybox", "sh", "-c", _TRAP)
    docker("stop", "by-hand", BY_HAND_ALWAYS)
    docker(*run, "--name=paused-always", "--restart=always", "busybox", "sh", "-c", _TRAP)
    docker("pause", "paused-always")
    docker("run", "--name=failed", "--restart=on-failure:2", "busybox", "sh", "-c",
           "echo tried; exit 7", check=False)  # fmt: skip


def _make_by_other_clients(machine: Machine) -> None:
    """Make containers as clients do that leave out, or send as null, what docker's own sends."""
    command = ["sh", "-c", _TRAP]
    bodies: dict[str, dict[str, object]] = {
        "bare": {"Image": "busybox", "Cmd": command},
        "nulls": {
            "Image": "busybox", "Cmd": command, "Env": None, "Labels": None, "Volumes": None,
            "ExposedPorts": None, "Entrypoint": None,
            "HostConfig": {
                "Dns": None, "DnsOptions": None, "DnsSearch": None, "ExtraHosts": None,
                "Binds": None, "Mounts": None, "PortBindings": None, "Devices": None,
                "CapAdd": None, "CapDrop": None, "SecurityOpt": None, "Tmpfs": None,
                "Sysctls": None, "Ulimits": None, "GroupAdd": None, "Links": None,
                "NetworkMode": "net1", "RestartPolicy": {}, "LogConfig": {},
            },
            "NetworkingConfig": {"EndpointsConfig": {"net1": {}}},
        },
        "empties": {
            "Image": "busybox", "Cmd": command, "Env": [], "Labels": {}, "Volumes": {},
            "HostConfig": {
                "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": [], "Binds": [],
                "Mounts": [], "PortBindings": {}, "CapAdd": [], "SecurityOpt": [], "Sysctls": {},
                "NetworkMode": "bridge", "RestartPolicy": {"Name": ""}, "ShmSize": 0,
            },
        },
        # Of `no-entry` the engine writes null.
        "empty-entry": {"Image": "app:full", "Cmd": command, "Entrypoint": []},
    }  # fmt: skip
    for name, body in bodies.items():
        made = tell(machine, f"/containers/create?name={name}", body)
        assert "Id" in made, made
        tell(machine, f"/containers/{made['Id']}/start", {})


def make_disposable(machine: Machine) -> None:
    """Make containers with --rm, of busybox."""
    docker, run = machine.docker, ("run", "--detach", "--stop-timeout=3")
    docker(*run, "--rm", "--name=disposable", "--volume=/anonymous", "busybox", "sh", "-c",
           f"[ -e /written ] || echo disposable > /written; echo mine > /anonymous/file; {_TRAP}",
           )  # fmt: skip
    docker(*run, "--rm", "--name=disposable-untouched", "--mount=type=tmpfs,target=/in-memory",
           "--volume=/anonymous", "busybox", "sh", "-c", _TRAP)  # fmt: skip
    docker("create", "--rm", "--name=disposable-created", "busybox", "sh", "-c", _TRAP)


def _make_images(machine: Machine) -> None:
    make_busybox(machine)
    make_image(machine, "app:1", layers_mb=[1, 0.5])
    machine.docker("tag", "app:1", "app:stable")
    machine.docker("run", "--name=made", "app:1", "sh", "-c", "mkdir /vol; echo seed > /vol/seed")
    changes = (
        f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', _TRAP, 'sh'])}",
        'CMD ["default"]', "VOLUME /vol", "EXPOSE 80/tcp", "ENV FROM=image", "LABEL of=image",
        "WORKDIR /work", "HEALTHCHECK --interval=1s CMD true",
    )  # fmt: skip
    machine.docker("commit", *(f"--change={change}" for change in changes), "made", "app:full")
    machine.docker("rm", "made")
    make_image(machine, "app:moved", layers_mb=[0.25])
    make_image(machine, "app:parent", layers_mb=[0.125])
    make_image(machine, "app:gone", layers_mb=[0.125])
    for name, image in (("unnamed-image", "app:moved"), ("of-parent", "app:parent")):
        machine.docker("run", "--detach", "--stop-timeout=3", f"--name={name}", image,
                       "sh", "-c", _TRAP)  # fmt: skip
    machine.docker("commit", "of-parent", "app:child")


Content = dict[str, tuple[object, ...]]

_ENGINES_OWN = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv", "dev")


def content_of(machine: Machine, container: str) -> Content:
    """Give what stands in a container's files: kind, mode, owner, time, link, digest by path."""
    archive = ask_bytes(machine, f"/containers/{container}/export")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return dict(_described(files))


def _described(files: tarfile.TarFile) -> Mapping[str, tuple[object, ...]]:
    found: Content = {}
    for entry in files:
        name = entry.name.removeprefix("./").rstrip("/")
        if name.split("/")[0] == "dev" or name in _ENGINES_OWN:
            continue
        stream = files.extractfile(entry) if entry.isreg() else None
        digest = hashlib.sha256(stream.read()).hexdigest() if stream else ""
        # A folder's time changes when the engine mounts something in it.
        time = 0 if entry.isdir() else entry.mtime
        # Engines before 23 tell the kind of file in the mode, too.
        kind = (entry.type, entry.mode & 0o7777, entry.uid, entry.gid, time)
        found[name] = (*kind, entry.linkname, entry.devmajor, entry.devminor, digest)
    return found
