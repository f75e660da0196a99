"""Kernel, filesystems, accounts and programs of the simulated host."""

from __future__ import annotations

import posixpath

from dockcfgd.model.facts import AccountKind, Folder, Program, Route
from dockcfgd.model.files import FileKind
from tests.fakes.files import FakeFiles

__all__ = ["FakeSurroundings"]

_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")


class FakeSurroundings:
    """ports.Surroundings, over the tree of the host's files.

    `mounts` maps mount points to what lies there, `devices` are those that open, `accounts` the
    users and groups, `known` the kernel's filesystems, `networks` what has a route.
    """

    def __init__(self, files: FakeFiles) -> None:
        self._files = files
        self.mounts: dict[str, Folder] = {"/": Folder(filesystem="ext4", d_type=True)}
        self.devices: set[str] = {"/dev/null", "/dev/fuse"}
        self.accounts: set[tuple[AccountKind, str]] = {
            ("user", "root"),
            ("group", "root"),
            ("group", "docker"),
            ("user", "0"),
            ("group", "0"),
        }
        self.known: set[str] = {"ext4", "proc", "sysfs", "tmpfs", "overlay", "btrfs", "xfs"}
        self.networks: list[Route] = []

    def filesystems(self) -> frozenset[str]:
        return frozenset(self.known)

    def folder(self, path: str) -> Folder:
        place = posixpath.normpath(path)
        whole = self._kind(place) is FileKind.DIRECTORY
        while self._kind(place) is FileKind.ABSENT:
            place = posixpath.dirname(place)
        if self._kind(place) is not FileKind.DIRECTORY:
            return Folder(blocked_by=place)
        at = max((one for one in self.mounts if _within(place, one)), key=len)
        there = self.mounts[at]
        return Folder(
            filesystem=there.filesystem,
            d_type=there.d_type,
            free_bytes=there.free_bytes or self._files.free,
            there=whole,
            options=there.options,
            apart=at == posixpath.normpath(path),
        )

    def program(self, name: str) -> Program:
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in _PATH]
        seen = [self._files.read(place) for place in places]
        if any(one.present and one.tag.mode & 0o111 for one in seen):
            return Program.RUNNABLE
        if "/" in name and seen[0].kind is not FileKind.ABSENT:
            return Program.NOT_EXECUTABLE
        return Program.MISSING

    def opens(self, device: str) -> bool:
        return device in self.devices

    def has_account(self, kind: AccountKind, name: str) -> bool:
        return (kind, name) in self.accounts

    def routes(self) -> tuple[Route, ...]:
        return tuple(self.networks)

    def _kind(self, path: str) -> FileKind:
        return self._files.read(path).kind


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
