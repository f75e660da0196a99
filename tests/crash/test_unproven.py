"""What was written while the engine was down, and how its next start proves it or takes it back."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.chronicle import read_generation, read_history
from dockcfgd.history import History
from dockcfgd.model.status import Condition, Phase, Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobResult, JobVerb
from dockcfgd.reconcile.requests import Pause, Resume
from dockcfgd.state_file import StateFile
from tests.crash.lives import DAEMON_JSON, Files, Lives
from tests.fakes.host import FakeHost

BAD = '[engine]\nmetrics-addr = "127.0.0.1:9323"'
BAD_IN_BOTH = (
    '[engine]\nlog-driver = "local"\n[service]\narguments = ["--metrics-addr=127.0.0.1:9323"]'
)
GOOD = '[engine]\nlog-driver = "local"'
BOUND = "failed to start daemon: listen tcp 127.0.0.1:9323: bind: address already in use"


def host() -> FakeHost:
    made = FakeHost(daemon_json='{"debug": true, "labels": ["rack=7"]}')
    made.run("web", restart="always")
    made.refuse_start(lambda config: BOUND if "metrics-addr" in str(config) else None)
    return made


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path, host())


def stop(lives: Lives) -> None:
    """Stop the engine as an operator does."""
    lives.host.systemd.run_job(JobVerb.STOP, DOCKER_SOCKET, timeout=60)


def start(lives: Lives) -> JobResult:
    """Start it as an operator does; where it fails, wait until systemd has given up."""
    result = lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
    lives.host.clock.advance(120)
    return result


def written_while_down(lives: Lives, text: str = BAD) -> Status:
    stop(lives)
    lives.want(text)
    return lives.look()


def taken_back(lives: Lives, status: Status, before: Files) -> None:
    """See that the engine runs on the files of before, and that the status says why."""
    assert status.condition is Condition.REJECTED, status.reason
    assert BOUND in (status.reason or "")
    assert lives.files == before
    assert lives.host.names(running=True) == ["web"]
    assert not lives.host.systemd.unit(DOCKER_SERVICE).need_daemon_reload
    assert not lives.open_transaction


def generations(lives: Lives) -> dict[int, dict[str, Any]]:
    return {one["generation"]: one for one in read_history(lives.settings.state_file)}


def unread(lives: Lives) -> bool:
    state = StateFile(lives.settings.state_file)
    try:
        return History(state).unread is not None
    finally:
        state.close()


class TestBoot:
    def to_the_engines_start(self, lives: Lives) -> None:
        lives.host.crash()
        lives.host.clock.reboot()
        lives.host.systemd.start_waits = True

    def test_nothing_is_written_before_the_engine_is_up(self, lives: Lives) -> None:
        before = lives.files
        self.to_the_engines_start(lives)
        lives.want(BAD)
        status = lives.look()
        assert status.condition is Condition.PENDING
        assert (status.reason or "").startswith("waiting for the engine: ")
        assert lives.files == before
        lives.host.systemd.boot()
        status = lives.look()
        taken_back(lives, status, before)
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK

    def test_an_operators_word_is_carried_out_before(self, lives: Lives) -> None:
        """That start may wait for it, as one of a unit that comes before the engine's does."""
        before = lives.files
        self.to_the_engines_start(lives)
        dropped = ("50-log.toml", f"schema = 1\n{GOOD}\n")
        status = lives.apply(dropped)
        assert status.condition is Condition.PENDING
        assert "and a job of it waits" in (status.reason or "")
        assert "is proven then" in (status.reason or "")
        assert lives.files.document["log-driver"] == "local"
        assert "/etc/dockcfgd/conf.d/50-log.toml" in lives.host.files.snapshot()
        lives.host.systemd.boot()
        assert lives.look().condition is Condition.IN_SYNC
        assert lives.roll_back(0).condition is Condition.REJECTED
        assert lives.files.document == before.document

    def test_what_it_does_not_start_on_goes_again(self, lives: Lives) -> None:
        before = lives.files
        self.to_the_engines_start(lives)
        lives.apply(("50-bad.toml", f"schema = 1\n{BAD}\n"))
        lives.host.systemd.boot()
        lives.host.clock.advance(120)
        taken_back(lives, lives.look(), before)

    def test_a_rollback_is_carried_out_before_too(self, lives: Lives) -> None:
        lives.want(GOOD)
        lives.look()
        self.to_the_engines_start(lives)
        lives.roll_back(0)
        assert "log-driver" not in lives.files.document
        lives.host.systemd.boot()
        assert lives.look().condition is Condition.REJECTED

    def test_a_good_one_is_made_when_it_is_up(self, lives: Lives) -> None:
        self.to_the_engines_start(lives)
        lives.want(GOOD)
        lives.look()
        assert "log-driver" not in lives.files.document
        lives.host.systemd.boot()
        assert lives.look().condition is Condition.IN_SYNC
        assert lives.files.document["log-driver"] == "local"


