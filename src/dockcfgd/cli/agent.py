"""The agent that asks for a password on this terminal when polkit wants one (pkttyagent(1))."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys

__all__ = ["offer"]

_PROGRAM = "pkttyagent"


def offer() -> None:
    """Have the agent ready until this process ends, where there is a terminal and a pkttyagent.

    An agent of the desktop comes first.
    """
    program = shutil.which(_PROGRAM)
    if program is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    ready, told = os.pipe()
    command = [program, "--process", str(os.getpid()), "--notify-fd", str(told)]
    if "XDG_SESSION_ID" in os.environ:
        # Without a session polkit never comes to a fallback.
        command.append("--fallback")
    try:
        process = subprocess.Popen(command, pass_fds=[told])
    except OSError:
        os.close(ready)
        return
    finally:
        os.close(told)
    atexit.register(_dismiss, process)
    # It closes its end when it is registered, or when it ends.
    os.read(ready, 1)
    os.close(ready)


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.terminate()
    process.wait()
