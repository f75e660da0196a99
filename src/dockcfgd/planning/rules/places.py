"""Folders and files of the engine itself, and addresses that it listens at."""

from __future__ import annotations

import ipaddress
import posixpath
from typing import TYPE_CHECKING

from dockcfgd.planning.rules.breach import misleads, note, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES", "folders"]

_ROOTS = ("data-root", "exec-root")
_IN_MEMORY = {"tmpfs", "ramfs"}
_OF_THE_KERNEL = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "debugfs", "securityfs"}
_CONTAINERD_NAMESPACE, _PLUGINS_NAMESPACE = "moby", "plugins.moby"
_STOCK_CONTAINERD = "/run/containerd/containerd.sock"
_LITTLE = 1024**3
_HIGHEST_PORT = 65535
# What the kernel takes as the path of a socket, and one that the engine makes below exec-root.
_LONGEST_SOCKET = 107
_SOCKET = "/metrics.sock"


def folders(scene: Scene) -> frozenset[str]:
    """Give the folders that the rules want to know of."""
    roots = {scene.text(key) for key in _ROOTS}
    sockets = {posixpath.dirname(path) for path in _socket_paths(scene)}
    found = (*roots, *sockets, _containerd(scene))
    return frozenset(path for path in found if path.startswith("/"))


def _socket_paths(scene: Scene) -> Iterator[str]:
    for host in scene.texts("hosts"):
        if host.startswith("unix://"):
            yield host.removeprefix("unix://")


def absolute(scene: Scene) -> Iterator[Breach]:
    """Refuse folders that depend on where the engine happens to be started."""
    for key in _ROOTS:
        path = scene.text(key)
        if path and not path.startswith("/"):
            yield misleads(key, "it must be an absolute path", "begin it with /")
    for path in scene.texts("cdi-spec-dirs"):
        if path and not path.startswith("/"):
            yield misleads("cdi-spec-dirs", f"{path} must be an absolute path", "begin it with /")


def possible(scene: Scene) -> Iterator[Breach]:
    """Refuse a folder that cannot be made, or that would be gone with the power."""
    for key in _ROOTS:
        path = scene.text(key)
        seen = scene.facts.folders.get(path)
        if seen is None:
            continue
        if seen.blocked_by:
            yield refuse(key, f"{seen.blocked_by} is no folder", "name another place")
        elif seen.filesystem in _OF_THE_KERNEL:
            yield refuse(key, f"{path} is on {seen.filesystem}", "name another place")
        elif key == "data-root" and seen.filesystem in _IN_MEMORY:
            what = f"{path} is on {seen.filesystem}: all of it is gone when the machine stops"
            yield note(key, what, "name a folder on a disk")
        elif key == "data-root" and not seen.there and seen.free_bytes < _LITTLE:
            what = f"the filesystem of {path} has only {seen.free_bytes >> 20} MiB left"
            yield note(key, what, "name a larger place")


def spelling(scene: Scene) -> Iterator[Breach]:
    """Refuse paths that what uses them cannot take."""
    for mark in (":", ","):
        if mark in scene.text("data-root"):
            why = f"overlay mounts cannot have a {mark} in their paths, so no container would start"
            yield misleads("data-root", why, "name another place")
    if len(scene.text("exec-root").encode() + _SOCKET.encode()) > _LONGEST_SOCKET:
        yield refuse("exec-root", "it is too long for the sockets in it", "name a shorter path")


def listening(scene: Scene) -> Iterator[Breach]:
    """Refuse addresses that the engine cannot listen at."""
    for path in _socket_paths(scene):
        seen = scene.facts.folders.get(posixpath.dirname(path))
        if seen is not None and not seen.there:
            why = f"there is no folder for the socket {path}"
            yield refuse("hosts", why, "make it first, or name another place")
    for host in scene.texts("hosts"):
        port = host.removeprefix("tcp://").rpartition(":")[2]
        if host.startswith("tcp://") and port.isdecimal() and int(port) > _HIGHEST_PORT:
            yield refuse("hosts", f"{host} has no port that there is", "use 2376 with TLS")


def apart(scene: Scene) -> Iterator[Breach]:
    """Refuse one folder for what lasts and what does not."""
    data, run = (scene.text(key).rstrip("/") for key in _ROOTS)
    if data and data == run:
        yield refuse("exec-root", "it is data-root too", "use /run/docker", also=("data-root",))


def containerd(scene: Scene) -> Iterator[Breach]:
    """Refuse a containerd that is not there: the engine gives up after a minute only."""
    path = _containerd(scene)
    seen = scene.facts.folders.get(path)
    if seen is not None and not seen.there and seen.blocked_by != path:
        yield refuse("containerd", f"there is no socket {path}", "start containerd first")


def _containerd(scene: Scene) -> str:
    path = scene.text("containerd").removeprefix("unix://")
    # The unit that makes this one is started with the engine.
    return "" if path == _STOCK_CONTAINERD else path


def containerd_namespaces(scene: Scene) -> Iterator[Breach]:
    """Refuse one namespace of containerd for containers and plugins."""
    one = scene.text("containerd-namespace") or _CONTAINERD_NAMESPACE
    other = scene.text("containerd-plugins-namespace") or _PLUGINS_NAMESPACE
    if one == other:
        why = f"{one} is the namespace of plugins too"
        yield refuse("containerd-namespace", why, f"use {_CONTAINERD_NAMESPACE}")


def metrics(scene: Scene) -> Iterator[Breach]:
    """Refuse an address for metrics that the engine cannot listen at."""
    address = scene.text("metrics-addr")
    if not address:
        return
    _, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        yield refuse("metrics-addr", "it must be host:port", 'write it as "127.0.0.1:9323"')
    elif address.startswith(":"):
        why = "the engine does not start without a host in it"
        yield refuse("metrics-addr", why, f'write it as "127.0.0.1{address}"')


def every_interface(scene: Scene) -> Iterator[Breach]:
    """Tell of metrics that the whole network can read."""
    host = scene.text("metrics-addr").rpartition(":")[0].strip("[]")
    try:
        anywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return
    if anywhere:
        what = "everybody who reaches this host can read the engine's metrics"
        yield note("metrics-addr", what, "listen at 127.0.0.1")


RULES = (
    absolute,
    possible,
    spelling,
    listening,
    apart,
    containerd,
    containerd_namespaces,
    metrics,
    every_interface,
)