class TestStartThatFails:
    def test_what_was_written_is_said_to_be_unproven(self, lives: Lives) -> None:
        status = written_while_down(lives)
        assert status.condition is Condition.PENDING
        assert "engine stopped" in (status.reason or "")
        assert "is proven then" in (status.reason or "")
        assert "systemctl start docker" in status.next_step
        assert status.last is not None
        assert "proven then" in (status.last.reason or "")

    @pytest.mark.parametrize("text", [BAD, BAD_IN_BOTH])
    def test_it_is_taken_back_and_the_engine_started(self, lives: Lives, text: str) -> None:
        before = lives.files
        written_while_down(lives, text)
        assert start(lives) is JobResult.FAILED
        status = lives.look()
        taken_back(lives, status, before)
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert BOUND in (status.last.reason or "")
        assert (status.applied_generation, generations(lives)[1]["verdict"]) == (0, "rolled-back")
        jobs = list(lives.host.systemd.jobs)
        assert lives.later(3600).condition is Condition.REJECTED
        assert lives.host.systemd.jobs == jobs

    def test_evidence_is_kept_of_it(self, lives: Lives) -> None:
        written_while_down(lives)
        start(lives)
        lives.look()
        evidence = read_generation(lives.settings.state_file, 1)["transactions"][-1]["evidence"]
        assert [one["moment"] for one in evidence] == ["failed"]
        assert BOUND in str(evidence[0]["engine"])
        assert "metrics-addr" in str(evidence[0]["files"])

    def test_as_the_boot_asks_for_it(self, lives: Lives) -> None:
        before = lives.files
        written_while_down(lives)
        lives.host.crash()
        lives.host.clock.reboot()
        lives.host.systemd.boot()
        lives.host.clock.advance(120)
        taken_back(lives, lives.look(), before)

    def test_all_that_no_start_has_proven_goes(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        assert lives.look().condition is Condition.IN_SYNC
        before = lives.files
        written_while_down(lives, GOOD)
        lives.want(f"{BAD}\nmax-concurrent-uploads = 2")
        lives.look()
        start(lives)
        status = lives.look()
        taken_back(lives, status, before)
        assert status.applied_generation == 1
        verdicts = {number: one["verdict"] for number, one in generations(lives).items()}
        assert verdicts == {0: "applied", 1: "applied", 2: "rolled-back", 3: "rolled-back"}

    def test_what_others_wrote_stays(self, lives: Lives) -> None:
        written_while_down(lives)
        edited = lives.files.document | {"labels": ["rack=8"]}
        lives.host.files.put(DAEMON_JSON, json.dumps(edited))
        start(lives)
        assert lives.look().condition is Condition.REJECTED
        assert lives.files.document == {"debug": True, "labels": ["rack=8"]}
        assert lives.host.names(running=True) == ["web"]

    def test_before_systemd_gives_up(self, lives: Lives) -> None:
        """A slow start that fails never meets the start limit; the second one is enough."""
        before = lives.files
        written_while_down(lives)
        lives.host.systemd.start_seconds = 40
        lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
        assert lives.look().condition is Condition.PENDING
        while lives.host.systemd.unit(DOCKER_SERVICE).restarts == 0:
            lives.host.clock.advance(1)
        assert lives.host.systemd.unit(DOCKER_SERVICE).sub_state == "auto-restart"
        taken_back(lives, lives.look(), before)

    def test_a_mended_state_is_tried_on_the_engine_that_runs_again(self, lives: Lives) -> None:
        written_while_down(lives)
        start(lives)
        lives.want(GOOD)
        assert lives.look().condition is Condition.IN_SYNC
        assert "metrics-addr" not in lives.files.document
        assert lives.host.names(running=True) == ["web"]

    def test_apply_tries_the_same_again(self, lives: Lives) -> None:
        written_while_down(lives)
        start(lives)
        lives.host.dockerd.refusals.clear()
        assert lives.apply().condition is Condition.IN_SYNC
        assert lives.files.document["metrics-addr"] == "127.0.0.1:9323"

    def test_a_rollback_that_fails_so_leaves_nothing_on_hold(self, lives: Lives) -> None:
        lives.host.dockerd.refusals.clear()
        lives.want(BAD)
        lives.look()
        lives.want(GOOD)
        assert lives.look().condition is Condition.IN_SYNC
        before = lives.files
        lives.host.refuse_start(lambda config: BOUND if "metrics-addr" in str(config) else None)
        stop(lives)
        lives.roll_back(1)
        start(lives)
        status = lives.look()
        assert (status.condition, status.applied_generation) == (Condition.IN_SYNC, 2)
        assert lives.files == before
        assert lives.host.names(running=True) == ["web"]

    def test_no_word_is_awaited_of_what_nothing_runs_on(self, lives: Lives) -> None:
        before = lives.files
        status = written_while_down(lives, f'{BAD}\n[policy]\nconfirm-timeout = "5m"')
        assert (status.phase, status.confirm_deadline) == (Phase.IDLE, None)
        assert "is proven then" in (status.reason or "")
        start(lives)
        taken_back(lives, lives.look(), before)

    def test_a_pause_holds_it_up(self, lives: Lives) -> None:
        before = lives.files
        written_while_down(lives)
        assert lives.say(partial(Pause, "by hand", "root")) == ""
        start(lives)
        lives.look()
        assert lives.files != before
        assert lives.say(Resume) == ""
        taken_back(lives, lives.look(), before)


class TestStartMeanwhile:
    """Somebody starts the engine while files are written for its next start."""

    @pytest.mark.parametrize("text", [BAD, BAD_IN_BOTH])
    def test_no_engine_is_said_to_run_on_what_it_has_not_read(
        self, lives: Lives, text: str
    ) -> None:
        before = lives.files
        stop(lives)
        lives.want(text)
        lives.host.cuts.watch(partial(self.start_at, lives, "before writing"))
        status = lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert "was started while its files were written" in (status.last.reason or "")
        assert lives.files == before
        taken_back(lives, lives.look(), before)

    def test_a_good_one_is_made_on_the_engine_that_runs(self, lives: Lives) -> None:
        stop(lives)
        lives.want("[engine]\nmax-download-attempts = 7")
        lives.host.cuts.watch(partial(self.start_at, lives, "after writing"))
        lives.look()
        assert lives.look().condition is Condition.IN_SYNC
        process = lives.host.dockerd.process
        assert process is not None
        assert process.config["max-download-attempts"] == 7
        assert not unread(lives)

    @pytest.mark.parametrize("place", ["undo removes way-back.json", "state file"])
    def test_nor_is_it_one_of_a_change_that_is_in_force(self, tmp_path: Path, place: str) -> None:
        """The engine starts after dockcfgd has ended in writing that down, before it is back."""

        def told(number: int) -> str:
            lives = Lives(tmp_path / str(number), host())
            stop(lives)
            lives.want(f'{GOOD}\n[policy]\non-drift = "adopt"')
            lives.host.cuts.restart(crash_at=number)
            if lives.live() is not None:
                return ""
            cut = lives.host.cuts.passed[-1]
            lives.host.cuts.restart()
            if cut.endswith(place):
                start(lives)
                lives.later()
                status = lives.later()
                assert status.condition is Condition.IN_SYNC, f"{cut}: {status.reason}"
                assert lives.files.document["log-driver"] == "local", cut
                assert lives.host.engine.info()["LoggingDriver"] == "local", cut
                assert "/etc/dockcfgd/conf.d/90-adopted.toml" not in lives.host.files.snapshot()
            return cut

        number = 0
        while told(number):
            number += 1

    @staticmethod
    def start_at(lives: Lives, place: str, label: str) -> None:
        if label.startswith(place):
            lives.host.cuts.unwatch()
            lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)


