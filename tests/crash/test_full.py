"""The filesystem with everything of dockcfgd and the engine fills up, for real, at each page of it.

State file, way back, what is kept of containers, backup, staging engine and storage drivers' data
share it. The engine serves on the old state or the new one, and once there is room the change is
made by itself.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dockcfgd.model.errors import DockcfgdError
from dockcfgd.model.status import Condition
from dockcfgd.state_file import StateFile
from tests.crash.catalogue import STORIES, Story
from tests.crash.stories import (
    Told,
    check,
)

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
PAGE = os.sysconf("SC_PAGE_SIZE")
TRIED = {"reload", "plain-disposable", "migrate", "migrate-anew"}
ROOMY = 1 << 20
BULK = 3_000_000
# As the kernel says it, and as SQLite does.
FULL = (os.strerror(errno.ENOSPC), "disk is full")


class Memory:
    """A filesystem in memory whose size changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def allow(self, pages: int) -> None:
        """Let it have so many pages."""
        # None at all would be no limit.
        _mount("-o", f"remount,size={max(pages, 1) * PAGE}", str(self.folder)).check_returncode()

    @property
    def used(self) -> int:
        """The pages in use."""
        seen = os.statvfs(self.folder)
        return (seen.f_blocks - seen.f_bfree) * seen.f_frsize // PAGE


@contextmanager
def memory(folder: Path) -> Iterator[Memory]:
    folder.mkdir()
    if _mount("-t", "tmpfs", "-o", f"size={ROOMY * PAGE}", "tmpfs", str(folder)).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield Memory(folder)
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["/bin/mount", *arguments], capture_output=True, check=False)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "story", [one for one in STORIES if one.name in TRIED], ids=lambda story: story.name
)
def test_a_filesystem_fills_up(folder: Path, story: Story) -> None:
    failed = []
    tried, left = 0, 1
    while True:
        with memory(folder / str(left)) as disk:
            told = Told(disk.folder / "host", replace(story, bulk=BULK))
            state = StateFile(told.lives.settings.state_file)
            state.remember("x", "")
            state.hold_reserve()
            state.close()
            old = told.lives.files
            disk.allow(disk.used + left)
            told.lives.live()
            status = told.lives.told[-1]
            whole = status.condition in told.goal
            disk.allow(ROOMY)
            try:
                assert told.host.engine.ping(), "the engine does not serve"
                assert whole or status.condition is Condition.DEGRADED, status.condition
                assert whole or any(one in str(status.reason) for one in FULL), status.reason
                for _ in range(3):
                    status = told.lives.later()
                assert status.condition in told.goal, status.reason
                new = told.lives.files
                assert new != old
                check(told, status, new)
            except (AssertionError, DockcfgdError) as error:
                failed.append(f"{left} pages: {str(error)[:300]}")
        tried += 1
        if whole:
            break
        left += 1 + left // (32 if PROOF else 2)
    print(f"{story.name}: {tried} sizes of a filesystem up to {left} pages, {len(failed)} failed")
    assert failed == [], "\n".join(failed)
    assert tried > 1 or not story.on_disk
