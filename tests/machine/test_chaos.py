"""A long random life of one machine, with a fixed seed."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos import Life
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
STEPS = 500 if PROOF else 40
MEMORY_KIB, DESCRIPTORS, STATE_KIB = 100_000, 48, 16_000
# The one that reads the files of `apply` comes with the first of them, and stays.
MORE_THREADS = 2


@pytest.mark.timeout(14400 if PROOF else 600)
def test_promises_hold_through_a_long_life(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    life = Life(machine, seed=20261124)
    life.begin(build_deb("trixie"))
    costs = [life.cost()]
    for number in range(1, STEPS + 1):
        life.step()
        if number % 5 == 0:
            costs.append(life.cost())
    counts = collections.Counter(life.done)
    print(f"chaos: {STEPS} of {STEPS} places to break a promise at, 0 failed; {dict(counts)}")
    print(f"cost at first {costs[0]}, at last {costs[-1]}")
    most = {name: max(cost[name] for cost in costs) for name in costs[0]}
    # Lives end in between: these hold for each of them, however long it was.
    assert most["memory"] < MEMORY_KIB, most
    assert most["descriptors"] < DESCRIPTORS, most
    assert most["threads"] <= costs[0]["threads"] + MORE_THREADS, most
    assert most["state"] < STATE_KIB, most
