"""What an engine that systemd has killed leaves running is not copied before it has ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.model import steps as do
from dockcfgd.model.errors import SystemdFailure, Unfinished
from dockcfgd.model.host import UnitState
from dockcfgd.model.processes import Process
from dockcfgd.planning.expect import stop_timeout
from dockcfgd.transaction.left_running import await_end
from dockcfgd.transaction.perform import perform
from tests.fakes.host import FakeHost

ONE, OTHER, FOREIGN = "a" * 64, "b" * 64, "f" * 64
STEPS: tuple[Callable[[str], do.Step], ...] = (
    lambda root: do.CarryLayers("T1", "/backups", root, "overlay2", "vfs", f"{root}/staging"),
    lambda root: do.SetAside(root, "vfs", f"{root}/dockcfgd/T1"),
    lambda root: do.ReturnStorage(root, "vfs", f"{root}/dockcfgd/T1", "overlay2", "/kept"),
    lambda root: do.CopyRootRest(root, "/elsewhere", "T1"),
    lambda root: do.RenameRoot(root, "/elsewhere", "T1"),
)


@pytest.fixture
def root(tmp_path: Path) -> str:
    for container in (ONE, OTHER):
        (tmp_path / "containers" / container).mkdir(parents=True)
    return str(tmp_path)


class Left:
    """Containers that run on: until when, and which are killed when."""

    def __init__(
        self, host: FakeHost, patch: pytest.MonkeyPatch, until: dict[str, float], *, killable: bool
    ) -> None:
        self.killed: dict[str, float] = {}
        self._host, self._until, self._killable = host, until, killable
        patch.setattr(host.systemd, "processes", self._processes)
        patch.setattr(host.systemd, "kill", self._kill)

    def _processes(self) -> tuple[Process, ...]:
        now = self._host.clock.monotonic()
        return tuple(
            Process(pid=9, parent=1, name="sh", cgroups=(f"/system.slice/docker-{one}.scope",))
            for one, until in self._until.items()
            if now < until and not (self._killable and one in self.killed)
        )

    def _kill(self, unit: str) -> None:
        self.killed[unit.removeprefix("docker-").removesuffix(".scope")] = (
            self._host.clock.monotonic()
        )


@pytest.mark.parametrize("step", STEPS)
def test_no_step_touches_data_of_one_that_runs(
    step: Callable[[str], do.Step], root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With cgroupfs it has no scope, so systemd cannot end it."""
    host = FakeHost()
    Left(host, monkeypatch, {ONE: 1e9}, killable=False)
    with pytest.raises(SystemdFailure, match=f"^cannot end container {ONE[:12]}: .*still runs"):
        perform(step(root), host.effects, {}, _progress, heed=lambda: None)


@pytest.mark.parametrize("step", STEPS[-2:])
def test_those_of_remapped_users_lie_in_a_folder_of_a_data_root_that_moves(
    step: Callable[[str], do.Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "100000.100000/containers" / ONE).mkdir(parents=True)
    host = FakeHost()
    Left(host, monkeypatch, {ONE: 1e9}, killable=False)
    with pytest.raises(SystemdFailure, match=f"^cannot end container {ONE[:12]}: .*still runs"):
        perform(step(str(tmp_path)), host.effects, {}, _progress, heed=lambda: None)


def test_each_has_its_own_time(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    began = host.clock.monotonic() - 90
    left = Left(host, monkeypatch, {ONE: began + 200, OTHER: 1e9}, killable=True)
    noted: Any = [{"id": ONE, "stop_timeout": 300}, {"id": OTHER, "stop_timeout": 120}]
    step = do.SetAside(root, "vfs", f"{root}/dockcfgd/T1")
    given: Any = {"NoteRunning": noted, "StopEngine": {"at": began}}
    perform(step, host.effects, given, _progress, heed=lambda: None)
    assert list(left.killed) == [OTHER]
    assert 120 < left.killed[OTHER] - began < 121
    assert 200 <= host.clock.monotonic() - began < 201


@pytest.mark.parametrize(("own", "seconds"), [(None, 10.0), (-1, 600.0), (0, 0.0)])
def test_one_without_an_end(
    own: int | None, seconds: float, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    began = host.clock.monotonic()
    left = Left(host, monkeypatch, {ONE: 1e9}, killable=True)
    await_end(
        root, host.effects, noted=[{"id": ONE, "stop_timeout": own}], stopped_at=began, heed=nothing
    )
    assert seconds <= left.killed[ONE] - began < seconds + 1


def test_others_processes_are_left_alone(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    left, began = Left(host, monkeypatch, {FOREIGN: 1e9}, killable=True), host.clock.monotonic()
    await_end(root, host.effects, noted=[], stopped_at=0.0, heed=nothing)
    assert (left.killed, host.clock.monotonic()) == ({}, began)


def test_the_stop_is_dated_and_running_ones_noted_with_their_time() -> None:
    host = FakeHost()
    host.run("web", restart="always")
    host.dockerd.containers()[0].config["StopTimeout"] = 300
    began = host.clock.monotonic()
    noted = perform(do.NoteRunning(), host.effects, {}, _progress, heed=lambda: None)
    assert isinstance(noted, list)
    assert [one["stop_timeout"] for one in noted if isinstance(one, dict)] == [300]
    stopped = perform(do.StopEngine(120), host.effects, {}, _progress, heed=lambda: None)
    assert stopped == {"at": began}


@pytest.mark.parametrize(
    ("allowed", "given"), [(0.0, 120.0), (90.0, 120.0), (600.0, 630.0), (math.inf, 3630.0)]
)
def test_the_engine_may_take_as_long_as_systemd_lets_it(allowed: float, given: float) -> None:
    unit = UnitState("docker.service", "loaded", "active", "running", stop_seconds=allowed)
    assert stop_timeout(unit) == given


def test_a_long_wait_can_be_ended(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    Left(host, monkeypatch, {ONE: 1e9}, killable=True)
    noted: Any = [{"id": ONE, "stop_timeout": 3600}]

    def told_to_end() -> None:
        raise Unfinished("dockcfgd is told to end")

    with pytest.raises(Unfinished):
        await_end(root, host.effects, noted=noted, stopped_at=0.0, heed=told_to_end)


def nothing() -> None:
    pass


def _progress(*, item: str, done: int, total: int, unit: str) -> None:
    raise AssertionError(f"{item} {done} {total} {unit}")
