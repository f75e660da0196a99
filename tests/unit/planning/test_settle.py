"""How long an engine must stay up before it is proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.model.plan import Plan
from dockcfgd.model.steps import ProveEngine
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import target_of
from tests.golden.described_host import EXEC_START, applied_of, host_of
from tests.unit.desired.reading import wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLUGIN = 'authorization-plugins = ["opa"]'
_FLAG = "--authorization-plugin=opa"
_HAS_FLAG = {"exec-start": f"{EXEC_START} {_FLAG}"}
_HAS_KEY = {"daemon.json": {"authorization-plugins": ["opa"]}}


def _plan(text: str, described: Mapping[str, Any]) -> Plan:
    desired = wanted(f'[engine]\n{text}\n[verify]\nsettle = "2s"\n[policy]\nrestart = "plain"\n')
    host, applied = host_of(described), applied_of(described.get("applied", {}))
    rules = Rules(policy=desired.policy, verify=desired.verify)
    return make_plan(target_of(desired, host, applied), host, rules)


@pytest.mark.parametrize(
    ("text", "described", "seconds"),
    [
        ('log-driver = "local"', {}, 2.0),
        (f'log-driver = "local"\n{_PLUGIN}', {}, 20.0),
        (f'[service]\narguments = ["{_FLAG}"]', {}, 20.0),
        ('log-driver = "local"', _HAS_FLAG, 20.0),
        ('log-driver = "local"', _HAS_KEY, 20.0),
        ('log-driver = "local"\nauthorization-plugins = []', {}, 2.0),
    ],
)
def test_what_a_plugin_may_do_to_it_is_waited_for_after_a_restart_too(
    text: str, described: Mapping[str, Any], seconds: float
) -> None:
    steps = _plan(text, described).steps
    assert [step.settle for step in steps if isinstance(step, ProveEngine)] == [seconds]


@pytest.mark.parametrize(
    ("text", "described", "seconds"),
    [
        (f'log-driver = "local"\n{_PLUGIN}', {}, 2.0),
        ('log-driver = "local"', _HAS_FLAG, 20.0),
        ('log-driver = "local"', _HAS_KEY, 20.0),
        ("max-concurrent-downloads = 5", _HAS_KEY, 20.0),
        ("max-concurrent-downloads = 5", {}, 2.0),
    ],
)
def test_so_it_is_on_the_way_back(text: str, described: Mapping[str, Any], seconds: float) -> None:
    steps = [back.step for back in _plan(text, described).way_back]
    assert [step.settle for step in steps if isinstance(step, ProveEngine)] == [seconds]
