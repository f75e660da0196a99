"""What happens around dockcfgd in the middle of a change, and what comes of it."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from dockcfgd.model.errors import SystemdFailure
from dockcfgd.model.status import Condition, Phase, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobVerb
from dockcfgd.reconcile.requests import Confirm
from tests.crash.lives import DAEMON_JSON, Lives
from tests.fakes.host import FakeHost
from tests.fakes.unit_files import DOCKER_SERVICE_FILE, GENERATED

RESTART = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"'
RELOAD = "[engine]\nmax-concurrent-downloads = 5"
BRIDGED = '[engine]\nlog-driver = "local"'
PLUGIN = '[engine]\nauthorization-plugins = ["opa"]'
DROP_IN_TEXT = '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }\n'
PLAIN = '[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"'
DAEMON_RELOAD = "before: daemon-reload"
DAY = 86400.0


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        host = FakeHost(daemon_json='{"debug": true}')
        host.run("web", restart="always")
        host.run("job")
        yield Lives(Path(folder), host)


def once(lives: Lives, place: str, act: Callable[[], object]) -> None:
    """Let something happen the first time that a place is passed."""
    acts = [act]

    def passed(label: str) -> None:
        if label == place and acts:
            acts.pop()()

    lives.host.cuts.watch(passed)


def at_place(lives: Lives, number: int, act: Callable[[Lives], object]) -> None:
    """Let something happen when so many places were passed."""

    def passed(_: str) -> None:
        if len(lives.host.cuts.passed) == number + 1:
            lives.host.cuts.unwatch()
            act(lives)

    lives.host.cuts.watch(passed)


def stop_engine(lives: Lives) -> None:
    lives.host.systemd.run_job(JobVerb.STOP, DOCKER_SERVICE, timeout=60)


def restart_soon(lives: Lives) -> None:
    """Let somebody restart the engine in a second."""
    systemd = lives.host.systemd
    restart = partial(systemd.run_job, JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    lives.host.clock.at(1.0, restart)


def no_answer() -> None:
    raise SystemdFailure(
        what="reload the unit files",
        name="org.freedesktop.DBus.Error.NoReply",
        why="no answer in time",
    )


def take_unit(lives: Lives) -> bytes:
    """Remove the unit's file, as the engine's package does; the engine runs on."""
    unit = lives.host.files.read(DOCKER_SERVICE_FILE).content
    lives.host.files.delete(DOCKER_SERVICE_FILE)
    lives.host.systemd.reload_units()
    return unit


def put_unit(lives: Lives, unit: bytes) -> None:
    lives.host.files.put(DOCKER_SERVICE_FILE, unit.decode())
    lives.host.systemd.reload_units()


def end(lives: Lives) -> None:
    """Tell the living dockcfgd to end, as SIGTERM does."""
    lives.reconciler.stop()


def as_before(lives: Lives) -> None:
    assert lives.host.engine.ping()
    assert lives.files.document == {"debug": True}
    assert lives.host.names(running=True) == ["job", "web"]


def goes_through(lives: Lives) -> None:
    status = lives.later()
    if status.condition is not Condition.IN_SYNC:
        status = lives.later()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert lives.files.document["log-driver"] == "local"
    assert lives.host.names(running=True) == ["job", "web"]
    assert not lives.open_transaction


class TestTheBusGoes:
    @pytest.mark.parametrize("text", [RESTART, BRIDGED], ids=["plain", "bridged"])
    @pytest.mark.parametrize(
        "place", [f"before: restart {DOCKER_SERVICE}", f"after: restart {DOCKER_SERVICE}"]
    )
    def test_in_a_change_it_is_taken_back_when_it_is_there_again(
        self, lives: Lives, text: str, place: str
    ) -> None:
        lives.want(text)
        once(lives, place, lambda: setattr(lives.host.systemd, "unreachable", True))
        status = lives.look()
        if place.startswith("after"):
            assert status.condition is Condition.DEGRADED
            assert "no answer in time" in (status.reason or "")
            assert lives.open_transaction
        lives.host.systemd.unreachable = False
        goes_through(lives)

    def test_before_a_change_it_is_said(self, lives: Lives) -> None:
        lives.want(RESTART)
        lives.host.systemd.unreachable = True
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "no answer in time" in (status.reason or "")
        lives.host.systemd.unreachable = False
        goes_through(lives)


class TestSomebodyElse:
    @pytest.mark.parametrize("text", [RESTART, BRIDGED], ids=["plain", "bridged"])
    def test_stops_the_engine_in_the_middle(self, lives: Lives, text: str) -> None:
        lives.want(text)
        once(lives, f"after: restart {DOCKER_SERVICE}", lambda: stop_engine(lives))
        status = lives.live(until=Condition.PENDING)
        assert status is not None
        assert "engine stopped" in (status.reason or "") or "somebody stopped" in (
            status.reason or ""
        )
        assert lives.host.dockerd.process is None, "it was started against somebody's will"
        status = lives.later()
        assert status.condition is Condition.PENDING
        assert "engine stopped" in (status.reason or "")
        assert lives.host.dockerd.process is None
        lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
        status = lives.later()
        assert status.condition is Condition.IN_SYNC
        assert lives.files.document["log-driver"] == "local"

    def test_stops_the_engine_where_the_way_back_is_a_restart(self, lives: Lives) -> None:
        lives.host.files.put("/etc/docker/plugins/opa.spec", "tcp://127.0.0.1:9")
        lives.want(PLUGIN)
        reloads: list[str] = []

        def passed(label: str) -> None:
            if label == f"after: reload {DOCKER_SERVICE}":
                reloads.append(label)
                if len(reloads) == 2:  # the first makes live-restore spare the containers
                    stop_engine(lives)

        lives.host.cuts.watch(passed)
        status = lives.live(until=Condition.PENDING)
        assert status is not None
        assert lives.host.dockerd.process is None, "it was started against somebody's will"
        back = [one.last for one in lives.told if one.last and one.last.verdict]
        assert back[0].verdict is Verdict.ROLLED_BACK
        # What is wanted is for its next start, then.
        assert "engine stopped" in (status.reason or "")
        assert "proven then" in (status.reason or "")
        assert lives.files.document["authorization-plugins"] == ["opa"]

    @pytest.mark.parametrize("text", [RESTART, BRIDGED], ids=["plain", "bridged"])
    def test_kills_the_engine_in_the_middle(self, lives: Lives, text: str) -> None:
        """It says nothing about the desired state, which is tried again."""
        lives.want(text)
        once(lives, f"after: restart {DOCKER_SERVICE}", lives.host.kill_engine)
        status = lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert "the engine was killed: " in (status.reason or "")
        as_before(lives)
        status = lives.later()
        assert status.condition is Condition.IN_SYNC, status.reason
        assert lives.host.names(running=True) == ["job", "web"]

    @pytest.mark.parametrize("text", [RESTART, BRIDGED], ids=["plain", "bridged"])
    def test_kills_the_engine_while_it_is_proven(self, lives: Lives, text: str) -> None:
        """Systemd has started another one by the time that it is looked at."""
        lives.want(text)
        clock, host = lives.host.clock, lives.host
        kill = lambda: clock.at(1.0, host.kill_engine)  # noqa: E731 -- what happens in a second
        once(lives, f"after: restart {DOCKER_SERVICE}", kill)
        status = lives.look()
        assert "the engine was killed: " in (status.reason or "")
        assert status.condition is Condition.DEGRADED
        status = lives.later()
        assert status.condition is Condition.IN_SYNC, status.reason

    @pytest.mark.parametrize("text", [RESTART, BRIDGED], ids=["plain", "bridged"])
    def test_restarts_the_engine_while_it_is_proven(self, lives: Lives, text: str) -> None:
        """As needrestart does, or a package's upgrade."""
        lives.want(text)
        once(lives, f"after: restart {DOCKER_SERVICE}", lambda: restart_soon(lives))
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert status.reason == "somebody restarted the engine meanwhile"
        as_before(lives)
        goes_through(lives)

    def test_restarts_the_engine_while_it_is_reloaded(self, lives: Lives) -> None:
        """Its word on the reload never comes."""
        lives.want(RELOAD)
        silences = ["no word"]
        lives.host.dockerd.silences.append(lambda _: silences.pop() if silences else None)
        once(lives, f"after: reload {DOCKER_SERVICE}", lambda: restart_soon(lives))
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert status.reason == "somebody restarted the engine meanwhile"
        status = lives.later()
        assert status.condition is Condition.IN_SYNC, status.reason

    def test_restarts_the_engine_while_the_way_back_is_proven(self, lives: Lives) -> None:
        """It is proven anew by the next look."""
        lives.want(RELOAD)
        key = "max-concurrent-downloads"
        lives.host.dockerd.silences.append(lambda config: "no word" if config.get(key) else None)
        reloads: list[str] = []

        def passed(label: str) -> None:
            if label == f"after: reload {DOCKER_SERVICE}":
                reloads.append(label)
                if len(reloads) == 2:  # the one of the way back
                    restart_soon(lives)

        lives.host.cuts.watch(passed)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "not taken back yet: somebody restarted the engine" in (status.reason or "")
        assert lives.open_transaction
        status = lives.later()
        assert status.condition is Condition.REJECTED
        assert "the engine refused the reload" in (status.reason or "")
        assert not lives.open_transaction

    @pytest.mark.parametrize("text", [RESTART, BRIDGED], ids=["plain", "bridged"])
    @pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["seen", "restarted-since"])
    def test_an_engine_that_crashes_while_it_is_proven_is_a_verdict(
        self, lives: Lives, text: str, seconds: float
    ) -> None:
        lives.want(text)
        clock, crash = lives.host.clock, lives.host.systemd.crash_engine
        crash_then = (lambda: clock.at(seconds, crash)) if seconds else crash
        once(lives, f"after: restart {DOCKER_SERVICE}", crash_then)
        status = lives.look()
        assert status.condition is Condition.REJECTED, status.reason
        as_before(lives)

    def test_starts_the_engine_just_before_it_is_written_for(self, lives: Lives) -> None:
        """It has not read the files, which is no drift: what is new is made, whatever it takes."""
        lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
        stop_engine(lives)

        def start() -> None:
            lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)

        once(lives, f"before writing {DAEMON_JSON}", start)
        lives.look()
        status = lives.later()
        assert status.condition is Condition.IN_SYNC, status.reason
        process = lives.host.dockerd.process
        assert process is not None
        assert process.config["log-driver"] == "local"

    def test_what_is_written_for_an_engine_is_drift_once_it_was_read(self, lives: Lives) -> None:
        lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
        stop_engine(lives)
        assert lives.look().condition is Condition.PENDING
        lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
        assert lives.look().condition is Condition.IN_SYNC
        lives.host.files.put(DAEMON_JSON, '{"log-driver": "json-file"}')
        lives.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        status = lives.look()
        assert status.condition is Condition.PENDING
        assert "policy.drift-max-impact is reload" in (status.reason or "")

    def test_cancels_our_job(self, lives: Lives) -> None:
        lives.want(RESTART)
        lives.host.systemd.cancels.append(JobVerb.RESTART)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "somebody cancelled the job" in (status.reason or "")
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        as_before(lives)
        goes_through(lives)

    def test_cancels_our_job_again_and_again(self, lives: Lives) -> None:
        """A refused or cancelled job that never reached the engine costs nothing."""
        lives.want(RESTART)
        for _ in range(4):
            lives.host.systemd.cancels.append(JobVerb.RESTART)
            lives.later(600)
        lives.host.systemd.cancels.append(JobVerb.RESTART)
        status = lives.later(600)
        assert status.condition is Condition.DEGRADED
        as_before(lives)
        goes_through(lives)

    def test_masks_the_unit_before(self, lives: Lives) -> None:
        lives.host.systemd.mask(DOCKER_SERVICE)
        lives.want(RESTART)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "systemctl unmask docker.service" in (status.reason or "")
        as_before(lives)
        lives.host.systemd.unmask(DOCKER_SERVICE)
        goes_through(lives)

    def test_masks_the_socket(self, lives: Lives) -> None:
        """The service requires it: systemd refuses each start, and the engine is not stopped."""
        lives.host.systemd.mask(DOCKER_SOCKET)
        lives.want(RESTART)
        for _ in range(3):
            status = lives.later(600)
            assert status.condition is Condition.DEGRADED
            assert "docker.socket is masked" in (status.reason or "")
            assert not lives.host.systemd.jobs
            as_before(lives)
        lives.host.systemd.unmask(DOCKER_SOCKET)
        goes_through(lives)

    def test_has_closed_the_sockets(self, lives: Lives) -> None:
        """As masking docker.socket does; the way back opens them, and it is no verdict."""
        closed = [True]
        why = "failed to load listeners: no sockets found via socket activation"
        lives.host.refuse_start(lambda _: why if closed else None)
        lives.host.cuts.watch(
            lambda label: closed.clear() if label == f"after: stop {DOCKER_SOCKET}" else None
        )
        lives.want(RESTART)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert why in (status.reason or "")
        as_before(lives)
        goes_through(lives)

    def test_masks_the_unit_in_the_middle(self, lives: Lives) -> None:
        lives.want(RESTART)
        once(
            lives,
            f"after writing {DAEMON_JSON}",
            lambda: lives.host.systemd.mask(DOCKER_SERVICE),
        )
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "masked" in (status.reason or "")
        as_before(lives)
        lives.host.systemd.unmask(DOCKER_SERVICE)
        goes_through(lives)

    def test_keeps_a_change_from_being_made_without_end(self, lives: Lives) -> None:
        """Attempts that disturb the engine are bounded, over lives of dockcfgd too."""
        lives.want(BRIDGED)

        def refuse(label: str) -> None:
            if label == f"after: restart {DOCKER_SERVICE}":
                lives.host.systemd.unreachable = True

        lives.host.cuts.watch(refuse)
        for _ in range(6):
            lives.later(600)
            lives.host.systemd.unreachable = False
        restarts = lives.host.systemd.jobs.count((JobVerb.RESTART, DOCKER_SERVICE))
        status = lives.later(600)
        lives.host.systemd.unreachable = False
        status = lives.later(600)
        assert restarts == 3
        assert lives.host.systemd.jobs.count((JobVerb.RESTART, DOCKER_SERVICE)) == restarts
        assert status.condition is Condition.DEGRADED
        assert "given up after 3 attempts" in (status.reason or "")
        as_before(lives)


