"""Backups of a serving host in memory, and their restore: what is in them, and what stays."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.migration import archive
from dockcfgd.migration.documents import table, tables, text
from dockcfgd.migration.live_backup import Reports, Wish, clear_away, make_backup
from dockcfgd.migration.restoring import Restored, restore_chosen
from dockcfgd.model.desired import Json
from dockcfgd.model.errors import BackupRefused, EngineFailure, FileFailure
from dockcfgd.model.policy import Consistency
from tests.fakes.host import FakeHost

STORE = '{"features": {"containerd-snapshotter": true}}'
VERSIONS = ("20.10.24", "26.1.5", "28.5.2")


class Bench:
    """A host and its backups, with what was told meanwhile."""

    def __init__(self, folder: Path, *, version: str = "26.1.5", daemon_json: str = "") -> None:
        self.host = FakeHost(version=version, daemon_json=daemon_json)
        self.folder = folder / "backups"
        self.steps: list[str] = []
        self.held: list[list[str]] = []
        self.calls: list[tuple[str, int, int, str]] = []
        self.reports = Reports(self.steps.append, self._progress, self._note)

    def fill(self) -> None:
        host = self.host
        host.networks.create({"Name": "net", "Labels": {"a": "b"}})
        host.image("app:1", {"/app": b"app"}, {"Cmd": ["app"]})
        host.image("spare:2", {"/spare": b"spare"})
        host.fill("data", {"one": b"1", "two": b"2" * 2000})
        host.fill("lone", {"file": b"lone"})
        shared = {"Binds": ["data:/data"]}
        host.run("web", layer={"/data/x": b"1"}, restart="always", host_config=shared)
        host.run("reader", host_config={"Binds": ["data:/in:ro", "/srv:/srv"]})
        host.run("db", image="app:1", layer={"/db": b"2"}, host_config={"NetworkMode": "net"})
        host.run("ended", layer={"/last": b"words"})
        host.containers.stop("ended")
        host.run("passing", layer={"/x": b"3"}, host_config={"AutoRemove": True})

    def make(self, name: str = "one", *names: str, **wish: Any) -> tuple[str, ...]:
        wanted = Wish(names=names, volumes=True, **wish)
        folder = str(self.folder / name)
        return make_backup(
            self.host.effects.access, self.host.folders, wanted, folder=folder, reports=self.reports
        )

    def restore(self, name: str, *names: str, host: FakeHost | None = None) -> Restored:
        effects = (host or self.host).effects
        return restore_chosen(
            effects.access,
            effects.folders,
            names,
            folder=str(self.folder / name),
            reports=self.reports,
        )

    def watched(self, *, wrote: bool = False) -> list[dict[str, str]]:
        """Give what containers do each time when a volume is read, as that comes."""
        during: list[dict[str, str]] = []

        def look(_volume: str) -> bool:
            during.append(self.states())
            return wrote

        self.host.folders.writers.append(look)
        return during

    def meanwhile(
        self, happens: Callable[[], object], *, before: str = "save the containers"
    ) -> None:
        """Let something happen before a step: what comes before that may have taken hours."""

        def step(name: str) -> None:
            if name == before:
                happens()

        self.reports = replace(self.reports, step=step)

    def states(self) -> dict[str, str]:
        return {name: self.host.container(name).state for name in self.host.names()}

    def _progress(self, *, item: str, done: int, total: int, unit: str) -> None:
        assert 0 <= done <= total
        self.calls.append((item, done, total, unit))

    def _note(self, held: Sequence[Json]) -> None:
        documents = tables({"held": list(held)}, "held")
        self.held.append(sorted(text(one, "Name").removeprefix("/") for one in documents))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.fill()
    yield made
    kept = [tag for one in made.host.images.list() for tag in one["RepoTags"]]  # type: ignore[union-attr]
    assert not [tag for tag in kept if str(tag).startswith("dockcfgd-kept/")]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_of_it_on_another_host(tmp_path: Path, version: str) -> None:
    bench = Bench(tmp_path)
    bench.fill()
    before = bench.states()
    pids = {name: bench.host.container(name).pid for name in bench.host.names()}
    written = {name: bench.host.content(name) for name in bench.host.names()}

    assert bench.make() == ()

    assert bench.states() == before
    assert {name: bench.host.container(name).pid for name in bench.host.names()} == pids
    assert archive.verify(str(bench.folder / "one")) == ()
    other = FakeHost(version=version)
    assert bench.restore("one", host=other) == Restored((), ())
    assert {name: other.content(name) for name in other.names()} == written
    assert {name: other.container(name).state for name in other.names()} == before | {
        "ended": "created"
    }
    assert other.volume("data") == {"one": b"1", "two": b"2" * 2000}
    assert other.volume("lone") == {"file": b"lone"}
    assert "net" in {text(one, "Name") for one in other.networks.list()}
    assert {tag for one in other.images.list() for tag in one["RepoTags"]} == {  # type: ignore[union-attr]
        "busybox:latest",
        "app:1",
        "spare:2",
    }
    assert not (bench.folder / "one" / "restoring.json").exists()


@pytest.mark.parametrize("target", ["", STORE])
def test_from_containerds_store_to_any(tmp_path: Path, target: str) -> None:
    """Images have IDs there that they have nowhere else, and those of writable layers too."""
    bench = Bench(tmp_path, daemon_json=STORE)
    bench.fill()
    written = {name: bench.host.content(name) for name in bench.host.names()}

    assert bench.make() == ()

    other = FakeHost(daemon_json=target)
    assert bench.restore("one", host=other) == Restored((), ())
    assert {name: other.content(name) for name in other.names()} == written


def test_names_longer_than_a_file_name(bench: Bench) -> None:
    volume, container, network = "v" * 250, "c" * 300, "网" * 90
    bench.host.networks.create({"Name": network})
    bench.host.fill(volume, {"one": b"1"})
    mounted = {"Binds": [f"{volume}:/data"], "NetworkMode": network}
    bench.host.run(container, layer={"/x": b"1"}, host_config=mounted)
    written = bench.host.content(container)

    assert bench.make() == ()

    other = FakeHost()
    assert bench.restore("one", host=other) == Restored((), ())
    assert other.content(container) == written
    assert other.volume(volume) == {"one": b"1"}
    assert network in {text(one, "Name") for one in other.networks.list()}


def test_what_shares_a_volume_is_held_together_and_let_go(bench: Bench) -> None:
    during = bench.watched()
    bench.make()
    assert during[0]["web"] == during[0]["reader"] == "paused"
    assert during[0]["db"] == "running"
    # Nobody has the other volume.
    assert set(during[1].values()) == {"running", "exited"}
    assert bench.held[:3] == [[], ["reader", "web"], []]
    assert bench.held[-1] == []


@pytest.mark.parametrize("consistency", [Consistency.PAUSE, Consistency.STOP])
def test_who_was_stopped_meanwhile_stays_stopped(bench: Bench, consistency: Consistency) -> None:
    bench.meanwhile(lambda: bench.host.containers.stop("web"))
    bench.make(consistency=consistency)
    assert bench.host.container("web").state == "exited"
    assert bench.host.container("reader").state == "running"


@pytest.mark.parametrize(
    ("consistency", "state"), [(Consistency.PAUSE, "paused"), (Consistency.STOP, "exited")]
)
def test_who_began_meanwhile_is_held_too(
    bench: Bench, consistency: Consistency, state: str
) -> None:
    shared = {"Binds": ["data:/d"]}
    asleep = bench.host.run("asleep", host_config=shared)
    bench.host.containers.stop(asleep)

    def begin() -> None:
        bench.host.containers.start(asleep)
        bench.host.run("new", host_config=shared)

    bench.meanwhile(begin)
    during = bench.watched()
    bench.make(consistency=consistency)
    assert during[0]["asleep"] == during[0]["new"] == state
    assert bench.host.container("asleep").state == bench.host.container("new").state == "running"


def test_who_ends_when_its_layer_is_to_be_read_is_backed_up(bench: Bench) -> None:
    identity = bench.host.container("db").id

    def ends(label: str) -> None:
        if label == f"before: pause container {identity}":
            bench.host.container("db").end(exit_code=0, moment="")

    bench.host.cuts.watch(ends)
    assert bench.make() == ()
    assert bench.host.container("db").state == "exited"
    other = FakeHost()
    bench.restore("one", "db", host=other)
    assert other.content("db") == bench.host.content("db")


@pytest.mark.parametrize("effect", ["pause", "unpause"])
def test_who_goes_when_its_layer_is_read_is_left_out(bench: Bench, effect: str) -> None:
    """As one with --rm does that has come to its end."""
    identity = bench.host.container("passing").id

    def goes(label: str) -> None:
        if label == f"before: {effect} container {identity}":
            bench.host.cuts.unwatch()
            bench.host.containers.remove(identity)

    bench.host.cuts.watch(goes)
    assert bench.make() == ("container passing went while the backup was made",)
    assert archive.verify(str(bench.folder / "one")) == ()
    assert bench.held[-1] == []
    clear_away(bench.host.effects.access)


def test_an_image_that_goes_meanwhile_is_left_out(bench: Bench) -> None:
    """As one that is pruned while it is looked how much room all of it takes."""
    images = bench.host.dockerd.images
    app = images.find("app:1")

    def goes() -> None:
        for name in ("spare:2", "app:1"):
            del images.images[images.find(name).id]

    bench.meanwhile(goes, before="save the images")
    assert bench.make() == (
        "image app:1 went while the backup was made",
        "image spare:2 went while the backup was made",
        "container db is not in it: its image was removed by force; docker export gives its files",
    )
    other = FakeHost()
    assert bench.restore("one", host=other) == Restored((), ())
    assert other.names() == ["ended", "passing", "reader", "web"]
    images.images[app.id] = app


def test_an_image_that_goes_before_it_is_measured_is_left_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, history = bench.host.dockerd.images, bench.host.images.history
    spare = images.find("spare:2").id

    def goes(image: str) -> list[dict[str, Json]]:
        images.images.pop(spare, None)
        return history(image)

    monkeypatch.setattr(bench.host.images, "history", goes)
    assert bench.make() == ("image spare:2 went while the backup was made",)


def test_an_image_whose_name_goes_to_another_one_is_in_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it is built or pulled anew; the engine saves by names."""
    save = bench.host.images.save
    moves = [b"newer", b"newest"]
    first = bench.host.container("db").image

    def saved(references: Sequence[str]) -> Any:
        if moves:
            bench.host.image("app:1", {"/app": moves.pop(0)})
        return save(references)

    monkeypatch.setattr(bench.host.images, "save", saved)
    bench.meanwhile(lambda: bench.host.image("app:1", {"/app": b"new"}), before="save the images")
    assert bench.make() == ()
    assert not moves
    other = FakeHost()
    assert bench.restore("one", "db", host=other) == Restored((), ())
    assert other.content("db") == bench.host.content("db")
    assert text(other.images.inspect(first), "Id") == first


