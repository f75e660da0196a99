"""Publishing the status as files that anybody may read, whole at every instant."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json

__all__ = ["publish_status", "started_ticks"]

_FOLDER_MODE = 0o755
_START_TIME = 19  # proc(5): field 22, counted behind the command's closing bracket


def publish_status(folder: str, document: dict[str, Json], text: str) -> None:
    """Write status.json and status.txt (0644) into `folder`.

    It lies in memory and is made if missing.
    """
    if not os.path.isdir(folder):
        os.makedirs(folder)
        os.chmod(folder, _FOLDER_MODE)  # whatever the umask
    for name, content in (("status.txt", text), ("status.json", json.dumps(document) + "\n")):
        made = f"{folder}/.{name}.new"
        with open(made, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
        os.replace(made, f"{folder}/{name}")


def started_ticks() -> int:
    """Give this process's start time as /proc has it, in clock ticks since boot."""
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[_START_TIME])