class TestSystemdDoesNotAnswer:
    @pytest.mark.parametrize(
        "text", [DROP_IN_TEXT, f"{DROP_IN_TEXT}{PLAIN}"], ids=["bridged", "plain"]
    )
    def test_a_reload_of_its_units(self, lives: Lives, text: str) -> None:
        lives.want(text)
        once(lives, DAEMON_RELOAD, no_answer)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "cannot reload the unit files: no answer in time" in (status.reason or "")
        assert (JobVerb.RESTART, DOCKER_SERVICE) not in lives.host.systemd.jobs
        as_before(lives)
        assert not lives.open_transaction
        status = lives.later()
        assert status.condition is Condition.IN_SYNC, status.reason

    def test_a_reload_of_its_units_on_the_way_back_too(self, lives: Lives) -> None:
        """The way back stays open until systemd knows the old files again."""
        lives.want(DROP_IN_TEXT)
        lives.host.cuts.watch(lambda label: no_answer() if label == DAEMON_RELOAD else None)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "not taken back yet: cannot reload the unit files" in (status.reason or "")
        assert lives.open_transaction
        as_before(lives)
        lives.host.cuts.unwatch()
        assert lives.later().condition is not Condition.REJECTED
        status = lives.later()
        assert status.condition is Condition.IN_SYNC, status.reason
        assert not lives.open_transaction


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_of_the_kernel_is_no_verdict_wherever_it_comes(lives: Lives, when: str) -> None:
    """Also where nobody thought of it: a mistake of dockcfgd's own would be one."""
    lives.want(RESTART)

    def broken() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/somewhere")

    once(lives, f"{when}: restart {DOCKER_SERVICE}", broken)
    status = lives.look()
    assert status.condition is Condition.DEGRADED
    assert status.reason == "cannot restart the engine: /somewhere: Input/output error"
    as_before(lives)
    goes_through(lives)


