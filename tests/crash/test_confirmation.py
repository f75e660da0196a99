"""Changes that wait for an operator's word, over restarts, reboots and clock jumps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.status import Condition, Phase, Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobVerb
from dockcfgd.reconcile.requests import Cancel, Confirm, Pause, Resume
from tests.crash.lives import CONF, DAEMON_JSON, Lives
from tests.fakes.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockcfgd.reconcile.requests import Request

_OLD = "[engine]\ndebug = false"
_NEW = '[engine]\ndebug = true\nlog-driver = "local"'
_WITH_TIMEOUT = f'{_NEW}\n[policy]\nconfirm-timeout = "2m"'
_EXTRA = ("50-extra.toml", _NEW)

_confirm: Callable[[Callable[[str], None]], Request] = partial(Confirm, "")
_cancel: Callable[[Callable[[str], None]], Request] = partial(Cancel, "", "root")


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    lives = Lives(tmp_path, FakeHost())
    lives.want(_OLD)
    assert lives.look().condition is Condition.IN_SYNC
    return lives


def _on(lives: Lives) -> bool:
    on = lives.files.document.get("debug") is True
    assert on == (lives.files.document.get("log-driver") == "local")
    assert lives.host.engine.info()["Debug"] is on
    return on


def _awaits(status: Status) -> bool:
    return status.phase is Phase.AWAITING_CONFIRMATION and status.confirm_deadline is not None


class TestDropped:
    """A file that was dropped, under policy.confirm-timeout."""

    @pytest.fixture
    def waiting(self, lives: Lives) -> Lives:
        lives.want(_WITH_TIMEOUT)
        status = lives.look()
        assert _awaits(status)
        assert (status.condition, status.applied_generation) == (Condition.PENDING, 1)
        assert _on(lives)
        return lives

    def test_confirmed_it_stays(self, waiting: Lives) -> None:
        assert waiting.say(_confirm) == ""
        status = waiting.later(1000)
        assert (status.condition, status.applied_generation) == (Condition.IN_SYNC, 2)
        assert status.confirm_deadline is None
        assert _on(waiting)

    def test_not_confirmed_it_goes_back_and_is_not_tried_again(self, waiting: Lives) -> None:
        assert _awaits(waiting.later(119))
        status = waiting.later(2)
        assert (status.condition, status.reason) == (Condition.REJECTED, "not confirmed in time")
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert not _on(waiting)
        assert waiting.later(1000).condition is Condition.REJECTED

    def test_a_word_that_comes_too_late_is_refused(self, waiting: Lives) -> None:
        waiting.host.clock.advance(121)
        told = waiting.say(_confirm)
        assert "nothing waits for confirmation: " in told
        assert "went back (not confirmed in time); to make it again: dockcfgctl apply" in told
        assert not _on(waiting)
        assert waiting.say(partial(Confirm, "other")) == "nothing waits for confirmation"
        assert _awaits(waiting.apply())
        assert waiting.say(_confirm) == ""
        assert waiting.say(_confirm) == "nothing waits for confirmation"

    def test_cancelled_it_goes_back_at_once(self, waiting: Lives) -> None:
        assert waiting.say(_cancel) == ""
        status = waiting.look()
        assert (status.condition, status.reason) == (Condition.REJECTED, "cancelled by root")
        assert not _on(waiting)

    def test_another_transaction_is_not_confirmed(self, waiting: Lives) -> None:
        assert "nothing waits for confirmation under other" in waiting.say(
            partial(Confirm, "other")
        )
        assert _awaits(waiting.look())

    def test_the_deadline_survives_a_reboot(self, waiting: Lives) -> None:
        waiting.host.clock.reboot(off=60)
        assert _awaits(waiting.look())
        waiting.host.clock.reboot(off=61)
        assert waiting.look().condition is Condition.REJECTED
        assert not _on(waiting)

    def test_a_clock_that_jumps_changes_nothing(self, waiting: Lives) -> None:
        waiting.host.clock.jump(100_000)
        assert _awaits(waiting.look())
        waiting.host.clock.jump(-200_000)
        assert _awaits(waiting.later(118))
        assert waiting.later(3).condition is Condition.REJECTED

    def test_the_deadline_shown_is_by_the_clock_as_it_is_set(self, waiting: Lives) -> None:
        clock = waiting.host.clock
        for seconds in (7200.0, -90_000.0):
            clock.jump(seconds)
            status = waiting.later(10)
            assert status.confirm_deadline is not None
            assert 0 < status.confirm_deadline - clock.now() <= 120
        told = [one.confirm_deadline for one in waiting.told if _awaits(one)]
        waiting.later(10)
        assert waiting.told[-1].confirm_deadline == told[-1], "nothing new is published for it"

    def test_so_it_is_without_a_new_life(self, waiting: Lives) -> None:
        clock = waiting.host.clock

        def look_after_a_jump(answered: Callable[[str], None]) -> Request:
            def jump(why: str) -> None:
                clock.jump(7200)
                answered(why)

            return Resume(jump)

        status = waiting.live(word=look_after_a_jump)
        assert status is not None
        assert status.confirm_deadline is not None
        assert 0 < status.confirm_deadline - clock.now() <= 120

    def test_a_clock_that_was_set_counts_after_a_boot_too(self, waiting: Lives) -> None:
        """Once that was seen, the time of day written down is the one that it was set to."""
        waiting.host.clock.jump(7200)
        assert _awaits(waiting.look())
        waiting.host.clock.reboot()
        assert _awaits(waiting.look())
        assert waiting.later(121).condition is Condition.REJECTED
        assert not _on(waiting)

    def test_a_clock_that_was_put_back_before_a_boot_gives_no_more_time(
        self, waiting: Lives
    ) -> None:
        waiting.host.clock.jump(-200_000)
        waiting.host.clock.reboot()
        assert _awaits(waiting.look())
        assert _awaits(waiting.later(119))
        assert waiting.later(2).condition is Condition.REJECTED
        assert not _on(waiting)

    def test_the_host_shows_as_it_is_meanwhile(self, waiting: Lives) -> None:
        systemd = waiting.host.systemd
        for status in (waiting.told[-1], waiting.look()):
            assert _awaits(status)
            assert status.engine is not None
            assert status.engine.pid == systemd.unit(DOCKER_SERVICE).main_pid
            assert (status.drifts, status.errors) == ((), ())
            assert (status.generation, status.applied_generation) == (2, 1)
            assert [file.path for file in status.files] == [CONF]
        for unit in ("docker.socket", DOCKER_SERVICE):
            systemd.run_job(JobVerb.STOP, unit, timeout=60)
        status = waiting.look()
        assert _awaits(status)
        assert status.engine is not None
        assert not status.engine.active

    def test_newer_files_supersede_it(self, waiting: Lives) -> None:
        waiting.want('[engine]\nlabels = ["a=b"]')
        status = waiting.live(until=Condition.IN_SYNC)
        assert status is not None
        assert (status.applied_generation, status.confirm_deadline) == (3, None)
        assert waiting.files.document == {"labels": ["a=b"]}

    def test_files_put_back_end_it(self, waiting: Lives) -> None:
        waiting.want(_OLD)
        status = waiting.live(until=Condition.IN_SYNC)
        assert status is not None
        assert status.applied_generation == 1
        assert not _on(waiting)

    def test_refused_files_leave_it_waiting_and_show(self, waiting: Lives) -> None:
        waiting.want("[engine]\ndebgu = true")
        status = waiting.look()
        assert _awaits(status)
        assert "debgu" in str(status.errors[0].key)
        assert _on(waiting)

    def test_a_pause_does_not_hold_the_way_back(self, waiting: Lives) -> None:
        assert waiting.say(partial(Pause, "I sleep", "root")) == ""
        assert _awaits(waiting.look())
        assert waiting.later(121).phase is Phase.PAUSED
        assert not _on(waiting)

    def test_what_was_started_meanwhile_runs_after_the_way_back(self, waiting: Lives) -> None:
        waiting.host.run("late")
        assert waiting.later(121).condition is Condition.REJECTED
        assert waiting.host.names(running=True) == ["late"]


class TestPutBack:
    """A hand edit of what is in force, under policy.confirm-timeout."""

    @pytest.fixture
    def confirmed(self, lives: Lives) -> Lives:
        lives.want('[engine]\ndebug = true\nlabels = ["a=1"]\n[policy]\nconfirm-timeout = "2m"')
        assert _awaits(lives.look())
        assert lives.say(_confirm) == ""
        return lives

    @staticmethod
    def edit(lives: Lives) -> None:
        lives.host.files.put(DAEMON_JSON, '{"debug": false, "labels": ["a=1"]}')

    def test_it_awaits_no_confirmation(self, confirmed: Lives) -> None:
        self.edit(confirmed)
        for status in (confirmed.look(), confirmed.later(130)):
            assert (status.phase, status.condition) == (Phase.IDLE, Condition.IN_SYNC)
            assert confirmed.files.document["debug"] is True

    def test_a_fight_over_it_is_noticed(self, confirmed: Lives) -> None:
        for _ in range(3):
            self.edit(confirmed)
            assert confirmed.later(31).condition is Condition.IN_SYNC
        self.edit(confirmed)
        status = confirmed.later(31)
        assert status.condition is Condition.DEGRADED
        assert "somebody else keeps changing debug" in (status.reason or "")


class TestTakenBackUnwritten:
    """A change that was taken back while the state file could not be written."""

    @pytest.fixture
    def waiting(self, lives: Lives) -> Lives:
        lives.want(_WITH_TIMEOUT)
        assert _awaits(lives.look())
        lives.writes_left = 0
        return lives

    @staticmethod
    def cancel(waiting: Lives) -> None:
        assert "disk is full" in waiting.say(_cancel)

    @staticmethod
    def is_over(waiting: Lives) -> None:
        waiting.writes_left = None
        waiting.host.cuts.unwatch()
        status = waiting.look()
        assert status.phase is Phase.IDLE
        assert status.condition is Condition.REJECTED
        assert "it was taken back while the state file could not be" in (status.reason or "")
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert "nothing waits for confirmation" in waiting.say(_confirm)
        assert waiting.look().applied_generation == 1
        assert not waiting.open_transaction

    def test_it_cannot_be_confirmed_any_more(self, waiting: Lives) -> None:
        self.cancel(waiting)
        assert not _on(waiting)
        run = waiting.host.systemd.unit(DOCKER_SERVICE).invocation_id
        self.is_over(waiting)
        assert not _on(waiting)
        assert waiting.host.systemd.unit(DOCKER_SERVICE).invocation_id == run, "restarted again"

    def test_nor_where_no_file_of_dockcfgds_own_could_be_written(self, waiting: Lives) -> None:
        waiting.host.cuts.watch(_refuse_undo)
        self.cancel(waiting)
        self.is_over(waiting)
        assert not _on(waiting)

    def test_nor_after_a_reboot(self, waiting: Lives) -> None:
        waiting.host.cuts.watch(_refuse_undo)
        self.cancel(waiting)
        waiting.host.crash()
        waiting.host.clock.reboot()
        waiting.host.boot()
        self.is_over(waiting)
        assert not _on(waiting)

    def test_nor_after_somebody_edited_the_file(self, waiting: Lives) -> None:
        self.cancel(waiting)
        waiting.host.files.put(DAEMON_JSON, '{"debug": false, "labels": ["theirs"]}')
        waiting.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        self.is_over(waiting)

    def test_nor_in_the_middle_of_the_way_back(self, waiting: Lives) -> None:
        waiting.host.cuts.watch(
            lambda label: setattr(waiting.host.dockerd, "hangs", label.startswith("after: start"))
        )
        assert waiting.say(_cancel)
        waiting.host.dockerd.hangs = False
        self.is_over(waiting)
        assert not _on(waiting)

    def test_one_that_nothing_was_done_for_still_waits(self, waiting: Lives) -> None:
        waiting.host.cuts.watch(_refuse_files)
        assert waiting.say(_cancel)
        waiting.writes_left = None
        waiting.host.cuts.unwatch()
        assert _on(waiting)
        assert waiting.say(_cancel) == ""
        assert not _on(waiting)


def test_one_whose_files_could_not_be_kept_is_not_taken_for_applied(lives: Lives) -> None:
    """It went back for that, and the state file could not be written either."""

    def full(label: str) -> None:
        if "/etc/dockcfgd/" in label:
            lives.writes_left = 0
            raise FileFailure(what="write", path=label, errno=28, why="No space left on device")

    lives.host.cuts.watch(full)
    assert lives.apply(_EXTRA).condition is Condition.DEGRADED
    assert not _on(lives)
    lives.host.cuts.unwatch()
    lives.writes_left = None
    status = lives.look()
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert status.applied_generation == 1
    assert not _on(lives)


def _refuse_undo(label: str) -> None:
    if label.startswith("before: undo"):
        raise FileFailure(what="write", path=label, errno=30, why="Read-only file system")


def _refuse_files(label: str) -> None:
    if label.startswith("before writing "):
        raise FileFailure(what="write", path=label, errno=30, why="Read-only file system")
    _refuse_undo(label)


@pytest.mark.parametrize(
    "text",
    ['[service]\nenvironment = { A = "1" }', '[engine]\ndebug = false\nlog-driver = "local"'],
    ids=["daemon.json-as-before", "no-file-altered"],
)
def test_a_change_that_alters_few_files_waits_over_a_restart(lives: Lives, text: str) -> None:
    if "service" in text:
        text = f"[engine]\ndebug = false\n{text}"
    else:
        lives.host.files.put(DAEMON_JSON, '{"debug": false, "log-driver": "local"}')
    lives.want(f'{text}\n[policy]\nconfirm-timeout = "2m"')
    assert _awaits(lives.look())
    assert _awaits(lives.look())
    assert lives.say(_confirm) == ""


class TestApplied:
    """`apply FILE --confirm`."""

    @pytest.fixture
    def waiting(self, lives: Lives) -> Lives:
        assert _awaits(lives.apply(_EXTRA, confirm=60))
        assert lives.ended[-1] == ("apply-1", "awaiting-confirmation")
        assert _on(lives)
        return lives

    def test_it_is_no_drift_from_the_files_without_it(self, waiting: Lives) -> None:
        for status in (waiting.told[-1], waiting.look()):
            assert _awaits(status)
            assert (status.drifts, status.errors, status.generation) == ((), (), 2)
            assert status.engine is not None
            main_pid = waiting.host.systemd.unit(DOCKER_SERVICE).main_pid
            assert status.engine.pid == main_pid

    def test_the_file_comes_with_the_word(self, waiting: Lives) -> None:
        path = "/etc/dockcfgd/conf.d/50-extra.toml"
        assert path not in waiting.host.files.snapshot()
        assert waiting.say(_confirm) == ""
        assert path in waiting.host.files.snapshot()
        assert waiting.look().condition is Condition.IN_SYNC
        assert ("apply-1", "applied") in waiting.ended

    def test_without_the_word_no_file_is_left_and_the_files_on_disk_are_in_force(
        self, waiting: Lives
    ) -> None:
        waiting.later(61)
        assert list(waiting.host.files.snapshot()).count(CONF) == 1
        assert not any("50-extra" in path for path in waiting.host.files.snapshot())
        assert ("apply-1", "rolled-back") in waiting.ended
        assert waiting.look().condition is Condition.IN_SYNC
        assert not _on(waiting)

    def test_a_second_one_is_refused(self, waiting: Lives) -> None:
        assert _awaits(waiting.apply(("60.toml", "[engine]\nmtu = 1400")))
        assert waiting.ended[-1] == ("apply-2", "refused")
        assert _awaits(waiting.roll_back())
        assert waiting.ended[-1] == ("rollback-3", "refused")

    def test_it_can_be_given_again_after_it_went_back(self, waiting: Lives) -> None:
        waiting.later(61)
        assert _awaits(waiting.apply(_EXTRA, confirm=60))
        assert waiting.say(_confirm) == ""
        assert _on(waiting)


class TestPause:
    def test_nothing_is_done_until_resume_not_even_after_a_restart(self, lives: Lives) -> None:
        assert lives.say(partial(Pause, "by hand now", "root")) == ""
        lives.want(_NEW)
        for status in (lives.look(), lives.later(1000)):
            assert (status.phase, status.condition) == (Phase.PAUSED, Condition.PENDING)
            assert status.reason == "paused by root: by hand now"
        assert not _on(lives)
        assert lives.say(Resume) == ""
        assert lives.look().condition is Condition.IN_SYNC
        assert _on(lives)

    def test_an_operator_may_still_apply(self, lives: Lives) -> None:
        lives.say(partial(Pause, "", "root"))
        lives.want(_NEW)
        status = lives.apply()
        assert (status.phase, status.condition) == (Phase.PAUSED, Condition.IN_SYNC)
        assert _on(lives)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (f'{_NEW}\n[policy]\nmax-impact = "reload"', "policy.max-impact is reload"),
            ("[engine]\ndebgu = true", "no such key"),
        ],
    )
    def test_the_reason_of_before_stays(self, lives: Lives, text: str, reason: str) -> None:
        lives.want(text)
        before = lives.look()
        assert reason in (before.reason or "")
        assert lives.say(partial(Pause, "moving", "root")) == ""
        for status in (lives.reconciler.snapshot(), lives.later()):
            assert (status.phase, status.condition) == (Phase.PAUSED, before.condition)
            assert status.reason == f"paused by root: moving; {before.reason}"
        assert lives.say(partial(Pause, "still moving", "root")) == ""
        status = lives.reconciler.snapshot()
        assert status.reason == f"paused by root: still moving; {before.reason}"
        assert lives.say(Resume) == ""
        assert lives.look().reason == before.reason

    def test_resume_without_a_pause_is_refused(self, lives: Lives) -> None:
        assert lives.say(Resume) == "dockcfgd is not paused"


def test_a_refused_rollback_does_not_hide_a_pause(lives: Lives) -> None:
    lives.say(partial(Pause, "", "root"))
    assert lives.roll_back(77).phase is Phase.PAUSED


def test_a_confirm_timeout_of_nothing_waits_for_nobody(lives: Lives) -> None:
    status = lives.apply(("50.toml", _WITH_TIMEOUT), confirm=0)
    assert status.condition is Condition.IN_SYNC


def test_nothing_to_cancel(lives: Lives) -> None:
    assert lives.say(_cancel) == "nothing is under way that could be cancelled"


@pytest.mark.parametrize("text", ['log-driver = "local"', "max-concurrent-downloads = 5"])
class TestEngineStoppedMeanwhile:
    """The files go back under an engine that somebody stopped, and it stays so."""

    @pytest.fixture
    def stopped(self, lives: Lives, text: str) -> Lives:
        lives.host.run("web", restart="always")
        lives.want(f'{_OLD}\n{text}\n[policy]\nconfirm-timeout = "2m"')
        assert _awaits(lives.look())
        lives.host.systemd.run_job(JobVerb.STOP, DOCKER_SOCKET, timeout=60)
        return lives

    def went_back(self, lives: Lives) -> None:
        assert lives.files.document == {"debug": False}
        assert not lives.open_transaction
        assert lives.host.systemd.unit(DOCKER_SERVICE).active_state == "inactive"
        lives.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
        lives.look()
        assert lives.files.document == {"debug": False}
        assert lives.host.names(running=True) == ["web"]

    def test_at_the_deadline(self, stopped: Lives) -> None:
        status = stopped.later(121)
        assert (status.condition, status.reason) == (Condition.REJECTED, "not confirmed in time")
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        self.went_back(stopped)

    def test_at_a_word(self, stopped: Lives) -> None:
        assert stopped.say(_cancel) == ""
        self.went_back(stopped)

    def test_one_that_is_started_meanwhile_is_brought_back(self, stopped: Lives) -> None:
        def watch(label: str) -> None:
            if label.startswith("before writing"):
                stopped.host.cuts.unwatch()
                stopped.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)

        stopped.host.cuts.watch(watch)
        status = stopped.later(121)
        assert (status.condition, status.phase) == (Condition.DEGRADED, Phase.IDLE)
        assert "somebody started the engine meanwhile" in (status.reason or "")
        status = stopped.later()
        assert (status.condition, status.reason) == (Condition.REJECTED, "not confirmed in time")
        process = stopped.host.dockerd.process
        assert process is not None
        assert process.config.get("log-driver", "json-file") == "json-file"
        assert process.config.get("max-concurrent-downloads", 3) == 3
        assert stopped.host.names(running=True) == ["web"]


def test_what_the_engine_did_not_run_before_it_need_not_run_after_it(lives: Lives) -> None:
    """daemon.json was edited by hand, and nobody has restarted the engine since."""
    lives.want(f'{_OLD}\nlog-driver = "json-file"')
    assert lives.look().condition is Condition.IN_SYNC
    edited = '{"debug": false, "log-driver": "journald"}'
    lives.host.files.put(DAEMON_JSON, edited)
    lives.want('[engine]\ndebug = true\n[policy]\nconfirm-timeout = "2m"')
    assert _awaits(lives.look())
    status = lives.later(121)
    assert (status.condition, status.reason) == (Condition.REJECTED, "not confirmed in time")
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert lives.files.document == {"debug": False, "log-driver": "journald"}
    assert not lives.host.engine.info()["Debug"]


def test_a_bridge_leaves_the_way_back_to_what_the_file_says(lives: Lives) -> None:
    """The engine starts on the old file anew, also where it did not run what stands there."""
    lives.host.run("job")
    lives.want('[engine]\nlog-driver = "json-file"')
    assert lives.look().condition is Condition.IN_SYNC
    edited = '{"log-driver": "json-file", "live-restore": true}'
    lives.host.files.put(DAEMON_JSON, edited)
    wanted = '[engine]\nlog-driver = "local"\nlive-restore = false'
    lives.want(f'{wanted}\n[policy]\nconfirm-timeout = "2m"')
    assert _awaits(lives.look())
    status = lives.later(121)
    assert (status.condition, status.reason) == (Condition.REJECTED, "not confirmed in time")
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert lives.host.files.text(DAEMON_JSON) == edited
    assert lives.host.engine.info()["LiveRestoreEnabled"]
    assert lives.host.names(running=True) == ["job"]