class TestStartOnNeither:
    """What keeps the engine from starting is none of what was written."""

    @pytest.fixture
    def broken(self, lives: Lives) -> Lives:
        written_while_down(lives, GOOD)
        lives.host.refuse_start(lambda _: "failed to start daemon: no containerd")
        start(lives)
        return lives

    def mend(self, lives: Lives) -> None:
        lives.host.dockerd.refusals.clear()
        assert start(lives) is JobResult.DONE

    def test_it_is_told_with_the_engines_words(self, broken: Lives) -> None:
        status = broken.look()
        assert status.condition is Condition.PENDING
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert "nor does it start on what it ran on before" in (status.last.reason or "")
        assert "no containerd" in (status.last.reason or "")
        assert "log-driver" not in broken.files.document
        assert not broken.open_transaction

    def test_it_is_started_once(self, broken: Lives) -> None:
        jobs = len(broken.host.systemd.jobs)
        broken.look()
        assert [verb for verb, _ in broken.host.systemd.jobs[jobs:]] == [JobVerb.START]
        jobs = len(broken.host.systemd.jobs)
        for _ in range(3):
            broken.later(3600)
        status = broken.later(3600)
        assert len(broken.host.systemd.jobs) == jobs
        assert status.condition is Condition.PENDING
        assert "is proven then" in (status.reason or "")
        assert broken.files.document["log-driver"] == "local"

    def test_whoever_tries_again_and_again_makes_no_verdict(self, broken: Lives) -> None:
        for _ in range(5):
            broken.look()
            broken.later(3600)
            start(broken)
        self.mend(broken)
        assert broken.look().condition is Condition.IN_SYNC

    @pytest.mark.parametrize("seconds", [1, 3600])
    def test_an_engine_that_runs_again_gets_what_is_wanted(
        self, broken: Lives, seconds: int
    ) -> None:
        broken.look()
        broken.later(seconds)
        self.mend(broken)
        assert broken.later(400).condition is Condition.IN_SYNC
        assert broken.files.document["log-driver"] == "local"
        process = broken.host.dockerd.process
        assert process is not None
        assert process.config["log-driver"] == "local"
        assert broken.host.names(running=True) == ["web"]


