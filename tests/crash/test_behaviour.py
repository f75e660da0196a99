from __future__ import annotations

import errno
import json
from functools import partial
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Phase, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from dockcfgd.reconcile.requests import Apply, PlanRequest
from tests.crash.lives import CONF, DAEMON_JSON, DROP_IN, Lives
from tests.fakes.host import FakeHost

RESTART = (JobVerb.RESTART, DOCKER_SERVICE)
RELOAD = (JobVerb.RELOAD, DOCKER_SERVICE)
BOUND = "failed to start daemon: listen tcp 127.0.0.1:9323: bind: address already in use"


def address_taken(config: object) -> str | None:
    return BOUND if "metrics-addr" in str(config) else None


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    host = FakeHost(daemon_json='{"debug": true, "labels": ["rack=7"]}')
    host.run("web", layer={"/data": b"1"}, restart="always")
    host.run("job", layer={"/data": b"2"})
    return Lives(tmp_path, host)


def test_nothing_wanted_nothing_done(lives: Lives) -> None:
    before = lives.host.files.snapshot()
    status = lives.look()
    assert (status.condition, status.last) == (Condition.UNMANAGED, None)
    assert lives.host.files.snapshot() == before
    assert lives.host.systemd.jobs == []


def test_a_reload_disturbs_no_container(lives: Lives) -> None:
    pids = {name: lives.host.container(name).pid for name in lives.host.names()}
    lives.want("[engine]\nmax-concurrent-downloads = 5")
    status = lives.look()
    assert status.condition is Condition.IN_SYNC
    assert status.last is not None
    assert (status.last.verdict, status.last.impact) == (Verdict.APPLIED, "reload")
    assert set(lives.host.systemd.jobs) == {RELOAD}
    assert {name: lives.host.container(name).pid for name in lives.host.names()} == pids
    assert lives.files.document == {
        "debug": True,
        "labels": ["rack=7"],
        "max-concurrent-downloads": 5,
    }


def test_what_ran_runs_again_after_a_restart(lives: Lives) -> None:
    lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
    status = lives.look()
    assert status.condition is Condition.IN_SYNC
    assert lives.host.names(running=True) == ["job", "web"]
    assert lives.host.content("job")["/data"] == b"2"
    assert lives.host.systemd.jobs.count(RESTART) == 1


def test_foreign_keys_stay_when_the_last_file_goes(lives: Lives) -> None:
    lives.want(
        '[engine]\ndebug = false\nlog-driver = "local"\n'
        '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }'
    )
    assert lives.look().condition is Condition.IN_SYNC
    assert lives.files.drop_in is not None
    lives.host.files.delete(CONF)
    status = lives.look()
    assert status.condition is Condition.UNMANAGED
    assert lives.files.document == {"labels": ["rack=7"]}
    assert lives.files.drop_in is None
    assert lives.host.names(running=True) == ["job", "web"]
    jobs = list(lives.host.systemd.jobs)
    assert lives.later().condition is Condition.UNMANAGED
    assert lives.host.systemd.jobs == jobs


def test_a_typo_is_refused_with_file_and_line(lives: Lives) -> None:
    before = lives.files
    lives.want("[engine]\nmax-concurrent-download = 5")
    status = lives.look()
    assert status.condition is Condition.REJECTED
    error = status.errors[0]
    assert (error.file, error.line) == (CONF, 3)
    assert "max-concurrent-downloads" in f"{error.message} {error.hint}"
    assert lives.files == before
    assert lives.host.systemd.jobs == []


def test_what_is_in_force_without_a_change_shows_as_applied_at_once(lives: Lives) -> None:
    """As after `import`, and where only the policy changed."""
    for number, policy in enumerate(("reload", "restart"), start=1):
        lives.want(f'[engine]\ndebug = true\n[policy]\nmax-impact = "{policy}"')
        status = lives.look()
        assert (status.condition, status.last) == (Condition.IN_SYNC, None)
        assert (status.generation, status.applied_generation) == (number, number)
        assert status.applied_at == lives.host.clock.now()
        told = [one for one in lives.told if one.generation == number]
        at_rest = [one for one in told if one.phase is Phase.IDLE]
        assert {one.applied_generation for one in at_rest} == {number}
        lives.host.clock.advance(5)


