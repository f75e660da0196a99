"""A look at a data-root and at the place that it is to be moved to."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dockcfgd.migration.renamed_root import only_folders
from dockcfgd.migration.root_paths import containers_of, names_folder_of
from dockcfgd.roots.marks import FOLDER, begun_of
from dockcfgd.roots.mounts import Mount, below, engines_own, mount_of, mounts
from dockcfgd.roots.stamp import stamp_of

__all__ = ["survey"]

_FEW = 5
_REMAPPED = re.compile(r"\d+\.\d+")
_SUBVOLUME = 256
_NESTED = ("btrfs/subvolumes", "zfs/graph", "devicemapper/mnt")
# dockcfgd-recover may not write there, and has to be able to go back.
_READ_ONLY = ("/usr", "/boot", "/efi")
_GET_PROJECT = 0x801C581F
_FORM = "IIIII8x"


def survey(source: str, target: str, *, remapping: bool = False) -> dict[str, Any]:
    """Give a RootSurvey as a JSON object. Nothing is written. OSError.

    `remapping`: one of the two is to lie in the other, as with other users for containers.
    """
    source, target = os.path.realpath(source), os.path.realpath(target)
    among = mounts()
    near = _nearest(target)
    status = os.statvfs(near)
    there = os.path.isdir(target)
    mount = mount_of(near, among)
    binding = (names_folder_of(source, one) for one in containers_of(source))
    tops = _tops(source, remapping=remapping)
    return {
        "source": source,
        "target": target,
        "renamable": not remapping and _renamable(source, target, among),
        "there": there,
        "holds": _holds(target, remapping=remapping) if there else [],
        "copied_from": begun_of(target) if there else "",
        "stamp": stamp_of(target) if there else "",
        "blocked_by": "" if os.path.isdir(near) else near,
        "filesystem": mount.kind,
        "options": sorted(mount.options),
        "source_options": sorted(mount_of(source, among).options),
        "free_bytes": status.f_bavail * status.f_frsize,
        "free_inodes": status.f_favail if status.f_files else None,
        "mounts": _others(source, among),
        "linked": [name for top in tops for name in _linked(top, source)],
        "binding": sorted(filter(None, binding)),
        "limited": next(filter(None, map(_limited, tops)), ""),
        "nested": next(filter(None, map(_nested, tops)), ""),
        **_uses(source, tops),
        "closed": _closed(os.path.commonpath((source, target))),
    }  # fmt: skip


def _nearest(path: str) -> str:
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _renamable(source: str, target: str, among: tuple[Mount, ...]) -> bool:
    above, near = os.path.dirname(source), _nearest(target)
    if os.path.isdir(target):
        if not _plain_folder(target, among) or not only_folders(Path(target)):
            return False
        near = os.path.dirname(target)
    if any(target.startswith(f"{one}/") for one in _READ_ONLY):
        return False
    one_mount = mount_of(above, among) == mount_of(near, among) == mount_of(source, among)
    device, status = os.stat(above).st_dev, os.stat(source)
    same = status.st_dev == device or status.st_ino == _SUBVOLUME
    return one_mount and same and os.stat(near).st_dev == device


def _plain_folder(path: str, among: tuple[Mount, ...]) -> bool:
    return not any(one.point == path or one.point.startswith(f"{path}/") for one in among)


def _holds(target: str, *, remapping: bool) -> list[str]:
    found = []
    for entry in sorted(Path(target).iterdir()):
        folder = entry.is_dir() and not entry.is_symlink()
        ours = remapping and (entry.name == FOLDER or _REMAPPED.fullmatch(entry.name))
        if entry.name != "lost+found" and not ours and not (folder and only_folders(entry)):
            found.append(entry.name)
    return found[:_FEW]


def _others(source: str, among: tuple[Mount, ...]) -> list[str]:
    return sorted(
        {one.point for one in below(source, among) if not engines_own(source, one, among)}
    )


def _tops(source: str, *, remapping: bool) -> list[Path]:
    """Give the folders that engines work in: one for remapped users lies in the data-root.

    It comes along with that, but not where users change.
    """
    inner = [one for one in sorted(Path(source).glob("*.*")) if _REMAPPED.fullmatch(one.name)]
    return [Path(source), *([] if remapping else inner)]


def _linked(top: Path, source: str) -> Iterator[str]:
    for options in sorted(top.glob("volumes/*/opts.json")):
        named = _paths_in(_read(options))
        if any(f"{path}/".startswith(f"{source}/") for path in named):
            yield options.parent.name


def _paths_in(options: dict[str, Any]) -> Iterator[str]:
    """Give the real paths that a volume's mount has as its device and, as for overlay, options."""
    words = [options.get("MountDevice"), *re.split("[=:,]", str(options.get("MountOpts")))]
    yield from (os.path.realpath(str(word)) for word in words if str(word).startswith("/"))


def _closed(root: str) -> str:
    """Give the uppermost folder above a data-root that not everybody may go through."""
    above = [str(one) for one in reversed(Path(root).parents)]
    return next((one for one in above if not os.stat(one).st_mode & 0o001), "")


def _uses(source: str, tops: Sequence[Path]) -> dict[str, Any]:
    """Say what containers and plugins have of the host."""
    outside, bound = set[str](), set[str]()
    for folder in containers_of(source):
        config, host = _read(folder / "config.v2.json"), _read(folder / "hostconfig.json")
        name = str(config.get("Name", "")).removeprefix("/")
        why = _needs_host(config.get("Config") or {}, host)
        if why and host.get("UsernsMode") != "host":
            outside.add(f"{name} ({why})")
        binds = [str(one).partition(":")[0] for one in host.get("Binds") or ()]
        mounts_of = [one for one in host.get("Mounts") or () if one.get("Type") == "bind"]
        sources = [*binds, *(str(one.get("Source")) for one in mounts_of)]
        bound |= {f"{name} ({one})" for one in sources if one.startswith("/")}
    found = (one for top in tops for one in top.glob("plugins/*"))
    plugins = any(one.name not in {"storage", "tmp"} for one in found)
    return {"outside": sorted(outside), "bound": sorted(bound), "plugins": plugins}


def _needs_host(config: dict[str, Any], host: dict[str, Any]) -> str:
    """Say why a container does not start with users of its own; empty where it does."""
    if host.get("Privileged") is True:
        return "privileged"
    for key, what in (("NetworkMode", "network"), ("PidMode", "processes"), ("IpcMode", "IPC")):
        if host.get(key) == "host":
            return f"{what} of the host"
    if config.get("Domainname"):
        return "a domain name"
    # runc mounts devices there, and looks for the source under the name that they get.
    renamed = [
        one
        for one in host.get("Devices") or ()
        if one.get("PathOnHost") != one.get("PathInContainer")
    ]
    return "a device under another path" if renamed else ""


def _read(where: Path) -> dict[str, Any]:
    try:
        document = json.loads(where.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _limited(top: Path) -> str:
    """Give a layer that was made with a limit of its own."""
    for folder in top.glob("overlay2/*/diff"):
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            answer = fcntl.ioctl(opened, _GET_PROJECT, bytes(struct.calcsize(_FORM)))
        except OSError:
            return ""
        finally:
            os.close(opened)
        if struct.unpack(_FORM, answer)[3]:
            return str(folder)
    return ""


def _nested(top: Path) -> str:
    """Give what is more than files: subvolumes, datasets, a containerd of the engine's own."""
    own = "containerd/daemon/io.containerd.snapshotter.v1.*/snapshots"
    places = [*(top / one for one in _NESTED), *top.glob(own)]
    return next((str(one) for one in places if one.is_dir() and any(one.iterdir())), "")
