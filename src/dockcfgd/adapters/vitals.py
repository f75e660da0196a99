"""Space, interfaces, kernel and owners of files of this host (ports.Vitals)."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockcfgd.model.files import FileKind
from dockcfgd.model.vitals import Interface, Kernel, Mount, Owner, Space, Usage
from dockcfgd.roots.mounts import mounts

__all__ = ["HostVitals"]

_BLOCK = 512
_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B
_ADDRESS_AT, _ADDRESS_END = 20, 24
_NAME_BYTES = 15
_CLOCK_ERROR = 5  # TIME_ERROR of adjtimex(2): not synchronized
_TIMEX_BYTES = 256
# The second for a path that no file can have, as with a zero byte in it.
_NOT_SEEN = (OSError, ValueError)


class HostVitals:
    """This host's, from statvfs, /proc and /sys."""

    def space(self, path: str) -> Space | None:
        """Measure the filesystem of a folder, or of its nearest parent that is there."""
        try:
            there = os.path.realpath(path)
            while not os.path.lexists(there):
                there = os.path.dirname(there)
            found, device = os.statvfs(there), os.stat(there).st_dev
        except _NOT_SEEN:
            return None
        return Space(
            device=device,
            total_bytes=found.f_blocks * found.f_frsize,
            free_bytes=found.f_bavail * found.f_frsize,
            total_inodes=found.f_files,
            free_inodes=found.f_favail,
        )

    def usage(self, paths: Sequence[str], *, seconds: float) -> Usage | None:
        """Add up the blocks of everything below, hard links counted once."""
        deadline = time.monotonic() + seconds
        seen: set[tuple[int, int]] = set()
        total = 0
        try:
            for path in paths:
                for blocks, identity in _blocks(path):
                    if time.monotonic() > deadline:
                        return Usage(total, complete=False)
                    if identity is None or identity not in seen:
                        total += blocks * _BLOCK
                    if identity is not None:
                        seen.add(identity)
        except (PermissionError, ValueError):
            return None
        except OSError:
            return Usage(total, complete=False)
        return Usage(total)

    def mounts(self) -> tuple[Mount, ...]:
        """Give those of /proc/self/mountinfo."""
        return tuple(Mount(one.point, one.kind) for one in mounts())

    def interfaces(self) -> tuple[Interface, ...]:
        """Give those of /sys/class/net."""
        default = _default_routes()
        names = sorted(_names("/sys/class/net"))
        return tuple(
            _interface(name, default_route=name in default)
            for name in names
            if name != "lo" and os.path.isdir(f"/sys/class/net/{name}")
        )

    def kernel(self) -> Kernel:
        """Look at the kernel."""
        forwarding = _text("/proc/sys/net/ipv4/ip_forward")
        return Kernel(
            release=os.uname().release,
            cgroups=_cgroups(),
            swap_limit=_swap_limit(),
            synchronized=_synchronized(),
            forwarding=forwarding == "1" if forwarding else None,
            systemd=os.path.isdir("/run/systemd/system"),
        )

    def owner(self, path: str) -> Owner | None:
        """Stat the path."""
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Owner(FileKind.ABSENT)
        except _NOT_SEEN:
            return None
        return Owner(
            _kind(found.st_mode),
            found.st_uid,
            found.st_gid,
            stat.S_IMODE(found.st_mode),
            found.st_mtime,
        )


def _kind(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.REGULAR
    return FileKind.DIRECTORY if stat.S_ISDIR(mode) else FileKind.SPECIAL


def _blocks(path: str) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """Give the blocks of each thing below a path on its filesystem; who it is, if linked often."""
    try:
        top = os.lstat(path)
    except FileNotFoundError:
        return
    yield top.st_blocks, None
    folders = [path] if stat.S_ISDIR(top.st_mode) else []
    while folders:
        with contextlib.suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if found.st_dev != top.st_dev:
                    continue
                many = found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False)
                yield found.st_blocks, (found.st_dev, found.st_ino) if many else None
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _interface(name: str, *, default_route: bool) -> Interface:
    folder = f"/sys/class/net/{name}"
    mtu = _text(f"{folder}/mtu")
    return Interface(
        name=name,
        state=_text(f"{folder}/operstate") or "unknown",
        mtu=int(mtu) if mtu.isdecimal() else 0,
        addresses=_addresses(name),
        bridge=os.path.isdir(f"{folder}/bridge"),
        ports=tuple(sorted(_names(f"{folder}/brif"))),
        default_route=default_route,
    )


def _addresses(name: str) -> tuple[str, ...]:
    request = struct.pack("256s", name.encode()[:_NAME_BYTES])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            address = fcntl.ioctl(asked, _SIOCGIFADDR, request)[_ADDRESS_AT:_ADDRESS_END]
            mask = fcntl.ioctl(asked, _SIOCGIFNETMASK, request)[_ADDRESS_AT:_ADDRESS_END]
        except OSError:
            return ()
    length = int.from_bytes(mask, "big").bit_count()
    return (f"{ipaddress.IPv4Address(address)}/{length}",)


def _default_routes() -> set[str]:
    rows = [line.split() for line in _lines("/proc/net/route")[1:]]
    return {row[0] for row in rows if row and row[1] == "00000000"}


def _cgroups() -> int | None:
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return 2
    # In the hybrid layout the second version is mounted beside, and has no controllers.
    return 1 if os.path.isdir("/sys/fs/cgroup") else None


def _swap_limit() -> bool | None:
    """Look into a cgroup below the root, which itself has no limits."""
    if _cgroups() == 1:
        folder = "/sys/fs/cgroup/memory"
        there = os.path.exists(f"{folder}/memory.memsw.limit_in_bytes")
        return there if os.path.isdir(folder) else None
    groups = [f"/sys/fs/cgroup/{name}" for name in _names("/sys/fs/cgroup")]
    limited = [one for one in groups if os.path.exists(f"{one}/memory.max")]
    if not limited:
        return None
    return any(os.path.exists(f"{one}/memory.swap.max") for one in limited)


def _synchronized() -> bool | None:
    library = ctypes.CDLL(None, use_errno=True)
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: only look
    answer = library.adjtimex(timex)
    return None if answer < 0 else answer != _CLOCK_ERROR


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def _lines(path: str) -> list[str]:
    return _text(path).splitlines()
