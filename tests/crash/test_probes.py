from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockcfgd.model.status import Condition, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from tests.crash.lives import DAEMON_JSON, Lives
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockcfgd.model.status import Status

_PORT = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}
_RESTART = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"'
_BRIDGED = '[engine]\nlog-driver = "local"'
_RELOAD = "[engine]\nmax-concurrent-downloads = 5"
_HALF_MINUTE = {"Interval": 30_000_000_000}


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    host = FakeHost(daemon_json='{"debug": true}')
    host.run("web", restart="always", host_config=_PORT, body={"Healthcheck": _HALF_MINUTE})
    host.run("job")
    return Lives(tmp_path, host)


def _reason(status: Status) -> str:
    assert status.last is not None
    return status.last.reason or ""


def _verdict(status: Status) -> Verdict:
    assert status.last is not None
    assert status.last.verdict is not None
    return status.last.verdict


def _on_the_new_state(host: FakeHost, then: str) -> Callable[[str], None]:
    """Make web's port silent while the engine runs with log-driver `then`."""

    def watch(label: str) -> None:
        if label.startswith(("after: restart", "after: start")):
            document = host.files.text("/etc/docker/daemon.json")
            host.probes.silent = {("web", 80)} if then in document else set()

    return watch


class TestPorts:
    @pytest.mark.parametrize("text", [_RESTART, _BRIDGED])
    def test_that_answered_answer_again(self, lives: Lives, text: str) -> None:
        lives.want(text)
        status = lives.look()
        assert status.condition is Condition.IN_SYNC
        assert lives.host.probes.dialled == 2

    def test_one_that_does_not_takes_the_change_back(self, lives: Lives) -> None:
        before = lives.files
        lives.host.cuts.watch(_on_the_new_state(lives.host, "local"))
        lives.want(_RESTART)
        status = lives.look()
        assert _verdict(status) is Verdict.ROLLED_BACK
        assert _reason(status) == "port 8080 of web answered before and does not"
        assert lives.files == before
        assert status.condition is Condition.REJECTED

    def test_one_that_was_silent_before_may_stay_so(self, lives: Lives) -> None:
        lives.host.probes.silent = {("web", 80)}
        lives.want(_RESTART)
        assert lives.look().condition is Condition.IN_SYNC

    def test_a_reload_tries_none(self, lives: Lives) -> None:
        lives.want(_RELOAD)
        assert lives.look().condition is Condition.IN_SYNC
        assert lives.host.probes.dialled == 0

    def test_none_are_tried_where_containers_do_not_count(self, lives: Lives) -> None:
        lives.want(f'{_RESTART}\n[verify]\ncontainers = "none"')
        assert lives.look().condition is Condition.IN_SYNC
        assert lives.host.probes.dialled == 0


class TestHealth:
    def test_is_waited_for(self, lives: Lives) -> None:
        clock, restarted = lives.host.clock, []

        def watch(label: str) -> None:
            if label == f"after: restart {DOCKER_SERVICE}":
                restarted.append(clock.monotonic())

        def health() -> str:
            return "starting" if restarted and clock.monotonic() < restarted[0] + 30 else "healthy"

        lives.host.cuts.watch(watch)
        lives.host.dockerd.health["web"] = health
        lives.want(_RESTART)
        assert lives.look().condition is Condition.IN_SYNC
        assert clock.monotonic() >= restarted[0] + 30

    @pytest.mark.parametrize("word", ["unhealthy", "starting"])
    def test_that_does_not_come_back_takes_the_change_back(self, lives: Lives, word: str) -> None:
        before = lives.files
        host = lives.host

        def health() -> str:
            return word if "local" in host.files.text("/etc/docker/daemon.json") else "healthy"

        host.dockerd.health["web"] = health
        lives.want(_RESTART)
        status = lives.look()
        assert _verdict(status) is Verdict.ROLLED_BACK
        assert f"web was healthy before and is {word}" in _reason(status)
        assert lives.files == before

    def test_that_is_looked_at_once_an_hour_is_not_waited_for(self, tmp_path: Path) -> None:
        host = FakeHost()
        host.run("slow", body={"Healthcheck": {"Interval": 3_600_000_000_000}})
        lives = Lives(tmp_path, host)
        words = iter(["healthy"] * 20)
        host.dockerd.health["slow"] = lambda: (
            "starting" if (JobVerb.RESTART, DOCKER_SERVICE) in host.systemd.jobs else next(words)
        )
        lives.want(_RESTART)
        status = lives.look()
        assert status.condition is Condition.IN_SYNC
        assert "health not known yet" in _reason(status)
        assert "slow" in _reason(status)

    def test_that_was_bad_before_is_not_asked_for(self, lives: Lives) -> None:
        lives.host.dockerd.health["web"] = lambda: "unhealthy"
        lives.want(_RESTART)
        assert lives.look().condition is Condition.IN_SYNC


