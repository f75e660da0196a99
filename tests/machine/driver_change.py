"""Changes of the storage driver that a test interferes with, one after the other on a machine."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

from machine import Machine, wait_for

__all__ = ["changed", "newest", "other", "rest", "status", "until", "want"]

_DRIVERS = ("overlay2", "vfs")
_NUMBERS = itertools.count(4)
_STATUS = "/run/dockcfgd/status.json"
_QUICK = '[backup]\nkeep = 1\n[verify]\nsettle = "500ms"\n'

Document = dict[str, Any]


def other(driver: str) -> str:
    """Give the driver that a machine with `driver` is to have next."""
    return next(one for one in _DRIVERS if one != driver)


def want(machine: Machine, driver: str) -> None:
    """Ask for a driver: in another state each time, as what was taken back is not tried again."""
    more = f"max-concurrent-downloads = {next(_NUMBERS)}"
    text = f'schema = 1\n[engine]\nstorage-driver = "{driver}"\n{more}\n'
    machine.write("/etc/dockcfgd/conf.toml", text + _QUICK)


def changed(machine: Machine, driver: str) -> list[str]:
    """Change the driver without any interference; give the steps of that."""
    want(machine, driver)
    done = machine.run(["dockcfgctl", "wait", "--timeout", "10m"], check=False, timeout=610)
    last = status(machine)["last"]
    assert done.returncode == 0, last
    return [str(step["name"]) for step in last["steps"]]


def status(machine: Machine) -> Document:
    # /run is a filesystem of the machine's own.
    place = Path(f"/proc/{machine.pid}/root{_STATUS}")
    document: Document = json.loads(place.read_bytes())
    return document


def newest(machine: Machine) -> str:
    """Give the transaction of the newest change."""
    return str(status(machine)["last"]["transaction"])


def until(machine: Machine, number: int, *, after: str) -> None:
    """Wait until a step of the change after the transaction `after` has begun."""

    def begun() -> bool:
        last = status(machine)["last"]
        return last["transaction"] != after and bool(len(last["steps"]) > number or last["verdict"])

    wait_for(begun, timeout=300, what=f"step {number}", interval=0.005)


def rest(machine: Machine, *, calm: float) -> Document:
    """Wait until all is in order, or nothing was tried for `calm` seconds; give the status."""
    since: list[Any] = [time.monotonic(), ""]

    def rests() -> Document | None:
        try:
            seen = status(machine)
        except FileNotFoundError:
            return None  # the machine has just booted
        last, at_rest = seen["last"] or {}, seen["phase"] == "idle" and machine.ping()
        now = f"{last.get('transaction')} {last.get('verdict')} {at_rest}"
        if now != since[1]:
            since[:] = [time.monotonic(), now]
        if not at_rest or last.get("verdict") is None:
            return None
        # What the surroundings prevented is tried again by itself.
        long = time.monotonic() - since[0] > calm
        return seen if seen["condition"] == "in-sync" or long else None

    found = wait_for(rests, 500, what="dockcfgd at rest and an engine that serves", interval=0.2)
    assert found is not None
    return found