class TestRollback:
    @pytest.fixture
    def two(self, lives: Lives) -> Lives:
        lives.want(GOOD)
        lives.look()
        lives.want(f"{GOOD}\nmax-concurrent-downloads = 5")
        assert lives.look().applied_generation == 2
        return lives

    def test_an_engine_that_hangs_is_not_gone_past(self, two: Lives) -> None:
        before = two.files
        two.host.dockerd.hangs = True
        status = two.roll_back(0)
        assert two.files == before
        assert two.ended[-1] == ("rollback-1", "refused")
        assert (status.applied_generation, max(generations(two))) == (2, 2)
        reason = (status.last and status.last.reason) or ""
        assert reason.startswith("cannot roll back: waiting for the engine: ")
        assert "roll back again when it answers" in reason
        two.host.dockerd.hangs = False
        assert two.look().condition is Condition.IN_SYNC
        assert two.roll_back(0).applied_generation == 3

    def test_nor_is_one_that_starts(self, two: Lives) -> None:
        stop(two)
        two.host.systemd.start_hangs = True
        start(two)
        before = two.files
        two.roll_back(0)
        assert (two.files, two.ended[-1][1]) == (before, "refused")

    def test_one_that_hangs_in_its_start_is_stopped_first(self, two: Lives) -> None:
        """Nobody can tell a start that hangs from one that takes long, so it is left alone."""
        before = two.files
        written_while_down(two)
        two.host.systemd.start_hangs = True
        start(two)
        status = two.later(3600)
        assert (status.reason or "").startswith("waiting for the engine: ")
        assert two.files.document["metrics-addr"]
        stop(two)
        two.host.systemd.start_hangs = False
        two.roll_back()
        assert two.files == before
        start(two)
        assert two.look().condition is Condition.REJECTED
        assert two.files == before

    def test_a_stopped_one_has_it_to_prove(self, two: Lives) -> None:
        stop(two)
        status = two.roll_back(0)
        assert "log-driver" not in two.files.document
        for seen in (status, two.look()):
            assert seen.condition is Condition.PENDING
            assert (seen.reason or "").startswith("engine stopped: ")
            assert "is proven then; rolled back by operator" in (seen.reason or "")
            assert "systemctl start docker" in seen.next_step
            assert seen.engine is not None
            assert not seen.engine.active
        start(two)
        status = two.look()
        assert (status.condition, status.reason) == (Condition.REJECTED, "rolled back by operator")

    def test_one_without_a_write_has_it_to_prove_too(self, two: Lives) -> None:
        stop(two)
        two.roll_back(0)
        two.roll_back(3)
        assert two.ended[-1] == ("rollback-2", "pending")


