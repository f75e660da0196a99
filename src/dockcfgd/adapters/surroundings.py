"""Kernel, filesystems, accounts and programs of this host (ports.Surroundings).

Whether a filesystem knows d_type is read off the entries that are in the folder or above it, as the
engine does with an entry that it makes; here nothing is written. `.` and `..` do not count: XFS
calls them folders with ftype=0 too. XFS tells by an ioctl even where there is no entry.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import grp
import ipaddress
import os
import pwd
import shutil
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from dockcfgd.model.facts import AccountKind, Folder, Program, Route
from dockcfgd.roots.mounts import mounts

__all__ = ["HostSurroundings", "ipv4_routes", "ipv6_routes"]

# Where systemd looks for programs of a unit; dockerd inherits it.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DT_UNKNOWN = 0
_XFS_IOC_FSGEOMETRY_V1 = 0x80705864
_XFS_GEOMETRY_BYTES = 112
_XFS_FLAGS_AT = 92
_XFS_HAS_FTYPE = 1 << 16
_ROUTE_IS_UP = 1
_ROUTE_REJECTS = 0x200
_IPV6_FIELDS = 10
_IPV4_FIELDS = 8


class HostSurroundings:
    """This host's. `modules` is where the kernel's modules lie."""

    def __init__(self, *, modules: str = "/lib/modules") -> None:
        self._modules = Path(modules, os.uname().release)

    def filesystems(self) -> frozenset[str]:
        """Give the filesystems of /proc/filesystems and those that a module brings."""
        loaded = {line.split()[-1] for line in _lines("/proc/filesystems") if line.strip()}
        listed = (
            *_lines(self._modules / "modules.dep"),
            *_lines(self._modules / "modules.builtin"),
        )
        modules = {_module_name(line) for line in listed if "/fs/" in line or "zfs.ko" in line}
        return frozenset(loaded | modules)

    def folder(self, path: str) -> Folder:
        """Look at the folder, or at the nearest parent that is there."""
        if not _can_be(path):
            return Folder()
        apart = os.path.islink(path) or os.path.ismount(path)
        there = os.path.abspath(os.path.realpath(path))
        whole = os.path.isdir(there)
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        if not os.path.isdir(there):
            return Folder(blocked_by=there)
        kind, options = _mount_of(there)
        try:
            status = os.statvfs(there)
        except OSError:
            return Folder(filesystem=kind, there=whole, apart=apart)
        return Folder(
            filesystem=kind,
            d_type=_d_type(there, kind),
            free_bytes=status.f_bavail * status.f_frsize,
            there=whole,
            options=options,
            apart=apart,
        )

    def program(self, name: str) -> Program:
        """Look for a program by path, or by name where dockerd would look."""
        if shutil.which(name, path=_PATH):
            return Program.RUNNABLE
        if "/" in name and os.path.lexists(name):
            return Program.NOT_EXECUTABLE
        return Program.MISSING

    def opens(self, device: str) -> bool:
        """Open the device for reading and writing, and close it."""
        try:
            os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        except (OSError, ValueError):
            return False
        return True

    def has_account(self, kind: AccountKind, name: str) -> bool:
        """Ask the name service."""
        try:
            _account(kind, name)
        except (KeyError, ValueError):
            return False
        return True

    def routes(self) -> tuple[Route, ...]:
        """Give the main table's IPv4 and IPv6 networks, default and single-host routes left out."""
        return (
            *ipv4_routes(_lines("/proc/net/route")),
            *ipv6_routes(_lines("/proc/net/ipv6_route")),
        )


def ipv4_routes(lines: Iterable[str]) -> Iterator[Route]:
    """Read /proc/net/route: numbers in the host's byte order."""
    for line in lines:
        fields = line.split()
        if len(fields) < _IPV4_FIELDS or fields[1] == "Destination":
            continue
        flags = int(fields[3], 16)
        length = int(fields[7], 16).bit_count()
        if flags & _ROUTE_IS_UP and not flags & _ROUTE_REJECTS and length > 0:
            address = socket.inet_ntoa(struct.pack("=I", int(fields[1], 16)))
            network = ipaddress.ip_network(f"{address}/{length}", strict=False)
            yield Route(network=str(network), interface=fields[0])