def test_a_volume_that_goes_meanwhile_is_left_out(bench: Bench) -> None:
    """As the unnamed one of a container with --rm goes with it."""
    bench.meanwhile(lambda: bench.host.remove_volume("lone"))
    assert bench.make() == ("volume lone went while the backup was made",)
    other = FakeHost()
    assert bench.restore("one", host=other) == Restored((), ())
    assert [text(one, "Name") for one in other.networks.volumes()] == ["data"]


def test_a_container_whose_image_was_removed_by_force_is_told(bench: Bench) -> None:
    image = bench.host.image("away:1", {"/away": b"1"})
    for name, layer in {"wrote": {"/x": b"1"}, "clean": {}}.items():
        bench.host.run(name, image="away:1", layer=layer)
        bench.host.containers.stop(name)
    del bench.host.dockerd.images.images[image]
    why = "is not in it: its image was removed by force; docker export gives its files"
    assert bench.make() == (f"container wrote {why}", f"container clean {why}")
    other = FakeHost()
    assert bench.restore("one", host=other) == Restored((), ())
    assert other.names() == ["db", "ended", "passing", "reader", "web"]


def test_who_is_ended_while_it_is_paused_is_not_started(bench: Bench) -> None:
    def look(volume: str) -> bool:
        if volume == "data":
            bench.host.container("web").end(exit_code=137, moment="")
        return False

    bench.host.folders.writers.append(look)
    bench.make()
    assert bench.host.container("web").state == "exited"
    assert bench.host.container("reader").state == "running"


