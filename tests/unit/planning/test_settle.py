"""How long an engine must stay up before it is proven."""

from __future__ import annotations

import pytest

from dockcfgd.model.steps import ProveEngine
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import target_of
from tests.golden.described_host import applied_of, host_of
from tests.unit.desired.reading import wanted


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('log-driver = "local"', 2.0),
        ('log-driver = "local"\nauthorization-plugins = ["opa"]', 20.0),
    ],
)
def test_what_a_plugin_may_do_to_it_is_waited_for_after_a_restart_too(
    text: str, seconds: float
) -> None:
    desired = wanted(f'[engine]\n{text}\n[verify]\nsettle = "2s"\n[policy]\nrestart = "plain"\n')
    host = host_of({})
    rules = Rules(policy=desired.policy, verify=desired.verify)
    plan = make_plan(target_of(desired, host, applied_of({})), host, rules)
    assert [step.settle for step in plan.steps if isinstance(step, ProveEngine)] == [seconds]
