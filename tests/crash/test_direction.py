"""Whole changes whose direction matters: what stays untouched, what a failure leaves running."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.model.status import Condition, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from tests.crash.lives import DAEMON_JSON, Lives
from tests.fakes.host import FakeHost

RESTART = (JobVerb.RESTART, DOCKER_SERVICE)
LEVEL = '[engine]\nlog-level = "warn"\n[policy]\ndrift-max-impact = "reload"'


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    host = FakeHost()
    host.run("job", layer={"/data": b"2"})
    return Lives(tmp_path, host)


def _edit(lives: Lives, **keys: object) -> None:
    document = lives.files.document | keys
    lives.host.files.put(DAEMON_JSON, json.dumps(document))


def _pid(lives: Lives) -> int:
    return lives.host.container("job").pid


def test_an_edit_that_the_engine_has_not_read_is_only_written_back(lives: Lives) -> None:
    lives.want(LEVEL)
    assert lives.look().condition is Condition.IN_SYNC
    jobs = list(lives.host.systemd.jobs)
    _edit(lives, **{"log-level": "error"})
    status = lives.later()
    assert status.condition is Condition.IN_SYNC
    assert lives.files.document["log-level"] == "warn"
    assert lives.host.systemd.jobs == jobs


def test_it_is_known_after_several_changes_that_took_no_restart(lives: Lives) -> None:
    lives.want(LEVEL)
    lives.look()
    lives.want(LEVEL.replace("[policy]", "debug = true\n[policy]"))
    assert lives.later().condition is Condition.IN_SYNC
    jobs = list(lives.host.systemd.jobs)
    _edit(lives, **{"log-level": "error"})
    assert lives.later().condition is Condition.IN_SYNC
    assert lives.host.systemd.jobs == jobs


def test_an_edit_that_the_engine_was_started_with_takes_a_restart(lives: Lives) -> None:
    lives.want(LEVEL)
    lives.look()
    _edit(lives, **{"log-level": "error"})
    lives.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    status = lives.later()
    assert status.condition is Condition.PENDING
    assert [drift["impact"] for drift in status.drifts] == ["restart"]


def test_what_was_in_the_file_before_is_not_taken_for_in_force(lives: Lives) -> None:
    """The engine may have been started before that was written."""
    lives.host.files.put(DAEMON_JSON, json.dumps({"log-level": "warn"}))
    lives.want(LEVEL)
    assert lives.look().condition is Condition.IN_SYNC
    _edit(lives, **{"log-level": "error"})
    status = lives.later()
    assert status.condition is Condition.PENDING


@pytest.mark.parametrize("live_restore", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_debug_that_is_taken_back_leaves_the_log_level_as_it_was(
    tmp_path: Path, *, live_restore: bool, running: bool
) -> None:
    host = FakeHost()
    if running:
        host.run("job", layer={"/data": b"2"})
    lives = Lives(tmp_path, host)
    level = f'[engine]\nlog-level = "warn"\nlive-restore = {str(live_restore).lower()}'
    lives.want(level)
    assert lives.look().condition is Condition.IN_SYNC
    before, pid = lives.files, _pid(lives) if running else 0
    host.dockerd.silences.append(lambda config: "no word" if config.get("debug") else None)
    lives.want(f"{level}\ndebug = true")
    status = lives.later()
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK, status.reason
    assert lives.files == before
    process = host.dockerd.process
    assert process is not None
    assert process.log_level == "warn"
    assert process.live_restore is live_restore
    assert host.names(running=True) == (["job"] if running else [])
    if running:
        assert _pid(lives) == pid


def test_debug_that_goes_on_and_off_ends_at_the_log_level(lives: Lives) -> None:
    lives.want(LEVEL)
    lives.look()
    jobs = len(lives.host.systemd.jobs)
    lives.want(LEVEL.replace("[policy]", "debug = true\n[policy]"))
    assert lives.later().condition is Condition.IN_SYNC
    assert RESTART not in lives.host.systemd.jobs[jobs:]
    pid = _pid(lives)
    lives.want(LEVEL)
    assert lives.later().condition is Condition.IN_SYNC
    process = lives.host.dockerd.process
    assert process is not None
    assert (process.log_level, _pid(lives)) == ("warn", pid)


@pytest.mark.parametrize(
    "keys", ['runtimes.other.path = "/usr/bin/runc"', 'labels = ["a=b"]'], ids=["set", "beside"]
)
def test_a_reload_leaves_the_runtimes_of_an_old_engine(tmp_path: Path, keys: str) -> None:
    """Whatever the file names, a reload of this engine takes away those that it does not."""
    host = FakeHost(version="20.10.24+dfsg1")
    host.files.put("/usr/bin/runc", "", mode=0o755)
    lives = Lives(tmp_path, host)
    mine = '[engine]\nruntimes.mine.path = "/usr/bin/runc"\n'
    lives.want(mine)
    assert lives.look().condition is Condition.IN_SYNC
    lives.want(f"{mine}{keys}")
    status = lives.later()
    assert status.condition is Condition.IN_SYNC, status.reason
    lives.want("[engine]\ndebug = true")
    status = lives.later()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert lives.files.document == {"debug": True}
    assert RESTART not in host.systemd.jobs
    shown = host.engine.info()["Runtimes"]
    assert isinstance(shown, dict)
    assert "io.containerd.runc.v2" in shown


def _off_with_new_driver(config: Mapping[str, Any]) -> str | None:
    off = config.get("log-driver") == "local" and not config.get("live-restore")
    return "the engine does not want to" if off else None


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_containers_run_on_when_the_last_reload_of_a_bridge_fails(lives: Lives, kind: str) -> None:
    dockerd = lives.host.dockerd
    where = dockerd.reload_refusals if kind == "refused" else dockerd.silences
    where.append(_off_with_new_driver)
    before, pid = lives.files, _pid(lives)
    lives.want('[engine]\nlog-driver = "local"')
    status = lives.look()
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK, status.reason
    assert lives.files == before
    assert _pid(lives) == pid
    assert lives.host.names(running=True) == ["job"]
    assert not lives.host.engine.info()["LiveRestoreEnabled"]


def test_docker0_changes_under_live_restore_and_containers_come_back(lives: Lives) -> None:
    lives.want("[engine]\nlive-restore = true")
    lives.look()
    pid = _pid(lives)
    lives.want('[engine]\nlive-restore = true\nbip = "10.9.0.1/24"')
    status = lives.later()
    assert status.condition is Condition.IN_SYNC
    assert lives.host.names(running=True) == ["job"]
    assert _pid(lives) != pid
    assert lives.host.engine.info()["LiveRestoreEnabled"]
    assert lives.files.document == {"live-restore": True, "bip": "10.9.0.1/24"}


def test_a_driver_on_a_host_with_nothing_to_move_is_a_restart(tmp_path: Path) -> None:
    lives = Lives(tmp_path, FakeHost(data_root=str(tmp_path / "docker")))
    lives.want('[engine]\nstorage-driver = "vfs"\n[policy]\nmax-impact = "restart"')
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert status.last is not None
    assert status.last.impact == "restart"
    assert lives.host.engine.info()["Driver"] == "vfs"


@pytest.mark.parametrize("renamable", [False, True], ids=["copied", "renamed"])
@pytest.mark.parametrize("refused", [False, True], ids=["starts", "refused"])
def test_what_a_failed_start_makes_in_another_data_root_goes_with_it(
    tmp_path: Path, *, renamable: bool, refused: bool
) -> None:
    """Of a host with nothing to move too, and for the impact of a restart."""
    root, other = tmp_path / "docker", tmp_path / "other"
    written = json.dumps({"data-root": str(root)})
    lives = Lives(tmp_path, FakeHost(data_root=str(root), daemon_json=written))
    lives.host.roots.renamable = renamable
    if refused:
        lives.host.refuse_start(
            lambda config: "no" if config.get("data-root") == str(other) else None
        )
    lives.want(f'[engine]\ndata-root = "{other}"\n[policy]\nmax-impact = "restart"')
    status = lives.look()
    assert status.last is not None
    assert status.last.impact == "restart"
    assert status.condition is (Condition.REJECTED if refused else Condition.IN_SYNC), status.reason
    assert lives.host.engine.info()["DockerRootDir"] == str(root if refused else other)
    assert other.exists() is not refused
    assert root.exists() is (refused or not renamable)


def test_an_engine_that_keeps_a_container_down_by_a_reload_is_restarted(tmp_path: Path) -> None:
    host = FakeHost(version="28.5.2+dfsg4")
    host.run("app", host_config={"ExtraHosts": ["host.docker.internal:host-gateway"]})
    lives = Lives(tmp_path, host)
    lives.want("[engine]\ndebug = true")
    status = lives.look()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert set(host.systemd.jobs) == {RESTART}
    assert host.names(running=True) == ["app"]