def test_who_is_held_stays_noted_while_another_is_frozen(bench: Bench) -> None:
    bench.host.networks.create_volume({"Name": "far", "Driver": "nfs"})
    bench.host.run("holder", layer={"/x": b"4"}, host_config={"Binds": ["data:/d", "far:/far"]})
    bench.host.run("peer", layer={"/x": b"5"}, host_config={"Binds": ["far:/far"]})
    noted: list[list[str]] = []

    def look(_volume: str) -> bool:
        noted.append(bench.held[-1])
        return False

    bench.host.folders.writers.append(look)
    bench.make()
    together = ["holder", "reader", "web"]
    assert bench.held[:5] == [[], together, sorted([*together, "peer"]), together, []]
    assert noted == [together, []]


def test_stopped_where_that_is_asked_for(bench: Bench) -> None:
    shared = {"Binds": ["data:/d"], "AutoRemove": True}
    bench.host.run("fleeting", host_config=shared)
    lender = bench.host.run("lender", host_config={"Binds": ["data:/d"]})
    bench.host.run("guest", host_config={"NetworkMode": f"container:{lender}"})
    other = bench.host.run("other-lender", host_config={"Binds": ["data:/d"]})
    bench.host.run("other-guest", host_config={"PidMode": f"container:{other[:12]}"})
    before = bench.states()
    during = bench.watched()
    bench.make(consistency=Consistency.STOP)
    assert during[0]["web"] == during[0]["reader"] == "exited"
    # To stop one of these would remove it, and take away what another one uses.
    assert during[0]["fleeting"] == during[0]["lender"] == "paused"
    assert during[0]["other-lender"] == "paused"
    assert during[0]["guest"] == "running"
    assert bench.states() == before