class TestNothingIsTakenBack:
    def left(self, lives: Lives, *, written: Files) -> Status:
        jobs = list(lives.host.systemd.jobs)
        status = lives.look()
        assert lives.files == written
        assert lives.host.systemd.jobs == jobs
        return status

    def test_of_what_a_start_has_proven(self, lives: Lives) -> None:
        written_while_down(lives, GOOD)
        start(lives)
        assert lives.look().condition is Condition.IN_SYNC
        lives.host.refuse_start(lambda _: "failed to start daemon: no containerd")
        stop(lives)
        start(lives)
        assert self.left(lives, written=lives.files).condition is Condition.PENDING

    def test_where_the_engine_had_failed_before(self, lives: Lives) -> None:
        """What is written then is meant to mend it."""
        lives.host.refuse_start(lambda config: "no" if "log-driver" not in config else None)
        stop(lives)
        start(lives)
        lives.want(GOOD)
        lives.look()
        assert self.left(lives, written=lives.files).condition is Condition.PENDING
        lives.host.systemd.reset_failed(DOCKER_SERVICE)
        start(lives)
        assert lives.look().condition is Condition.IN_SYNC

    def test_where_somebody_stopped_it_again(self, lives: Lives) -> None:
        written_while_down(lives)
        start(lives)
        stop(lives)
        assert self.left(lives, written=lives.files).condition is Condition.PENDING

    def test_where_it_served_before_it_ended(self, lives: Lives) -> None:
        written_while_down(lives, GOOD)
        start(lives)
        for _ in range(8):
            if lives.host.dockerd.process is not None:
                lives.host.kill_engine()
            lives.host.clock.advance(3)
        assert lives.host.systemd.unit(DOCKER_SERVICE).active_state == "failed"
        self.left(lives, written=lives.files)

    def a_start_fails(self, lives: Lives) -> Status:
        lives.host.refuse_start(lambda _: "failed to start daemon: no containerd")
        stop(lives)
        written = lives.files
        start(lives)
        return self.left(lives, written=written)

    def test_of_what_ran_while_nobody_looked(self, lives: Lives) -> None:
        written_while_down(lives, GOOD)
        start(lives)
        assert self.a_start_fails(lives).condition is Condition.PENDING

    def reboot(self, lives: Lives) -> None:
        lives.host.crash()
        lives.host.clock.reboot()
        lives.host.systemd.boot()
        lives.host.clock.advance(120)

    def test_of_what_ran_in_another_boot(self, lives: Lives) -> None:
        written_while_down(lives, GOOD)
        self.reboot(lives)
        lives.host.refuse_start(lambda _: "failed to start daemon: no containerd")
        self.reboot(lives)
        self.left(lives, written=lives.files)
        assert generations(lives)[1]["verdict"] == "applied"

    def test_where_no_journal_tells_what_ran_in_another_boot(self, lives: Lives) -> None:
        written_while_down(lives)
        lives.host.systemd.journal_in_memory = True
        self.reboot(lives)
        self.left(lives, written=lives.files)
        assert "the journal does not tell" in generations(lives)[1]["reason"]

    def test_of_what_ran_while_the_newest_files_were_refused(self, lives: Lives) -> None:
        written_while_down(lives, GOOD)
        lives.want("[engine]\nnonsense = 1")
        assert lives.look().condition is Condition.REJECTED
        start(lives)
        assert lives.look().condition is Condition.REJECTED
        assert not unread(lives)
        self.a_start_fails(lives)

    def test_of_what_ran_after_a_rollback(self, lives: Lives) -> None:
        lives.want(GOOD)
        lives.look()
        stop(lives)
        lives.roll_back(0)
        start(lives)
        assert lives.look().condition is Condition.REJECTED
        assert not unread(lives)
        assert self.a_start_fails(lives).condition is Condition.REJECTED

    def test_nothing_is_read_of_what_was_edited_before(self, lives: Lives) -> None:
        written_while_down(lives, f'{GOOD}\n[policy]\non-drift = "report"')
        lives.host.files.put(DAEMON_JSON, '{"debug": true, "log-driver": "journald"}')
        start(lives)
        assert lives.look().condition is Condition.DRIFTED
        assert unread(lives)

    def test_of_what_an_older_release_wrote(self, lives: Lives) -> None:
        """It did not keep what was proven before."""
        written_while_down(lives)
        state = StateFile(lives.settings.state_file)
        fact = json.loads(state.fact("applied"))
        kept = {name: fact[name] for name in ("generation", "at", "invocation")}
        state.remember("applied", json.dumps(kept))
        state.close()
        start(lives)
        assert self.left(lives, written=lives.files).condition is Condition.PENDING

    def test_where_the_same_was_in_force_before(self, lives: Lives) -> None:
        """What was put back of it while the engine was down had been proven."""
        lives.want(GOOD)
        lives.look()
        stop(lives)
        lives.host.files.put(DAEMON_JSON, '{"debug": true, "log-driver": "journald"}')
        lives.look()
        lives.host.refuse_start(lambda _: "failed to start daemon: no containerd")
        start(lives)
        self.left(lives, written=lives.files)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("removed", [False, True], ids=["edited", "removed"])
