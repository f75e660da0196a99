"""The engine starts without dockcfgd, on the old files or the new ones, wherever a change was cut.

dockcfgd never comes back here, or only after the engine: what starts it is the boot, or somebody.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb
from tests.crash.catalogue import STORIES, Story, story_named
from tests.crash.lives import DAEMON_JSON, DROP_IN, Files
from tests.crash.stories import (
    Told,
    at_each_place,
    check,
    check_peace,
    cut_power,
    cut_short,
    noted,
    places,
)
from tests.fakes.cuts import Crash

PLAIN, DROP = story_named("plain"), story_named("drop-in")
MIGRATE = story_named("migrate-and-more")


def restart_by_hand(told: Told) -> None:
    told.host.cuts.restart()
    told.host.systemd.reset_failed(DOCKER_SERVICE)
    told.host.systemd.run_job(JobVerb.RESTART, DOCKER_SERVICE, timeout=60)


def starts_clean(told: Told, new: Files) -> None:
    """Hold that the engine runs on old or new files, read as they are, and shows what is theirs."""
    files = told.lives.files
    assert told.host.engine.ping(), "the engine does not serve"
    assert files in (told.old, new), "neither the old nor the new files"
    assert told.unread or not told.needs_daemon_reload
    process = told.host.dockerd.process
    assert process is not None
    for key, value in told.lives.document.items():
        assert process.config.get(key) == value, f"{key} is not what the files say"
    gone = set(told.old.document) - set(new.document) if files == new else set()
    theirs = set(files.document) | set(process.command.values)
    assert not gone & set(process.config) - theirs, "an old key is still in force"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("by", ["power", "hand"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_engine_starts_without_dockcfgd(folder: Path, story: Story, by: str) -> None:
    def cut(told: Told, number: int, new: Files) -> None:
        cut_short(told, number)
        cut_power(told) if by == "power" else restart_by_hand(told)
        starts_clean(told, new)
        files = told.host.files.snapshot()
        restart_by_hand(told)
        assert told.host.files.snapshot() == files, "a second start changed a file"

    at_each_place(folder, story, cut, every=5, purpose=f"to start the engine after (by {by})")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_dockcfgd_finishes_after_a_start_by_hand(folder: Path, story: Story) -> None:
    def cut(told: Told, number: int, new: Files) -> None:
        cut_short(told, number)
        restart_by_hand(told)
        # What has no restart policy ends with a restart by hand, whoever else is at work.
        told.content.pop("passing", None)
        told.running = told.comes_up()
        check(told, told.lives.look(), new, at_least=True)
        check_peace(told)

    at_each_place(folder, story, cut, every=7, purpose="to finish from")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", [DROP, MIGRATE], ids=lambda story: story.name)
def test_power_is_cut_while_files_are_put_back(folder: Path, story: Story) -> None:
    """Every place of going back at boot, from the places of the change where it has most to do."""
    labels, new = places(folder / "whole", story)
    failed, tried = [], 0
    start = next(at for at, label in enumerate(labels) if "start docker" in label)
    for second in range(200):
        told = Told(folder / str(second), story)
        cut_short(told, start)
        told.host.power_cut()
        told.host.cuts.restart(crash_at=second)
        try:
            told.host.boot()
            break
        except Crash as crash:
            label = str(crash)
        tried += 1
        cut_power(told)
        try:
            starts_clean(told, new)
            assert told.lives.files == told.old
        except AssertionError as error:
            failed.append(noted(second, label, error))
    print(f"{story.name}: {tried} of {tried} places to lose power at again, {len(failed)} failed")
    assert tried > 5
    assert failed == []


def after(labels: list[str], text: str) -> int:
    return next(at for at, label in enumerate(labels) if label == text)


def killed_with_files_written(folder: Path, story: Story) -> Told:
    labels, _ = places(folder / "whole", story)
    told = Told(folder / "told", story)
    cut_short(told, after(labels, f"after writing {DAEMON_JSON}"))
    told.host.cuts.restart()
    return told


def test_an_engine_that_began_on_the_old_files_is_not_stopped_again(folder: Path) -> None:
    labels, _ = places(folder / "whole", PLAIN)
    told = Told(folder / "told", PLAIN)
    cut_short(told, after(labels, f"after: restart {DOCKER_SERVICE}"))
    restart_by_hand(told)
    process = told.host.dockerd.process
    jobs = len(told.host.systemd.jobs)
    told.lives.look()
    ended = [status.last for status in told.lives.told if status.last and status.last.verdict]
    assert ended[0].verdict is Verdict.ROLLED_BACK
    assert "interrupted" in (ended[0].reason or "")
    first = [verb for verb, _ in told.host.systemd.jobs[jobs:]]
    assert first[0] is JobVerb.START, "the way back begins with a stop"
    assert process is not None


def test_it_leaves_a_change_alone_while_dockcfgd_lives(folder: Path) -> None:
    told = Told(folder / "told", PLAIN)
    status = told.lives.look()
    assert status.condition is Condition.IN_SYNC
    assert told.lives.recovered
    assert all("dockcfgd is at work" in said for said in told.lives.recovered)


def test_an_edit_since_is_kept_and_named(folder: Path) -> None:
    told = killed_with_files_written(folder, DROP)
    told.host.files.put(DAEMON_JSON, '{"debug": false}')
    restart_by_hand(told)
    assert told.host.files.text(DAEMON_JSON) == '{"debug": false}'
    assert told.lives.files.drop_in == told.old.drop_in
    kept = f"{DAEMON_JSON} is as it was before, but for what somebody else has changed since"
    assert kept in told.lives.recovered


def test_a_lost_journal_does_not_lose_the_way_back(folder: Path) -> None:
    told = killed_with_files_written(folder, DROP)
    for path in Path(told.lives.settings.state_dir).glob("state.db*"):
        path.unlink()
    told.host.files.delete("/etc/dockcfgd/conf.toml")
    status = told.lives.look()
    assert status.condition is Condition.UNMANAGED
    assert told.lives.files == told.old


def test_the_old_drop_in_is_what_the_started_engine_has(folder: Path) -> None:
    labels, _ = places(folder / "whole", DROP)
    told = Told(folder / "told", DROP)
    cut_short(told, after(labels, f"after writing {DROP_IN}"))
    cut_power(told)
    assert told.lives.files.drop_in is None
    unit = told.host.systemd.unit(DOCKER_SERVICE)
    assert DROP_IN not in unit.drop_in_paths
    assert not unit.need_daemon_reload
