"""One change, made there and back on a machine that is cut off in the middle of it.

`Cutting` makes the change whole once in each direction and learns its steps, its files, and what
the engine says then. `cut` ends it at one step in one of `WAYS`, brings everything up again and
gives what is not as it has to be: the engine runs the old state or the new one, all of it, the
report says which, and no container, nothing in one and no volume is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images import make_busybox
from machine import Machine, MachineError, wait_for

__all__ = ["WAYS", "Change", "Cut", "Cutting"]

WAYS = ("kill -9 of dockcfgd", "kill -9 of PID 1", "power cut", "restart of dockcfgd")
_KILLED, _CRASHED, _CUT, _RESTARTED = WAYS
_AGAIN = frozenset({_KILLED, _RESTARTED})
# What a change in the middle of which it is told to end may take to come to its own end.
_RESTART_SECONDS = 60
_QUICK = 'schema = 1\n[verify]\nsettle = "300ms"\n[backup]\nkeep = 1\n'
_NAME = "50-cut.toml"
_FILES = (
    "/etc/docker/daemon.json",
    "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf",
    f"/etc/dockcfgd/conf.d/{_NAME}",
)
_STATE = "/var/lib/dockcfgd"
_STATUS = "/run/dockcfgd/status.json"
_CONTAINERS = {"always": "always", "by-hand": "unless-stopped", "plain": "no"}
_NOTED = ("note which containers run", "stop the containers and back them up")
_PROOF = "prove the running engine"
_FREED = "keep-previous = false"
_END = "\036"
_INFO = "{{.Driver}} {{.LoggingDriver}} {{.Labels}} {{.DockerRootDir}} {{.SecurityOptions}}"
_SIGHT = f"""\
said() {{ "$@" 2>/dev/null; printf '\\036'; }}
for file in {" ".join(_FILES)}; do said cat $file; done
said docker info --format '{_INFO}'
said sh -c 'tr "\\0" "\\n" < /proc/$(systemctl show docker -P MainPID)/environ | grep PROXY'
said systemctl show docker -P NeedDaemonReload
said sh -c 'find {_STATE}/undo {_STATE}/kept -mindepth 1 | sed -E "s/[0-9a-f]{{16}}/TRANSACTION/"'
said docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}'
said docker ps --all --format '{{{{.Names}}}}'
"""
_MARKS = "cat /mark /kept/mark"


@dataclass(frozen=True, slots=True)
class Change:
    """Two desired states, each of which is changed into the other."""

    name: str
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a change was cut off in which way, and what is wrong after it."""

    step: int
    way: str
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class _Side:
    """What belongs to one of the two states, as it was seen without a cut."""

    files: tuple[str, ...]
    says: tuple[str, ...]


