"""Containers that take longer to end than systemd lets the engine, while their storage changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from driver_change import changed, status
from images import make_busybox
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
LINES = 25
# The machines' own DefaultTimeoutStopSec= is 15 s.
AT_ITS_END = (
    f'trap "i=0; while [ \\$i -lt {LINES} ]; do echo \\$i >> /lines; i=\\$((i+1)); sleep 1; done;'
    ' exit 0" TERM; while :; do sleep 1 & wait $!; done'
)
NEVER = 'trap "" TERM; echo begin >> /ticks; while :; do echo tick >> /ticks; sleep 0.2; done'


@pytest.mark.suite(*RELEASES)
@pytest.mark.timeout(400)
def test_what_containers_write_at_their_end_comes_along(
    machine: Machine, suite: str, build_deb: Callable[[str], Path]
) -> None:
    """The engine is killed before they have ended; each has its own stop timeout all the same."""
    make_busybox(machine)
    for name, seconds, script in (("slow", 60, AT_ITS_END), ("never", 20, NEVER)):
        machine.docker("run", "-d", f"--name={name}", f"--stop-timeout={seconds}", "busybox",
                       "sh", "-c", script)  # fmt: skip
    machine.install_deb(build_deb("bookworm" if suite == "bookworm" else "trixie"))
    upper = machine.docker("inspect", "--format={{.GraphDriver.Data.UpperDir}}", "never")
    changed(machine, "vfs")
    assert status(machine)["last"]["verdict"] == "applied"
    said = machine.run(["journalctl", "--unit=docker", "--output=cat"]).stdout
    assert "timed out. Killing" in said, "the engine has ended them in time by itself"
    assert machine.docker("info", "--format={{.Driver}}") == "vfs"
    assert set(machine.docker("ps", "--format={{.Names}}").split()) == {"never", "slow"}
    lines = machine.docker("exec", "slow", "cat", "/lines").split()
    assert lines == [str(number) for number in range(LINES)]
    left = machine.run(["cat", f"{upper}/ticks"]).stdout.split()
    brought = machine.docker("exec", "never", "cat", "/ticks").split()
    assert left.count("begin") == 1
    assert brought[: len(left)] == left
    assert brought[len(left)] == "begin", "it wrote to what was copied already"