def test_nobody_is_held_where_that_is_asked_for(bench: Bench) -> None:
    during = bench.watched(wrote=True)
    remarks = bench.make(consistency=Consistency.NONE)
    assert set(during[0].values()) == {"running", "exited"}
    assert remarks == (
        "volume data changed while it was read",
        "volume lone changed while it was read",
    )


def test_who_has_files_of_the_hosts_own_users_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, daemon_json='{"userns-remap": "default"}')
    bench.host.run("plain", layer={"/data": b"1"})
    bench.host.run("unchanged", host_config={"UsernsMode": "host"})
    bench.host.run("agent", layer={"/data": b"1"}, host_config={"UsernsMode": "host"})
    (remark,) = bench.make()
    assert remark.startswith("container agent is without what it has written as the host's users")


def test_single_containers_and_images(bench: Bench) -> None:
    bench.make("some", "db", "spare:2")
    manifest = archive.read_manifest(str(bench.folder / "some"))
    paths = {entry.path for entry in manifest.files}
    assert {path for path in paths if path.startswith(("containers/", "volumes/"))} == {
        "containers/db.json"
    }
    assert "networks/net.json" in paths
    other = FakeHost()
    bench.restore("some", host=other)
    assert other.names(running=True) == ["db"]
    assert {tag for one in other.images.list() for tag in one["RepoTags"]} == {"app:1", "spare:2"}  # type: ignore[union-attr]


def test_one_of_many_brings_nothing_else_back(bench: Bench) -> None:
    bench.make()
    other = FakeHost()
    bench.restore("one", "db", host=other)
    assert other.names() == ["db"]
    assert other.content("db") == bench.host.content("db")
    assert {tag for one in other.images.list() for tag in one["RepoTags"]} == {"app:1"}  # type: ignore[union-attr]
    assert other.networks.volumes() == []


