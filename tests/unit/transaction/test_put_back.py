"""Going back to a driver's data ends what an engine that was killed has left running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.host import UnitState
from dockcfgd.model.steps import PutBack
from dockcfgd.model.systemd import DOCKER_SERVICE, JobResult, JobVerb
from dockcfgd.transaction.perform import perform
from tests.fakes.host import FakeHost

LEFT, ENDED = "a" * 64, "b" * 64


def test_scopes_of_containers_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[tuple[JobVerb, str]] = []

    def unit(name: str) -> UnitState:
        state = "active" if LEFT in name else "inactive"
        return UnitState(name, "loaded", state, "running" if state == "active" else "dead")

    def run_job(verb: JobVerb, name: str, *, timeout: float, going: float = 0.0) -> JobResult:
        assert timeout > going
        stopped.append((verb, name))
        return JobResult.DONE

    put_back(tmp_path, monkeypatch, unit, run_job)
    assert stopped == [(JobVerb.STOP, f"docker-{LEFT}.scope")]


@pytest.mark.parametrize(("engine", "ended"), [(94, [LEFT]), (0, [LEFT, ENDED])])
def test_those_that_began_after_an_engine_that_lives_run_on(
    engine: int, ended: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a boot it begins, on what dockcfgd-recover has put back, before dockcfgd does."""
    began = {DOCKER_SERVICE: 20.0, f"docker-{LEFT}.scope": 19.9, f"docker-{ENDED}.scope": 20.1}
    stopped: list[str] = []

    def unit(name: str) -> UnitState:
        pid = engine if name == DOCKER_SERVICE else 0
        return UnitState(name, "loaded", "active", "running", main_pid=pid, started=began[name])

    def run_job(verb: JobVerb, name: str, *, timeout: float, going: float = 0.0) -> JobResult:
        assert (verb, timeout > going) == (JobVerb.STOP, True)
        stopped.append(name)
        return JobResult.DONE

    put_back(tmp_path, monkeypatch, unit, run_job)
    assert stopped == [f"docker-{one}.scope" for one in ended]


def test_without_systemd_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unit(name: str) -> UnitState:
        raise SystemdFailure(what=f"read the state of {name}", name="NoReply", why="no answer")

    def run_job(verb: JobVerb, name: str, *, timeout: float, going: float = 0.0) -> JobResult:
        raise AssertionError(f"{verb} {name} {timeout} {going}")

    put_back(tmp_path, monkeypatch, unit, run_job)


def put_back(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    unit: Callable[[str], UnitState],
    run_job: Callable[..., JobResult],
) -> None:
    """Put back a driver's data, of a data-root with two containers."""
    host = FakeHost()
    for container in (LEFT, ENDED):
        (root / "containers" / container).mkdir(parents=True)
    monkeypatch.setattr(host.systemd, "unit", unit)
    monkeypatch.setattr(host.systemd, "run_job", run_job)
    step = PutBack(str(root), "vfs", str(root / "dockcfgd" / "T1"))
    perform(step, host.effects, {}, _progress, heed=lambda: None)


def _progress(*, item: str, done: int, total: int, unit: str) -> None:
    raise AssertionError(f"{item} {done} {total} {unit}")