def test_between_a_change_and_what_came_meanwhile_is_no_rest(lives: Lives) -> None:
    """Whoever waits for a verdict would take it for one."""
    lives.want("[engine]\ndebug = true")
    assert lives.look().condition is Condition.IN_SYNC
    lives.told.clear()
    wrong = ["schema = 1\n[engine]\nnonsense = 1\n"]

    def drop(label: str) -> None:
        if label == f"after writing {DAEMON_JSON}" and wrong:
            lives.host.files.put("/etc/dockcfgd/conf.d/60-wrong.toml", wrong.pop())

    lives.host.cuts.watch(drop)
    lives.want("[engine]\ndebug = false")
    status = lives.live(until=Condition.REJECTED)
    assert status is not None
    assert (status.generation, status.applied_generation) == (3, 2)
    pending = [one.phase for one in lives.told if one.reason == "something changed meanwhile"]
    assert pending
    assert set(pending) == {Phase.PLANNING}


class TestFailingStart:
    TEXT = '[engine]\nmetrics-addr = "127.0.0.1:9323"\n[policy]\nrestart = "plain"'

    def test_goes_back_and_says_the_engines_own_words(self, lives: Lives) -> None:
        before = lives.files
        lives.host.refuse_start(address_taken)
        lives.want(self.TEXT)
        status = lives.look()
        assert status.condition is Condition.REJECTED
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert BOUND in (status.reason or "")
        assert BOUND in (status.last.reason or "")
        assert lives.files == before
        assert lives.host.names(running=True) == ["job", "web"]
        assert lives.host.engine.ping()

    def test_is_not_tried_again_by_itself(self, lives: Lives) -> None:
        lives.host.refuse_start(address_taken)
        lives.want(self.TEXT)
        lives.look()
        jobs = list(lives.host.systemd.jobs)
        for _ in range(3):
            lives.later(3600)
        status = lives.look()
        assert status.condition is Condition.REJECTED
        assert BOUND in (status.reason or "")
        assert lives.host.systemd.jobs == jobs

    def test_apply_tries_again(self, lives: Lives) -> None:
        lives.host.refuse_start(address_taken)
        lives.want(self.TEXT)
        lives.look()
        lives.host.dockerd.refusals.clear()
        status = lives.apply()
        assert status.condition is Condition.IN_SYNC
        assert lives.ended == [("apply-1", "applied")]
        assert lives.files.document["metrics-addr"] == "127.0.0.1:9323"

    def test_a_new_desired_state_supersedes_it(self, lives: Lives) -> None:
        lives.host.refuse_start(address_taken)
        lives.want(self.TEXT)
        lives.look()
        lives.want('[engine]\nlog-driver = "local"')
        status = lives.look()
        assert status.condition is Condition.IN_SYNC
        assert lives.files.document["log-driver"] == "local"
        assert "metrics-addr" not in lives.files.document

    def test_leaves_no_file_behind(self, lives: Lives) -> None:
        lives.host.refuse_start(address_taken)
        status = lives.apply(("m.toml", f"schema = 1\n{self.TEXT}\n"))
        assert lives.ended == [("apply-1", "rolled-back")]
        assert "/etc/dockcfgd/conf.d/m.toml" not in lives.host.files.snapshot()
        assert status.last is not None
        assert BOUND in (status.last.reason or "")

    def test_in_the_drop_in_takes_both_files_back(self, lives: Lives) -> None:
        before = lives.files
        lives.host.refuse_start(address_taken)
        lives.want(
            '[engine]\nlog-driver = "local"\n'
            '[service]\narguments = ["--metrics-addr=127.0.0.1:9323"]'
        )
        status = lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert lives.files == before
        assert not lives.host.systemd.unit(DOCKER_SERVICE).need_daemon_reload
        assert lives.host.names(running=True) == ["job", "web"]

    def test_an_engine_that_hangs_is_given_up(self, lives: Lives) -> None:
        before = lives.files
        lives.want(self.TEXT)
        lives.host.cuts.watch(
            lambda label: (
                setattr(lives.host.systemd, "start_hangs", "restart" in label)
                if "docker.service" in label
                else None
            )
        )
        status = lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK
        assert "not ready within" in (status.last.reason or "")
        assert lives.files == before
        assert lives.host.names(running=True) == ["job", "web"]


