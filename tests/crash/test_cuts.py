"""Every change is cut off at every one of its effects.

The next life brings the host to the old or the new state, says which, and tries the change again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.catalogue import STORIES, Story, story_named
from tests.crash.lives import Files
from tests.crash.stories import (
    Told,
    at_each_place,
    check,
    check_peace,
    cut_power,
    cut_short,
    places,
    sampled,
)

every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@pytest.mark.timeout(1800)
@every_story
def test_killed_at_every_effect(folder: Path, story: Story) -> None:
    def killed(told: Told, number: int, new: Files) -> None:
        cut_short(told, number)
        told.host.cuts.restart()
        check(told, told.lives.look(), new)
        check_peace(told)

    at_each_place(folder, story, killed, every=3, purpose="to be killed at")


@pytest.mark.timeout(1800)
@every_story
def test_killed_again_while_recovering(folder: Path, story: Story) -> None:
    """The second place moves through the recovery as the first does through the change."""
    second = 0

    def killed(told: Told, number: int, new: Files) -> None:
        nonlocal second
        cut_short(told, number)
        told.host.cuts.restart(crash_at=second)
        second = second + 3 if told.lives.live() is None else 0
        told.host.cuts.restart()
        check(told, told.lives.look(), new)
        check_peace(told)

    at_each_place(folder, story, killed, every=5, purpose="to be killed twice from")


@pytest.mark.timeout(1800)
@every_story
def test_power_cut_at_every_effect(folder: Path, story: Story) -> None:
    """A power cut ends every container; the engine starts those that have a restart policy."""

    def cut(told: Told, number: int, new: Files) -> None:
        cut_short(told, number)
        cut_power(told)
        told.running = told.comes_up()
        told.content.pop("passing", None)
        check(told, told.lives.look(), new, at_least=True)
        check_peace(told)

    at_each_place(folder, story, cut, every=5, purpose="to lose power at")


def test_the_engine_runs_the_old_state_after_a_power_cut(folder: Path) -> None:
    """A machine that boots on half-written files runs the new state, whatever they say later."""
    story = story_named("plain")
    labels, _ = places(folder / "whole", story)
    for number, label in sampled(labels, story, every=3):
        told = Told(folder / str(number), story)
        cut_short(told, number)
        cut_power(told)
        status = told.lives.look()
        process = told.host.dockerd.process
        assert process is not None
        written = told.lives.files.document.get("log-driver")
        assert process.config.get("log-driver") == written, f"{label}: {status.reason}"
