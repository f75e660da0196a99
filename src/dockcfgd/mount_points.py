"""Where something is mounted, for programs that need the standard library only."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["mount_points", "parse"]

_ESCAPED = re.compile(rb"\\([0-7]{3})")


def mount_points() -> tuple[tuple[str, str], ...]:
    """Give path and kind of each mount that this process sees, in the order they were made."""
    return parse(Path("/proc/self/mountinfo").read_bytes())


def parse(content: bytes) -> tuple[tuple[str, str], ...]:
    """Read what a mountinfo file holds (proc_pid_mountinfo(5)); paths may be of any bytes."""
    found = []
    for line in content.split(b"\n"):
        left, dash, right = line.partition(b" - ")
        if dash:
            point = _ESCAPED.sub(lambda code: bytes([int(code[1], 8)]), left.split(b" ")[4])
            found.append((os.fsdecode(point), os.fsdecode(right.split(b" ")[0])))
    return tuple(found)