class Cutting:
    """The machine must be booted, with data="ext4" or "xfs". Installs dockcfgd on it."""

    def __init__(self, machine: Machine, package: Path, change: Change) -> None:
        self._machine, self._change = machine, change
        make_busybox(machine)
        machine.install_deb(package)
        machine.write("/etc/dockcfgd/conf.d/00-quick.toml", _QUICK)
        write = "echo $0 > /mark; echo $0 > /kept/mark; exec sleep 1000000"
        for name, policy in _CONTAINERS.items():
            machine.docker("run", "-d", "--init", "--stop-timeout=3", f"--name={name}",
                           f"--restart={policy}", f"--volume={name}:/kept", "busybox",
                           "sh", "-c", write, name)  # fmt: skip
        self._whole(change.here)
        self._sides: dict[str, _Side] = {}
        for text in (change.there, change.here):
            self.steps = self._whole(text)
            self._sides[text] = self._side()
        self._now = change.here

    # One cut

    def cut(self, number: int, way: str) -> Cut:
        """Cut the change off once this step has begun; what is past by then tells `Cut.step`."""
        goal = self._change.there if self._now == self._change.here else self._change.here
        self._machine.run(["sync"])
        before = self._status()
        daemon = self._on_host(before["daemon"]["pid"])
        with self._asked(goal):
            reached, transaction = self._reach(number, before["last"]["transaction"])
            begin = time.monotonic()
            self._end(way, daemon)
        try:
            status = self._comes_up(way, before["daemon"]["pid"], transaction)
            must = self._answers_for(reached, way, status["last"]["verdict"])
            wrong = self._wrong(status["last"], goal, must)
        except (AssertionError, MachineError, TimeoutError) as error:
            wrong = str(error)
        self._machine.docker("start", *_CONTAINERS)
        place = f"{way} at {reached} ({self.steps[reached]})"
        print(f"{place}: {time.monotonic() - begin:.0f} s {wrong}", flush=True)
        return Cut(reached, way, wrong and f"{place}: {wrong}")

    def _answers_for(self, reached: int, way: str, verdict: str) -> set[str]:
        """Give the containers that have to run again.

        Before what runs is noted, and once it was proven to run on the new state, a crash of the
        machine is one like any other: those without a restart policy stay down.
        """
        noted = any(one in self.steps[:reached] for one in _NOTED)
        proof = max((at for at, step in enumerate(self.steps) if step == _PROOF), default=-1)
        if way in _AGAIN or (noted and (reached <= proof or verdict != "applied")):
            return set(_CONTAINERS)
        return set(_CONTAINERS) - {"plain"}

    @contextlib.contextmanager
    def _asked(self, text: str) -> Iterator[None]:
        """Ask for a state; who asked is gone at the end."""
        self._machine.write(f"/root/{_NAME}", text)
        asking = self._machine.popen(["dockcfgctl", "apply", "--yes", f"/root/{_NAME}"])
        try:
            yield
        finally:
            asking.kill()
            asking.communicate()

    def _reach(self, number: int, before: str) -> tuple[int, str]:
        """Wait for a step to begin; give the newest that has by then, and the change's name."""
        place = self._place()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            last = json.loads(place.read_bytes())["last"]
            if last["transaction"] != before and (len(last["steps"]) > number or last["verdict"]):
                return min(len(last["steps"]), len(self.steps)) - 1, last["transaction"]
            time.sleep(0.001)
        raise AssertionError(f"step {number} does not begin: {place.read_text()}")

    def _end(self, way: str, daemon: int) -> None:
        if way == _KILLED:
            os.kill(daemon, signal.SIGKILL)
            return
        if way == _RESTARTED:
            self._machine.run(["systemctl", "restart", "dockcfgd"], timeout=_RESTART_SECONDS)
            return
        if way == _CRASHED:
            self._machine.kill()
        else:
            os.kill(daemon, signal.SIGSTOP)  # cutting the disk off takes a moment
            self._machine.power_cut()
        self._machine.boot()

    def _comes_up(self, way: str, old: int, transaction: str) -> dict[str, Any]:
        def rests() -> dict[str, Any] | None:
            try:
                status = self._status()
            except FileNotFoundError:
                return None
            anew = way not in _AGAIN or status["daemon"]["pid"] != old
            ended = (status["last"] or {}).get("verdict") is not None
            return status if anew and ended and status["phase"] == "idle" else None

        status = wait_for(rests, 180, what="dockcfgd at rest")
        assert status is not None
        assert status["last"]["transaction"] == transaction, "another change was made"
        return status

    def _wrong(self, last: dict[str, Any], goal: str, must: set[str]) -> str:
        """Say what is not as the verdict says, or gone."""
        verdict = last["verdict"]
        if verdict not in {"applied", "rolled-back", "refused"}:
            return f"{verdict}: {last['reason']}"
        if verdict == "applied":
            self._now = goal
        wanted, seen = self._sides[self._now], self._side()
        if seen != wanted:
            return f"{verdict} is said, and there is {seen}, not {wanted}"
        what = f"{', '.join(sorted(must))} running ({verdict})"
        wait_for(lambda: must <= self._running(), 30, what=what)
        self._machine.docker("start", *_CONTAINERS)
        for name in _CONTAINERS:
            marks = self._machine.docker("exec", name, "sh", "-c", _MARKS, check=False).split()
            if marks != [name, name]:
                return f"{name} holds {marks}"
        return ""

    # Looking

    def _whole(self, text: str) -> list[str]:
        """Make the change without a cut; give its steps."""
        self._machine.write(f"/root/{_NAME}", text)
        self._machine.run(["dockcfgctl", "apply", "--yes", f"/root/{_NAME}"], timeout=300)
        self._machine.docker("start", *_CONTAINERS)
        return [step["name"] for step in self._status()["last"]["steps"]]

    def _side(self) -> _Side:
        if _FREED in self._change.here:
            # What a change leaves behind goes once it is applied, and no test waits for that.
            wait_for(self._nothing_kept, 60, what="what is not to be kept is gone")
        parts = self._machine.run(_SIGHT, timeout=120).stdout.split(_END)[:-1]
        return _Side(tuple(parts[: len(_FILES)]), tuple(parts[len(_FILES) :]))

    def _nothing_kept(self) -> bool:
        return not self._machine.run(["find", f"{_STATE}/kept", "-mindepth", "1"]).stdout

    def _running(self) -> set[str]:
        return set(self._machine.docker("ps", "--format={{.Names}}").split())

    def _status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._place().read_bytes())
        return document

    def _place(self) -> Path:
        # /run is a filesystem of the machine's own.
        return Path(f"/proc/{self._machine.pid}/root{_STATUS}")

    def _on_host(self, pid: int) -> int:
        """Give the host's id of a process of the machine."""
        space = Path(f"/proc/{self._machine.pid}/ns/pid").readlink()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "ns/pid").readlink() == space and _inner(entry) == pid:
                    return int(entry.name)
        raise AssertionError(f"process {pid} is not there")


def _inner(entry: Path) -> int:
    lines = (entry / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])