def test_edited_anywhere_while_it_is_taken_back(tmp_path: Path, *, removed: bool) -> None:
    """What is theirs stays, what failed goes, and the engine runs."""

    def told(number: int | None) -> int:
        lives = Lives(tmp_path / str(number), host())
        files = lives.host.files
        written_while_down(lives)
        start(lives)

        def passed(_: str) -> None:
            if len(lives.host.cuts.passed) - 1 != number:
                return
            lives.host.cuts.unwatch()
            if removed:
                files.delete(DAEMON_JSON)
            else:
                edited = {**lives.document, "labels": ["rack=9"], "shutdown-timeout": 20}
                files.put(DAEMON_JSON, json.dumps(edited))

        lives.host.cuts.restart()
        lives.host.cuts.watch(passed)
        status = lives.look()
        places = list(lives.host.cuts.passed)
        where = places[number or 0]
        assert status.condition is Condition.REJECTED, f"{where}: {status.reason}"
        assert BOUND in (status.reason or ""), where
        assert lives.host.names(running=True) == ["web"], where
        assert "metrics-addr" not in lives.document
        if number is not None and not removed:
            assert lives.document["labels"] == ["rack=9"]
            assert lives.document["shutdown-timeout"] == 20
        return len(places)

    for number in range(0, told(None), 2):
        told(number)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
def test_cut_off_anywhere_it_is_gone_on_with(tmp_path: Path, *, power: bool) -> None:
    def told(number: int | None) -> int:
        lives = Lives(tmp_path / str(number), host())
        before = lives.files
        written_while_down(lives, BAD_IN_BOTH)
        start(lives)
        lives.host.cuts.restart(crash_at=number)
        cut, places = lives.live() is None, len(lives.host.cuts.passed)
        assert cut is (number is not None)
        lives.host.cuts.restart()
        if cut and power:
            lives.host.power_cut()
            lives.host.clock.reboot()
            lives.host.systemd.boot()
            lives.host.clock.advance(120)
        status = lives.look()
        taken_back(lives, status, before)
        assert status.applied_generation == 0
        assert generations(lives)[1]["verdict"] == "rolled-back"
        return places

    for number in range(int(power), told(None), 2):
        told(number)
