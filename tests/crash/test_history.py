"""What was, brought back as it was; what is kept of a failure; and a history that is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockcfgd.history import History
from dockcfgd.model.status import Condition, Phase, Status, Verdict
from dockcfgd.reconcile.requests import Cancel, Confirm, Look, PlanRequest, Rollback, Stop
from dockcfgd.state_file import StateFile
from tests.crash.lives import CONF, DAEMON_JSON, DROP_IN, Lives
from tests.fakes.cuts import Crash
from tests.fakes.files import File
from tests.fakes.host import FakeHost

FIRST = b'{\n   "labels": ["rack=7"]\n}\n'
DROP_IN_WANTED = '[service]\nenvironment = { HTTPS_PROXY = "http://proxy:3128" }'


class Tale:
    """A host whose daemon.json belongs to somebody, before dockcfgd ever ran."""

    def __init__(self, folder: Path, *, first: bytes | None = FIRST) -> None:
        self.host = FakeHost(daemon_json=(first or b"").decode())
        self.files, self.lives = self.host.files, Lives(folder, self.host)
        self.host.run("web", restart="always")
        self._asked = 0
        if first is None:
            self.files.delete(DAEMON_JSON)
        else:
            self.files.put(DAEMON_JSON, first, mode=0o600, uid=7, gid=8)
            self.files.set_attribute(DAEMON_JSON, "user.note", b"mine")

    @property
    def daemon_json(self) -> tuple[bytes, int, int, int, tuple[tuple[str, bytes], ...]]:
        file: File = self.files.file(DAEMON_JSON)
        return file.content, file.uid, file.gid, file.mode, file.attributes

    def want(self, text: str) -> Status:
        self.lives.want(text)
        return self.lives.look()

    def roll_back(self, generation: int | None = None, **words: str) -> Status:
        self._asked += 1
        request = Rollback(f"back-{self._asked}", generation, actor="root", uid=0, **words)
        status = self.lives.live(request)
        assert status is not None
        return status

    def rows(self, query: str) -> list[dict[str, object]]:
        state = StateFile(self.lives.settings.state_file)
        try:
            return [dict(row) for row in state.rows(query)]
        finally:
            state.close()

    def damage(self) -> None:
        path = Path(self.lives.settings.state_file)
        with path.open("r+b") as file:
            file.write(b"no database here")


AS_FIRST = (FIRST, 7, 8, 0o600, (("user.note", b"mine"),))


def test_the_first_file_comes_back_whatever_became_of_it(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    assert tale.want("[engine]\ndebug = true").condition is Condition.IN_SYNC
    assert tale.daemon_json[1:] == AS_FIRST[1:]
    tale.files.put(DAEMON_JSON, '{"debug": false, "labels": ["rack=7"]}', mode=0o644)
    assert tale.want('[engine]\nlabels = ["rack=8"]').condition is Condition.IN_SYNC
    assert tale.daemon_json[1:] == (0, 0, 0o644, ())
    tale.files.delete(DAEMON_JSON)
    tale.files.put(DAEMON_JSON, b"{}")
    status = tale.roll_back(0)
    assert status.last is not None
    assert (status.last.verdict, status.condition) == (Verdict.APPLIED, Condition.REJECTED)
    assert tale.daemon_json == AS_FIRST
    assert tale.roll_back(0).condition is Condition.REJECTED
    assert tale.daemon_json == AS_FIRST


def test_a_file_that_somebody_removed_comes_back_with_its_owner(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.files.delete(DAEMON_JSON)
    assert tale.lives.later().condition is Condition.IN_SYNC
    assert tale.daemon_json[1:] == AS_FIRST[1:]
    tale.want('[engine]\ndebug = true\n[policy]\non-drift = "report"')
    tale.files.delete(DAEMON_JSON)
    tale.roll_back(0)
    assert tale.daemon_json == AS_FIRST


def test_owner_and_mode_alone_come_back(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    content = tale.daemon_json[0]
    tale.files.put(DAEMON_JSON, content)
    tale.want('[engine]\ndebug = true\n[policy]\nrestart = "plain"')
    assert tale.daemon_json[1:] == (0, 0, 0o644, ())
    status = tale.roll_back(1)
    assert status.last is not None
    assert (status.last.verdict, status.last.impact) == (Verdict.APPLIED, "none")
    assert tale.daemon_json == (content, *AS_FIRST[1:])


def test_an_owner_that_somebody_gave_since_stays(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.files.put(DAEMON_JSON, tale.files.file(DAEMON_JSON).content, mode=0o640, uid=9)
    tale.roll_back(0)
    assert tale.daemon_json == (FIRST, 9, 0, 0o640, ())


def test_a_clock_that_was_put_back_does_not_change_what_came_last(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\nmax-concurrent-downloads = 5")
    tale.host.clock.jump(-86_400)
    tale.want("[engine]\nmax-concurrent-downloads = 6")
    status = tale.lives.later()
    assert status.last is not None
    assert (status.last.generation, status.applied_generation) == (2, 2)
    tale.host.clock.jump(-86_400)
    refused = tale.want("[engine]\nmax-concurrent-downlods = 7")
    assert tale.lives.later().last == refused.last
    assert refused.last is not None
    assert refused.last.verdict is Verdict.REFUSED
    tale.host.clock.jump(-86_400)
    tale.want("[engine]\nmax-concurrent-downloads = 6")
    tale.want("[engine]\nmax-concurrent-downloads = 8")
    status = tale.lives.later()
    assert status.last is not None
    assert (status.last.generation, status.applied_generation) == (4, 4)


def test_what_ended_without_being_shown_is_shown_as_the_last(tmp_path: Path) -> None:
    """Killed between the end of a change and the rest after it."""
    tale = Tale(tmp_path)
    refused = tale.want("[engine]\nmax-concurrent-downlods = 5")
    tale.host.clock.jump(-86_400)
    tale.lives.want("[engine]\nmax-concurrent-downloads = 6")
    ended = "SELECT 1 FROM transactions WHERE finished IS NOT NULL"

    def kill(label: str) -> None:
        if label == "after: state file" and tale.rows(ended):
            raise Crash(label)

    tale.host.cuts.watch(kill)
    assert tale.lives.live() is None
    tale.host.cuts.unwatch()
    status = tale.lives.look()
    assert refused.last is not None
    assert status.last is not None
    assert (status.last.verdict, status.last.generation) == (Verdict.APPLIED, 2)


def test_a_file_that_was_not_there_at_first_goes(tmp_path: Path) -> None:
    tale = Tale(tmp_path, first=None)
    tale.want(f"[engine]\ndebug = true\n{DROP_IN_WANTED}")
    assert tale.lives.files.drop_in is not None
    status = tale.roll_back(0)
    assert status.condition is Condition.REJECTED
    assert tale.lives.files.daemon_json is None
    assert tale.lives.files.drop_in is None
    assert tale.roll_back().last is not None
    assert tale.lives.files.drop_in is not None


def test_a_removed_drop_in_comes_back_with_its_owner(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want(DROP_IN_WANTED)
    content = tale.files.file(DROP_IN).content
    tale.files.put(DROP_IN, content, mode=0o600, gid=4)
    tale.files.set_attribute(DROP_IN, "user.who", b"me")
    tale.want(f"[engine]\ndebug = true\n{DROP_IN_WANTED}")
    tale.files.delete(CONF)
    assert tale.lives.look().condition is Condition.UNMANAGED
    assert tale.lives.files.drop_in is None
    tale.roll_back(2)
    file = tale.files.file(DROP_IN)
    assert (file.content, file.mode, file.gid) == (content, 0o600, 4)
    assert file.attributes == (("user.who", b"me"),)


def test_going_back_twice_goes_forth_again(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.want("[engine]\ndebug = false")
    tale.roll_back(comment="too slow")
    assert tale.lives.files.document["debug"] is True
    tale.roll_back()
    assert tale.lives.files.document["debug"] is False
    rows = tale.rows("SELECT number, comment, actor, uid FROM generations ORDER BY number")
    assert [(row["comment"], row["actor"], row["uid"]) for row in rows[3:]] == [
        ("too slow", "root", 0),
        ("back to generation 2", "root", 0),
    ]


def test_one_that_was_never_in_force_is_refused_by_name(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.want('[engine]\ndebug = "no"')
    before = tale.files.snapshot()
    reasons = []
    for number in (2, 77):
        status = tale.roll_back(number)
        assert status.last is not None
        assert status.last.verdict is Verdict.REFUSED
        reasons.append(status.last.reason or "")
    assert "generation 2 was never in force: it was refused, " in reasons[0]
    assert "debug" in reasons[0]
    assert reasons[1].endswith("there is no generation 77: 0 and 1 to 2 are kept")
    assert tale.files.snapshot() == before


def failing(tale: Tale) -> Status:
    tale.host.refuse_start(
        lambda config: "listen tcp: in use" if "metrics-addr" in config else None
    )
    return tale.want('[engine]\nmetrics-addr = "127.0.0.1:9323"')


def test_the_evidence_of_a_failure_is_kept(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    assert failing(tale).condition is Condition.REJECTED
    (kept,) = tale.rows("SELECT * FROM evidence")
    document = json.loads(str(kept["document"]))
    assert kept["moment"] == "failed"
    assert any("listen tcp: in use" in line["text"] for line in document["engine"])
    assert all(line["at"] > 0 for line in document["engine"])
    daemon_json, drop_in = document["files"]
    assert (daemon_json["path"], drop_in["path"]) == (DAEMON_JSON, DROP_IN)
    assert daemon_json["owned"]["mode"] == 0o600
    assert drop_in["content"] is None
    (transaction,) = tale.rows("SELECT generation, steps FROM transactions WHERE id IN"
                               " (SELECT txn FROM evidence)")  # fmt: skip
    assert transaction["generation"] == 2
    assert "metrics-addr" in str(daemon_json) or "WriteFile" in str(transaction["steps"])


def test_a_way_back_that_fails_too_is_another_piece_of_evidence(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.host.refuse_start(lambda _config: "no such luck")
    assert tale.want('[engine]\nlog-driver = "local"').condition is Condition.DEGRADED
    moments = [row["moment"] for row in tale.rows("SELECT moment FROM evidence ORDER BY number")]
    assert moments == ["failed", "degraded"]


def test_a_word_is_no_failure(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want('[engine]\ndebug = true\n[policy]\nconfirm-timeout = "60s"')
    tale.lives.later(61.0)
    assert tale.rows("SELECT verdict FROM transactions") == [{"verdict": "rolled-back"}]
    assert tale.rows("SELECT * FROM evidence") == []


# -- a damaged or unusable state file ---------------------------------------------------------


def test_with_a_damaged_history_nothing_is_changed_until_somebody_says_so(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.damage()
    tale.lives.want("[engine]\ndebug = false")
    before, jobs = tale.files.snapshot(), list(tale.host.systemd.jobs)
    for _ in range(3):
        status = tale.lives.later()
        assert status.condition is Condition.DEGRADED
        assert "state.db.damaged-" in (status.reason or "")
        assert "dockcfgctl apply" in (status.reason or "")
    tale.files.put(DAEMON_JSON, '{"debug": true, "labels": ["edited"]}')
    before = tale.files.snapshot()
    assert tale.lives.later().condition is Condition.DEGRADED
    tale.lives.roll_back(77)
    assert tale.lives.later().condition is Condition.DEGRADED
    assert tale.files.snapshot() == before
    assert tale.host.systemd.jobs == jobs
    assert tale.lives.apply().condition is Condition.IN_SYNC
    assert tale.lives.files.document == {"debug": False, "labels": ["edited"]}
    assert tale.lives.later().condition is Condition.IN_SYNC
    tale.roll_back(0)
    assert tale.lives.files.daemon_json == before[DAEMON_JSON]


def test_leaves_that_were_ours_are_known_again_where_they_are_named(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want('[engine]\ndebug = true\nlog-driver = "local"')  # fmt: skip
    tale.damage()
    tale.lives.want("[engine]\ndebug = true")
    assert tale.lives.look().condition is Condition.DEGRADED
    assert tale.lives.apply().condition is Condition.IN_SYNC
    # Nobody knows any more whose log-driver was: it is kept.
    assert tale.lives.files.document["log-driver"] == "local"
    tale.files.delete(CONF)
    tale.lives.look()
    assert tale.lives.files.document == {"labels": ["rack=7"], "log-driver": "local"}


@pytest.mark.parametrize("cut", ["before: restart", "after: restart"])
def test_a_change_cut_off_under_a_damaged_history_goes_back_by_its_plain_files(
    tmp_path: Path, cut: str
) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    old = tale.lives.files
    tale.lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
    tale.host.cuts.restart()
    assert tale.lives.look().condition is Condition.IN_SYNC
    place = next(at for at, name in enumerate(tale.host.cuts.passed) if name.startswith(cut))

    again = Tale(tmp_path / "again")
    again.want("[engine]\ndebug = true")
    again.lives.want('[engine]\nlog-driver = "local"\n[policy]\nrestart = "plain"')
    again.host.cuts.restart(crash_at=place)
    assert again.lives.live() is None
    again.damage()
    again.host.cuts.restart()
    status = again.lives.look()
    assert status.condition is Condition.DEGRADED
    assert again.lives.files == old
    assert again.lives.apply().condition is Condition.IN_SYNC
    assert again.lives.files.document["log-driver"] == "local"


def test_a_change_that_awaits_its_word_goes_back_with_a_damaged_history(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    old = tale.lives.files
    waits = tale.want('[engine]\nlog-driver = "local"\n[policy]\nconfirm-timeout = "1h"')
    assert waits.confirm_deadline
    assert tale.lives.files != old
    tale.damage()
    assert tale.lives.look().condition is Condition.DEGRADED
    assert tale.lives.files == old


@pytest.mark.parametrize("word", ["confirm", "cancel"])
def test_so_does_one_whose_history_is_damaged_while_it_awaits(tmp_path: Path, word: str) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    old, lives = tale.lives.files, tale.lives
    answers: list[str] = []

    def answered(why: str) -> None:
        answers.append(why)
        lives.reconciler.enqueue(Stop())

    def damaged(status: Status) -> None:
        if status.phase is Phase.AWAITING_CONFIRMATION and not answers:
            lives.heard = lambda _: None
            lives.reconciler._state.close()  # noqa: SLF001 -- as a read that finds the damage does
            tale.damage()
            said = Confirm("", answered) if word == "confirm" else Cancel("", "root", answered)
            lives.reconciler.enqueue(said)

    lives.heard = damaged
    lives.want('[engine]\nlog-driver = "local"\n[policy]\nconfirm-timeout = "1h"')
    lives.live(Look("a file"))
    assert answers[0].startswith("nothing ")
    assert lives.files == old
    assert "state.db.damaged-" in (lives.look().reason or "")


def test_a_state_folder_out_of_reach_stops_changes_and_not_the_daemon(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    folder = Path(tale.lives.settings.state_dir)
    folder.write_text("in the way")
    tale.lives.want("[engine]\ndebug = true")
    before = tale.files.snapshot()
    status = tale.lives.look()
    assert status.condition is Condition.DEGRADED
    assert str(folder) in (status.reason or "")
    tale.lives.apply()
    assert tale.lives.ended[-1][1] == "degraded"
    assert tale.files.snapshot() == before
    folder.unlink()
    assert tale.lives.later().condition is Condition.IN_SYNC


def test_what_is_in_sync_and_cannot_be_written_down_is_said(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    tale.lives.writes_left = 0
    status = tale.lives.look()
    assert status.condition is Condition.DEGRADED
    assert "full" in (status.reason or "")
    tale.lives.writes_left = None
    assert tale.lives.later().condition is Condition.IN_SYNC


def test_a_pause_is_known_again_as_soon_as_it_can_be_read(tmp_path: Path) -> None:
    tale = Tale(tmp_path)
    tale.want("[engine]\ndebug = true")
    state = StateFile(tale.lives.settings.state_file)
    state.remember("paused", "paused by root")
    state.close()
    assert History(state).set_aside == ""
    state.close()
    tale.lives.want("[engine]\ndebug = false")
    assert "paused by root" in (tale.lives.later().reason or "")
    assert tale.lives.files.document["debug"] is True


def test_who_asks_for_a_plan_is_answered_while_the_state_file_cannot_be_used(
    tmp_path: Path,
) -> None:
    lives = Lives(tmp_path, FakeHost())
    Path(lives.settings.state_file).mkdir(parents=True)
    answer = lives.say(lambda told: PlanRequest((), reply=told, fail=told))
    assert answer.startswith("cannot plan: cannot use ")