def ipv6_routes(lines: Iterable[str]) -> Iterator[Route]:
    """Read /proc/net/ipv6_route. Link-local, multicast and loopback networks are left out."""
    for line in lines:
        fields = line.split()
        if len(fields) < _IPV6_FIELDS:
            continue
        flags, length = int(fields[8], 16), int(fields[1], 16)
        if not flags & _ROUTE_IS_UP or flags & _ROUTE_REJECTS or length in {0, 128}:
            continue
        network = ipaddress.IPv6Network((bytes.fromhex(fields[0]), length), strict=False)
        if not (network.is_link_local or network.is_multicast):
            yield Route(network=str(network), interface=fields[9])


def _can_be(path: str) -> bool:
    """Whether the kernel could have a file of this name: no zero byte, nothing without encoding."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _account(kind: AccountKind, name: str) -> object:
    if name.isdecimal():
        return pwd.getpwuid(int(name)) if kind == "user" else grp.getgrgid(int(name))
    return pwd.getpwnam(name) if kind == "user" else grp.getgrnam(name)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _module_name(line: str) -> str:
    """Give `overlay` for `kernel/fs/overlayfs/overlay.ko.xz: …`."""
    return line.partition(":")[0].rpartition("/")[2].partition(".ko")[0]


def _mount_of(folder: str) -> tuple[str, frozenset[str]]:
    """Give type and options of the filesystem that a folder lies on."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    best, found = "", ("", frozenset[str]())
    for one in mounts():
        inside = folder == one.point or folder.startswith(f"{one.point.rstrip('/')}/")
        # btrfs gives its folders other device numbers than its mounts, so the path decides alone.
        exact = one.device == wanted or one.kind in {"btrfs", "overlay", "zfs"}
        if inside and exact and len(one.point) >= len(best):
            best, found = one.point, (one.kind, one.options)
    return found


def _d_type(folder: str, kind: str) -> bool | None:
    if kind == "xfs":
        told = _xfs_ftype(folder)
        if told is not None:
            return told
    device = os.stat(folder).st_dev
    while True:
        kinds = set(_entry_kinds(folder))
        if kinds:
            return _DT_UNKNOWN not in kinds
        above = os.path.dirname(folder)
        if above == folder or os.stat(above).st_dev != device:
            return None
        folder = above


def _xfs_ftype(folder: str) -> bool | None:
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        told = fcntl.ioctl(opened, _XFS_IOC_FSGEOMETRY_V1, bytes(_XFS_GEOMETRY_BYTES))
    except OSError:
        return None
    finally:
        os.close(opened)
    flags: int = struct.unpack_from("=I", told, _XFS_FLAGS_AT)[0]
    return bool(flags & _XFS_HAS_FTYPE)


class _Entry(ctypes.Structure):
    """`struct dirent` of glibc where pointers have 64 bits."""

    _fields_ = (
        ("inode", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("length", ctypes.c_ushort),
        ("kind", ctypes.c_ubyte),
        ("name", ctypes.c_char * 256),
    )


def _entry_kinds(folder: str) -> Iterator[int]:
    """Give d_type of each entry, which the standard library replaces where it is unknown."""
    if ctypes.sizeof(ctypes.c_void_p) != ctypes.sizeof(ctypes.c_uint64):
        return
    library = ctypes.CDLL(None, use_errno=True)
    library.opendir.restype = ctypes.c_void_p
    library.readdir.restype = ctypes.POINTER(_Entry)
    stream = library.opendir(os.fsencode(folder))
    if not stream:
        return
    handle = ctypes.c_void_p(stream)
    with contextlib.ExitStack() as stack:
        stack.callback(library.closedir, handle)
        while entry := library.readdir(handle):
            if entry.contents.name not in {b".", b".."}:
                yield entry.contents.kind
