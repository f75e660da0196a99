"""Containers of every kind are what they were, wherever a change of their storage is cut off."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from conftest import NewMachine
from driver_change import changed, newest, other, rest, status, until, want
from machine import Machine
from migration_zoo import BY_HAND_ALWAYS, make_zoo
from zoo_layers import KINDS_DISPOSABLE, layer_digests, make_kinds
from zoo_sight import ACTIVE, Seen, expect_same, look

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
# Where the engine stops, is copied from, and its data change places: each in another way.
SAMPLE = (8, 7, 6, 5)
# What the host prevents is tried again within a minute.
CALM_SECONDS = 75.0


def kill_dockcfgd(machine: Machine) -> None:
    machine.run("systemctl kill --kill-whom=main --signal=KILL dockcfgd")


def kill_engine(machine: Machine) -> None:
    machine.run("systemctl kill --kill-whom=main --signal=KILL docker", check=False)


def kill_machine(machine: Machine) -> None:
    machine.kill()
    machine.boot()


def cut_power(machine: Machine) -> None:
    machine.run("systemctl kill --kill-whom=main --signal=STOP dockcfgd")
    machine.power_cut()
    machine.boot()


WAYS = {
    "kill -9 of dockcfgd": kill_dockcfgd,
    "kill -9 of PID 1": kill_machine,
    "kill -9 of the engine": kill_engine,
    "power cut": cut_power,
}
OF_THE_MACHINE = {kill_machine, cut_power}


def revive(machine: Machine, states: Mapping[str, str]) -> None:
    """Start what ran, as a crash of the machine or the engine may have ended it."""
    for _ in range(3):  # some need others
        now = look_states(machine)
        down = [one for one, state in states.items() if state in ACTIVE and now[one] not in ACTIVE]
        if not down:
            return
        machine.docker("start", *down, check=False, timeout=300)


def look_states(machine: Machine) -> dict[str, str]:
    lines = machine.docker("ps", "--all", "--format={{.Names}} {{.State}}").splitlines()
    return {name: state for name, _, state in (line.partition(" ") for line in lines)}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("turn", range(len(WAYS)) if PROOF else (0,))
def test_cut_off_nothing_differs(
    new_machine: NewMachine, build_deb: Callable[[str], Path], turn: int
) -> None:
    """Each step is cut off in another way; in as many turns as there are ways, in all of them."""
    machine = new_machine("trixie", data="ext4")
    machine.boot()
    make_zoo(machine)
    make_kinds(machine)
    # The cgroup of one that is frozen outlives this machine, and bars its next start.
    frozen = machine.docker("ps", "--filter=status=paused", "--format={{.Names}}").split()
    # Whether the engine was started, and has started that one, depends on the place.
    machine.docker("rm", "--force", KINDS_DISPOSABLE, BY_HAND_ALWAYS, *frozen)
    machine.install_deb(build_deb("trixie"))
    states = look_states(machine)
    before, digests = look(machine), layer_digests(machine)
    # The way to a driver used before has one step more.
    steps = [changed(machine, driver) for driver in ("vfs", "overlay2")][1]
    # Backwards: where the machine dies before the engine stops, those with --rm die with it.
    places = range(len(steps))[::-1] if PROOF else SAMPLE
    wrong = []
    for number in places:
        way, end = list(WAYS.items())[(number + turn) % len(WAYS)]
        if end in OF_THE_MACHINE and number < steps.index("stop the engine"):
            states = {name: state for name, state in states.items() if name in before.states}
        goal = other(machine.docker("info", "--format={{.Driver}}"))
        transaction = newest(machine)
        machine.run(["sync"])
        want(machine, goal)
        until(machine, number, after=transaction)
        reached = status(machine)["last"]["steps"][-1]["name"]
        end(machine)
        last = rest(machine, calm=CALM_SECONDS)["last"]
        place = f"{way} at {number} ({reached}), {last['verdict']}"
        try:
            expect_driver(machine, last["verdict"], goal)
            expect_whole(machine, before, digests, states)
            print(f"{place}: whole", flush=True)
        except AssertionError as error:
            wrong.append(f"{place}: {error}")
            print(wrong[-1], flush=True)
    of = f"{len(places)} of {len(steps)} places to be cut off at"
    print(f"zoo-turn-{turn}: {of}, {len(wrong)} losses")
    assert wrong == [], "\n".join(wrong)


def expect_driver(machine: Machine, verdict: str, goal: str) -> None:
    """Expect the driver that the verdict says."""
    present = machine.docker("info", "--format={{.Driver}}")
    assert verdict in {"applied", "rolled-back"}, verdict
    assert (present == goal) == (verdict == "applied"), present


def expect_whole(
    machine: Machine, before: Seen, digests: Mapping[str, str], states: Mapping[str, str]
) -> None:
    """Expect every container of `states` to be there, and all as it was."""
    revive(machine, before.states)
    now = look_states(machine)
    assert {name: now.get(name) for name in states} == states
    expect_same(before, look(machine))
    seen = layer_digests(machine)
    assert {name: seen.get(name) for name in digests if not name.startswith("disposable")} == {
        name: digest for name, digest in digests.items() if not name.startswith("disposable")
    }