def test_apply_keeps_its_files_at_commit(lives: Lives) -> None:
    text = "schema = 1\n[engine]\nmax-concurrent-downloads = 5\n"
    status = lives.apply(("one.toml", text))
    assert lives.ended == [("apply-1", "applied")]
    assert status.condition is Condition.IN_SYNC
    assert lives.host.files.text("/etc/dockcfgd/conf.d/one.toml") == text
    again = lives.later()
    assert (again.condition, again.generation) == (Condition.IN_SYNC, status.generation)


def test_an_edit_in_the_middle_is_not_overwritten(lives: Lives) -> None:
    lives.want("[engine]\nmax-concurrent-downloads = 5")
    edited = '{"debug": true, "labels": ["rack=8"]}'
    once = [edited]

    def edit(label: str) -> None:
        if label == f"before writing {DAEMON_JSON}" and once:
            lives.host.files.put(DAEMON_JSON, once.pop())

    lives.host.cuts.watch(edit)
    status = lives.look()
    assert lives.host.files.text(DAEMON_JSON) == edited
    assert status.condition is Condition.DEGRADED
    assert "changed since it was looked at" in (status.reason or "")
    status = lives.later()
    assert status.condition is Condition.IN_SYNC
    assert lives.files.document == {
        "debug": True,
        "labels": ["rack=8"],
        "max-concurrent-downloads": 5,
    }


def test_a_change_that_met_an_edit_is_soon_tried_again(lives: Lives) -> None:
    edits = ['{"labels": ["rack=8"]}', '{"labels": ["rack=9"]}']

    def edit(label: str) -> None:
        if label == f"before writing {DAEMON_JSON}" and edits:
            lives.host.files.put(DAEMON_JSON, edits.pop())

    lives.host.cuts.watch(edit)
    lives.want("[engine]\nmax-concurrent-downloads = 5")
    status = lives.live(until=Condition.IN_SYNC)
    assert status is not None
    assert edits == []
    assert lives.files.document == {"labels": ["rack=8"], "max-concurrent-downloads": 5}


@pytest.mark.parametrize("text", ["max-concurrent-downloads = 5", 'log-driver = "local"'])
def test_a_full_disk_is_tried_again_and_not_remembered(lives: Lives, text: str) -> None:
    before = lives.files
    lives.host.files.trouble(errno.ENOSPC, lambda path: path == DAEMON_JSON)
    lives.want(f"[engine]\n{text}")
    status = lives.look()
    assert status.condition is Condition.DEGRADED
    assert "No space left" in (status.reason or "")
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert lives.files == before
    assert lives.host.names(running=True) == ["job", "web"]
    lives.host.files.end_trouble()
    assert lives.later().condition is Condition.IN_SYNC


def test_files_of_apply_that_cannot_be_kept_take_the_change_back(lives: Lives) -> None:
    before = lives.files
    lives.host.files.trouble(errno.ENOSPC, lambda path: path.endswith("one.toml"))
    text = 'schema = 1\n[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"\n'
    other = "schema = 1\n[engine]\ndebug = false\n"
    status = lives.apply(("also.toml", other), ("one.toml", text))
    assert lives.ended == [("apply-1", "rolled-back")]
    assert status.last is not None
    assert lives.host.files.names("/etc/dockcfgd/conf.d") == ()
    assert "No space left" in (status.last.reason or "")
    assert lives.files == before
    assert lives.host.names(running=True) == ["job", "web"]
    assert not lives.open_transaction


def test_an_engine_that_somebody_stopped_is_not_started(lives: Lives) -> None:
    host = lives.host
    host.systemd.run_job(JobVerb.STOP, "docker.socket", timeout=60)
    host.systemd.jobs.clear()
    lives.want('[engine]\nlog-driver = "local"')
    status = lives.look()
    assert status.condition is Condition.PENDING
    assert "stopped" in (status.reason or "")
    assert host.systemd.jobs == []
    assert lives.files.document["log-driver"] == "local"
    host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
    assert lives.look().condition is Condition.IN_SYNC


