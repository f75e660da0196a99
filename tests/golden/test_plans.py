"""Each folder of plans/ holds a desired state, a host, and the plan that must come of them.

plan.txt has all of it, the way back included; shown.txt is what `dockcfgctl plan` prints. Without
desired.toml the last desired file is gone. `GOLDEN_REWRITE=1` writes both texts anew: read the
difference before it is kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from dockcfgd.cli.plan_text import render
from dockcfgd.desired.load import Text, load
from dockcfgd.desired.parse import parse
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.host import HostState
from dockcfgd.model.kept import KeptStorage
from dockcfgd.model.plan import Plan, way_back_from_json, way_back_to_json
from dockcfgd.model.steps import Step
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.storage_back import storage_target
from dockcfgd.planning.target import Applied, Target, empty_target, target_of
from dockcfgd.reconcile.assess import Assessment
from dockcfgd.reconcile.preview import Preview
from tests.fakes.files import FakeFiles
from tests.golden.described_host import applied_of, host_of
from tests.golden.file_steps import carry_out, files_of
from tests.golden.plan_text import plan_text

_CASES = sorted(path for path in (Path(__file__).parent / "plans").iterdir() if path.is_dir())
_REWRITE = os.environ.get("GOLDEN_REWRITE") == "1"


def golden_plans() -> Iterator[tuple[str, Plan]]:
    """Give each case's name and the plan that comes of it."""
    for case in _CASES:
        yield case.name, _plan(case)[0]


def _plan(case: Path) -> tuple[Plan, Target, HostState]:
    described = json.loads((case / "host.json").read_text())
    host, applied = host_of(described), applied_of(described)
    if "kept" in described:
        kept = KeptStorage.from_json(described["kept"])
        target = storage_target(kept, host, applied)
        return make_plan(target, host, Rules(name="T1", back_to=kept)), target, host
    source = case / "desired.toml"
    if not source.exists():
        target, rules = empty_target(host, applied), Rules(name="T1")
    else:
        target, rules = _wanted(source.read_text(), host, applied)
    if "recorded" in described:
        rules = replace(rules, kept=KeptStorage.from_json(described["recorded"]))
    return make_plan(target, host, rules), target, host


def _wanted(text: str, host: HostState, applied: Applied) -> tuple[Target, Rules]:
    extra = (Text(name="desired.toml", shown="desired.toml", text=text),)
    loaded = load(FakeFiles(), config_file="/none", folders=(), extra=extra)
    desired = parse(loaded, version=EngineVersion.parse(host.version))
    assert desired is not None
    rules = Rules(
        policy=desired.policy,
        verify=desired.verify,
        backup=desired.backup,
        storage=desired.storage,
        name="T1",
    )
    return target_of(desired, host, applied), rules


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_plan_is_the_one_kept(case: Path) -> None:
    plan, _, _ = _plan(case)
    kept = case / "plan.txt"
    if _REWRITE:
        kept.write_text(plan_text(plan))
    assert plan_text(plan) == kept.read_text()


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_a_person_reads_it_so(case: Path) -> None:
    plan, target, host = _plan(case)
    seen = Assessment("d", host=host, target=target, plan=plan, findings=plan.refusals)
    text = render(Preview(seen).document())
    kept = case / "shown.txt"
    if _REWRITE:
        kept.write_text(text)
    assert text == kept.read_text()
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_way_back_outlives_the_process(case: Path) -> None:
    plan, _, _ = _plan(case)
    stored = json.loads(json.dumps(way_back_to_json(plan.way_back)))
    assert way_back_from_json(stored) == plan.way_back


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_way_back_leaves_the_files_as_they_were(case: Path) -> None:
    """Do the file steps up to each point, then those of the way back."""
    plan, _, host = _plan(case)
    for begun in range(len(plan.steps)):
        files = files_of(host)
        before = files.snapshot()
        for step in plan.steps[: begun + 1]:
            carry_out(step, files)
        for back in plan.way_back:
            if back.needed(begun):
                carry_out(back.step, files)
        assert files.snapshot() == before, f"after step {begun}"


def test_every_kind_of_step_is_in_some_plan() -> None:
    plans = [_plan(case)[0] for case in _CASES]
    seen = {type(step) for plan in plans for step in plan.steps}
    seen |= {type(back.step) for plan in plans for back in plan.way_back}
    assert seen == set(get_args(Step))
