"""Going back to what is kept of the storage, and freeing it, on a simulated host."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.adapters.vitals import HostVitals
from dockcfgd.chronicle import read_generation
from dockcfgd.cli import generation_text
from dockcfgd.cli.storage_text import going_back, storage_text
from dockcfgd.model.status import Condition, Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.reconcile.requests import Pause, Resume, StoragePrune
from dockcfgd.storage_view import storage_document
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

_VFS = '[engine]\nstorage-driver = "vfs"'
_OVERLAY = '[engine]\nstorage-driver = "overlay2"'
_EVERY = 1 if os.environ.get("CRASH_ALL") == "1" else 9


class Moved:
    """A host whose containers went to another driver, and what was done there since."""

    def __init__(
        self, folder: Path, *, wanted: str = _VFS, own: dict[str, Any] | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.root = folder / "docker"
        self.host = FakeHost(
            data_root=str(self.root), daemon_json='{"storage-driver": "overlay2", "debug": true}'
        )
        self.lives = Lives(folder, self.host)
        host = self.host
        host.run("web", layer={"/data": b"1"}, restart="always")
        host.run("job", layer={"/data": b"2"})
        host.networks.create({"Name": "front"})
        host.run("gone", layer={"/data": b"3"}, host_config=own)
        host.run("ended", layer={"/data": b"4"})
        host.containers.stop("ended")
        host.run("passing", layer={"/data": b"5"}, host_config={"AutoRemove": True})
        self.ids = {name: host.container(name).id for name in host.names()}
        self.lives.want(wanted)
        status = self.lives.look()
        assert status.condition is Condition.IN_SYNC, status.reason

    def go_on(self) -> None:
        """Do what people do after a migration."""
        host = self.host
        host.run("new", layer={"/data": b"6"})
        host.container("web").layer["/data"] = b"changed"
        host.containers.stop("job")
        host.containers.stop("gone")
        host.containers.remove("gone")
        host.cuts.restart()

    @property
    def driver(self) -> str:
        process = self.host.dockerd.process
        assert process is not None
        return process.driver

    def contents(self) -> dict[str, bytes]:
        return {name: self.host.content(name)["/data"] for name in self.host.names()}

    def expect_as_then(self) -> None:
        assert self.driver == "overlay2"
        assert self.contents() == {
            "web": b"1", "job": b"2", "gone": b"3", "ended": b"4", "passing": b"5",
        }  # fmt: skip
        assert self.host.names(running=True) == ["gone", "job", "passing", "web"]
        for name in ("web", "job", "gone", "ended"):
            assert self.host.container(name).id == self.ids[name]

    def expect_as_now(self) -> None:
        assert self.driver == "vfs"
        assert self.contents() == {
            "web": b"changed", "job": b"2", "ended": b"4", "new": b"6", "passing": b"5",
        }  # fmt: skip
        assert self.host.names(running=True) == ["new", "passing", "web"]


def _restart(moved: Moved) -> None:
    """Restart the engine as somebody else does."""
    for verb in (JobVerb.STOP, JobVerb.START):
        moved.host.systemd.reset_failed(DOCKER_SERVICE)
        assert moved.host.systemd.run_job(verb, DOCKER_SERVICE, timeout=60.0).good


@pytest.fixture
def moved(tmp_path: Path) -> Moved:
    return Moved(tmp_path / "moved")


def _expect_rolled_back(status: Status | None) -> None:
    assert status is not None
    assert status.last is not None
    assert status.last.verdict is Verdict.APPLIED, status.last.reason
    assert (status.condition, status.reason) == (Condition.REJECTED, "rolled back by operator")


def test_a_change_leaves_a_record(moved: Moved) -> None:
    kept = moved.lives.kept
    assert kept is not None
    assert (kept.driver, kept.successor, kept.root) == ("overlay2", "vfs", str(moved.root))
    assert {one.name for one in kept.running} == {"web", "job", "gone"}
    assert Path(kept.folder).is_dir()
    assert Path(kept.directory, kept.backup, "manifest.json").exists()
    status = moved.lives.look()
    assert status.kept is not None
    assert status.kept.driver == "overlay2"


def test_what_is_not_the_same_is_told_with_the_change(moved: Moved) -> None:
    """Beforehand the plan says it; whoever wonders afterwards finds it in the history."""
    shown = read_generation(moved.lives.settings.state_file, None)
    (transaction,) = shown["transactions"]
    told = transaction["irreversible"]
    assert "the build cache is not moved" in told
    assert any(one.startswith("--rm containers get a new ID") for one in told)
    lines = list(generation_text.lines(shown))
    for sentence in told:
        assert f"    {sentence}" in lines
    last = moved.lives.look().document()["last"]
    assert isinstance(last, dict)
    assert last["irreversible"] == told


def test_there_is_none_of_a_change_that_was_taken_back(tmp_path: Path) -> None:
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("web", layer={"/data": b"1"})
    host.refuse_start(lambda config: "no" if config.get("storage-driver") == "vfs" else None)
    lives.want(_VFS)
    assert lives.look().condition is Condition.REJECTED
    assert lives.kept is None


def test_what_a_prune_would_take_from_those_of_then_is_warned_of(tmp_path: Path) -> None:
    moved = Moved(tmp_path / "moved", own={"Binds": ["store:/data"], "NetworkMode": "front"})
    assert not _warned(moved)
    moved.host.containers.stop("gone")
    moved.host.containers.remove("gone")
    told = _warned(moved)
    for kind, name in (("volume", "store"), ("network", "front")):
        would = f"docker {kind} prune would remove what only overlay2 has a use for: {name}"
        assert f"beware: {would}" in told
    moved.host.remove_volume("store")
    assert "beware: volumes that containers of then need are gone: store" in _warned(moved)


def _warned(moved: Moved) -> list[str]:
    document = storage_document(moved.lives.kept, (), moved.host.effects, HostVitals())
    return [line for line in storage_text(document).splitlines() if line.startswith("beware: ")]


def test_back_as_they_were_then(moved: Moved) -> None:
    moved.go_on()
    before = moved.lives.kept
    _expect_rolled_back(moved.lives.storage_back())
    moved.expect_as_then()
    assert moved.lives.files.document == {"storage-driver": "overlay2", "debug": True}
    # Held until a file changes.
    status = moved.lives.look()
    assert (status.condition, status.reason) == (Condition.REJECTED, "rolled back by operator")
    moved.expect_as_then()
    # What there was is in a backup, and kept in its turn.
    kept = moved.lives.kept
    assert kept is not None
    assert before is not None
    assert (kept.driver, kept.successor, kept.moved) == ("vfs", "overlay2", True)
    assert not Path(before.folder).exists()
    names = {path.stem for path in Path(kept.directory, kept.backup, "containers").glob("*.json")}
    assert names == {"web", "job", "ended", "new", "passing"}
    assert Path(kept.directory, kept.backup, "manifest.json").exists()


def test_and_forth_again(moved: Moved) -> None:
    moved.go_on()
    _expect_rolled_back(moved.lives.storage_back())
    _expect_rolled_back(moved.lives.storage_back(back_up=False))
    moved.expect_as_now()
    _expect_rolled_back(moved.lives.storage_back(back_up=False))
    moved.expect_as_then()


def _give_name(moved: Moved, name: str, given: str) -> None:
    """Rename a container, on disk alone, as the engine writes it."""
    file = moved.root / "containers" / moved.ids[name] / "config.v2.json"
    text = json.dumps(json.loads(file.read_text()) | {"Name": f"/{given}"})
    file.unlink()
    file.write_text(text)


def test_what_came_since_is_shown_before(moved: Moved) -> None:
    moved.go_on()
    _give_name(moved, "ended", "over")
    document = storage_document(moved.lives.kept, (), moved.host.effects, HostVitals())
    since = document["kept"]["since_then"]
    told = {key: since[key] for key in ("created", "removed", "changed", "ending")}
    assert told == {
        "created": ["new"], "removed": ["gone"], "changed": ["ended"], "ending": ["passing"],
    }  # fmt: skip
    lines = "\n".join(going_back(document))
    for name in ("new", "gone", "ended", "passing"):
        assert name in lines
    assert "settings or networks than then: ended" in storage_text(document)


def test_applied_again_it_goes_the_usual_way(moved: Moved) -> None:
    moved.go_on()
    moved.lives.storage_back()
    status = moved.lives.apply()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert moved.driver == "vfs"
    assert moved.contents()["web"] == b"1"


def test_nothing_to_go_back_to(tmp_path: Path) -> None:
    host = FakeHost(data_root=str(tmp_path / "docker"))
    lives = Lives(tmp_path, host)
    host.run("web")
    status = lives.storage_back()
    assert status is not None
    assert status.last is not None
    assert status.last.verdict is Verdict.REFUSED
    assert "nothing is kept" in str(status.last.reason)


def test_refused_where_the_driver_is_another_by_now(moved: Moved) -> None:
    moved.host.dockerd.drivers.add("fuse-overlayfs")
    moved.host.files.put("/etc/docker/daemon.json", '{"storage-driver": "fuse-overlayfs"}')
    _restart(moved)
    status = moved.lives.storage_back()
    assert status is not None
    assert status.last is not None
    assert status.last.verdict is Verdict.REFUSED
    assert "the engine is on fuse-overlayfs" in str(status.last.reason)


def test_a_container_that_does_not_start_takes_it_back(moved: Moved) -> None:
    moved.go_on()
    moved.host.dockerd.container_refusals.append(
        lambda one: "no" if one.name == "job" and moved.driver == "overlay2" else None
    )
    status = moved.lives.storage_back()
    assert status is not None
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert "do not start: job" in str(status.last.reason)
    moved.expect_as_now()
    kept = moved.lives.kept
    assert kept is not None
    assert kept.driver == "overlay2"


def test_one_that_was_removed_since_may_stay_down(moved: Moved) -> None:
    moved.go_on()
    moved.host.dockerd.container_refusals.append(
        lambda one: "its volume is gone" if one.name == "gone" else None
    )
    _expect_rolled_back(moved.lives.storage_back())
    assert moved.host.names(running=True) == ["job", "passing", "web"]
    assert "gone" in moved.host.names()


def _killed_at_every_effect(folder: Path, *, power: bool) -> int:
    whole = Moved(folder / "whole")
    whole.go_on()
    _expect_rolled_back(whole.lives.storage_back())
    count = len(whole.host.cuts.passed)
    tried = 0
    for number in range(0, count, _EVERY):
        told = Moved(folder / str(number))
        told.go_on()
        told.host.cuts.restart(crash_at=number)
        status = told.lives.storage_back()
        told.host.cuts.restart()
        label = told.host.cuts.passed
        if power:
            told.host.power_cut()
            told.host.boot()
        if status is None or power:
            told.lives.look()
        tried += 1
        assert not told.lives.open_transaction, label
        kept = told.lives.kept
        assert kept is not None
        if told.driver == "overlay2":
            assert kept.driver == "vfs"
            if not power:
                told.expect_as_then()
        else:
            assert kept.driver == "overlay2"
            if not power:
                told.expect_as_now()
            # And again, to its end.
            _expect_rolled_back(told.lives.storage_back())
            if not power:
                told.expect_as_then()
    return tried


@pytest.mark.timeout(300)
def test_killed_at_every_effect(tmp_path: Path) -> None:
    tried = _killed_at_every_effect(tmp_path, power=False)
    print(f"storage rollback: {tried} places to be killed at, 0 failed")


@pytest.mark.timeout(300)
def test_power_cut_at_every_effect(tmp_path: Path) -> None:
    tried = _killed_at_every_effect(tmp_path, power=True)
    print(f"storage rollback: {tried} places to lose power at, 0 failed")


def _expect_freed(moved: Moved) -> None:
    assert moved.lives.kept is None
    assert not (moved.root / "overlay2").exists()
    assert not (moved.root / "image" / "overlay2").exists()
    assert list((moved.root / "dockcfgd").iterdir()) == []
    moved.expect_as_now()


def test_pruned(moved: Moved) -> None:
    moved.go_on()
    status = moved.lives.storage_prune()
    assert status is not None
    assert status.task is not None
    assert (status.task.kind, status.task.verdict) == ("storage prune", Verdict.APPLIED)
    assert "freed" in str(status.task.reason)
    assert status.kept is None
    _expect_freed(moved)
    again = moved.lives.storage_prune()
    assert again is not None
    assert again.task is not None
    assert again.task.verdict is Verdict.REFUSED
    assert moved.lives.look().condition is Condition.IN_SYNC


@pytest.mark.parametrize(
    ("driver", "stays"),
    [("zfs", "datasets that zfs made"), ("devicemapper", "dm.thinpooldev"), ("aufs", "")],
)
def test_what_a_driver_has_outside_of_data_root_is_told_to_stay(
    moved: Moved, driver: str, stays: str
) -> None:
    kept = moved.lives.kept
    assert kept is not None
    moved.lives.keep(replace(kept, driver=driver))
    status = moved.lives.storage_prune()
    assert status is not None
    assert status.task is not None
    assert status.task.verdict is Verdict.APPLIED
    freed, _, more = str(status.task.reason).partition("; ")
    assert freed.endswith("freed")
    assert stays in more
    assert bool(stays) == bool(more)
    assert moved.lives.kept is None


def test_a_data_root_with_something_kept_is_left_when_that_is_freed(moved: Moved) -> None:
    moved.go_on()
    goal = moved.root.with_name("elsewhere")
    moved.host.roots.renamable = True
    moved.lives.want(f'{_VFS}\ndata-root = "{goal}"')
    status = moved.lives.look()
    assert status.condition is Condition.REJECTED
    assert f"{moved.root} has what was kept of overlay2" in (status.reason or "")
    assert "dockcfgctl storage prune first" in (status.reason or "")
    assert moved.root.is_dir()
    moved.lives.live(word=lambda _: StoragePrune("prune"), until=Condition.IN_SYNC)
    assert moved.lives.kept is None
    assert not moved.root.exists()
    assert not (goal / "overlay2").exists()
    moved.expect_as_now()


def test_pruned_after_a_rollback(moved: Moved) -> None:
    moved.go_on()
    moved.lives.storage_back()
    moved.lives.storage_prune()
    moved.expect_as_then()
    assert moved.lives.kept is None
    assert not (moved.root / "vfs").exists()
    assert list((moved.root / "dockcfgd").iterdir()) == []


@pytest.mark.timeout(300)
def test_pruning_killed_at_every_effect_goes_on(tmp_path: Path) -> None:
    whole = Moved(tmp_path / "whole")
    whole.go_on()
    whole.lives.storage_prune()
    count = len(whole.host.cuts.passed)
    for number in range(count):
        told = Moved(tmp_path / str(number))
        told.go_on()
        told.host.cuts.restart(crash_at=number)
        begun = told.lives.storage_prune() is not None
        told.host.cuts.restart()
        kept = told.lives.kept
        if not begun and kept is not None and not kept.freeing:
            told.lives.storage_prune()  # nothing was begun that would go on
        told.lives.look()
        told.lives.look()
        _expect_freed(told)
    print(f"storage prune: {count} places to be killed at, 0 failed")


def test_never_the_driver_in_use(moved: Moved) -> None:
    moved.host.files.put("/etc/docker/daemon.json", '{"storage-driver": "overlay2"}')
    _restart(moved)
    status = moved.lives.storage_prune()
    assert status is not None
    assert status.task is not None
    assert status.task.verdict is Verdict.REFUSED
    assert "the engine is on it" in str(status.task.reason)
    assert (moved.root / "overlay2").exists()
    assert (moved.root / "vfs").exists()


def test_never_a_snapshotter_that_the_engine_calls_as_the_driver_in_use(moved: Moved) -> None:
    kept = moved.lives.kept
    assert kept is not None
    moved.lives.keep(replace(kept, driver=f"containerd-{kept.successor}"))
    status = moved.lives.storage_prune()
    assert status is not None
    assert status.task is not None
    assert status.task.verdict is Verdict.REFUSED
    assert "the engine is on it" in str(status.task.reason)
    assert moved.lives.kept is not None


def test_what_cannot_be_deleted_is_named_and_stays_to_be_freed(moved: Moved) -> None:
    moved.go_on()
    before = moved.lives.kept
    assert before is not None
    moved.host.freeing.stubborn.add(Path(before.folder).name)
    status = moved.lives.storage_prune()
    assert status is not None
    assert status.task is not None
    assert status.task.verdict is Verdict.DEGRADED
    assert "Device or resource busy" in str(status.task.reason)
    kept = moved.lives.kept
    assert kept is not None
    assert kept.freeing
    refused = moved.lives.storage_back()
    assert refused is not None
    assert refused.last is not None
    assert "being freed" in str(refused.last.reason)
    moved.host.freeing.stubborn.clear()
    moved.lives.storage_prune()
    _expect_freed(moved)


def test_not_to_be_kept(tmp_path: Path) -> None:
    moved = Moved(tmp_path / "moved", wanted=f"{_VFS}\n[storage]\nkeep-previous = false")
    moved.lives.look()
    moved.go_on()
    _expect_freed(moved)


def test_not_freed_during_a_pause(moved: Moved) -> None:
    moved.go_on()
    lives, kept = moved.lives, moved.lives.kept
    assert kept is not None
    lives.say(partial(Pause, "moving the rack", "root"))
    lives.keep(replace(kept, freeing=True))
    lives.look()
    lives.apply()
    assert lives.kept is not None
    assert (moved.root / "overlay2").exists() or (moved.root / "dockcfgd").exists()
    assert lives.say(Resume) == ""
    _expect_freed(moved)


def test_not_freed_before_it_is_confirmed(tmp_path: Path) -> None:
    wanted = f'{_VFS}\n[storage]\nkeep-previous = false\n[policy]\nconfirm-timeout = "2m"'
    host = FakeHost(
        data_root=str(tmp_path / "docker"), daemon_json='{"storage-driver": "overlay2"}'
    )
    lives = Lives(tmp_path, host)
    host.run("web", layer={"/data": b"1"})
    lives.want(wanted)
    lives.look()
    lives.look()
    assert (tmp_path / "docker" / "overlay2").exists()
    pruned = lives.storage_prune()
    assert pruned is not None
    assert pruned.task is not None
    assert pruned.task.verdict is Verdict.REFUSED
    assert "awaits confirmation" in (pruned.task.reason or "")
    status = lives.later(121)
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert host.content("web")["/data"] == b"1"


def test_its_backup_is_not_removed(moved: Moved) -> None:
    kept = moved.lives.kept
    assert kept is not None
    lives = moved.lives
    assert kept.backup
    for _ in range(4):
        lives.want(_OVERLAY)
        lives.look()
        lives.want(_VFS)
        lives.look()
    kept = lives.kept
    assert kept is not None
    assert Path(kept.directory, kept.backup, "manifest.json").exists()


_STORE = '[engine]\nstorage-driver = "overlayfs"\n[engine.features]\ncontainerd-snapshotter = true'
_OUT = _OVERLAY + "\n[engine.features]\ncontainerd-snapshotter = false"


def test_into_containerds_store_and_back_to_what_was(tmp_path: Path) -> None:
    moved = Moved(tmp_path, wanted=_STORE)
    assert moved.driver == "overlayfs"
    moved.go_on()
    assert moved.lives.storage_back() is not None
    moved.expect_as_then()
    assert moved.lives.storage_prune() is not None
    assert not moved.host.dockerd.containerd.images


def test_what_a_store_has_from_before_is_freed_and_never_mixed_with(tmp_path: Path) -> None:
    moved = Moved(tmp_path, wanted=_STORE)
    store = moved.host.dockerd.containerd
    moved.lives.want(_OUT)
    assert moved.lives.look().condition is Condition.IN_SYNC
    before = dict(store.images)
    moved.lives.want(_STORE)
    status = moved.lives.look()
    assert "from an earlier time" in str(status.last and status.last.reason)
    assert (moved.driver, store.images) == ("overlay2", before)
    assert moved.lives.storage_prune() is not None
    assert not store.images
    assert moved.lives.apply().condition is Condition.IN_SYNC
    assert moved.driver == "overlayfs"


@pytest.mark.parametrize("root", ["", "/elsewhere"])
def test_a_store_in_use_is_not_cleared_whatever_the_record_says(tmp_path: Path, root: str) -> None:
    moved = Moved(tmp_path, wanted=_STORE)
    kept = moved.lives.kept
    assert kept is not None
    before = dict(moved.host.dockerd.containerd.images)
    for driver in ("overlayfs", "native"):
        lie = replace(kept, driver=driver, root=root or kept.root, superseded=())
        moved.lives.keep(lie)
        moved.lives.storage_prune()
        assert moved.host.dockerd.containerd.images == before
    assert moved.contents()["web"] == b"1"