class TestCommands:
    _CHECK = "curl -fsS http://127.0.0.1:8080/"

    def _want(self, lives: Lives, text: str = _RESTART, command: str = _CHECK) -> None:
        lives.want(f"{text}\n[verify]\ncommands = ['true', '{command}']\ntimeout = '20s'")

    @pytest.mark.parametrize("text", [_RESTART, _BRIDGED, _RELOAD])
    def test_are_run_before_and_after(self, lives: Lives, text: str) -> None:
        lives.host.probes.commands[self._CHECK] = lambda: 0
        self._want(lives, text)
        assert lives.look().condition is Condition.IN_SYNC
        assert lives.host.probes.ran == ["true", self._CHECK] * 2

    @pytest.mark.parametrize("text", [_RESTART, _BRIDGED])
    def test_one_that_fails_takes_the_change_back(self, lives: Lives, text: str) -> None:
        host, before = lives.host, lives.files
        host.probes.commands[self._CHECK] = lambda: (
            22 if host.dockerd.process and host.dockerd.process.config.get("log-driver") else 0
        )
        host.probes.lines[self._CHECK] = "curl: (22) 503"
        self._want(lives, text)
        status = lives.look()
        assert _verdict(status) is Verdict.ROLLED_BACK
        assert _reason(status) == f"verify.commands: `{self._CHECK}` exited 22: curl: (22) 503"
        assert lives.files == before
        assert host.probes.ran[-2:] == ["true", self._CHECK]

    def test_one_that_the_change_mends_may_fail_before(self, lives: Lives) -> None:
        host = lives.host
        host.probes.commands[self._CHECK] = lambda: (
            0 if host.dockerd.process and host.dockerd.process.config.get("log-driver") else 1
        )
        self._want(lives)
        assert lives.look().condition is Condition.IN_SYNC

    def test_one_that_fails_before_and_after_is_said_to(self, lives: Lives) -> None:
        lives.host.probes.commands[self._CHECK] = lambda: 1
        self._want(lives)
        status = lives.look()
        assert _verdict(status) is Verdict.ROLLED_BACK
        assert _reason(status).endswith("exited 1 (as before the change)")

    def test_one_that_hangs(self, lives: Lives) -> None:
        lives.host.probes.commands[self._CHECK] = lambda: -1
        self._want(lives)
        status = lives.look()
        assert _verdict(status) is Verdict.ROLLED_BACK
        assert "did not end within 20 s" in _reason(status)

    def test_one_that_cannot_be_run_is_refused_with_nothing_touched(self, lives: Lives) -> None:
        before = lives.files
        self._want(lives, command="crul http://127.0.0.1:8080/")
        status = lives.look()
        assert _verdict(status) is Verdict.REFUSED
        assert status.condition is Condition.REJECTED
        assert "crul: not found" in _reason(status)
        assert lives.files == before
        assert lives.host.systemd.jobs == []
        ran = len(lives.host.probes.ran)
        assert lives.later(3600).condition is Condition.REJECTED
        assert len(lives.host.probes.ran) == ran


