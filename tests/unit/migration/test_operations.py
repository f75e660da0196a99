"""The operations on a host in memory: what they leave, and that a crash at any place is mended."""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.migration import archive, disposable, operations
from dockcfgd.migration.documents import Document, text, texts
from dockcfgd.migration.folders import put_back, set_aside
from dockcfgd.migration.inventory import container_name, take_inventory
from dockcfgd.migration.kept_images import drop_kept_names
from dockcfgd.migration.records import read_records
from dockcfgd.migration.saved_images import load_images
from dockcfgd.model.errors import EngineFailure, FileFailure
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from tests.fakes.cuts import Crash
from tests.fakes.engine import FakeContainers, FakeImages
from tests.fakes.folders import FakeFolders
from tests.fakes.host import FakeHost

VERSIONS = ("20.10.24", "26.1.5", "28.5.2")


class Told:
    """Progress, kept."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int, str]] = []

    def __call__(self, *, item: str, done: int, total: int, unit: str) -> None:
        assert 0 <= done <= total
        self.calls.append((item, done, total, unit))


class Story:
    """A host with containers and what is done to it."""

    def __init__(self, folder: Path, *, version: str = "26.1.5") -> None:
        self.root = str(folder / "root")
        self.host = FakeHost(version=version, data_root=self.root)
        self.backup = str(folder / "backups" / "one")
        self.told = Told()
        host = self.host
        self.access = host.effects.access

    def fill(self) -> None:
        host = self.host
        host.networks.create({"Name": "net", "Labels": {"a": "b"}})
        host.image("app:1", {"/app": b"app"}, {"Cmd": ["app"], "Volumes": {"/vol": {}}})
        host.run("web", layer={"/data": b"1", "/bin/busybox": None}, restart="always")
        host.run("db", image="app:1", host_config={"NetworkMode": "net"})
        host.run("shares", host_config={"IpcMode": f"container:{self.id('web')}"})
        host.run("sleeps", layer={"/data": b"2"})
        host.containers.pause("sleeps")
        host.run("ended", layer={"/last": b"words"})
        host.containers.stop("ended")
        host.containers.create("waits", {"Image": "app:1"})
        volumes: dict[str, Any] = {"Volumes": {"/tmpdata": {}}}
        host.run("passing", layer={"/x": b"3"}, body=volumes, host_config={"AutoRemove": True})

    def id(self, name: str) -> str:
        return self.host.container(name).id

    def documents(self) -> dict[str, Document]:
        return {name: self.host.containers.inspect(name) for name in self.host.names()}

    def states(self) -> dict[str, str]:
        return {name: text(one, "State", "Status") for name, one in self.documents().items()}

    def files_of(self, name: str) -> dict[str, bytes]:
        """Give what a process in the container sees."""
        container = self.host.container(name)
        images = self.host.dockerd.images
        content = images.content(images.images[container.image])
        files = {path.removeprefix("/"): data for path, data in content.items()}
        for path, data in container.layer.items():
            if data is None:
                files.pop(path.removeprefix("/"), None)
            else:
                files[path.removeprefix("/")] = data
        return files

    def all_files(self) -> dict[str, dict[str, bytes]]:
        return {name: self.files_of(name) for name in self.host.names()}

    def back_up(self) -> Any:
        operations.back_up_images(
            self.access, folder=self.backup, target_driver="vfs", progress=self.told
        )
        return operations.back_up_containers(self.access, folder=self.backup, progress=self.told)

    def switch(self) -> None:
        self.engine(JobVerb.STOP)
        for driver in ("vfs", "overlay2"):
            set_aside(self.root, driver, f"{self.root}/aside/{driver}")
        self.host.files.put("/etc/docker/daemon.json", '{"storage-driver": "vfs"}')
        self.engine(JobVerb.START)

    def switch_back(self) -> None:
        self.engine(JobVerb.STOP)
        for driver in ("vfs", "overlay2"):
            put_back(self.root, driver, f"{self.root}/aside/{driver}")
        self.host.files.put("/etc/docker/daemon.json", "{}")
        self.engine(JobVerb.START)

    def engine(self, verb: JobVerb) -> None:
        self.host.systemd.reset_failed(DOCKER_SERVICE)
        assert self.host.systemd.run_job(verb, DOCKER_SERVICE, timeout=60).good

    def restore(self) -> dict[str, str]:
        return operations.restore(self.access, folder=self.backup, progress=self.told)

    def resume(self, running: Any) -> list[str]:
        return operations.resume(self.access, running=running, folder=f"{self.backup}/disposable")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    made = Story(tmp_path)
    made.fill()
    return made


def expected(states: dict[str, str]) -> dict[str, str]:
    return {name: "created" if state == "exited" else state for name, state in states.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_is_there_on_the_other_driver(tmp_path: Path, version: str) -> None:
    story = Story(tmp_path, version=version)
    story.fill()
    before, states, files = story.documents(), story.states(), story.all_files()
    story.back_up()
    assert archive.verify(story.backup) == ()
    story.switch()
    assert story.host.names() == []
    now = story.restore()
    assert story.states() == expected(states)
    assert story.all_files() == files
    after = story.documents()
    assert operations.what_differs(story.access, folder=story.backup, now=now) == []
    assert now == {text(before[name], "Id"): text(after[name], "Id") for name in before}
    assert text(story.access.images.inspect("app:1"), "Id") == text(before["db"], "Image")


def test_the_way_back_gives_the_same_containers(story: Story) -> None:
    before, states, files = story.documents(), story.states(), story.all_files()
    running = operations.note_running(story.access)
    assert story.back_up() == running
    story.switch()
    story.restore()
    story.switch_back()
    assert story.resume(running) == []
    operations.clean_up_old_engine(story.access, folder=story.backup)
    assert story.states() == states
    assert story.all_files() == files
    kept = [name for name in before if name != "passing"]
    assert {name: story.id(name) for name in kept} == {
        name: text(before[name], "Id") for name in kept
    }
    tags = [tag for image in story.access.images.list() for tag in image["RepoTags"] or []]  # type: ignore[union-attr]
    # The name of an image that a container uses is its last one, and goes when the container does.
    assert {str(tag).partition(":")[0] for tag in tags if "dockcfgd" in str(tag)} <= {
        f"dockcfgd-kept/{text(before['passing'], 'Id')[:12]}"
    }


def test_a_second_migration_after_a_way_back(story: Story) -> None:
    files = story.all_files()
    running = operations.note_running(story.access)
    for number in range(3):
        story.backup = str(Path(story.backup).with_name(f"backup-{number}"))
        story.back_up()
        story.switch()
        now = story.restore()
        assert operations.what_differs(story.access, folder=story.backup, now=now) == []
        assert story.all_files() == files
        story.switch_back()
        assert story.resume(running) == []
        operations.clean_up_old_engine(story.access, folder=story.backup)
    assert story.all_files() == files


def test_unnamed_volumes_of_passing_containers_stay_unnamed(story: Story) -> None:
    def volumes() -> list[str]:
        return [text(volume, "Name") for volume in story.access.networks.volumes()]

    before = volumes()
    running = operations.note_running(story.access)
    operations.keep_disposable(story.access, folder=f"{story.backup}/disposable")
    story.engine(JobVerb.RESTART)
    assert "passing" not in story.host.names()
    assert volumes() == before
    assert story.resume(running) == []
    assert story.states()["passing"] == "running"
    story.host.containers.stop("passing")
    assert len(volumes()) == len(before) - 1


def test_a_passing_container_that_ended_is_not_brought_back_again(story: Story) -> None:
    running = operations.note_running(story.access)
    operations.keep_disposable(story.access, folder=f"{story.backup}/disposable")
    story.engine(JobVerb.RESTART)
    assert story.resume(running) == []
    story.host.containers.stop("passing")
    assert story.resume(running) == []
    assert "passing" not in story.host.names()


def test_one_that_the_engine_did_not_remove_whole_gives_way(story: Story) -> None:
    """It is Dead, and can never be started."""
    running = operations.note_running(story.access)
    operations.keep_disposable(story.access, folder=f"{story.backup}/disposable")
    story.engine(JobVerb.RESTART)
    left = story.host.run("passing")
    story.host.container("passing").state = "dead"
    story.host.dockerd.container_refusals.append(
        lambda container: "it is marked for removal" if container.id == left else ""
    )
    assert story.resume(running) == []
    assert story.states()["passing"] == "running"


def test_passing_containers_are_made_first_and_then_started_side_by_side(story: Story) -> None:
    """One that does not start keeps none of the others down, and is tried again."""
    for number in range(3):
        story.host.run(f"job{number}", host_config={"AutoRemove": True})
    running = operations.note_running(story.access)
    operations.keep_disposable(story.access, folder=f"{story.backup}/disposable")
    story.engine(JobVerb.RESTART)
    story.host.dockerd.container_refusals.append(
        lambda container: "no such device" if container.name == "job1" else ""
    )
    story.host.cuts.restart()
    with pytest.raises(EngineFailure, match="no such device"):
        story.resume(running)
    passed = [label for label in story.host.cuts.passed if label.startswith("before: ")]
    made = [number for number, label in enumerate(passed) if "create container" in label]
    started = [number for number, label in enumerate(passed) if "start container" in label]
    assert (len(made), len(started)) == (4, 5)  # the refused one once more
    assert max(made) < min(started)
    assert [story.states().get(f"job{number}") for number in range(3)] == [
        "running",
        "created",
        "running",
    ]
    story.host.dockerd.container_refusals.clear()
    assert story.resume(running) == []
    assert story.states()["job1"] == "running"


def let_two_meet(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Let the first two calls of a method go on only once both have come."""
    both, numbers, call = threading.Barrier(2), itertools.count(), getattr(owner, name)

    def met(*given: Any, **named: Any) -> Any:
        if next(numbers) < 2:
            both.wait(20)
        return call(*given, **named)

    monkeypatch.setattr(owner, name, met)