class TestTheUnitIsGone:
    @pytest.mark.parametrize("generated", [False, True])
    def test_before_a_change(self, lives: Lives, *, generated: bool) -> None:
        """Of the init script that Debian's package leaves, systemd makes a unit of that name."""
        if generated:
            made = "[Service]\nType=forking\nExecStart=/etc/init.d/docker start\n"
            lives.host.files.put(f"{GENERATED}/{DOCKER_SERVICE}", made)
        unit = take_unit(lives)
        lives.want(RESTART)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "docker.service is not installed on this host" in (status.reason or "")
        assert not lives.host.systemd.jobs
        as_before(lives)
        put_unit(lives, unit)
        goes_through(lives)

    def test_in_the_middle(self, lives: Lives) -> None:
        taken: list[bytes] = []
        lives.want(RESTART)
        once(lives, f"after writing {DAEMON_JSON}", lambda: taken.append(take_unit(lives)))
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert DOCKER_SERVICE in (status.reason or "")
        assert not lives.host.systemd.jobs
        as_before(lives)
        put_unit(lives, taken[0])
        goes_through(lives)


class TestDockcfgdIsToldToEnd:
    def test_before_the_engine_is_reached(self, lives: Lives) -> None:
        lives.want(RESTART)
        once(lives, f"after writing {DAEMON_JSON}", lambda: end(lives))
        status = lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert "told to end" in (status.last.reason or "")
        assert (JobVerb.RESTART, DOCKER_SERVICE) not in lives.host.systemd.jobs
        as_before(lives)
        goes_through(lives)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_while_the_engine_is_restarted(self, lives: Lives, when: str) -> None:
        lives.want(RESTART)
        once(lives, f"{when}: restart {DOCKER_SERVICE}", lambda: end(lives))
        status = lives.look()
        assert status.condition is Condition.IN_SYNC
        assert not lives.open_transaction

    @pytest.mark.timeout(60)
    def test_with_as_much_waiting_as_it_takes(self, lives: Lives) -> None:
        """Anybody may ask, and what is asked in a long change waits for its end."""
        lives.want(RESTART)
        answers: list[str] = []

        def fill() -> None:
            with contextlib.suppress(queue.Full):
                while True:
                    lives.reconciler.enqueue(Confirm("", answers.append))
            end(lives)

        once(lives, f"after: restart {DOCKER_SERVICE}", fill)
        status = lives.live(until=Condition.DEGRADED)
        assert status is not None
        assert status.condition is Condition.IN_SYNC
        assert answers == []

    def test_by_a_machine_that_shuts_down(self, lives: Lives) -> None:
        lives.want(RESTART)

        def shut_down() -> None:
            lives.host.systemd.shutting_down = True
            lives.reconciler.stop()
            stop_engine(lives)

        once(lives, f"after: restart {DOCKER_SERVICE}", shut_down)
        status = lives.look()
        assert status.condition is Condition.DEGRADED
        assert "the machine is shutting down" in (status.reason or "")
        assert lives.open_transaction
        assert lives.host.dockerd.process is None
        lives.host.crash()
        lives.host.systemd.shutting_down = False
        lives.host.boot()
        assert lives.files.document == {"debug": True}
        status = lives.later()
        assert status.condition is not Condition.REJECTED
        if status.condition is not Condition.IN_SYNC:
            status = lives.later()
        assert status.condition is Condition.IN_SYNC


