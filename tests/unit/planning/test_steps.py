from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any

import pytest

from dockcfgd.model import steps as do
from dockcfgd.model.files import ABSENT, Tag
from dockcfgd.model.plan import BackStep
from dockcfgd.planning.wording import step_name

_KINDS = typing.get_args(do.Step)
_VALUES: dict[str, Any] = {
    "path": "/etc/docker/daemon.json",
    "content": b"{\xff}",
    "ours": (b"{\xff}", b""),
    "expected": (ABSENT, Tag("aa", 1, 2, 0o640)),
    "expect": (do.Expectation(("log-opts", "a.b"), {"x": [1, None, True]}),),
    "timeout": 1.5,
    "settle": 0.5,
    "containers": True,
    "uid": 1,
    "gid": 2,
    "mode": 0o600,
}


def _step(kind: type[do.Step]) -> do.Step:
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: _VALUES.get(name, name) for name in names})


@pytest.mark.parametrize("kind", _KINDS)
def test_a_step_outlives_the_journal(kind: type[do.Step]) -> None:
    step = _step(kind)
    assert do.from_json(json.loads(json.dumps(do.to_json(step)))) == step


def test_every_step_has_a_name_of_its_own() -> None:
    names = [step_name(_step(kind)) for kind in _KINDS]
    assert len(set(names)) == len(_KINDS)


def test_a_backup_that_has_no_name_yet_is_not_given_half_a_path() -> None:
    step = do.BackUpImages("", "/var/lib/dockcfgd/backups", "vfs")
    assert step_name(step) == "back up images to a new folder in /var/lib/dockcfgd/backups"
    named = dataclasses.replace(step, backup="20260101-1")
    assert step_name(named) == "back up images to /var/lib/dockcfgd/backups/20260101-1"


@pytest.mark.parametrize(
    ("begun", "needed"), [(-1, False), (1, False), (2, True), (3, True), (4, False), (9, False)]
)
def test_when_a_step_of_the_way_back_is_needed(begun: int, *, needed: bool) -> None:
    assert BackStep(do.ReloadUnits(), 2, 4).needed(begun) is needed
    assert BackStep(do.ReloadUnits(), 2).needed(begun) is (begun >= 2)
