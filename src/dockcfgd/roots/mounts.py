"""The mounts of this process's namespace, and which of them in a data-root are the engine's."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mount", "below", "below_apart", "engines_own", "mount_of", "mounts", "parse"]

_ESCAPED = re.compile(r"\\([0-7]{3})")
_REMAPPED = re.compile(r"\d+\.\d+(?:/|$)")
_OWN = re.compile(
    r"[^/]+/[^/]+/merged"  # overlay2, overlay, fuse-overlayfs
    r"|(?:btrfs|zfs|devicemapper|rootfs|plugins|buildkit|netns|tmp|swarm)(?:/.*)?"
    r"|containers/[^/]+/.*"
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: where, which part of which device, of which kind and with which options.

    `options` are those of the mount and of its filesystem. Either may be read-only by itself.
    """

    point: str
    device: str
    root: str
    kind: str
    options: frozenset[str]
    read_only: bool = False
    filesystem_read_only: bool = False


def mounts() -> tuple[Mount, ...]:
    """Read those of this process."""
    return parse(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))


def parse(text: str) -> tuple[Mount, ...]:
    """Read the text of a mountinfo file (proc_pid_mountinfo(5)).

    Anybody who may mount, as with FUSE, may have any other line break in a path than that one.
    """
    found = []
    for line in filter(None, text.split("\n")):
        left, _, right = line.partition(" - ")
        fields, after = left.split(" "), right.split(" ")
        own, filesystem = fields[5].split(","), after[2].split(",")
        point, root = _plain(fields[4]), _plain(fields[3])
        found.append(
            Mount(
                point,
                fields[2],
                root,
                after[0],
                options=frozenset((*own, *filesystem)),
                read_only="ro" in own,
                filesystem_read_only="ro" in filesystem,
            )
        )
    return tuple(found)


def mount_of(path: str, among: Sequence[Mount]) -> Mount:
    """Give the mount that a path without symbolic links lies on.

    What covers itself counts as what is below it: the engine mounts its data-root on itself.
    """
    best = max(
        (one for one in among if one.point == "/" or _inside(path, one.point)),
        key=lambda one: len(one.point),
    )
    above = [one for one in among if one is not best and _inside(best.point, one.point)]
    under = max(above, key=lambda one: len(one.point), default=None)
    if under is not None and _covers_itself(best, under):
        return mount_of(path, [one for one in among if one is not best])
    return best


def below(folder: str, among: Sequence[Mount]) -> list[Mount]:
    """Give the mounts in a folder, the folder itself left out."""
    return [one for one in among if one.point != folder and _inside(one.point, folder)]


def below_apart(folder: str, other: str, among: Sequence[Mount]) -> list[Mount]:
    """Give the mounts in a folder, those in the data-root `other` left out where it lies in it."""
    inner = _inside(other, folder)
    return [one for one in below(folder, among) if not (inner and _inside(one.point, other))]


def engines_own(root: str, mount: Mount, among: Sequence[Mount]) -> bool:
    """Whether a mount in data-root `root` is one that an engine makes and takes away itself."""
    place = _REMAPPED.sub("", os.path.relpath(mount.point, root), count=1)
    if place in {"", "."} or _OWN.fullmatch(place):
        return True
    if re.fullmatch(r"volumes/[^/]+/_data", place):
        # One with a device is mounted when it is used.
        return os.path.exists(os.path.join(os.path.dirname(mount.point), "opts.json"))
    others = [one for one in among if one is not mount]
    return "/" not in place and _covers_itself(mount, mount_of(mount.point, others))


def _covers_itself(mount: Mount, under: Mount) -> bool:
    place = os.path.relpath(mount.point, under.point)
    there = os.path.normpath(os.path.join(under.root, place))
    return mount.device == under.device and mount.root == there


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _plain(word: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), word)
