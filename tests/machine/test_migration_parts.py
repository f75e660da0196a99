"""From one storage driver to another and back by the parts of `migration`, on real engines.

What the transaction does between them is done by hand here: stop, switch, start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from dockcfgd.adapters.clock import SystemClock
from dockcfgd.adapters.engine import (
    DockerContainers,
    DockerEngine,
    DockerImages,
    DockerNetworks,
)
from dockcfgd.adapters.engine_http import EngineConnections
from dockcfgd.adapters.files import HostFiles
from dockcfgd.migration import archive, operations
from dockcfgd.migration.access import Access
from dockcfgd.migration.compare import differences
from dockcfgd.migration.documents import Document, text
from dockcfgd.migration.folders import put_back, set_aside
from dockcfgd.migration.inventory import Inventory, take_inventory
from dockcfgd.model.files import FileState
from images import make_busybox, make_image
from machine import Machine, wait_for
from migration_zoo import BY_HAND_ALWAYS, Content, content_of, make_disposable, make_zoo

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
# The story migrates on all releases in each run, and test_moved_in_place takes it apart; make proof
# does these too, on all of them.
ALL = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
ROOT = "/var/lib/docker"


class MachineFiles(HostFiles):
    """The files of a machine, reached from the host."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def read(self, path: str, *, limit: int = 1 << 24) -> FileState:
        return super().read(str(self._machine.host_path(path)), limit=limit)

    def free_bytes(self, folder: str) -> int:
        return super().free_bytes(str(self._machine.host_path(folder)))

    def free_inodes(self, folder: str) -> int | None:
        return super().free_inodes(str(self._machine.host_path(folder)))

    def shares_blocks(self, folder: str) -> bool:
        return super().shares_blocks(str(self._machine.host_path(folder)))


def access_to(machine: Machine) -> Access:
    connections = EngineConnections(f"/proc/{machine.pid}/root/run/docker.sock")
    return Access(
        engine=DockerEngine(connections),
        containers=DockerContainers(connections),
        images=DockerImages(connections),
        networks=DockerNetworks(connections),
        files=MachineFiles(machine),
        clock=SystemClock(),
    )