class TestDrift:
    def hand_edit(self, lives: Lives, key: str, value: object) -> None:
        document = lives.files.document | {key: value}
        lives.host.files.put(DAEMON_JSON, json.dumps(document))

    def test_is_put_back(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        lives.look()
        self.hand_edit(lives, "max-concurrent-downloads", 7)
        status = lives.look()
        assert status.condition is Condition.IN_SYNC
        assert lives.files.document["max-concurrent-downloads"] == 5

    def test_is_reported(self, lives: Lives) -> None:
        lives.want('[engine]\nmax-concurrent-downloads = 5\n[policy]\non-drift = "report"')
        lives.look()
        self.hand_edit(lives, "max-concurrent-downloads", 7)
        status = lives.look()
        assert status.condition is Condition.DRIFTED
        assert [drift["key"] for drift in status.drifts] == ["max-concurrent-downloads"]
        assert lives.files.document["max-concurrent-downloads"] == 7

    def test_that_takes_a_restart_waits_for_a_word(self, lives: Lives) -> None:
        lives.want('[engine]\nlog-driver = "local"')
        lives.look()
        self.hand_edit(lives, "log-driver", "journald")
        lives.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
        lives.host.systemd.jobs.clear()
        status = lives.look()
        assert status.condition is Condition.PENDING
        assert "drift-max-impact" in (status.reason or "")
        assert lives.host.systemd.jobs == []
        assert lives.apply().condition is Condition.IN_SYNC
        assert lives.files.document["log-driver"] == "local"

    def test_of_a_foreign_key_is_none(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        lives.look()
        jobs = list(lives.host.systemd.jobs)
        self.hand_edit(lives, "labels", ["rack=9"])
        self.hand_edit(lives, "no-such-key-yet", 1)
        status = lives.look()
        assert status.condition is Condition.IN_SYNC
        assert lives.files.document["no-such-key-yet"] == 1
        assert lives.host.systemd.jobs == jobs


def test_more_than_max_impact_waits(lives: Lives) -> None:
    before = lives.files
    lives.want('[engine]\nlog-driver = "local"\n[policy]\nmax-impact = "reload"')
    status = lives.look()
    assert status.condition is Condition.PENDING
    assert "max-impact" in (status.reason or "")
    assert lives.files == before
    assert lives.apply().condition is Condition.IN_SYNC


class TestRollback:
    def test_goes_to_a_generation_and_holds(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        first = lives.look()
        lives.want("[engine]\nmax-concurrent-downloads = 6")
        lives.look()
        status = lives.roll_back(first.generation)
        assert (status.condition, status.reason) == (Condition.REJECTED, "rolled back by operator")
        assert lives.ended == [("rollback-1", "applied")]
        assert lives.files.document["max-concurrent-downloads"] == 5
        assert lives.later().condition is Condition.REJECTED
        assert lives.files.document["max-concurrent-downloads"] == 5
        lives.want("[engine]\nmax-concurrent-downloads = 7")
        assert lives.look().condition is Condition.IN_SYNC

    def test_without_a_number_goes_one_back(self, lives: Lives) -> None:
        before = lives.files
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        lives.look()
        status = lives.roll_back()
        assert status.condition is Condition.REJECTED
        assert lives.files == before
        assert lives.apply().condition is Condition.IN_SYNC
        assert lives.files.document["max-concurrent-downloads"] == 5

    def test_to_what_was_never_in_force_is_refused(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        lives.look()
        before = lives.files
        status = lives.roll_back(9)
        assert lives.ended == [("rollback-1", "refused")]
        assert status.condition is Condition.IN_SYNC
        assert lives.files == before

    def test_drift_under_hold_is_not_mended_to_the_files(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        lives.look()
        lives.roll_back()
        for _ in range(3):
            lives.later(600)
        assert "max-concurrent-downloads" not in lives.files.document


def test_a_failed_way_back_stops_everything_automatic(lives: Lives) -> None:
    lives.host.refuse_start(lambda config: "metrics" if "metrics-addr" in config else None)
    lives.want(TestFailingStart.TEXT)
    once = [True]

    def spoil(label: str) -> None:
        if label == f"after: restart {DOCKER_SERVICE}" and once.pop():
            lives.host.refuse_start(lambda _: "failed to start daemon: the disk is gone")
            once.append(False)

    lives.host.cuts.watch(spoil)
    status = lives.look()
    assert status.condition is Condition.DEGRADED
    assert status.last is not None
    assert status.last.verdict is Verdict.DEGRADED
    assert "the disk is gone" in (status.reason or "")
    jobs = list(lives.host.systemd.jobs)
    lives.host.dockerd.refusals.clear()
    assert lives.later().condition is Condition.DEGRADED
    assert lives.host.systemd.jobs == jobs
    assert lives.apply().condition is Condition.IN_SYNC


def test_drop_in_appears_and_goes(lives: Lives) -> None:
    lives.want('[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }')
    assert lives.look().condition is Condition.IN_SYNC
    assert DROP_IN in lives.host.files.snapshot()
    assert "HTTPS_PROXY=http://proxy:3128" in lives.host.systemd.unit(DOCKER_SERVICE).environment
    lives.want("")
    assert lives.look().condition is Condition.IN_SYNC
    assert DROP_IN not in lives.host.files.snapshot()
    assert lives.host.systemd.unit(DOCKER_SERVICE).environment == ()


@pytest.mark.parametrize("place", [f"restart {DOCKER_SERVICE}", f"reload {DOCKER_SERVICE}"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_mistake_of_dockcfgd_itself_is_undone(lives: Lives, place: str, when: str) -> None:
    before = lives.files
    mistakes = [RuntimeError("a mistake")]

    def break_once(label: str) -> None:
        if label == f"{when}: {place}" and mistakes:
            raise mistakes.pop()

    lives.host.cuts.watch(break_once)
    lives.want('[engine]\nlog-driver = "local"')
    status = lives.look()
    assert mistakes == []
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert "a mistake" in (status.reason or "")
    assert lives.files == before
    assert lives.host.names(running=True) == ["job", "web"]
    assert not lives.open_transaction


@pytest.mark.parametrize("after", range(3, 30, 2))
def test_a_state_file_that_cannot_be_written_does_not_keep_the_engine_down(
    lives: Lives, after: int
) -> None:
    lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
    lives.writes_left = after
    status = lives.look()
    assert lives.host.engine.ping()
    assert lives.host.names(running=True) == ["job", "web"]
    assert status.condition in {Condition.DEGRADED, Condition.IN_SYNC}
    lives.writes_left = None
    assert lives.look().condition in {Condition.DEGRADED, Condition.IN_SYNC}
    assert lives.later().condition is Condition.IN_SYNC
    assert lives.host.names(running=True) == ["job", "web"]
    assert not lives.open_transaction


def test_why_files_could_not_be_followed_shows_with_them(lives: Lives) -> None:
    """Else they count as not looked at yet, which hides the reason and keeps `wait` waiting."""
    lives.want("[engine]\ndebug = true")
    assert lives.look().condition is Condition.IN_SYNC
    lives.told.clear()
    lives.want("[engine]\ndebug = false")
    lives.writes_left = 0
    status = lives.look()
    assert status.condition is Condition.DEGRADED
    assert "disk is full" in (status.reason or "")
    inode = lives.host.files.read(CONF).inode
    assert [(file.path, file.inode) for file in status.files] == [(CONF, inode)]
    # Not before: they would show under what was so of the files before them.
    looked_at = [one for one in lives.told if one.files]
    assert all(one.condition is Condition.DEGRADED for one in looked_at)


class TestTheLastChangeAfterARestartOfDockcfgd:
    def test_is_shown_from_the_start(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        before = lives.look().last
        lives.told.clear()
        after = lives.later()
        assert before is not None
        assert before.steps
        assert lives.told[0].last == after.last == before

    def test_is_shown_where_it_was_refused(self, lives: Lives) -> None:
        lives.want("[engine]\nmax-concurrent-downloads = 5")
        lives.look()
        lives.want("[engine]\nmax-concurrent-download = 5")
        before = lives.look().last
        assert before is not None
        assert before.verdict is Verdict.REFUSED
        assert lives.later().last == before

    def test_is_shown_where_dockcfgd_died_at_its_end(self, tmp_path: Path) -> None:
        """The journal has it, and the status that was kept does not."""
        seen = 0
        for back in range(1, 9):
            host = FakeHost(daemon_json='{"debug": true}')
            lives = Lives(tmp_path / str(back), host)
            lives.want("[engine]\nmax-concurrent-downloads = 5")
            lives.look()
            host.cuts.restart()
            lives.want("[engine]\nmax-concurrent-downloads = 6")
            lives.look()
            passed = len(host.cuts.passed)
            lives.want("[engine]\nmax-concurrent-downloads = 7")
            host.cuts.restart(crash_at=passed - back)
            assert lives.live() is None
            host.cuts.restart()
            if lives.open_transaction:
                continue
            lives.told.clear()
            lives.look()
            last = lives.told[0].last
            assert last is not None
            seen += last.generation == 3
        assert seen


@pytest.mark.parametrize("edit", ["removed", "edited"])
@pytest.mark.parametrize("read", [False, True])
def test_a_drop_in_that_the_engine_runs_with_is_put_back_without_a_restart(
    lives: Lives, edit: str, *, read: bool
) -> None:
    lives.want('[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }')
    assert lives.look().condition is Condition.IN_SYNC
    before, jobs = lives.files.drop_in, list(lives.host.systemd.jobs)
    assert before is not None
    if edit == "removed":
        lives.host.files.delete(DROP_IN)
    else:
        lives.host.files.put(DROP_IN, "[Service]\nEnvironment=A=1\n")
    if read:
        lives.host.systemd.reload_units()
    status = lives.later()
    assert status.condition is Condition.IN_SYNC, status.reason
    assert lives.files.drop_in == before
    assert lives.host.systemd.jobs == jobs
    assert not lives.host.systemd.unit(DOCKER_SERVICE).need_daemon_reload

    lives.host.files.delete(DROP_IN)
    lives.host.systemd.reload_units()
    lives.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)
    status = lives.later()
    assert status.condition is Condition.PENDING, "somebody restarted the engine without it"


def test_only_the_plan_that_was_agreed_to_is_carried_out(lives: Lives) -> None:
    lives.look()
    texts = (("a.toml", "schema = 1\n[engine]\nmax-concurrent-downloads = 5\n"),)
    asked = partial(Apply, "t", files=texts)
    before = lives.files
    answer = lives.say(lambda answer: asked(plan="0123456789abcdef", agreed=answer))
    assert "look at it again" in answer
    assert (lives.files, lives.host.systemd.jobs, lives.ended) == (before, [], [])
    assert lives.told[-1].phase is Phase.IDLE
    planned = lives.say(lambda answer: PlanRequest(texts, answer, answer))
    agreed: list[str] = []
    lives.live(asked(plan=json.loads(planned)["id"], agreed=agreed.append))
    assert agreed == [""]
    assert lives.ended == [("t", "applied")]
    assert lives.files.document["max-concurrent-downloads"] == 5


def test_a_mistake_of_dockcfgd_on_the_way_back_ends_there(lives: Lives) -> None:
    """It would be made again, with the engine down each time."""
    restarts: list[str] = []

    def break_all(label: str) -> None:
        if label == f"after: restart {DOCKER_SERVICE}" or (restarts and "before writing" in label):
            restarts.append(label)
            raise RuntimeError("a mistake")

    lives.host.cuts.watch(break_all)
    lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
    status = lives.look()
    assert status.last is not None
    assert status.last.verdict is Verdict.DEGRADED
    assert "going back failed too" in (status.reason or "")
    assert not lives.open_transaction
    made = len(restarts)
    assert lives.later().condition is Condition.DEGRADED
    assert len(restarts) == made