class TestWayBack:
    @pytest.mark.parametrize("text", [_RESTART, _BRIDGED])
    def test_what_does_not_work_again_is_degraded_and_the_files_are_back(
        self, lives: Lives, text: str
    ) -> None:
        host, before = lives.host, lives.files

        def watch(label: str) -> None:
            if label == f"after: restart {DOCKER_SERVICE}":
                host.probes.silent = {("web", 80)}

        host.cuts.watch(watch)
        lives.want(text)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert _verdict(status) is Verdict.DEGRADED
        said = "port 8080 of web answered before and does not"
        assert _reason(status) == f"{said}; and going back failed too: {said}"
        assert lives.files == before
        assert host.names(running=True) == ["job", "web"]
        jobs = list(host.systemd.jobs)
        assert lives.later(3600).condition is Condition.DEGRADED
        assert host.systemd.jobs == jobs

    def test_after_a_crash_tries_what_was_noted_before_it(self, lives: Lives) -> None:
        host, before = lives.host, lives.files
        place = f"after: restart {DOCKER_SERVICE}"

        def watch(label: str) -> None:
            if label == place:
                host.cuts.crash_at = len(host.cuts.passed) - 1

        host.cuts.watch(watch)
        lives.want(_RESTART)
        assert lives.live() is None
        place = ""
        host.cuts.restart()
        host.probes.silent = {("web", 80)}
        status = lives.look()
        assert lives.files == before
        assert _verdict(status) is Verdict.DEGRADED
        assert "port 8080 of web" in _reason(status)


class TestPatience:
    """The time that a start may take begins with the old engine's end and knows slow engines."""

    def test_a_slow_stop_takes_nothing_of_it(self, lives: Lives) -> None:
        lives.host.systemd.stop_seconds = 100
        lives.want(f"{_RESTART}\n[verify]\ntimeout = '20s'")
        assert lives.look().condition is Condition.IN_SYNC

    def test_an_engine_that_hangs_is_given_up_by_then(self, lives: Lives) -> None:
        host, hung = lives.host, []

        def watch(label: str) -> None:
            if "restart" in label:
                host.systemd.start_hangs = "before" in label
                hung.append(host.clock.monotonic())

        host.cuts.watch(watch)
        host.systemd.stop_seconds = 50
        lives.want(f"{_RESTART}\n[verify]\ntimeout = '20s'")
        status = lives.look()
        assert _verdict(status) is Verdict.ROLLED_BACK
        assert _reason(status) == "the engine was not ready within 20 s"
        assert hung[1] - hung[0] == pytest.approx(70, abs=1)

    def test_never_less_than_three_times_the_slowest_start(self, lives: Lives) -> None:
        host = lives.host
        host.systemd.start_seconds = 40
        lives.want(_RESTART)
        assert lives.look().condition is Condition.IN_SYNC
        host.systemd.start_seconds = 0.3
        lives.want('[engine]\nlog-driver = "journald"\n[policy]\nrestart = "plain"')
        assert lives.look().condition is Condition.IN_SYNC

        def watch(label: str) -> None:
            host.systemd.start_hangs = label == f"before: restart {DOCKER_SERVICE}"

        host.cuts.watch(watch)
        lives.want(_RESTART)
        assert _reason(lives.look()) == "the engine was not ready within 120 s"

    def test_it_counts_for_what_has_to_work_too(self, lives: Lives) -> None:
        host = lives.host
        host.systemd.start_seconds = 5
        host.dockerd.health["web"] = lambda: (
            "starting" if "local" in host.files.text(DAEMON_JSON) else "healthy"
        )
        lives.want(f"{_RESTART}\n[verify]\ntimeout = '70s'\nsettle = '1s'")
        before = host.clock.monotonic()
        assert _verdict(lives.look()) is Verdict.ROLLED_BACK
        assert 70 < host.clock.monotonic() - before < 90
