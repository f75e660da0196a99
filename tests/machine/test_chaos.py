"""A long random life of one machine, with a fixed seed."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chaos import Life, cost_of
from guarded import CALM, Guarded
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
STEPS = 500 if PROOF else 40
# From the first on the state file, and what SQLite keeps of it in memory, is as large as it gets.
FILLED, CHANGES = 240, 420
# What GLib's subscriptions still cost, for a change; 2 were measured.
GROWTH_KIB = 6
# Connections come and go.
MORE_DESCRIPTORS = 8
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


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not PROOF, reason="in make proof")
def test_one_process_that_lives_long_keeps_its_size(
    machine: Machine, build_deb: Callable[[str], Path]
) -> None:
    """Changes cost next to nothing once what is retained of them has its full length."""
    host = Guarded(machine, build_deb("trixie"))
    pid, costs = host.pid, []
    for number in range(1, CHANGES + 1):
        wanted = CALM.replace("= 5", f"= {number % 50 + 1}").replace("500ms", "0s")
        host.want(wanted)
        have = number % 50 + 1
        host.awaited(partial(_has, host, have), f"change {number}")
        host.rests("in-sync")
        if number % 5 == 0:
            host.want(wanted.replace("[engine]", "[engine"))
            host.rests("rejected")
            host.machine.run("dockcfgctl plan; dockcfgctl history; dockcfgctl status", check=False)
        if number in {FILLED, CHANGES}:
            costs.append(cost_of(machine))
    assert host.pid == pid
    early, late = costs
    print(f"cost after {FILLED} changes of one process {early}, after {CHANGES} {late}")
    assert late["descriptors"] <= early["descriptors"] + MORE_DESCRIPTORS, costs
    assert late["threads"] <= early["threads"], costs
    assert late["memory"] - early["memory"] < GROWTH_KIB * (CHANGES - FILLED), costs
    assert late["state"] <= early["state"] * 1.05, costs


def _has(host: Guarded, downloads: int) -> bool:
    return bool(host.document.get("max-concurrent-downloads") == downloads)
