"""An engine whose process runs and whose API answers nothing, in the middle of a change."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobVerb
from tests.crash.lives import Lives
from tests.fakes.host import FakeHost

RELOAD = "[engine]\nmax-concurrent-downloads = 5"
PLAIN = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"'
BRIDGED = '[engine]\nlog-driver = "local"'
# A reload that the engine may die of, so that its way back is a restart.
RISKY = '[engine]\nauthorization-plugins = ["opa"]'

RELOADED = f"after: reload {DOCKER_SERVICE}"
RESTARTED = f"after: restart {DOCKER_SERVICE}"
CHANGES = pytest.mark.parametrize(
    ("text", "places"),
    [
        (RELOAD, [RELOADED]),
        (PLAIN, [RESTARTED]),
        (BRIDGED, [RESTARTED]),
        (RISKY, [RELOADED, RELOADED]),  # the first one makes live-restore spare the containers
    ],
    ids=["reload", "plain", "bridged", "risky"],
)


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        host = FakeHost(daemon_json='{"debug": true}')
        host.files.put("/etc/docker/plugins/opa.spec", "tcp://127.0.0.1:9")
        host.run("web", restart="always")
        host.run("job")
        yield Lives(Path(folder), host)


def after(lives: Lives, places: list[str], act: Callable[[], object]) -> None:
    """Let something happen once places were passed, in their order."""
    left = list(places)

    def passed(label: str) -> None:
        if left and label == left[0]:
            del left[0]
            if not left:
                act()

    lives.host.cuts.watch(passed)


def hush(lives: Lives) -> None:
    lives.host.dockerd.hangs = True


def speak(lives: Lives) -> None:
    lives.host.dockerd.hangs = False


def stays_open(lives: Lives, status: Status) -> None:
    assert status.condition is Condition.DEGRADED
    assert "not taken back yet: " in (status.reason or "")
    assert "no answer within 10 s" in (status.reason or "")
    assert lives.open_transaction


def as_before(lives: Lives) -> None:
    assert lives.host.engine.ping()
    assert lives.files.document == {"debug": True}
    assert lives.host.engine.info()["LiveRestoreEnabled"] is False
    assert lives.host.names(running=True) == ["job", "web"]


def goes_through(lives: Lives) -> None:
    said = [lives.later(301) for _ in range(3)]
    assert all(one.condition is not Condition.REJECTED for one in said)
    status = said[-1]
    assert status.condition is Condition.IN_SYNC, status.reason
    assert lives.files.document["debug"] is True
    assert len(lives.files.document) == 2
    assert lives.host.names(running=True) == ["job", "web"]
    assert not lives.open_transaction


class TestItSaysNothingOfTheDesiredState:
    @CHANGES
    @pytest.mark.parametrize("seconds", [100, 400])
    def test_silence(self, lives: Lives, text: str, places: list[str], seconds: float) -> None:
        lives.want(text)

        def stall() -> None:
            hush(lives)
            lives.host.clock.at(seconds, lambda: speak(lives))

        after(lives, places, stall)
        assert lives.look().condition is Condition.DEGRADED
        goes_through(lives)

    @CHANGES
    def test_a_socket_that_is_gone(self, lives: Lives, text: str, places: list[str]) -> None:
        """Until somebody restarts docker.socket, or the way back does."""
        lives.want(text)
        dockerd, systemd = lives.host.dockerd, lives.host.systemd
        after(lives, places, lambda: setattr(dockerd, "socket_gone", True))
        after(
            lives,
            [f"after: stop {DOCKER_SOCKET}"],
            lambda: setattr(dockerd, "socket_gone", False),
        )
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "/run/docker.sock: No such file or directory" in (status.reason or "")
        if dockerd.socket_gone:
            assert lives.open_transaction
            systemd.run_job(JobVerb.STOP, DOCKER_SOCKET, timeout=60)
            systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
            lives.host.containers.start("job")
        goes_through(lives)

    def test_a_reload_that_is_heard_of_late(self, lives: Lives) -> None:
        """It was silent for longer than the reload is given, and took it."""
        lives.want(RELOAD)

        def stall() -> None:
            hush(lives)
            lives.host.clock.at(15, lambda: speak(lives))

        after(lives, [RELOADED], stall)
        status = lives.look()
        assert status.condition is Condition.IN_SYNC, status.reason

    @pytest.mark.parametrize(
        ("text", "places"),
        [(PLAIN, [RESTARTED]), (RISKY, [RELOADED, RELOADED])],
        ids=["plain", "restarted-on-the-way-back"],
    )
    def test_but_not_without_end(self, lives: Lives, text: str, places: list[str]) -> None:
        """Whatever makes it silent each time, it is restarted for it in three attempts."""
        lives.want(text)
        for _ in range(6):
            lives.host.cuts.unwatch()
            after(lives, places, lambda: hush(lives))
            lives.later(301)
            lives.host.cuts.unwatch()
            speak(lives)
            lives.later(301)
        status = lives.later(301)
        assert status.condition is Condition.DEGRADED
        assert "given up after 3 attempts that disturbed the engine" in (status.reason or "")
        as_before(lives)


def test_an_engine_that_answers_and_does_not_tell_of_the_reload_refused_it(lives: Lives) -> None:
    lives.want(RELOAD)
    key = "max-concurrent-downloads"
    lives.host.dockerd.silences.append(lambda config: "no word" if config.get(key) else None)
    status = lives.look()
    assert status.condition is Condition.REJECTED
    assert "the engine refused the reload" in (status.reason or "")
    as_before(lives)


class TestOnTheWayBack:
    @CHANGES
    def test_it_is_waited_for(self, lives: Lives, text: str, places: list[str]) -> None:
        lives.want(text)
        after(lives, places, lambda: hush(lives))
        stays_open(lives, lives.look())
        jobs = len(lives.host.systemd.jobs)
        for _ in range(3):
            stays_open(lives, lives.later(301))
        assert len(lives.host.systemd.jobs) == jobs, "it was restarted while it was waited for"
        speak(lives)
        status = lives.later(301)
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert not lives.open_transaction
        as_before(lives)

    def test_what_truly_fails_once_it_answers_is_told(self, lives: Lives) -> None:
        lives.want(PLAIN)
        after(lives, [RESTARTED], lambda: hush(lives))
        stays_open(lives, lives.look())
        speak(lives)
        lives.host.dockerd.container_refusals.append(lambda _: "no space left on device")
        status = lives.later(301)
        assert status.condition is Condition.DEGRADED
        assert "going back failed too: " in (status.reason or "")
        assert not lives.open_transaction

    def test_one_that_crashes_instead_is_not_waited_for(self, lives: Lives) -> None:
        """It is down on the files from before, which nothing but a person can mend."""
        lives.want(PLAIN)
        begin = f"before: restart {DOCKER_SERVICE}"
        after(lives, [begin], lambda: lives.host.refuse_start(lambda _: "no such device"))
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "going back failed too: the engine did not start" in (status.reason or "")
        assert not lives.open_transaction
