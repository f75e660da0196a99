from __future__ import annotations

from typing import Any

import pytest

from dockcfgd.model.desired import KeyPath
from dockcfgd.model.policy import ContainersRule, Verify
from dockcfgd.planning import leaves
from dockcfgd.planning.expect import proof_of
from dockcfgd.planning.reloading import defaults_to_write, reload_step
from tests.golden.described_host import host_of


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        ({"debug": True}, {}, {("debug",): False}),
        ({"debug": True}, {"debug": False}, {}),
        ({"labels": ["a=b"], "debug": True}, {"debug": True}, {("labels",): []}),
        ({"shutdown-timeout": 5}, {}, {("shutdown-timeout",): 15}),
        ({"max-concurrent-downloads": 9}, {}, {}),
        ({"log-driver": "local"}, {}, {}),
        ({"x-unknown": 1}, {}, {}),
    ],
)
def test_keys_that_a_reload_would_keep_get_their_default(
    before: dict[str, Any], after: dict[str, Any], first: dict[KeyPath, Any]
) -> None:
    assert defaults_to_write(leaves.flatten(before), after, host_of({})) == first


def test_a_reload_is_asked_only_for_what_it_tells() -> None:
    document: dict[str, Any] = {"debug": True, "log-driver": "local", "labels": ["a=b"]}
    said = {one.path: one.value for one in reload_step(document).expect}
    assert said == {("debug",): True, ("labels",): ["a=b"]}


class TestProof:
    def test_it_names_what_info_shows_and_no_more(self) -> None:
        touched: list[KeyPath] = [("debug",), ("bip",), ("log-driver",), ("log-opts", "max-size")]
        proof = proof_of(
            {"debug": True, "bip": "10.0.0.1/8"},
            touched,
            verify=Verify(timeout=7),
            settle=2,
            containers=True,
        )
        assert {one.path: one.value for one in proof.expect} == {
            ("debug",): True,
            ("log-driver",): None,
        }
        assert (proof.timeout, proof.settle, proof.containers) == (7, 2, True)

    def test_containers_are_left_out_where_nobody_asks_for_them(self) -> None:
        verify = Verify(containers=ContainersRule.NONE)
        assert not proof_of({}, [], verify=verify, settle=0, containers=True).containers