def _jumper(host: FakeHost, number: int, jump: float) -> Callable[[str], None]:
    """Set the time of day at a place."""

    def passed(_: str) -> None:
        if len(host.cuts.passed) == number + 1:
            host.clock.jump(jump)

    return passed


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_the_clock_is_set_in_the_middle(tmp_path: Path, jump: float) -> None:
    """At each place of a change; nothing but the dates shown depends on the time of day."""
    for number in range(0, 60, 4):
        host = FakeHost(daemon_json='{"debug": true}')
        host.run("web", restart="always")
        lives = Lives(tmp_path / str(number), host)
        lives.want(BRIDGED)
        host.cuts.watch(_jumper(host, number, jump))
        status = lives.look()
        assert status.condition is Condition.IN_SYNC, (number, status.reason)
        assert status.last is not None
        assert all(step.seconds >= 0 for step in status.last.steps)
        host.clock.jump(-2 * jump)
        assert lives.look().condition is Condition.IN_SYNC


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_the_clock_is_set_while_a_change_waits_to_be_tried_again(lives: Lives, jump: float) -> None:
    lives.want(RESTART)
    lives.host.systemd.cancels.append(JobVerb.RESTART)
    begin = lives.host.clock.monotonic()
    status = lives.look()
    assert status.condition is Condition.DEGRADED
    lives.host.clock.jump(jump)
    goes_through(lives)
    assert lives.host.clock.monotonic() - begin < 300


