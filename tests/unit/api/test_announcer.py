from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.api.announcer import Announcer
from dockcfgd.model.status import Condition, Phase, Progress, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = Status(version="0.1.0", pid=7, since=1.0)


class Heard:
    """A publisher that notes what it sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def emit(self, member: str, *values: object) -> None:
        self.sent.append((member, *values))

    def changed(self, values: Mapping[str, object]) -> None:
        self.sent.append(("changed", dict(values)))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def announcer(heard: Heard) -> Announcer:
    announcer = Announcer(heard)
    announcer.status(STATUS)
    return announcer


@pytest.mark.usefixtures("announcer")
def test_the_first_status_is_told_whole(heard: Heard) -> None:
    (name, document), (_, values) = heard.sent
    assert (name, json.loads(document)) == ("StatusChanged", STATUS.document())
    assert set(values) == {
        "Version",
        "Phase",
        "Condition",
        "Generation",
        "AppliedGeneration",
        "ConfirmDeadline",
    }


def test_the_same_again_is_not_told(announcer: Announcer, heard: Heard) -> None:
    heard.sent.clear()
    announcer.status(replace(STATUS))
    assert heard.sent == []


def test_only_what_changed_is_told_as_property(announcer: Announcer, heard: Heard) -> None:
    heard.sent.clear()
    announcer.status(replace(STATUS, phase=Phase.IDLE, condition=Condition.IN_SYNC))
    (name, _), changed = heard.sent
    assert name == "StatusChanged"
    assert changed == ("changed", {"Phase": "idle", "Condition": "in-sync"})


def test_progress_alone_does_not_repeat_the_document(announcer: Announcer, heard: Heard) -> None:
    heard.sent.clear()
    progress = Progress(step="back up", item="busybox", done=2, total=8, unit="images")
    announcer.status(replace(STATUS, progress=progress))
    announcer.status(replace(STATUS, progress=replace(progress, done=3)))
    announcer.status(STATUS)
    assert heard.sent == [
        ("Progress", "back up", "busybox", 2, 8, "images"),
        ("Progress", "back up", "busybox", 3, 8, "images"),
    ]


def test_the_end_is_told(announcer: Announcer, heard: Heard) -> None:
    announcer.finished("t1", "applied")
    assert heard.sent[-1] == ("TransactionFinished", "t1", "applied")