def test_a_name_that_means_nothing_is_refused(bench: Bench) -> None:
    with pytest.raises(BackupRefused, match="cannot find 'nobody': this engine has no container"):
        bench.make("one", "nobody")
    assert not bench.folder.exists()


def test_what_would_not_fit_is_refused_with_numbers(bench: Bench) -> None:
    bench.host.files.free = 1024 * 1024
    with pytest.raises(FileFailure, match=r"has 1\.0 MiB free, .*images .*, written by") as failure:
        bench.make()
    assert failure.value.errno == errno.ENOSPC
    assert not bench.folder.exists()


def test_a_volume_of_another_driver_is_without_its_content(bench: Bench) -> None:
    bench.host.networks.create_volume({"Name": "far", "Driver": "nfs"})
    options: dict[str, Json] = {"type": "nfs", "device": ":/srv"}
    bench.host.networks.create_volume({"Name": "mounted", "DriverOpts": options})
    assert bench.make() == (
        "volume far is without its content: the driver nfs keeps its content",
        "volume mounted is without its content: its content is a mount of :/srv",
    )


def test_a_container_and_its_volume_come_back(bench: Bench) -> None:
    bench.make()
    before = bench.host.containers.inspect("web")
    content = bench.host.content("web")
    bench.host.containers.remove("web")
    bench.host.containers.remove("reader")
    bench.host.remove_volume("data")
    assert bench.restore("one", "web") == Restored((), ())
    after = bench.host.containers.inspect("web")
    assert table(after, "Config") == table(before, "Config") | {"Image": text(after, "Image")}
    assert bench.host.content("web") == content
    assert bench.host.volume("data")["one"] == b"1"
    assert bench.host.container("web").state == "running"


def test_nothing_that_is_there_is_overwritten(bench: Bench) -> None:
    bench.make()
    with pytest.raises(BackupRefused, match="none is overwritten: web, reader, db, ended, passing"):
        bench.restore("one")
    bench.host.containers.remove("web")
    bench.host.fill("data", {"one": b"newer"})
    newer = bench.host.image("busybox:latest", {"/bin/busybox": b"newer"})
    restored = bench.restore("one", "web")
    assert restored.remarks == (
        "volume data is there and was left as it is",
        "these names mean other images here and were left: busybox:latest",
    )
    assert bench.host.volume("data")["one"] == b"newer"
    assert text(bench.host.images.inspect("busybox:latest"), "Id") == newer
    assert bench.host.content("web")["/bin/busybox"] == b"busybox"


def test_an_empty_volume_that_nobody_uses_is_filled(bench: Bench) -> None:
    bench.make()
    other = FakeHost()
    other.networks.create_volume({"Name": "data"})
    bench.restore("one", "web", host=other)
    assert other.volume("data")["one"] == b"1"


def test_what_a_volume_does_not_take_is_told(bench: Bench) -> None:
    bench.make()
    other = FakeHost()
    other.folders.not_taken.append("Cannot set 'user.large' extended attribute for file './one'")
    (remark,) = bench.restore("one", "web", host=other).remarks
    assert remark.startswith("volume data is not whole: Cannot set 'user.large' extended attribute")


@pytest.mark.parametrize(
    "body", [{"Driver": "nfs"}, {"DriverOpts": {"type": "nfs", "device": ":/srv", "o": "addr=a"}}]
)
def test_a_volume_that_is_mounted_when_it_is_used_is_not_filled(
    bench: Bench, body: dict[str, Json]
) -> None:
    """What is put below its mount nobody sees."""
    bench.make()
    other = FakeHost()
    other.networks.create_volume({"Name": "data", **body})
    restored = bench.restore("one", "web", host=other)
    assert restored.remarks == ("volume data is there and was left as it is",)
    assert other.volume("data") == {}