def test_writable_layers_are_saved_two_at_a_time(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The one with --rm is kept by itself, while it runs.
    operations.keep_disposable(story.access, folder=f"{story.backup}/disposable")
    let_two_meet(monkeypatch, FakeFolders, "pack_layer")
    story.back_up()
    assert archive.verify(story.backup) == ()
    layers = [record.layer for record in read_records(story.backup) if record.layer]
    assert len(layers) == len(set(layers)) == 4
    progress = [call for call in story.told.calls if call[3] == "containers"]
    total = len(read_records(story.backup))
    assert [done for _, done, _, _ in progress[-total - 1 :]] == list(range(total + 1))


def test_writable_layers_are_loaded_two_at_a_time(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = story.all_files()
    story.back_up()
    story.switch()
    load_images(story.access.images, folder=story.backup, progress=story.told)
    let_two_meet(monkeypatch, FakeImages, "load")
    story.restore()
    assert story.all_files() == files


def test_containers_that_need_no_other_are_made_anew_together(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.back_up()
    story.switch()
    let_two_meet(monkeypatch, FakeContainers, "create")
    before = len(story.told.calls)
    now = story.restore()
    assert operations.what_differs(story.access, folder=story.backup, now=now) == []
    made = [call for call in story.told.calls[before:] if call[3] == "containers"][: len(now) + 1]
    assert [done for _, done, _, _ in made] == list(range(len(now) + 1))


def test_one_that_needs_another_is_made_after_it(story: Story) -> None:
    story.host.run("second", host_config={"PidMode": f"container:{story.id('shares')}"})
    story.back_up()
    story.switch()
    now = story.restore()
    passed = [label for label in story.host.cuts.passed if label.startswith("after: create")]
    order = [label.split()[-1] for label in passed]
    assert order.index("web") < order.index("shares") < order.index("second")
    assert story.host.container("second").host["PidMode"] == f"container:{story.id('shares')}"
    assert len(now) == len(story.host.names())


def test_passing_containers_are_made_together(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.host.run("job", host_config={"AutoRemove": True})
    running = operations.note_running(story.access)
    operations.keep_disposable(story.access, folder=f"{story.backup}/disposable")
    story.engine(JobVerb.RESTART)
    let_two_meet(monkeypatch, FakeContainers, "create")
    assert story.resume(running) == []
    assert story.states()["job"] == story.states()["passing"] == "running"


def said(story: Story, name: str) -> list[str]:
    return story.host.dockerd.log_of(story.host.container(name)).read_text().splitlines()


def test_passing_containers_keep_their_log(story: Story) -> None:
    story.host.dockerd.write_log(story.host.container("passing"), "a word")
    running = operations.note_running(story.access)
    folder = f"{story.backup}/disposable"
    operations.keep_disposable(story.access, folder=folder)
    story.host.dockerd.write_log(story.host.container("passing"), "the last word")
    story.engine(JobVerb.RESTART)
    assert story.resume(running) == []
    before = ["passing starts", "a word", "the last word", "passing starts"]
    assert said(story, "passing") == before
    # A further stop, as on a way back.
    operations.keep_disposable(story.access, folder=f"{folder}/again")
    story.engine(JobVerb.RESTART)
    assert story.resume(running) == []
    assert said(story, "passing") == [*before, "passing starts"]
    disposable.forget(folder)
    assert not list(Path(story.root, "dockcfgd").iterdir())


def test_passing_containers_keep_their_log_on_the_other_driver(story: Story) -> None:
    story.host.dockerd.write_log(story.host.container("passing"), "a word")
    story.back_up()
    story.switch()
    story.restore()
    assert said(story, "passing") == ["passing starts", "a word", "passing starts"]


def kept_image(story: Story, folder: str) -> dict[str, bytes]:
    ((_, image),) = disposable.kept(folder)
    images = story.host.dockerd.images
    return images.content(images.images[image])


def test_what_was_kept_first_counts_until_all_is_kept_again(tmp_path: Path) -> None:
    def prepare(story: Story) -> None:
        disposable.keep(story.access, folder=story.backup)
        story.host.container("passing").layer["/y"] = b"4"

    def act(story: Story) -> None:
        # After a crash what was kept before is there.
        assert {"/x": b"3"}.items() <= kept_image(story, story.backup).items()
        disposable.keep(story.access, folder=story.backup)
        disposable.keep_again(story.access, folder=story.backup, progress=story.told)

    def check(story: Story) -> None:
        assert {"/x": b"3", "/y": b"4"}.items() <= kept_image(story, story.backup).items()
        ((document, _),) = disposable.kept(story.backup)
        assert text(document, "State", "Status") == "running"
        assert story.states()["passing"] == "running"
        # Each once: what is written now is not looked at any more.
        story.host.container("passing").layer["/z"] = b"5"
        disposable.keep_again(story.access, folder=story.backup, progress=story.told)
        assert "/z" not in kept_image(story, story.backup)
        drop_kept_names(story.access.images)
        assert not [
            tag for one in story.access.images.list() for tag in texts(one, "RepoTags")
            if tag.startswith("dockcfgd-kept/")
        ]  # fmt: skip

    places = sweep(made, prepare, act, check, folder=tmp_path)
    assert places > 5


def test_a_passing_container_that_ends_while_it_is_kept_again(story: Story) -> None:
    disposable.keep(story.access, folder=story.backup)
    passing, before = story.id("passing"), disposable.kept(story.backup)
    story.host.container("passing").layer["/y"] = b"4"

    def end(label: str) -> None:
        if label == f"before: pause container {passing}":
            story.host.containers.stop(passing)

    story.host.cuts.watch(end)
    disposable.keep_again(story.access, folder=story.backup, progress=story.told)
    assert "passing" not in story.host.names()
    assert disposable.kept(story.backup) == before


def test_a_container_that_does_not_start_is_named(story: Story) -> None:
    running = operations.note_running(story.access)
    story.engine(JobVerb.RESTART)
    story.host.dockerd.container_refusals.append(
        lambda container: "port is taken" if container.name == "db" else None
    )
    assert story.resume(running) == ["db"]


def test_a_name_by_digest_is_no_tag(story: Story) -> None:
    """As containerd's image store lists it; an archive has no such name."""
    image = next(iter(story.host.dockerd.images.images.values()))
    image.tags[:] = [f"localhost:5000/app@sha256:{'5' * 64}"]
    (found,) = [one for one in take_inventory(story.access).images if one.id == image.id]
    assert (found.tags, found.references) == ((), (image.id,))


def test_one_that_is_refused_among_many_is_started_once_more(story: Story) -> None:
    running = operations.note_running(story.access)
    story.engine(JobVerb.RESTART)
    said = iter(["cannot start a container that has stopped"])
    story.host.dockerd.container_refusals.append(
        lambda container: next(said, None) if container.name == "db" else None
    )
    assert story.resume(running) == []
    assert next(said, None) is None


def test_one_that_ended_well_by_itself_came_back(story: Story) -> None:
    running = operations.note_running(story.access)
    story.host.container("db").end(exit_code=0, moment=story.host.dockerd.moment())
    launch = story.host.dockerd.launch

    def ends_at_once(label: str) -> None:
        if label.startswith("after") and "start container" in label:
            story.host.container("db").end(exit_code=0, moment=story.host.dockerd.moment())

    assert launch is not None
    story.host.cuts.watch(ends_at_once)
    assert story.resume(running) == []


def sweep(
    make: Callable[[Path], Story],
    prepare: Callable[[Story], None],
    act: Callable[[Story], object],
    check: Callable[[Story], None],
    *,
    folder: Path,
) -> int:
    """Crash at each effect of `act`, do it again, and check; give the number of places."""
    number = 0
    while True:
        story = make(folder / str(number))
        prepare(story)
        story.host.cuts.restart(crash_at=number)
        try:
            act(story)
        except Crash:
            story.host.cuts.restart()
            act(story)
            check(story)
        else:
            story.host.cuts.restart()
            check(story)
            return number
        number += 1


def made(folder: Path) -> Story:
    folder.mkdir()
    story = Story(folder)
    story.fill()
    return story


@pytest.mark.timeout(300)
def test_a_backup_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    whole = made(tmp_path / "whole")
    running, names = whole.back_up(), [one["name"] for one in whole.back_up()]
    assert names == [one["name"] for one in running]

    def check(story: Story) -> None:
        assert archive.verify(story.backup) == ()
        noted = operations.note_running(story.access)
        assert noted == []
        again = story.back_up()
        assert [one["name"] for one in again] == names
        story.switch()
        story.restore()
        assert sorted(name for name, state in story.states().items() if state == "running") == [
            "db", "passing", "shares", "web",
        ]  # fmt: skip
        assert story.files_of("passing")["x"] == b"3"
        assert story.files_of("web") == {"data": b"1"}

    places = sweep(made, lambda _: None, lambda story: story.back_up(), check, folder=tmp_path)
    assert places > 20


def test_one_that_is_renamed_after_a_crash_is_written_down_once(story: Story) -> None:
    operations.back_up_images(
        story.access, folder=story.backup, target_driver="vfs", progress=story.told
    )
    web, db = story.id("web"), story.id("db")

    def crash(label: str) -> None:
        if label == f"after: stop container {db}":
            raise Crash(label)

    story.host.cuts.watch(crash)
    with pytest.raises(Crash):
        operations.back_up_containers(story.access, folder=story.backup, progress=story.told)
    story.host.cuts.unwatch()
    assert story.states()["db"] == "exited"
    story.host.container("db").name = "db-2"
    story.host.containers.start(web)
    story.host.container("web").name = "db"
    operations.back_up_containers(story.access, folder=story.backup, progress=story.told)
    found = {record.name: (record.id, record.state) for record in read_records(story.backup)}
    assert (found["db"], found["db-2"]) == ((web, "running"), (db, "running"))
    assert sorted(found) == ["db", "db-2", "ended", "passing", "shares", "sleeps", "waits"]


@pytest.mark.timeout(300)
def test_a_restoration_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    def prepare(story: Story) -> None:
        story.back_up()
        story.switch()

    def check(story: Story) -> None:
        assert story.states() == {
            "db": "running", "ended": "created", "passing": "running", "shares": "running",
            "sleeps": "paused", "waits": "created", "web": "running",
        }  # fmt: skip
        assert story.host.container("shares").host["IpcMode"] == f"container:{story.id('web')}"
        assert story.files_of("web") == {"data": b"1"}
        assert set(story.restore().values()) == {story.id(name) for name in story.host.names()}

    places = sweep(made, prepare, lambda story: story.restore(), check, folder=tmp_path)
    assert places > 20


@pytest.mark.timeout(300)
def test_a_resumption_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    noted: list[Any] = []

    def prepare(story: Story) -> None:
        noted[:] = operations.note_running(story.access)
        story.back_up()
        story.engine(JobVerb.RESTART)

    def check(story: Story) -> None:
        operations.clean_up_old_engine(story.access, folder=story.backup)
        assert story.states() == {
            "db": "running", "ended": "exited", "passing": "running", "shares": "running",
            "sleeps": "paused", "waits": "created", "web": "running",
        }  # fmt: skip
        assert story.files_of("passing")["x"] == b"3"

    places = sweep(made, prepare, lambda story: story.resume(noted), check, folder=tmp_path)
    assert places > 10


def test_what_came_after_the_images_were_saved_is_saved_too(story: Story) -> None:
    operations.back_up_images(
        story.access, folder=story.backup, target_driver="vfs", progress=story.told
    )
    late = story.host.image("late:1", {"/late": b"late"})
    story.host.images.tag("app:1", repository="second", tag="name")
    story.host.run("newcomer", image="late:1", layer={"/new": b"er"})
    operations.back_up_containers(story.access, folder=story.backup, progress=story.told)
    assert Path(story.backup, "images-2.tar.zst").exists()
    story.switch()
    story.restore()
    assert story.host.dockerd.images.find("late:1").id == late
    assert "second:name" in story.host.dockerd.images.find("app:1").tags
    assert story.files_of("newcomer") == {"late": b"late", "new": b"er"}


def test_the_label_of_a_swarm_task_means_something_in_a_swarm_alone(story: Story) -> None:
    of_task = {"Labels": {"com.docker.swarm.task.id": "an image was committed from one"}}
    story.host.run("labelled", layer={"/mine": b"too"}, body=of_task)

    def names() -> set[str]:
        return {container_name(one) for one in take_inventory(story.access).containers}

    story.host.dockerd.swarm = True
    assert names() == set(story.host.names()) - {"labelled"}
    story.host.dockerd.swarm = False
    assert names() == set(story.host.names())
    story.back_up()
    story.switch()
    story.restore()
    assert story.files_of("labelled")["mine"] == b"too"


def test_networks_that_are_gone_are_made_again(story: Story) -> None:
    story.back_up()
    story.switch()
    root = story.host.dockerd.process.root if story.host.dockerd.process else None
    assert root is not None
    for key in [key for key, network in root.networks.items() if network.name == "net"]:
        del root.networks[key]
    story.restore()
    made_again = [one for one in story.access.networks.list() if one["Name"] == "net"]
    assert made_again[0]["Labels"] == {"a": "b"}
    assert story.host.container("db").host["NetworkMode"] == "net"


def test_too_little_room_is_told_before_anything_is_stopped(story: Story) -> None:
    story.host.files.free = 1000
    states = story.states()
    with pytest.raises(FileFailure, match="free") as caught:
        story.back_up()
    assert caught.value.errno == errno.ENOSPC
    assert story.states() == states
    assert not Path(story.backup).exists()


_MIB = 1024**2


class _Fits(Exception):
    """Nothing was refused."""


def _stage(story: Story, target: str = "vfs", root: str = "") -> None:
    def begin() -> AbstractContextManager[operations.Access]:
        raise _Fits

    operations.back_up_images_and_stage(
        story.access,
        begin,
        folder=story.backup,
        target_driver=target,
        target_root=root or story.root,
        progress=story.told,
    )


def test_what_containers_have_written_needs_room_twice(story: Story) -> None:
    """Beside the margins that are wanted in any case: in data-root, and in the backup."""
    story.host.container("web").layer["/big"] = b"." * 8 * _MIB
    for free, fits in ((132 * _MIB, False), (140 * _MIB, False), (160 * _MIB, True)):
        story.host.files.free = free
        with pytest.raises(_Fits if fits else FileFailure) as caught:
            _stage(story)
        assert fits or r"written (8.0 MiB)" in str(caught.value)
    # Made anew it is committed too, and staged by docker.
    with pytest.raises(FileFailure, match="written"):
        story.back_up()


def test_copies_that_share_blocks_need_no_room_but_the_backup_does(story: Story) -> None:
    story.host.container("web").layer["/big"] = b"." * 8 * _MIB
    story.host.files.shares = True
    for free, fits in ((132 * _MIB, False), (140 * _MIB, True)):
        story.host.files.free = free
        with pytest.raises(_Fits if fits else FileFailure):
            _stage(story)


def test_too_little_room_in_containerds_store_is_told_before_anything_is_stopped(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, free = str(tmp_path / "containerd"), 0
    elsewhere = story.host.files.free_bytes
    monkeypatch.setattr(operations, "same_filesystem", lambda *paths: len(set(paths)) == 1)
    monkeypatch.setattr(
        story.host.files,
        "free_bytes",
        lambda path: free if path == store else elsewhere(path),
    )
    states = story.states()
    with pytest.raises(FileFailure, match=rf"{store} has 0.* free, .* in containerd's store"):
        _stage(story, "overlayfs", store)
    assert story.states() == states
    assert not Path(story.backup).exists()
    free = 1024 * _MIB
    with pytest.raises(_Fits):
        _stage(story, "overlayfs", store)


def test_each_container_is_asked_once_how_much_it_has_written(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    written = story.host.containers.written

    def ask(container: str) -> int:
        asked.append(container)
        return written(container)

    monkeypatch.setattr(story.host.containers, "written", ask)
    with pytest.raises(_Fits):
        _stage(story)
    assert sorted(asked) == sorted(story.id(name) for name in story.host.names())


def test_too_few_inodes_are_told_before_anything_is_stopped(story: Story) -> None:
    story.host.files.inodes = 500
    with pytest.raises(FileFailure, match="500 inodes free") as caught:
        story.back_up()
    assert caught.value.errno == errno.ENOSPC
    assert not Path(story.backup).exists()


def test_what_cannot_be_created_again_is_told_before_anything_is_stopped(story: Story) -> None:
    states = story.states()
    image = story.host.container("web").image
    del story.host.dockerd.images.images[image]
    with pytest.raises(EngineFailure, match=r"container web: its image was removed by force"):
        story.back_up()
    assert {name: story.states()[name] for name in states} == states


def test_a_stopped_container_without_its_peer_can_be_moved_in_place(story: Story) -> None:
    story.host.containers.remove("web")
    gone = "container shares: the container whose IPC namespace it shares is gone"
    with pytest.raises(EngineFailure, match=gone):
        _stage(story)
    story.host.containers.stop("shares")
    with pytest.raises(_Fits):
        _stage(story)
    with pytest.raises(EngineFailure, match=gone):
        story.back_up()


def test_a_size_that_the_new_driver_cannot_limit_is_told_before_anything_is_stopped(
    story: Story,
) -> None:
    story.host.container("web").host["StorageOpt"] = {"size": "5G"}
    states, target = story.states(), "fuse-overlayfs"
    with pytest.raises(EngineFailure, match=rf"{target} has no size limit .* \(5G\); make it anew"):
        operations.back_up_images(
            story.access, folder=story.backup, target_driver=target, progress=story.told
        )
    assert story.states() == states


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_a_driver_whose_place_is_a_link_is_told_before_anything_is_stopped(
    story: Story, tmp_path: Path, driver: str
) -> None:
    place = Path(story.root, driver)
    if place.exists():
        place.rename(tmp_path / driver)
    place.symlink_to(tmp_path / driver)
    states = story.states()
    with pytest.raises(EngineFailure, match=f"{place} is a link or a mount of its own"):
        story.back_up()
    assert story.states() == states
    assert not Path(story.backup).exists()


@pytest.mark.parametrize("settings", ['{"userns-remap": "default"}', "{}"])
def test_files_of_the_hosts_own_users_are_told_before_anything_is_stopped(
    tmp_path: Path, settings: str
) -> None:
    host = FakeHost(data_root=str(tmp_path / "root"), daemon_json=settings)
    host.run("plain", layer={"/data": b"1"})
    host.run("unchanged", host_config={"UsernsMode": "host"})
    host.run("agent", layer={"/data": b"1"}, host_config={"UsernsMode": "host"})
    back_up = partial(
        operations.back_up_images, host.effects.access, folder=str(tmp_path / "backups/one"),
        target_driver="vfs", progress=Told(),
    )  # fmt: skip
    if "userns-remap" in settings:
        with pytest.raises(EngineFailure, match=r": agent: what a container with --userns=host"):
            back_up()
    else:
        back_up()
    assert host.names(running=True) == ["agent", "plain", "unchanged"]


def test_a_foreign_container_of_the_name_is_left_alone(story: Story) -> None:
    story.back_up()
    story.switch()
    story.host.image("foreign:1", {"/f": b"f"})
    foreign = story.host.run("web", image="foreign:1")
    with pytest.raises(EngineFailure, match="another container of that name"):
        story.restore()
    assert story.id("web") == foreign


def test_what_differs_is_told(story: Story) -> None:
    story.back_up()
    story.switch()
    now = story.restore()
    story.host.container("db").host["RestartPolicy"] = {"Name": "always"}
    story.host.containers.remove("ended")
    story.host.containers.stop("passing")
    assert operations.what_differs(story.access, folder=story.backup, now=now) == [
        "db: HostConfig.RestartPolicy.Name: 'no' -> 'always'",
        "ended: it is not there",
    ]


def test_a_restoration_names_what_does_not_start_and_starts_the_rest(story: Story) -> None:
    story.back_up()
    story.switch()
    story.host.dockerd.container_refusals.append(
        lambda container: "port is taken" if container.name == "db" else None
    )
    with pytest.raises(EngineFailure, match=r"db \(.*port is taken\)"):
        story.restore()
    assert story.states()["web"] == "running"


def test_an_incomplete_backup_is_not_restored(story: Story) -> None:
    operations.back_up_images(
        story.access, folder=story.backup, target_driver="vfs", progress=story.told
    )
    story.switch()
    with pytest.raises(FileFailure, match=r"manifest\.json"):
        story.restore()
    assert story.host.names() == []


def test_progress_is_told_in_bytes_and_containers(story: Story) -> None:
    story.back_up()
    assert {unit for _, _, _, unit in story.told.calls} == {"bytes", "containers"}
    assert any(done > 0 for _, done, _, unit in story.told.calls if unit == "bytes")
