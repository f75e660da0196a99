"""dockcfgd-recover: before any start of the engine, take back what a dead dockcfgd left half done.

It needs nothing but the standard library and the few modules that it imports; the package holds
them in one file of their own (packaging/recover-zip), so that it works while dockcfgd's other
files are broken, half replaced or gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from dockcfgd.adapters.clock import SystemClock
from dockcfgd.adapters.files import HostFiles
from dockcfgd.glance import STATE_DIR
from dockcfgd.model.errors import DockcfgdError, SystemdFailure
from dockcfgd.transaction.recovery import recover
from dockcfgd.transaction.undo import Undo

__all__ = ["main"]

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Engine:
    main_pid: int
    invocation_id: str


class _Systemctl:
    """systemd through its own tool, which needs no bus."""

    def unit(self, name: str, /) -> _Engine:
        said = self._call("show", "--property=MainPID,InvocationID", name)
        pairs = dict(line.partition("=")[::2] for line in said.splitlines())
        return _Engine(int(pairs.get("MainPID") or 0), pairs.get("InvocationID", ""))

    def reload_units(self) -> None:
        self._call("daemon-reload")

    def _call(self, *arguments: str) -> str:
        what = f"systemctl {arguments[0]}"
        try:
            done = subprocess.run(
                ("/usr/bin/systemctl", *arguments),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SystemdFailure(what=f"run {what}", name="", why=str(error)) from error
        if done.returncode != 0:
            why = done.stderr.strip() or f"it ended with {done.returncode}"
            raise SystemdFailure(what=f"run {what}", name="", why=why)
        return done.stdout


def main() -> int:
    """Recover; 1 where something could not be put back, which is tried again at the next start."""
    undo = Undo(os.environ.get("DOCKCFGD_STATE_DIR", STATE_DIR))
    try:
        recover(undo, HostFiles(), _Systemctl(), clock=SystemClock(), say=_say)
    except DockcfgdError as failure:
        _tell(f"{failure}; it is tried again before the next start of the engine", priority=3)
        return 1
    return 0


def _say(text: str) -> None:
    _tell(text, priority=5)


def _tell(text: str, *, priority: int) -> None:
    """Say a line to a person, or with sd-daemon(3)'s priority to the journal."""
    mark = f"<{priority}>" if "JOURNAL_STREAM" in os.environ else ""
    print(f"{mark}{text}", file=sys.stderr, flush=True)  # noqa: T201 -- this is its output


if __name__ == "__main__":
    sys.exit(main())
