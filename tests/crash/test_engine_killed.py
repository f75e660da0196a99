"""The engine is killed at every effect of every change.

That says nothing about the desired state: the host comes back to the old or the new state, and the
change is tried again by itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dockcfgd.model.status import Status, Verdict
from tests.crash.catalogue import STORIES, Story
from tests.crash.lives import Files
from tests.crash.stories import ENDED, Told, at_each_place, check, check_peace
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
