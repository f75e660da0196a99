"""Data-roots that were moved from by copying: shown, and freed, on a simulated host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.adapters.vitals import HostVitals
from dockcfgd.cli.storage_text import pruning, storage_text
from dockcfgd.migration import left_behind
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.status import Condition, Status, Task, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.roots.mounts import Mount
from dockcfgd.storage_view import storage_document
from tests.crash.lives import DAEMON_JSON, Lives
from tests.fakes.host import FakeHost

_VFS = 'storage-driver = "vfs"\n'


class Moved:
    """A host whose data-root was copied to another place, before a change of the driver if so."""

    def __init__(self, folder: Path, *, driver: str = "", users: str = "") -> None:
        folder.mkdir()
        self.old, self.new = folder / "docker", folder / "elsewhere"
        self.host = FakeHost(
            data_root=str(self.old),
            daemon_json=json.dumps({"data-root": str(self.old), "storage-driver": "overlay2"}),
        )
        for path in ("/etc/subuid", "/etc/subgid"):
            self.host.files.put(path, "dockremap:100000:65536\n")
        self.lives = Lives(folder, self.host)
        self.host.run("web", layer={"/data": b"1"})
        place = users or f'data-root = "{self.new}"'
        self.want(f'storage-driver = "overlay2"\n{place}')
        if driver:
            self.want(driver + place)
        self.host.cuts.restart()

    def want(self, engine: str) -> None:
        self.lives.want(f"[engine]\n{engine}")
        status = self.lives.look()
        assert status.condition is Condition.IN_SYNC, status.reason

    def back_by_hand(self) -> None:
        """Let somebody else start the engine in the old place."""
        self.host.files.put(DAEMON_JSON, json.dumps({"data-root": str(self.old)}))
        for verb in (JobVerb.STOP, JobVerb.START):
            self.host.systemd.reset_failed(DOCKER_SERVICE)
            assert self.host.systemd.run_job(verb, DOCKER_SERVICE, timeout=60.0).good

    @property
    def left(self) -> list[str]:
        found = left_behind.left_behind(self.lives.settings.left_dir)
        return [one.path for one in found]

    @property
    def document(self) -> dict[str, Any]:
        left = left_behind.left_behind(self.lives.settings.left_dir)
        return storage_document(self.lives.kept, left, self.host.effects, HostVitals())

    def prune(self) -> Task:
        return _task(self.lives.storage_prune())

    def expect_freed(self) -> None:
        assert not self.old.exists()
        assert self.left == []
        assert self.host.names(running=True) == ["web"]
        assert self.host.content("web")["/data"] == b"1"


def _task(status: Status | None) -> Task:
    assert status is not None
    assert status.task is not None
    return status.task


@pytest.fixture
def moved(tmp_path: Path) -> Moved:
    return Moved(tmp_path / "moved")


def test_it_is_shown_and_freed(moved: Moved) -> None:
    (moved.old / "image").mkdir(exist_ok=True)
    (moved.old / "image" / "large").write_bytes(b"x" * 100_000)
    document = moved.document
    [one] = document["left_roots"]
    assert (one["path"], one["moved_to"]) == (str(moved.old), str(moved.new))
    assert one["bytes"] >= 100_000
    assert (one["measured"], one["freeing"], one["why_not"]) == (True, False, None)
    told = storage_text(document)
    assert f"left:   {moved.old}, data-root until" in told
    assert "dockcfgctl storage prune frees it" in told
    assert "nothing is kept" not in told
    [line] = pruning(document)
    assert str(moved.old) in line
    assert "is deleted for good" in line

    task = moved.prune()
    assert (task.verdict, task.reason) == (Verdict.APPLIED, f"{moved.old} removed")
    assert f"remove the old data-root {moved.old}" in [step.name for step in task.steps]
    moved.expect_freed()
    assert moved.document["left_roots"] == []
    assert "nothing is kept" in storage_text(moved.document)
    assert moved.prune().verdict is Verdict.REFUSED


def test_after_what_a_driver_had_in_the_new_one(tmp_path: Path) -> None:
    moved = Moved(tmp_path / "moved", driver=_VFS)
    kept = moved.lives.kept
    assert kept is not None
    assert kept.root == str(moved.new)
    assert len(pruning(moved.document)) == 3
    task = moved.prune()
    assert task.verdict is Verdict.APPLIED, task.reason
    assert "freed; " in str(task.reason)
    assert moved.lives.kept is None
    moved.expect_freed()


def test_of_one_that_holds_the_data_root_in_use_the_rest_goes(tmp_path: Path) -> None:
    moved = Moved(tmp_path / "moved", users='userns-remap = "default"')
    assert moved.left == [str(moved.old)]
    assert (moved.old / "overlay2").exists()
    task = moved.prune()
    assert task.verdict is Verdict.APPLIED, task.reason
    assert {one.name for one in moved.old.iterdir()} - {"dockcfgd"} == {"100000.100000"}
    assert moved.left == []
    assert moved.host.content("web")["/data"] == b"1"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("driver", ["", _VFS], ids=["alone", "and-a-driver"])
def test_killed_at_every_effect_it_goes_on(tmp_path: Path, driver: str) -> None:
    whole = Moved(tmp_path / "whole", driver=driver)
    whole.prune()
    places = list(whole.host.cuts.passed)
    assert any("data-root that was left" in place for place in places)
    for number in range(len(places)):
        told = Moved(tmp_path / str(number), driver=driver)
        told.host.cuts.restart(crash_at=number)
        told.lives.storage_prune()
        told.host.cuts.restart()
        told.lives.storage_prune()
        told.expect_freed()
        assert told.lives.kept is None, places[number]


def test_cut_off_it_goes_on_at_the_next_start(moved: Moved) -> None:
    whole = "while removing a data-root that was left"
    moved.prune()
    places = list(moved.host.cuts.passed)
    told = Moved(moved.old.parent / "again")
    told.host.cuts.restart(crash_at=places.index(whole))
    assert told.lives.storage_prune() is None
    told.host.cuts.restart()
    [one] = told.document["left_roots"]
    assert (one["freeing"], one["why_not"]) == (True, None)
    assert "being freed" in storage_text(told.document)
    told.lives.look()
    told.expect_freed()


def test_one_that_is_used_again_is_not_freed(moved: Moved) -> None:
    moved.back_by_hand()
    [one] = moved.document["left_roots"]
    assert one["why_not"] == "it is the data-root in use"
    assert "does not free it: it is the data-root in use" in storage_text(moved.document)
    assert pruning(moved.document) == [f"{moved.old} stays: it is the data-root in use."]
    task = moved.prune()
    assert task.verdict is Verdict.REFUSED
    assert "it is the data-root in use" in str(task.reason)
    assert moved.old.exists()


def test_one_that_was_used_since_stays_and_others_go(moved: Moved) -> None:
    (moved.old / "made by an engine").mkdir()
    other = moved.old.parent / "other"
    other.mkdir()
    records = moved.lives.settings.left_dir
    left_behind.note(records, path=str(other), moved_to="/srv/x", transaction="T0", at=1.0)
    task = moved.prune()
    assert task.verdict is Verdict.APPLIED
    assert task.reason == f"{other} removed; {moved.old} stays: it was used again since"
    assert not other.exists()
    assert moved.left == [str(moved.old)]
    again = moved.prune()
    assert again.verdict is Verdict.REFUSED
    assert "it was used again since" in str(again.reason)
    assert (moved.old / "made by an engine").exists()


def test_half_of_one_that_an_engine_uses_meanwhile_is_given_up(moved: Moved) -> None:
    whole = Moved(moved.old.parent / "whole")
    whole.prune()
    places = list(whole.host.cuts.passed)
    moved.host.cuts.restart(crash_at=places.index("while removing a data-root that was left") + 1)
    assert moved.lives.storage_prune() is None
    moved.host.cuts.restart()
    moved.back_by_hand()
    assert moved.prune().verdict is Verdict.REFUSED
    [one] = moved.document["left_roots"]
    assert one["freeing"] is False
    assert moved.old.exists()


def test_one_with_a_mount_in_it_stays(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = Mount(f"{moved.old}/volumes/nas/_data", "0:1", "/", "nfs4", frozenset())
    monkeypatch.setattr(left_behind, "mounts", lambda: (mount,))
    task = moved.prune()
    assert task.verdict is Verdict.REFUSED
    assert f"{mount.point} is mounted" in str(task.reason)
    assert moved.old.exists()
    monkeypatch.undo()
    assert moved.prune().verdict is Verdict.APPLIED


def test_what_cannot_be_removed_stays_to_be_freed(
    moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "Operation not permitted"

    def fail(*_: object, **__: object) -> None:
        raise FileFailure(what="remove", path=str(moved.old), errno=1, why=why)

    with monkeypatch.context() as patch:
        patch.setattr(moved.host.roots, "remove_left", fail)
        task = moved.prune()
        assert task.verdict is Verdict.DEGRADED
        assert why in str(task.reason)
        assert moved.left == [str(moved.old)]
        # Half of it may be gone: it is no place to go back to.
        moved.lives.want(f'[engine]\ndata-root = "{moved.old}"')
        status = moved.lives.look()
        assert status.condition is Condition.REJECTED
        assert "holds an engine's data already" in str(status.reason)
    moved.want(f'data-root = "{moved.new}"')
    moved.expect_freed()