@pytest.mark.parametrize("text", [RESTART, "[engine]\ndebug = true"], ids=["new", "as-it-is"])
def test_an_engine_that_hangs_is_waited_for(lives: Lives, text: str) -> None:
    lives.want(text)
    lives.host.dockerd.hangs = True
    begin = lives.host.clock.monotonic()
    status = lives.look()
    assert status.condition is Condition.PENDING
    assert "waiting for the engine: " in (status.reason or "")
    assert "no answer" in (status.reason or "")
    assert lives.host.clock.monotonic() - begin < 60
    assert not lives.host.systemd.jobs
    lives.host.dockerd.hangs = False
    assert lives.later().condition is Condition.IN_SYNC


@pytest.mark.parametrize("text", [f"{RELOAD}\n[policy]", f"{BRIDGED}\n[policy]", PLAIN])
def test_an_engine_that_is_stopped_on_the_way_back_stays_so(tmp_path: Path, text: str) -> None:
    """At each place behind its start, or of one that only reloads: the files are back."""

    def goes_back(name: str) -> Lives:
        host = FakeHost(daemon_json='{"debug": true}')
        host.run("web", restart="always")
        lives = Lives(tmp_path / name, host)
        lives.want(f'{text}\nconfirm-timeout = "2m"')
        assert lives.look().phase is Phase.AWAITING_CONFIRMATION
        host.clock.advance(121)
        host.cuts.restart()
        return lives

    whole = goes_back("whole")
    whole.look()
    labels = list(whole.host.cuts.passed)
    began = {"after: start docker.service", "before: reload docker.service"}
    first = max(at for at, label in enumerate(labels) if label in began)
    for number in range(first, len(labels), 2):
        lives = goes_back(str(number))
        at_place(lives, number, stop_engine)
        status = lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK, f"{labels[number]}: {status.last.reason}"
        assert lives.host.dockerd.process is None, labels[number]
        assert lives.document == {"debug": True}
        lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
        assert lives.later().condition is Condition.REJECTED
        assert lives.document == {"debug": True}
        assert lives.host.names(running=True) == ["web"]
