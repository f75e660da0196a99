"""The peak memory of dockcfgd and of the programs that it starts, as the kernel counts it."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Memory", "watched"]

_SERVICE = "/dockcfgd.service"
# Units of its own; the staging engine is Docker's.
_PROGRAMS, _STAGING = "/dockcfgd-", "/dockcfgd-staging.service"
_LOOK_SECONDS = 0.1
_KB_A_MB = 1024
# Some programs run many times, each in a unit of its own.
_NUMBERS = re.compile(r"(-\d+)+(?=\.service$)")


@dataclass
class Memory:
    """The largest resident sizes (VmHWM) seen, in MB, by unit."""

    by_unit: dict[str, float] = field(default_factory=dict)

    @property
    def total_mb(self) -> float:
        """The daemon and the largest of its programs: they run one at a time."""
        programs = [size for unit, size in self.by_unit.items() if unit != _SERVICE]
        return self.by_unit.get(_SERVICE, 0.0) + max(programs, default=0.0)

    def __str__(self) -> str:
        return ", ".join(f"{unit[1:]} {size:.0f}" for unit, size in sorted(self.by_unit.items()))


@contextlib.contextmanager
def watched(init: int) -> Iterator[Memory]:
    """Watch the processes of the machine whose init is `init` while the context lasts."""
    seen, over = Memory(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(init, seen, over))
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _watch(init: int, seen: Memory, over: threading.Event) -> None:
    units: dict[str, str] = {}
    space = _space(init)
    while not over.wait(_LOOK_SECONDS):
        present = {path.name for path in Path("/proc").glob("[0-9]*")}
        units = {pid: unit for pid, unit in units.items() if pid in present}
        for pid in present - units.keys():
            units[pid] = _unit(pid) if _space(int(pid)) == space else ""
        for pid, unit in units.items():
            if unit:
                kind = _NUMBERS.sub("", unit)
                seen.by_unit[kind] = max(seen.by_unit.get(kind, 0.0), _peak(pid))


def _space(pid: int) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""


def _unit(pid: str) -> str:
    """Give the unit that a process belongs to, where it is dockcfgd's."""
    with contextlib.suppress(OSError):
        group = Path(f"/proc/{pid}/cgroup").read_text().strip()
        unit = group[group.rfind("/") :]
        if unit == _SERVICE or (unit.startswith(_PROGRAMS) and unit != _STAGING):
            return unit
    return ""


def _peak(pid: str) -> float:
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / _KB_A_MB
    return 0.0
