"""What comes to the engine while its containers are being moved to another storage driver."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dockcfgd.cli.backup_text import show_text
from dockcfgd.migration.archive import list_backups
from dockcfgd.migration.records import read_records
from dockcfgd.migration.shelf import show_document
from dockcfgd.model.cargo import Cargo
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.status import Condition, Verdict
from dockcfgd.ports import Progressing
from dockcfgd.reconcile.requests import Restore
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost


def test_what_starts_while_images_go_over_runs_again(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("early", layer={"/data": b"1"})
    come = [
        ("late", b"2", {}),
        ("late-disposable", b"3", {"AutoRemove": True}),
    ]

    def something_starts(_: str) -> None:
        # The second time is when places for the containers are made, and --rm ones were kept.
        begun = host.cuts.passed.count("after: start the staging engine")
        if begun == 2:
            while come:
                name, content, settings = come.pop()
                host.run(name, layer={"/data": content}, host_config=settings)

    host.cuts.restart()
    host.cuts.watch(something_starts)
    lives.want('[engine]\nstorage-driver = "vfs"')
    status = lives.look()
    assert not come
    assert status.condition is Condition.IN_SYNC, status.reason
    process = host.dockerd.process
    assert process is not None
    assert process.driver == "vfs"
    assert host.names(running=True) == ["early", "late", "late-disposable"]
    found = {name: host.content(name)["/data"] for name in host.names()}
    assert found == {"early": b"1", "late": b"2", "late-disposable": b"3"}


def test_a_change_that_is_taken_back_leaves_no_half_backup(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("early", layer={"/data": b"1"})
    come = ["one"]

    def something_starts(label: str) -> None:
        if label == "after: stop the staging engine" and come:
            begun = host.cuts.passed.count("after: start the staging engine")
            if begun == 2:
                host.run(come.pop())

    host.cuts.restart()
    host.cuts.watch(something_starts)
    lives.want('[engine]\nstorage-driver = "vfs"')
    status = lives.look()
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert "the change starts over" in str(status.last.reason)
    assert list(Path(lives.backups).iterdir()) == []
    assert host.names(running=True) == ["early", "one"]
    assert lives.later().condition is Condition.IN_SYNC
    assert [one.name for one in Path(lives.backups).glob("*/manifest.json")] == ["manifest.json"]


def test_what_changes_while_places_are_made_is_not_held_against_the_change(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.networks.create({"Name": "net"})
    names = ("updated", "renamed", "connected", "ended", "replaced")
    made = {name: host.run(name, layer={"/data": name.encode()}) for name in names}
    host.run("passing", host_config={"AutoRemove": True})
    host.containers.stop("ended")

    def changes() -> None:
        host.container("updated").host["Memory"] = 1 << 30
        host.container("passing").host["Memory"] = 1 << 30
        host.container("passing").name = "passing-by"
        host.container("renamed").name = "called"
        host.networks.connect("net", {"Container": "connected"})
        host.container("ended").host["Memory"] = 1 << 30
        host.containers.stop("replaced")
        host.container("replaced").name = "replaced-old"
        host.container("updated").name = "replaced"

    once(host, "before: create container stand-in-" + made["replaced"], changes)
    lives.want('[engine]\nstorage-driver = "vfs"')
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    process = host.dockerd.process
    assert process is not None
    assert process.driver == "vfs"
    assert host.names(running=True) == ["called", "connected", "passing-by", "replaced"]
    assert host.container("passing-by").host["Memory"] == 1 << 30
    (backup,) = Path(lives.backups).iterdir()
    recorded = {record.name: record.id for record in read_records(str(backup))}
    assert recorded.pop("passing-by")
    assert recorded == {
        "replaced": made["updated"],
        "called": made["renamed"],
        "connected": made["connected"],
        "ended": made["ended"],
        "replaced-old": made["replaced"],
    }


def test_what_passing_containers_write_until_the_engine_stops_is_kept(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    passing = {"AutoRemove": True}
    host.run("writes", layer={"/data": b"1"}, host_config=passing)
    host.run("rests", layer={"/data": b"2"}, host_config=passing)
    host.run("begins", host_config=passing)

    def write() -> None:
        # They were kept, and now larger files are copied ahead.
        host.container("writes").layer.update({"/data": b"more", "/late": b"3"})
        host.container("begins").layer["/late"] = b"4"

    once(host, "before: copy ahead", write)
    lives.want('[engine]\nstorage-driver = "vfs"')
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert host.names(running=True) == ["begins", "rests", "writes"]
    image = host.dockerd.images.content(host.dockerd.images.find("busybox:latest"))
    assert host.content("writes") == image | {"/data": b"more", "/late": b"3"}
    assert host.content("rests") == image | {"/data": b"2"}
    assert host.content("begins") == image | {"/late": b"4"}
    # What was kept first is gone where it is of no use any more.
    used = {host.container(name).image for name in host.names()}
    assert set(host.dockerd.images.images) == {*used, host.dockerd.images.find("busybox:latest").id}
    assert not host.staging.running


def test_the_stand_in_of_a_container_that_is_removed_meanwhile_goes(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("stays", layer={"/data": b"1"})
    gone = host.run("gone", layer={"/data": b"2"})
    left: list[set[str]] = []

    def look(label: str) -> None:
        if label == "before: carry":
            left.append(host.staging.stand_ins)

    once(host, f"after: create container stand-in-{gone}", lambda: host.containers.remove(gone))
    host.cuts.watch(look)
    lives.want('[engine]\nstorage-driver = "vfs"')
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert left == [{f"stand-in-{host.container('stays').id}"}]
    assert host.names(running=True) == ["stays"]


def once(host: FakeHost, label: str, act: Callable[[], None]) -> None:
    """Let something happen at the first passing of a place."""
    waiting = [act]

    def passed(place: str) -> None:
        if waiting and place == label:
            waiting.pop()()

    host.cuts.restart()
    host.cuts.watch(passed)


def test_what_an_archive_cannot_have_comes_along_and_is_told(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("web", layer={"/data": b"1", "/unpacked/.wh.x": b"2"})
    host.run("clean")
    lives.want('[engine]\nstorage-driver = "vfs"')
    with capture_logs() as logged:
        status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert status.last is not None
    assert status.last.verdict is Verdict.APPLIED
    assert host.content("web")["/unpacked/.wh.x"] == b"2"
    line = "/unpacked/.wh.x: it is read as a deletion"
    (told,) = [one for one in logged if one["event"] == "backup.left_out"]
    assert (told["container"], told["what"]) == ("web", line)
    (backup,) = list_backups(lives.backups)
    identity = backup.id
    shown = show_text(show_document(lives.backups, identity)).splitlines()
    assert shown[shown.index(f"    without {line}") - 1].endswith("with what it has written")
    assert len([one for one in shown if "without /" in one]) == 1

    host.containers.remove("web")
    restored = lives.live(Restore("r1", identity, ("web",)))
    assert restored is not None
    assert restored.task is not None
    assert restored.task.reason == f"container web is without {line}"
    assert host.content("web")["/data"] == b"1"


@pytest.mark.parametrize("version", ["24.0.7", "26.1.5", "29.1.0"])
def test_images_without_layers_come_along(tmp_path: Path, version: str) -> None:
    host = FakeHost(
        version=version,
        data_root=str(tmp_path / "docker"),
        daemon_json='{"storage-driver": "overlay2"}',
    )
    lives = Lives(tmp_path, host)
    made = with_images_without_layers(host)
    lives.want('[engine]\nstorage-driver = "vfs"')
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    images = host.dockerd.images
    assert {tag: images.find(tag).id for tag in made} == made
    assert host.names(running=True) == ["data", "web", "wrote"]
    assert host.content("wrote")["/data"] == b"1"
    assert host.container("data").image == made["data:1"]


def test_images_without_layers_come_into_containerds_store(tmp_path: Path) -> None:
    host = FakeHost(data_root=str(tmp_path / "docker"))
    lives = Lives(tmp_path, host)
    made = with_images_without_layers(host)
    lives.want("[engine]\nfeatures = { containerd-snapshotter = true }")
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    images = host.dockerd.images
    assert images is host.dockerd.containerd
    assert {host.images.configs()[images.find(tag).id] for tag in made} == set(made.values())
    assert host.content("wrote")["/data"] == b"1"


def with_images_without_layers(host: FakeHost) -> dict[str, str]:
    """Make images of settings alone, and containers of one of them; give the IDs by name."""
    build = partial(host.dockerd.images.build, [])
    made = {
        "unused:1": build(config={"Volumes": {"/data": {}}}, tag="unused:1"),
        "data:1": build(config={"Volumes": {"/data": {}}, "Cmd": ["none"]}, tag="data:1"),
    }
    host.run("data", image="data:1")
    host.run("wrote", image="data:1", layer={"/data": b"1"})
    host.run("web")
    return made


def test_a_setting_that_changes_in_the_last_moment_is_taken_along(tmp_path: Path) -> None:
    """After all was written down, and before the engine stops."""
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("early", layer={"/data": b"1"})
    come = [["NET_ADMIN"]]

    def somebody_updates(label: str) -> None:
        if label == "before: stop docker.socket" and come:
            host.container("early").host["CapAdd"] = come.pop()

    check_again(host, lives, somebody_updates)
    assert not come
    assert host.container("early").host["CapAdd"] == ["NET_ADMIN"]


def test_what_is_made_anew_is_compared_too(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    host.carrier.unreadable = "the files of container early are not what they are known to be"
    lives = Lives(tmp_path, host)
    host.run("early", layer={"/data": b"1"}, host_config={"CapAdd": ["SYS_TIME"]})
    lost: list[list[str]] = [[]]

    def it_loses_a_setting(_: str) -> None:
        process = host.dockerd.process
        if process is not None and process.driver == "vfs" and lost and host.names(running=True):
            host.container("early").host["CapAdd"] = lost.pop()

    check_again(host, lives, it_loses_a_setting)
    assert not lost
    assert host.container("early").host["CapAdd"] == ["SYS_TIME"]


def test_a_file_whose_name_is_no_text_is_told_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("early", layer={"/data": b"1"})

    def is_full(_: Cargo, *, progress: Progressing) -> None:  # noqa: ARG001 -- the port's
        where = os.fsdecode(b"/data/\xff")
        raise FileFailure(what="write", path=where, errno=errno.ENOSPC, why="No space left")

    with monkeypatch.context() as patch:
        patch.setattr(host.carrier, "carry", is_full)
        host.cuts.restart()
        lives.want('[engine]\nstorage-driver = "vfs"')
        status = lives.look()
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert status.last.reason == "cannot write /data/\\udcff: No space left"
    assert host.names(running=True) == ["early"]
    assert lives.later().condition is Condition.IN_SYNC


def check_again(host: FakeHost, lives: Lives, interfere: Callable[[str], None]) -> None:
    """Change the driver twice: once in vain, and as that tells nothing of what is wanted, anew."""
    host.cuts.restart()
    host.cuts.watch(interfere)
    lives.want('[engine]\nstorage-driver = "vfs"')
    last = lives.look().last
    assert last is not None
    assert last.verdict is Verdict.ROLLED_BACK, last.reason
    assert "early: HostConfig.CapAdd" in (last.reason or "")
    assert lives.later().condition is Condition.IN_SYNC
    process = host.dockerd.process
    assert process is not None
    assert process.driver == "vfs"
