"""The agent that asks for a password on this terminal when polkit wants one (pkttyagent(1))."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys

__all__ = ["dismiss", "offer"]

_PROGRAM = "pkttyagent"
_offered: list[subprocess.Popen[bytes]] = []


def offer() -> None:
    """Have the agent ready until `dismiss`, where there is a terminal and a pkttyagent.

    An agent of the desktop comes first.
    """
    program = shutil.which(_PROGRAM)
    if _offered or program is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
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
    _offered.append(process)
    # It closes its end when it is registered, or when it ends.
    os.read(ready, 1)
    os.close(ready)


def dismiss() -> None:
    """End the agent, where there is one."""
    while _offered:
        process = _offered.pop()
        with contextlib.suppress(OSError):
            process.terminate()
        process.wait()
