"""Cancelling a change of the storage: at once while images go over, not once containers stop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Status, Verdict
from dockcfgd.reconcile.requests import Cancel, Look
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

_LIVE = (
    "while saving images",
    "after: start the staging engine",
    "after: stop the staging engine",
)
_STOPPED = ("before: carry", "while carrying", "before: start docker.service")


class _Change:
    """A host whose storage driver is being changed, where something is done at one place."""

    def __init__(self, folder: Path) -> None:
        host = FakeHost(
            data_root=str(folder / "docker"), daemon_json='{"storage-driver": "overlay2"}'
        )
        self.host, self.lives = host, Lives(folder, host)
        host.image("big:1", {f"/file{number}": bytes(4096) for number in range(64)})
        host.run("web", layer={"/data": b"1"}, restart="always")
        host.run("job", layer={"/data": b"2"})
        host.run("passing", layer={"/data": b"3"}, host_config={"AutoRemove": True})
        self.answers: list[str] = []
        self.passed_after: list[str] = []

    def run(self, label: str, act: Callable[[], None]) -> Status:
        waiting = [act]

        def at(passed: str) -> None:
            if waiting and passed == label:
                waiting.pop()()
            elif not waiting:
                self.passed_after.append(passed)

        self.host.cuts.restart()
        self.host.cuts.watch(at)
        self.lives.want('[engine]\nstorage-driver = "vfs"')
        status = self.lives.look()
        self.host.cuts.unwatch()
        assert not waiting, f"{label} was never passed"
        return status

    def cancel(self) -> None:
        self.lives.reconciler.enqueue(Cancel("", "root", self.answers.append))

    @property
    def driver(self) -> str:
        process = self.host.dockerd.process
        assert process is not None
        return process.driver

    def expect_all_there(self) -> None:
        assert self.host.names(running=True) == ["job", "passing", "web"]
        found = {name: self.host.content(name)["/data"] for name in self.host.names()}
        assert found == {"web": b"1", "job": b"2", "passing": b"3"}


@pytest.mark.parametrize("label", _LIVE)
def test_cancelled_while_the_engine_serves(tmp_path: Path, label: str) -> None:
    change = _Change(tmp_path)
    status = change.run(label, change.cancel)
    assert change.answers == [""]
    assert status.last is not None
    assert (status.last.verdict, status.reason) == (Verdict.ROLLED_BACK, "cancelled by root")
    assert status.condition is Condition.REJECTED
    assert change.driver == "overlay2"
    # In the middle of an image: what is left of it is not read any more.
    assert change.passed_after.count("while saving images") <= 1
    assert not [one for one in change.passed_after if "stop docker.service" in one]
    change.expect_all_there()
    assert not change.host.staging.running
    assert list(Path(change.lives.backups).iterdir()) == []
    assert change.lives.apply().condition is Condition.IN_SYNC
    assert change.driver == "vfs"
    change.expect_all_there()


@pytest.mark.parametrize("label", _STOPPED)
def test_not_cancelled_once_containers_are_stopped(tmp_path: Path, label: str) -> None:
    change = _Change(tmp_path)
    status = change.run(label, change.cancel)
    assert len(change.answers) == 1
    assert "containers were stopped" in change.answers[0]
    assert status.condition is Condition.IN_SYNC, status.reason
    assert change.driver == "vfs"
    change.expect_all_there()


def test_a_newer_desired_state_ends_a_long_copy(tmp_path: Path) -> None:
    change = _Change(tmp_path)

    def another() -> None:
        change.lives.want('[engine]\nstorage-driver = "overlay2"\ndebug = true')
        change.lives.reconciler.enqueue(Look("a file changed"))

    status = change.run("while saving images", another)
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert change.passed_after.count("while saving images") <= 1
    assert change.lives.look().condition is Condition.IN_SYNC
    assert change.driver == "overlay2"
    assert change.lives.files.document.get("debug") is True
    change.expect_all_there()


@pytest.mark.parametrize("label", _LIVE)
def test_the_end_of_dockcfgd_is_not_held_up(tmp_path: Path, label: str) -> None:
    change = _Change(tmp_path)

    def end() -> None:
        change.lives.reconciler.stop()

    status = change.run(label, end)
    assert status.last is not None
    assert status.last.reason == "dockcfgd was told to end"
    assert change.passed_after.count("while saving images") <= 1
    assert change.driver == "overlay2"
    change.expect_all_there()
    assert change.lives.later().condition is Condition.IN_SYNC
    assert change.driver == "vfs"


def test_another_ones_cancel_changes_nothing(tmp_path: Path) -> None:
    change = _Change(tmp_path)
    wish = partial(Cancel, "another", "root", change.answers.append)
    status = change.run("while saving images", lambda: change.lives.reconciler.enqueue(wish()))
    assert status.condition is Condition.IN_SYNC
    assert change.driver == "vfs"