def test_a_network_named_by_its_id_is_found_by_name(bench: Bench) -> None:
    net = next(text(one, "Id") for one in bench.host.networks.list() if text(one, "Name") == "net")
    bench.host.run("by-id", host_config={"NetworkMode": net})
    bench.make()
    other = FakeHost()
    assert bench.restore("one", "by-id", host=other) == Restored((), ())
    assert list(other.container("by-id").endpoints) == ["net"]


def test_a_network_named_by_its_id_is_found_where_it_is_there(bench: Bench) -> None:
    """As on a host that has one of the name, or where a restore that was cut off made it."""
    net = next(text(one, "Id") for one in bench.host.networks.list() if text(one, "Name") == "net")
    bench.host.run("by-id", host_config={"NetworkMode": net})
    bench.make()
    other = FakeHost()
    for name in ("before", "net"):
        other.networks.create({"Name": name})
    assert bench.restore("one", "by-id", host=other) == Restored((), ())
    assert list(other.container("by-id").endpoints) == ["net"]


def test_a_network_whose_name_another_ones_id_begins_with(bench: Bench) -> None:
    net = next(text(one, "Id") for one in bench.host.networks.list() if text(one, "Name") == "net")
    bench.host.networks.create({"Name": net[:2]})
    bench.host.run("named", host_config={"NetworkMode": net[:2]})
    assert list(bench.host.container("named").endpoints) == [net[:2]]
    bench.make()
    other = FakeHost()
    assert bench.restore("one", "named", "db", host=other) == Restored((), ())
    assert list(other.container("named").endpoints) == [net[:2]]


def test_who_ends_and_goes_when_it_is_looked_at_is_in_nobodys_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.make()
    other = FakeHost()
    listed = other.containers.list

    def with_one_that_goes() -> list[dict[str, Json]]:
        return [*listed(), {"Id": "f" * 64}]

    monkeypatch.setattr(other.containers, "list", with_one_that_goes)
    assert bench.restore("one", "db", host=other) == Restored((), ())


def test_what_it_needs_must_be_there(bench: Bench) -> None:
    web = bench.host.container("web").id
    bench.host.run("guest", host_config={"NetworkMode": f"container:{web}"})
    bench.make()
    other = FakeHost()
    with pytest.raises(BackupRefused, match="guest needs web, which is not there"):
        bench.restore("one", "guest", host=other)
    assert other.images.list() == []
    bench.host.containers.remove("guest")
    bench.restore("one", "guest")
    mode = text(bench.host.containers.inspect("guest"), "HostConfig", "NetworkMode")
    assert mode == f"container:{web}"


def test_what_names_another_one_by_its_short_id_is_as_it_was(bench: Bench) -> None:
    """As `docker ps` shows it; the engine keeps what it was told."""
    web = bench.host.container("web").id[:12]
    bench.host.run("watcher", host_config={"PidMode": f"container:{web}", "VolumesFrom": [web]})
    bench.make()
    other = FakeHost()
    # With other IDs than the first one has.
    other.networks.create({"Name": "more"})
    assert bench.restore("one", "web", "watcher", host=other) == Restored((), ())
    assert text(other.containers.inspect("watcher"), "HostConfig", "PidMode") == (
        f"container:{other.container('web').id}"
    )