class Told:
    """The progress that was reported."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int, str]] = []

    def __call__(self, *, item: str, done: int, total: int, unit: str) -> None:
        assert 0 <= done <= total
        self.calls.append((item, done, total, unit))


def stop(machine: Machine) -> None:
    machine.run("systemctl stop docker.socket docker.service", timeout=120)


def start(machine: Machine, settings: Mapping[str, str]) -> None:
    machine.write("/etc/docker/daemon.json", json.dumps(dict(settings)))
    machine.run("systemctl reset-failed docker.service docker.socket; systemctl start docker")


def root_of(machine: Machine) -> str:
    return str(machine.host_path(ROOT))


def look(access: Access) -> Inventory:
    return take_inventory(access)


def by_name(inventory: Inventory) -> dict[str, Document]:
    return {text(one, "Name").removeprefix("/"): one for one in inventory.containers}


def statuses(inventory: Inventory) -> dict[str, str]:
    return {name: text(one, "State", "Status") for name, one in by_name(inventory).items()}


@pytest.mark.suite(*ALL)
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_there_and_back_on_another_driver(machine: Machine, tmp_path: Path) -> None:
    make_zoo(machine)
    access, told = access_to(machine), Told()
    before, root = look(access), root_of(machine)
    folder = str(tmp_path / "backups" / "one")

    running = operations.note_running(access)
    operations.back_up_images(access, folder=folder, target_driver="vfs", progress=told)
    assert statuses(look(access)) == statuses(before)  # nothing is disturbed so far
    noted = operations.back_up_containers(access, folder=folder, progress=told)
    assert noted == running
    assert archive.verify(folder) == ()
    names = [name for name in by_name(before) if not name.startswith("disposable")]
    written = {name: content_of(machine, name) for name in names}

    stop(machine)
    set_aside(root, "vfs", f"{root}/aside/vfs")
    set_aside(root, "overlay2", f"{root}/aside/overlay2")
    start(machine, {"storage-driver": "vfs"})
    assert look(access).containers == ()
    now = operations.restore(access, folder=folder, progress=told)

    after = look(access)
    assert statuses(after) == {
        name: "created" if status == "exited" else status
        for name, status in statuses(before).items()
    }
    assert operations.what_differs(access, folder=folder, now=now) == []
    assert {name: content_of(machine, name) for name in names} == written
    assert {one.id: set(one.tags) for one in before.images}.items() <= {
        one.id: set(one.tags) for one in after.images
    }.items()
    assert volume_data(machine) == VOLUME_DATA
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    assert operations.restore(access, folder=folder, progress=told) == now

    stop(machine)
    put_back(root, "vfs", f"{root}/aside/vfs")
    put_back(root, "overlay2", f"{root}/aside/overlay2")
    start(machine, {})
    assert operations.resume(access, running=running, folder=f"{folder}/disposable") == []
    operations.clean_up_old_engine(access, folder=folder)
    back = look(access)
    assert statuses(back) == statuses(before) | {BY_HAND_ALWAYS: "running"}
    assert {text(one, "Id") for one in back.containers} >= {
        text(one, "Id") for one in before.containers if "disposable" not in text(one, "Name")
    }
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    assert "dockcfgd-hold" not in machine.docker("ps", "--all")
    assert not Path(root, "vfs").exists()
    assert not Path(root, "aside", "vfs").exists()
    assert volume_data(machine) == VOLUME_DATA


@pytest.mark.suite(*ALL)
def test_archives_are_loaded_by_the_engines_own_client(machine: Machine, tmp_path: Path) -> None:
    make_image(machine, "app:1", layers_mb=[4, 4])
    machine.docker("run", "--name=writer", "app:1", "sh", "-c", "echo written > /file; rm /layer-1")
    access, told, folder = access_to(machine), Told(), tmp_path / "backup"
    operations.back_up_images(access, folder=str(folder), target_driver="vfs", progress=told)
    operations.back_up_containers(access, folder=str(folder), progress=told)
    assert (folder / "layers/writer.tar.zst").stat().st_size < 20_000
    image = json.loads((folder / "containers/writer.json").read_text())["image"]
    set_aside_and_start(machine, "vfs")
    for name in ("images.tar.zst", "layers/writer.tar.zst"):
        machine.write("/root/archive", (folder / name).read_bytes())
        machine.run("zstd -dc /root/archive | docker load")
    shown = machine.docker("run", "--rm", image, "sh", "-c", "cat /file; ls / | grep layer")
    assert shown.split() == ["written", "layer-2"]


@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_again_and_again(machine: Machine, tmp_path: Path) -> None:
    make_zoo(machine)
    access, told = access_to(machine), Told()
    now: dict[str, str] = {}
    before = look(access)
    names = [name for name in by_name(before) if not name.startswith("disposable")]
    written: dict[str, Content] = {}
    for number, driver in enumerate(("vfs", "overlay2")):
        folder = str(tmp_path / str(number))
        operations.back_up_images(access, folder=folder, target_driver=driver, progress=told)
        operations.back_up_containers(access, folder=folder, progress=told)
        written = written or {name: content_of(machine, name) for name in names}
        set_aside_and_start(machine, driver)
        fresh = operations.restore(access, folder=folder, progress=told)
        now = {key: fresh[value] for key, value in now.items()} if now else fresh
    old, new = by_name(before), by_name(look(access))
    found = {name: differences(old[name], new[name], now=now) for name in old}
    assert {name: rows for name, rows in found.items() if rows} == {}
    assert {name: content_of(machine, name) for name in names} == written
    assert volume_data(machine) == VOLUME_DATA


def set_aside_and_start(machine: Machine, driver: str) -> None:
    root = root_of(machine)
    stop(machine)
    number = len(list(Path(root).glob("aside-*")))
    for one in ("vfs", "overlay2"):
        set_aside(root, one, f"{root}/aside-{number}-{one}")
    start(machine, {"storage-driver": driver})


VOLUME_DATA = "kept although nobody named the volume\nmounted"


def volume_data(machine: Machine) -> str:
    assert machine.docker("exec", "emptied", "ls", "/vol") == ""
    return machine.docker("exec", "volumes", "cat", "/anonymous/file", "/mounted/file")


@pytest.mark.suite(*ALL)
def test_disposable_containers_survive_a_restart(machine: Machine, tmp_path: Path) -> None:
    make_busybox(machine)
    make_disposable(machine)
    access, folder = access_to(machine), str(tmp_path / "kept")
    before = look(access)
    running = operations.note_running(access)
    operations.keep_disposable(access, folder=folder)
    operations.keep_disposable(access, folder=folder)
    stop(machine)
    start(machine, {})
    assert not [name for name in statuses(look(access)) if name.startswith("disposable")]
    assert operations.resume(access, running=running, folder=folder) == []
    assert statuses(look(access)) == statuses(before)
    old, new = by_name(before), by_name(look(access))
    for name in ("disposable", "disposable-untouched", "disposable-created"):
        assert differences(old[name], new[name], now={}) == []
    assert machine.docker("exec", "disposable", "cat", "/written", "/anonymous/file") == (
        "disposable\nmine"
    )
    volume = machine.docker(
        "inspect", "disposable", "--format", "{{range .Mounts}}{{.Name}}{{end}}"
    )
    machine.docker("stop", "disposable")
    wait_for(lambda: "disposable" not in machine.docker("ps", "-a", "--format={{.Names}}").split())
    assert volume not in machine.docker("volume", "ls", "--quiet").split()
    # It ended: a second time it is not brought back.
    operations.resume(access, running=running, folder=folder)
    assert "disposable" not in statuses(look(access))
