"""Backups by dockcfgd itself on a simulated host: at a word, by schedule, and cut off anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockcfgd.migration import archive
from dockcfgd.model.status import Condition, Phase, Verdict
from dockcfgd.reconcile.requests import Apply, Cancel, CreateBackup, Look, PruneBackups, Restore
from tests.crash.lives import Lives
from tests.fakes.cuts import Crash
from tests.fakes.host import FakeHost

DAY = 86400.0


def prepared(folder: Path, *, backup: str = "volumes = true") -> Lives:
    host = FakeHost()
    host.fill("data", {"file": b"content"})
    host.run("web", layer={"/data/x": b"1"}, host_config={"Binds": ["data:/data"]})
    host.run("db", layer={"/db": b"2"}, restart="always")
    lives = Lives(folder, host)
    text = f'schema = 1\n[backup]\ndirectory = "{lives.backups}"\n{backup}\n'
    host.files.put("/etc/dockcfgd/conf.toml", text)
    return lives


def kept(lives: Lives) -> list[archive.Backup]:
    return list(archive.list_backups(lives.backups))


def kept_images(lives: Lives) -> list[str]:
    names = [name for one in lives.host.images.list() for name in one["RepoTags"]]  # type: ignore[union-attr]
    return [str(name) for name in names if str(name).startswith("dockcfgd-kept/")]


def test_at_a_word(tmp_path: Path) -> None:
    lives = prepared(tmp_path)
    status = lives.live(CreateBackup("b1", comment="why", actor="root", uid=0))
    assert status is not None
    assert lives.ended[-1] == ("b1", "applied")
    assert status.task is not None
    assert (status.task.kind, status.task.verdict) == ("backup", Verdict.APPLIED)
    assert [step.state for step in status.task.steps] == ["done"] * 4
    assert (status.backups, status.phase, status.progress) == (1, Phase.IDLE, None)
    assert status.last is None  # no change was made
    (backup,) = kept(lives)
    assert backup.manifest is not None
    assert {"actor": "root", "comment": "why"}.items() <= dict(backup.manifest.about).items()
    assert any(told.progress for told in lives.told)

    lives.host.containers.remove("web")
    lives.host.remove_volume("data")
    status = lives.live(Restore("r1", "b1", ("web",)))
    assert status is not None
    assert lives.ended[-1] == ("r1", "applied")
    assert lives.host.volume("data") == {"file": b"content"}
    assert lives.host.names(running=True) == ["db", "web"]


@pytest.mark.parametrize(
    ("request_", "what"),
    [(CreateBackup("t"), "make a backup"), (Restore("t", "b0"), "restore b0")],
)
def test_none_is_begun_while_a_change_awaits_its_word(
    tmp_path: Path, request_: CreateBackup | Restore, what: str
) -> None:
    """Both were asked for at once; the word and the deadline would wait for it to end."""
    lives = prepared(tmp_path)
    more = ("50-x.toml", "schema = 1\n[engine]\ndebug = true\n")
    status = lives.live(Apply("a1", files=(more,), confirm=60.0), request_)
    assert lives.ended == [("a1", "awaiting-confirmation"), ("t", "refused")]
    assert status is not None
    assert status.phase is Phase.AWAITING_CONFIRMATION
    assert status.task is not None
    assert status.task.reason == (
        f"cannot {what}: a change awaits confirmation:"
        " dockcfgctl confirm or dockcfgctl cancel first"
    )
    assert kept(lives) == []


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (CreateBackup("t", ("nobody",)), "cannot find 'nobody'"),
        (Restore("t", "none"), "has no backup"),
        (Restore("t", "../../etc"), "has no backup"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tmp_path: Path, request_: CreateBackup | Restore, reason: str
) -> None:
    lives = prepared(tmp_path)
    status = lives.live(request_)
    assert status is not None
    assert lives.ended == [("t", "refused")]
    assert status.task is not None
    assert reason in (status.task.reason or "")
    assert kept(lives) == []


def test_without_an_engine_nothing_is_touched(tmp_path: Path) -> None:
    lives = prepared(tmp_path)
    lives.look()
    lives.host.dockerd.hangs = True
    lives.live(CreateBackup("b1"))
    assert lives.ended == [("b1", "refused")]
    lives.host.dockerd.hangs = False
    assert lives.look().task is None


def test_cancelled_in_the_middle(tmp_path: Path) -> None:
    lives = prepared(tmp_path)
    answers: list[str] = []

    def cancel(_volume: str) -> bool:
        lives.reconciler.enqueue(Cancel("", "root", answers.append))
        return False

    lives.host.folders.writers.append(cancel)
    status = lives.live(CreateBackup("b1"))
    assert status is not None
    assert status.task is not None
    assert (status.task.verdict, status.task.reason) == (Verdict.DEGRADED, "cancelled by root")
    assert answers == [""]
    assert (kept(lives), kept_images(lives)) == ([], [])
    assert lives.host.names(running=True) == ["db", "web"]
    assert {lives.host.container(name).state for name in lives.host.names()} == {"running"}
    assert status.condition is not Condition.DEGRADED


@pytest.mark.parametrize("consistency", ["pause", "stop"])
def test_cut_off_after_one_of_the_same_group_was_frozen(tmp_path: Path, consistency: str) -> None:
    lives = prepared(tmp_path, backup=f'volumes = true\nconsistency = "{consistency}"')
    lives.host.networks.create_volume({"Name": "far", "Driver": "nfs"})
    lives.host.run("holder", host_config={"Binds": ["data:/d", "far:/far"]})
    lives.host.run("peer", layer={"/x": b"3"}, host_config={"Binds": ["far:/far"]})
    lives.look()
    dead: list[str] = []

    def at(label: str) -> None:
        if label.startswith("while reading /") or dead:
            dead.append(label)
            raise Crash(label)

    lives.host.cuts.watch(at)
    assert lives.live(CreateBackup("b1")) is None
    assert lives.host.container("holder").state != "running"
    lives.host.cuts.unwatch()
    lives.look()
    assert {lives.host.container(name).state for name in lives.host.names()} == {"running"}


@pytest.mark.parametrize("consistency", ["pause", "stop"])
def test_cut_off_anywhere_it_leaves_nothing(tmp_path: Path, consistency: str) -> None:
    table = f'volumes = true\nconsistency = "{consistency}"'
    whole = prepared(tmp_path / "whole", backup=table)
    whole.look()
    whole.host.cuts.restart()
    whole.live(CreateBackup("b1"))
    places = list(whole.host.cuts.passed)
    assert any(label.startswith("while reading") for label in places)
    for place in range(len(places)):
        lives = prepared(tmp_path / str(place), backup=table)
        lives.look()
        lives.host.cuts.restart()
        dead = _end_at(lives.host, place)
        assert lives.live(CreateBackup("b1")) is None, places[place]
        dead.clear()
        status = lives.look()
        states = {lives.host.container(name).state for name in lives.host.names()}
        assert states == {"running"}, places[place]
        assert lives.host.names() == ["db", "web"]
        assert kept_images(lives) == [], places[place]
        backups = kept(lives)
        assert all(one.complete and archive.verify(one.folder) == () for one in backups)
        if status.task is not None:
            assert status.task.verdict is Verdict.DEGRADED
        lives.live(CreateBackup("b2"))
        assert lives.ended[-1] == ("b2", "applied"), places[place]


@pytest.mark.parametrize(("consistency", "after"), [("pause", "exited"), ("stop", "running")])
def test_the_machine_goes_down_while_containers_are_held(
    tmp_path: Path, consistency: str, after: str
) -> None:
    """What was stopped for the backup runs again; what was paused ended with the machine."""
    lives = prepared(tmp_path, backup=f'volumes = true\nconsistency = "{consistency}"')
    lives.look()
    dead: list[str] = []

    def at(label: str) -> None:
        if label.startswith("while reading /var") or dead:
            dead.append(label)
            raise Crash(label)

    lives.host.cuts.watch(at)
    assert lives.live(CreateBackup("b1")) is None
    lives.host.cuts.unwatch()
    lives.host.crash()
    lives.host.boot()
    lives.look()
    assert lives.host.container("web").state == after
    assert lives.host.container("db").state == "running"


def _end_at(host: FakeHost, place: int) -> list[str]:
    """Let dockcfgd end at a place, and do nothing more until what is given is emptied."""
    dead: list[str] = []
    passed = 0

    def at(label: str) -> None:
        nonlocal passed
        passed += 1
        if passed == place + 1:
            dead.append(label)
        if dead:
            raise Crash(label)

    host.cuts.watch(at)
    return dead


def test_by_schedule(tmp_path: Path) -> None:
    lives = prepared(tmp_path, backup='schedule = "03:00"\nkeep = 2')
    lives.look()
    assert kept(lives) == []
    left = lives.reconciler._backing_up.seconds_left  # noqa: SLF001 -- when its thread wakes up
    assert left is not None
    assert 0 < left <= DAY
    lives.live(CreateBackup("mine"))
    for _ in range(4):
        lives.host.clock.advance(DAY)
        lives.live(Look("due"), until=Condition.IN_SYNC)
        lives.look()
    made = [one.manifest.origin for one in kept(lives) if one.manifest]
    assert sorted(made) == ["operator", "schedule", "schedule"]
    lives.look()
    assert len(kept(lives)) == 3

    before = {one.id for one in kept(lives)}
    lives.host.clock.jump(-30 * DAY)
    lives.live(Look("due"), until=Condition.IN_SYNC)
    lives.host.clock.advance(DAY)
    lives.live(Look("due"), until=Condition.IN_SYNC)
    made_since = [one for one in kept(lives) if one.id not in before]
    assert made_since, "the newest went first, as it is the oldest by the clock"


def test_a_schedule_that_nobody_understands_is_refused(tmp_path: Path) -> None:
    lives = prepared(tmp_path, backup='schedule = "whenever"')
    status = lives.look()
    assert status.condition is Condition.REJECTED
    assert [error.key for error in status.errors] == ["backup.schedule"]


def test_pruned_at_a_word(tmp_path: Path) -> None:
    lives = prepared(tmp_path)
    for name in ("b1", "b2", "b3"):
        lives.host.clock.advance(60)
        lives.live(CreateBackup(name))

    def prune(*names: str, keep: int | None = None) -> str:
        return lives.say(lambda answer: PruneBackups(names, keep, answer, answer))

    assert prune("b2", "no") == "cannot remove: there is no backup no"
    assert json.loads(prune("b2")) == {"schema": 1, "removed": ["b2"]}
    assert json.loads(prune()) == {"schema": 1, "removed": []}
    assert json.loads(prune(keep=1)) == {"schema": 1, "removed": ["b1"]}
    assert [one.id for one in kept(lives)] == ["b3"]