def test_a_damaged_backup_is_refused_before_anything(bench: Bench) -> None:
    bench.make()
    spoilt = bench.folder / "one" / "volumes" / "data.tar.zst"
    content = bytearray(spoilt.read_bytes())
    content[len(content) // 2] ^= 0xFF
    spoilt.write_bytes(content)
    assert archive.verify(str(bench.folder / "one")) == (f"{spoilt}: its checksum is wrong",)
    other = FakeHost()
    with pytest.raises(BackupRefused, match=r"damaged backup: .*data\.tar\.zst: its checksum"):
        bench.restore("one", host=other)
    assert other.images.list() == []
    # What does not need the damaged part can be had.
    bench.restore("one", "db", host=other)
    assert other.names(running=True) == ["db"]


@pytest.mark.parametrize("path", ["networks/net.json", "volumes/lone.json", "containers/web.json"])
def test_what_a_copy_of_a_backup_lacks_is_told(bench: Bench, path: str) -> None:
    """As one that was brought to another host in part."""
    bench.make()
    (bench.folder / "one" / path).unlink()
    other = FakeHost()
    with pytest.raises(BackupRefused, match=rf"damaged backup: .*{path}: missing"):
        bench.restore("one", host=other)
    assert other.images.list() == []
    bench.restore("one", "spare:2", host=other)
    assert other.names() == []


def test_the_network_of_a_container_is_checked(bench: Bench) -> None:
    bench.make()
    spoilt = bench.folder / "one" / "networks" / "net.json"
    spoilt.write_text(spoilt.read_text().replace('"a": "b"', '"a": "c"'))
    with pytest.raises(BackupRefused, match=r"damaged backup: .*net\.json: its checksum"):
        bench.restore("one", "db", host=FakeHost())


def test_too_little_room_to_restore(bench: Bench) -> None:
    bench.make()
    other = FakeHost()
    other.files.free = 1024
    with pytest.raises(FileFailure, match="has 1024 bytes free, and what is to be restored"):
        bench.restore("one", host=other)
    assert other.images.list() == []


def test_layers_that_images_share_take_their_room_once(bench: Bench) -> None:
    images = bench.host.dockerd.images
    base = bench.host.image("base:1", {"/base": bytes(8 << 20)})
    for number in range(9):
        images.build([{f"/{number}": b""}], config={}, base=base, tag=f"app:{number + 2}")
    bench.make()
    other = FakeHost()
    other.files.free = 128 << 20
    bench.restore("one", host=other)
    assert text(other.images.inspect("app:10"), "Id") == text(
        bench.host.images.inspect("app:10"), "Id"
    )


def test_a_restore_that_failed_can_be_done_again(bench: Bench) -> None:
    bench.make()
    other = FakeHost()
    other.dockerd.container_refusals.append(
        lambda container: "port is taken" if container.name == "db" else None
    )
    with pytest.raises(EngineFailure, match=r"db .*port is taken"):
        bench.restore("one", host=other)
    made = {name: other.container(name).id for name in other.names()}
    other.dockerd.container_refusals.clear()
    restored = bench.restore("one", host=other)
    assert restored.differing == ()
    assert {name: other.container(name).id for name in other.names()} == made
    assert "db" in other.names(running=True)
    with pytest.raises(BackupRefused, match="none is overwritten"):
        bench.restore("one", host=other)


class _Ended(BaseException):
    """The process ends: nothing more is done."""


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5"])
def test_a_restore_cut_off_anywhere_can_be_done_again(tmp_path: Path, version: str) -> None:
    bench = Bench(tmp_path, version=version)
    bench.fill()
    bench.make()
    whole = FakeHost(version=version)
    bench.restore("one", host=whole)
    places = len(whole.cuts.passed)
    expected = {name: whole.content(name) for name in whole.names()}
    for place in range(places):
        other = FakeHost(version=version)
        _end_at(other, place)
        with pytest.raises(_Ended):
            bench.restore("one", host=other)
        other.cuts.restart()
        other.cuts._watchers.clear()  # noqa: SLF001 -- a new process
        restored = bench.restore("one", host=other)
        assert restored.differing == (), place
        assert {name: other.content(name) for name in other.names()} == expected
        assert other.volume("data") == whole.volume("data")


def test_what_a_backup_cut_off_left_is_cleared_away(bench: Bench) -> None:
    bench.host.folders.writers.append(lambda _: _raise(_Ended()))
    with pytest.raises(_Ended):
        bench.make()
    names = {tag for one in bench.host.images.list() for tag in one["RepoTags"]}  # type: ignore[union-attr]
    assert any(str(name).startswith("dockcfgd-kept/") for name in names)
    clear_away(bench.host.effects.access)


def _raise(error: BaseException) -> bool:
    raise error


def _end_at(host: FakeHost, place: int) -> None:
    """Let the process end at a place: from there on nothing has any effect."""
    passed = 0

    def at(_label: str) -> None:
        nonlocal passed
        passed += 1
        if passed > place:
            raise _Ended

    host.cuts.watch(at)
