"""Whether dockcfgd is at work: dockcfgd-recover's first look, before the rest of it is imported.

While dockcfgd restarts the engine, that start waits for dockcfgd-recover, with all containers down.
"""

from __future__ import annotations

import fcntl
import os
import sys

__all__ = ["AT_WORK", "STATE_DIR", "left_alone"]

STATE_DIR = "/var/lib/dockcfgd"
AT_WORK = "left the change in progress alone: dockcfgd is at work on it"


def left_alone(state_dir: str) -> bool:
    """Say so and give True where a living process keeps the way back for itself."""
    try:
        folder = os.open(f"{state_dir}/undo", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        mark = "<5>" if "JOURNAL_STREAM" in os.environ else ""
        print(f"{mark}{AT_WORK}", file=sys.stderr, flush=True)  # noqa: T201 -- its output
        return True
    except OSError:
        return False
    finally:
        os.close(folder)
    return False
