"""Every write fails with every errno that a disk has, once or from then on.

The engine serves all the time, on the old state or the new one, what ran runs, and once the disk
writes again the change is made by itself. Only a migration whose disk refuses everything from the
middle on leaves the engine down until then.
"""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition
from dockcfgd.model.systemd import DOCKER_SERVICE
from tests.crash.catalogue import STORIES, Story, story_named
from tests.crash.stories import (
    Told,
    check,
    check_peace,
    cut_short,
    places,
)
from tests.fakes.real_disk import real_disk
from tests.fakes.trouble import DiskTrouble, is_write

ERRNOS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT, errno.EACCES)
PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
TRIED = {
    "reload", "plain", "plain-disposable", "bridged", "drop-in", "last-file", "flags-freed",
    "migrate", "migrate-anew", "root-copied", "root-renamed", "users-remapped",
}  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize(
    "story", [one for one in STORIES if one.name in TRIED], ids=lambda story: story.name
)
def test_every_write_fails(folder: Path, story: Story, *, lasting: bool) -> None:
    labels, new = places(folder / "whole", story)
    writes = sum(is_write(label) for label in labels)
    pairs = list(itertools.product(range(writes), ERRNOS))
    # Which errno it is makes no difference to the code, so a sample takes them in turn.
    tried = pairs if PROOF else pairs[:: 2 * len(ERRNOS) + 1 + 30 * story.on_disk]
    failed = []
    for first, number in tried:
        told = Told(folder / f"{first}-{number}", story)
        trouble = DiskTrouble(told.host.cuts, number, first, lasting)
        with real_disk(told.host.cuts):
            told.lives.live()
        assert trouble.hits, "no write failed"
        if number == errno.EROFS:
            told.logged = ""  # so it looks where dockcfgd may not write to the data-root
        try:
            _meanwhile(told, lasting=lasting)
            trouble.end()
            status = told.lives.later()
            if status.condition not in told.goal:
                status = told.lives.later()
            check(told, status, new)
            assert told.lives.files == new
        except AssertionError as error:
            failed.append(f"{first} {errno.errorcode[number]}: {str(error)[:300]}")
    print(
        f"{story.name}: {len(tried)} of {len(pairs)} failing writes ({writes} writes by"
        f" {len(ERRNOS)} errnos), {len(failed)} failed"
    )
    assert failed == []


def _meanwhile(told: Told, *, lasting: bool) -> None:
    """Hold what must be so while the disk refuses: nobody waits for it."""
    status = told.lives.told[-1]
    if not (told.story.on_disk and lasting and status.condition is Condition.DEGRADED):
        assert told.host.engine.ping()
    assert status.condition in {Condition.DEGRADED, *told.goal}, status.condition
    if status.condition is Condition.DEGRADED:
        assert status.reason
        assert any(os.strerror(number) in status.reason for number in ERRNOS), status.reason


@pytest.mark.timeout(300)
def test_disposable_containers_run_on_where_they_cannot_be_kept(folder: Path) -> None:
    """A stop on the way back would end them, so it waits until what they are can be noted."""
    story = story_named("plain-disposable")
    labels, _ = places(folder / "whole", story)
    restarted = labels.index(f"after: restart {DOCKER_SERVICE}")
    held = 0
    for number in range(restarted, len(labels)):
        told = Told(folder / str(number), story)
        cut_short(told, number)
        told.host.cuts.restart()
        kept = Path(told.lives.settings.state_dir, "kept")
        for one in kept.glob("*"):
            (one / "again").write_text("in the way")
        if "passing" not in told.runs():
            continue  # it was not brought back before the end
        status = told.lives.look()
        assert "passing" in told.runs(), labels[number]
        if status.condition is Condition.DEGRADED:
            held += 1
            assert "kept" in (status.reason or ""), status.reason
            for one in kept.glob("*/again"):
                one.unlink()
            status = told.lives.later()
        check_peace(told)
        assert told.contents() == told.content
        assert told.runs() == told.running
    print(f"{story.name}: {held} ways back waited for a container to be kept")
    assert held


@pytest.mark.timeout(1800)
def test_disposable_containers_outlive_ways_back_that_no_disk_can_note(folder: Path) -> None:
    """A way back is cut off and begun anew, and nothing but memory takes a word of it."""
    story = story_named("plain-disposable")
    whole = Told(folder / "whole", story)
    status = whole.lives.look()
    assert status.condition in whole.goal
    labels = whole.host.cuts.passed
    start = labels.index(f"before: restart {DOCKER_SERVICE}")
    firsts = [
        number
        for number, at in enumerate(at for at, label in enumerate(labels) if is_write(label))
        if at > start
    ]
    tried = 0
    for first in firsts if PROOF else firsts[::6]:
        for cut in range(start, len(labels) * 2, 1 if PROOF else 5):
            told = Told(folder / f"{first}-{cut}", story)
            trouble = DiskTrouble(told.host.cuts, errno.EROFS, first, lasting=True)
            told.host.cuts.restart(crash_at=cut)
            if told.lives.live() is not None:
                break
            for _ in range(2):
                told.host.cuts.restart()
                told.lives.live()
            trouble.end()
            told.lives.later()
            check(told, told.lives.later(), whole.lives.files)
            tried += 1
    print(f"{story.name}: {tried} of {tried} places to die at in a way back that nothing notes")
    assert tried
