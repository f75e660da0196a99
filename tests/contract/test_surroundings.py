"""ports.Surroundings: simulated, and this host's with filesystems made for the test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from dockcfgd.adapters.surroundings import HostSurroundings, ipv4_routes, ipv6_routes
from dockcfgd.adapters.vitals import HostVitals
from dockcfgd.model.facts import AccountKind, Folder, Program, Route
from dockcfgd.ports import Surroundings
from tests.contract.rigs import FakeTree, HostTree, Tree
from tests.fakes.surroundings import FakeSurroundings

_MAKE = {
    "ext4": ("mkfs.ext4", "-q"),
    "ext4-without-d_type": ("mkfs.ext4", "-q", "-O", "^filetype"),
    "xfs": ("mkfs.xfs", "-q"),
    "btrfs": ("mkfs.btrfs", "-q"),
}
_MB = 1 << 20


@dataclass(frozen=True)
class Place:
    """A tree, and what looks at it."""

    tree: Tree
    port: Surroundings


def _fake(kind: str) -> Place:
    tree = FakeTree()
    port = FakeSurroundings(tree.fake)
    name = kind.partition("-")[0]
    port.mounts[tree.top] = Folder(filesystem=name, d_type=name == kind)
    return Place(tree, port)


@pytest.fixture(params=["fake", "host"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "fake":
        return _fake("ext4")
    return Place(HostTree(tmp_path), HostSurroundings())


@pytest.fixture(params=[f"{who} {kind}" for who in ("fake", "host") for kind in (*_MAKE, "tmpfs")])
def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Place]]:
    who, _, kind = request.param.partition(" ")
    if who == "fake":
        yield kind, _fake(kind)
        return
    target = tmp_path / "mounted"
    target.mkdir()
    _mount(kind, tmp_path / "image", target)
    try:
        yield kind, Place(HostTree(target), HostSurroundings())
    finally:
        subprocess.run(["umount", target], check=True)


def _mount(kind: str, image: Path, target: Path) -> None:
    source = ["-t", "tmpfs", "none"]
    if kind != "tmpfs":
        with image.open("wb") as file:
            file.truncate(320 * _MB)
        subprocess.run([*_MAKE[kind], image], check=True, capture_output=True)
        source = ["-o", "loop", str(image)]
    done = subprocess.run(["mount", *source, target], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount {kind}: {done.stderr.strip()}")


def test_a_filesystem_is_known_whatever_its_mount_is_called(tmp_path: Path) -> None:
    target = tmp_path / "dön\r\x0c\u2028er"
    target.mkdir()
    _mount("tmpfs", tmp_path / "image", target)
    try:
        assert HostSurroundings().folder(str(target / "docker")).filesystem == "tmpfs"
        assert str(target) in {one.point for one in HostVitals().mounts()}
    finally:
        subprocess.run(["umount", target], check=True)


def test_the_filesystem_of_a_folder(filesystem: tuple[str, Place]) -> None:
    kind, place = filesystem
    place.tree.put(f"{place.tree.top}/file", b"")
    seen = place.port.folder(f"{place.tree.top}/not/yet/there")
    assert seen.filesystem == kind.partition("-")[0]
    assert seen.d_type is (kind != "ext4-without-d_type")
    assert seen.free_bytes > _MB
    assert not seen.there
    assert not seen.apart
    itself = place.port.folder(place.tree.top)
    assert itself.there
    assert itself.apart


def test_a_folder_that_cannot_be(place: Place) -> None:
    place.tree.put(f"{place.tree.top}/file", b"")
    seen = place.port.folder(f"{place.tree.top}/file/below")
    assert seen.blocked_by == f"{place.tree.top}/file"
    assert not seen.there


def test_programs(place: Place) -> None:
    top = place.tree.top
    place.tree.put(f"{top}/runs", b"#!/bin/sh\n", mode=0o755)
    place.tree.put(f"{top}/text", b"")
    place.tree.folder(f"{top}/folder")
    assert place.port.program(f"{top}/runs") is Program.RUNNABLE
    assert place.port.program(f"{top}/text") is Program.NOT_EXECUTABLE
    assert place.port.program(f"{top}/folder") is Program.NOT_EXECUTABLE
    assert place.port.program(f"{top}/none") is Program.MISSING
    assert place.port.program("no-such-program") is Program.MISSING


def test_devices(place: Place) -> None:
    assert place.port.opens("/dev/null")
    assert not place.port.opens("/dev/no-such-device")


def test_accounts(place: Place) -> None:
    for kind in get_args(AccountKind):
        assert place.port.has_account(kind, "root")
        assert place.port.has_account(kind, "0")
        assert not place.port.has_account(kind, "no-such-name")


def test_filesystems_of_the_kernel(place: Place) -> None:
    assert {"proc", "sysfs", "tmpfs"} <= place.port.filesystems()
    assert "no-such-filesystem" not in place.port.filesystems()


def test_a_program_by_its_name() -> None:
    assert HostSurroundings().program("sh") is Program.RUNNABLE


def test_filesystems_that_a_module_brings(tmp_path: Path) -> None:
    folder = tmp_path / os.uname().release
    folder.mkdir()
    (folder / "modules.dep").write_text(
        "kernel/fs/overlayfs/overlay.ko.xz:\nkernel/drivers/net/dummy.ko: kernel/x.ko\n"
        "updates/dkms/zfs.ko: updates/dkms/spl.ko\n"
    )
    (folder / "modules.builtin").write_text("kernel/fs/aufs/aufs.ko\n")
    known = HostSurroundings(modules=str(tmp_path)).filesystems()
    assert {"overlay", "zfs", "aufs"} <= known
    assert "dummy" not in known


def test_ipv4_routes() -> None:
    lines = [
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
        "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
        "vpn\t00000A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
        "*\t0000630A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0",
    ]
    assert list(ipv4_routes(lines)) == [
        Route("192.168.0.0/24", "eth0"),
        Route("10.10.0.0/16", "vpn"),
    ]


def test_ipv6_routes() -> None:
    zero = "0" * 32
    rest = f"{zero} 00 {zero} 00000100 00000001 00000000 00000001"
    lines = [
        f"fd00aa00{'0' * 24} 40 {rest}     eth0",
        f"fe80{'0' * 28} 40 {rest}     eth0",
        f"{zero} 00 {rest}       lo",
        f"fd00bb00{'0' * 23}1 80 {rest}     eth0",
    ]
    assert list(ipv6_routes(lines)) == [Route("fd00:aa00::/64", "eth0")]


def test_this_hosts_routes_are_networks() -> None:
    assert all("/" in route.network for route in HostSurroundings().routes())


@pytest.mark.parametrize("name", ["/srv/a\0b", "a\0b", "/srv/\ud800"])
def test_what_can_have_no_such_name_is_not_there(name: str) -> None:
    real = HostSurroundings()
    assert real.folder(name) == Folder()
    assert real.program(name) is Program.MISSING
    assert not real.opens(name)
    assert not real.has_account("user", name)
    assert not real.has_account("group", name)


def test_a_number_beyond_all_accounts_is_none() -> None:
    assert not HostSurroundings().has_account("user", "1" * 5000)
