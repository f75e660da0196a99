"""The engine is killed at every effect of every change.

That says nothing about the desired state: the host comes back to the old or the new state, and the
change is tried again by itself.
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.status import Status, Verdict
from dockcfgd.model.systemd import DOCKER_SERVICE
from tests.crash.catalogue import STORIES, Story, story_named
from tests.crash.lives import DAEMON_JSON, Files
from tests.crash.stories import (
    ENDED,
    Told,
    at_each_place,
    check,
    check_peace,
    cut_short,
    places,
)
from tests.fakes.real_disk import real_disk

_LIVES = 4


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_killed_at_every_effect(folder: Path, story: Story) -> None:
    def killed(told: Told, number: int, new: Files) -> None:
        """Containers that run when it comes up are ended by the engine, as at any start.

        A change that had touched nothing yet was refused; systemd may have made it needless since.
        """
        status = lived(told, number)
        told.running = told.comes_up()
        told.content.pop("passing", None)
        check(told, status, new, at_least=True, verdicts=ENDED | {Verdict.REFUSED})
        check_peace(told)

    at_each_place(folder, story, killed, every=4, purpose="to have the engine killed at")


@pytest.mark.timeout(300)
def test_killed_in_a_way_back_that_goes_on_behind_its_start(folder: Path) -> None:
    """Dockcfgd has ended after that start; what the engine that comes has not, it gets."""
    whole = Told(folder / "whole", story_named("refused-start"))
    whole.lives.look()
    labels = list(whole.host.cuts.passed)
    started = labels.index("after: start docker.service")
    done = labels.index("before: undo removes way-back.json", started)

    def killed(number: int) -> bool:
        told, left = Told(folder / str(number), story_named("refused-start")), [number]
        told.host.cuts.restart(crash_at=done)
        assert told.lives.live() is None
        told.host.cuts.restart()

        def watch(_: str) -> None:
            left[0] -= 1
            if left[0] == -1:
                told.host.kill_engine()

        told.host.cuts.watch(watch)
        told.lives.look()
        told.host.cuts.unwatch()
        told.host.clock.advance(10)
        status = told.lives.later()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK, f"{number}: {status.last.reason}"
        return left[0] < 0

    number = 0
    while killed(number):
        number += 1


@pytest.mark.timeout(300)
def test_another_engine_is_not_taken_for_the_one_that_the_way_back_starts(folder: Path) -> None:
    """What is to be undone is undone, however often the engine was replaced before."""
    told, new = Told(folder / "one", story_named("migrate")), new_files(folder, "migrate")
    cut_short(told, after_start(folder, "migrate"))
    told.host.cuts.restart()
    told.host.systemd.before_start = lambda: None  # dockcfgd-recover cannot write it either
    told.host.kill_engine()
    told.host.clock.advance(10)
    told.host.cuts.watch(refuse_daemon_json)
    status = told.lives.look()
    assert status.last is None or status.last.verdict is None, status.reason
    told.host.cuts.unwatch()
    ended_well(told, told.lives.later(), new)


@pytest.mark.timeout(300)
def test_an_engine_that_is_down_again_is_started_again(folder: Path) -> None:
    """After the way back had started it, it is killed until systemd gives up."""
    told, new = Told(folder / "one", story_named("migrate")), new_files(folder, "migrate")
    cut_short(told, after_start(folder, "migrate"))
    told.host.cuts.restart()

    def started(label: str) -> None:
        if label == f"after: start {DOCKER_SERVICE}":
            told.host.cuts.crash_at = len(told.host.cuts.passed) + 6

    told.host.cuts.watch(started)
    assert told.lives.live() is None
    told.host.cuts.unwatch()
    told.host.cuts.restart()
    for _ in range(8):
        if told.host.dockerd.process is not None:
            told.host.kill_engine()
        told.host.clock.advance(3)
    assert told.host.systemd.unit(DOCKER_SERVICE).active_state == "failed"
    ended_well(told, told.lives.look(), new)


def refuse_daemon_json(label: str) -> None:
    if label == f"before writing {DAEMON_JSON}":
        raise FileFailure(what="write", path=DAEMON_JSON, errno=errno.EROFS, why="Read-only")


def after_start(folder: Path, name: str) -> int:
    """Give a place in the step after the start of the engine."""
    labels, _ = places(folder / "to-its-start", story_named(name))
    start = labels.index(f"after: start {DOCKER_SERVICE}")
    return labels.index("before: create container passing", start)


def new_files(folder: Path, name: str) -> Files:
    return places(folder / "whole", story_named(name))[1]


def ended_well(told: Told, status: Status, new: Files) -> None:
    told.running = told.comes_up()
    told.content.pop("passing", None)
    check(told, status, new, at_least=True)
    check_peace(told)


def lived(told: Told, number: int) -> Status:
    """Kill the engine at a place; give the first status without an open change."""

    def passed(_: str) -> None:
        if len(told.host.cuts.passed) > number:
            told.host.cuts.unwatch()
            if told.host.dockerd.process is not None:
                told.host.kill_engine()

    told.host.cuts.restart()
    told.host.cuts.watch(passed)
    with real_disk(told.host.cuts):
        status = told.lives.look()
    told.host.cuts.unwatch()
    for _ in range(_LIVES):
        if told.host.dockerd.process is not None and not told.lives.open_transaction:
            break
        status = told.lives.later()
    return status
