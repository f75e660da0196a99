"""The published status document, and whether it can still be believed.

Everything here runs before anything heavy is imported: an answer takes hardly longer than Python's
own start.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False  # what typing would say; typing itself costs a tenth of the whole answer
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "AT_REST",
    "BUSY",
    "EXIT_FAILED",
    "EXIT_NOT_YET",
    "EXIT_STOPPED",
    "NOT_LOOKED_AT",
    "alive",
    "changed_input",
    "exit_code",
    "fresh",
    "read",
    "stopped",
    "undecided",
    "unknown",
]

EXIT_FAILED = 1
EXIT_STOPPED = 3
EXIT_NOT_YET = 4

_EXIT = {
    "unmanaged": 0,
    "in-sync": 0,
    "pending": EXIT_NOT_YET,
    "drifted": EXIT_NOT_YET,
    "rejected": EXIT_FAILED,
    "degraded": EXIT_FAILED,
}
BUSY = ("applying", "verifying", "rolling-back")
AT_REST = ("idle", "paused", "awaiting-confirmation")
NOT_LOOKED_AT = "files changed, not looked at yet"
_START_TIME = 19
"""Where proc(5)'s field 22 stands after the command's closing bracket, counted from 0."""


def read(runtime_dir: str) -> dict[str, Any] | None:
    """Give the document as published, or None where there is none."""
    try:
        with open(f"{runtime_dir}/status.json", "rb") as file:  # noqa: PTH123 -- pathlib is heavy
            document = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def fresh(document: dict[str, Any]) -> dict[str, Any]:
    """Give the document corrected by what can be seen now: a dead daemon, changed files."""
    if not alive(document):
        document = stopped(document)
    path = changed_input(document)
    if path is not None:
        reason = f"{NOT_LOOKED_AT}: {path}"
        document = {**document, "condition": "pending", "reason": reason, "next": ""}
    return document


def stopped(document: dict[str, Any]) -> dict[str, Any]:
    """Give the document as the last known one of a daemon that does not run."""
    return {**document, "daemon": None, "phase": "stopped", "progress": None}


def unknown() -> dict[str, Any]:
    """Give the document for a host of which nothing is known."""
    return {
        "schema": 1,
        "daemon": None,
        "phase": "stopped",
        "condition": None,
        "reason": None,
        "desired": {"generation": 0, "digest": "", "files": [], "folders": [], "errors": []},
        "applied": {"generation": 0, "at": None},
        "last": None,
        "task": None,
        "confirm": None,
        "progress": None,
        "drifts": [],
        "engine": None,
        "backups": 0,
        "next": "",
    }


def alive(document: dict[str, Any]) -> bool:
    """Whether the process that published the document still runs."""
    daemon = document.get("daemon")
    if not isinstance(daemon, dict) or not isinstance(daemon.get("pid"), int):
        return False
    pid = daemon["pid"]
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 -- as above
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return _exists(pid)
    return fields[0] != b"Z" and daemon.get("started_ticks") in {0, int(fields[_START_TIME])}


def _exists(pid: int) -> bool:
    # With proc(5)'s hidepid= another user's process has no folder; kill(2) still knows it.
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def changed_input(document: dict[str, Any]) -> str | None:
    """Give the first input file or folder that is not what the daemon looked at, or None.

    A folder changes when a file comes, goes or is replaced; inode 0 stands for nothing there.
    """
    desired = document.get("desired") or {}
    for item in [*desired.get("files", ()), *desired.get("folders", ())]:
        try:
            found = os.stat(item["path"])  # noqa: PTH116 -- as above
        except (FileNotFoundError, NotADirectoryError):
            now = (0, 0, 0)
        except OSError:
            continue  # not for this user to see
        else:
            now = (found.st_ino, found.st_mtime_ns, found.st_size)
        if now != (item["inode"], item["mtime_ns"], item["size"]):
            return str(item["path"])
    return None


def exit_code(document: dict[str, Any]) -> int:
    """Give the exit code that says how the host stands."""
    if document.get("daemon") is None:
        return EXIT_STOPPED
    if document.get("phase") in BUSY or undecided(document):
        return EXIT_NOT_YET
    if document.get("phase") == "awaiting-confirmation":
        return 0
    return _EXIT.get(str(document.get("condition")), EXIT_FAILED)


def undecided(document: dict[str, Any]) -> bool:
    """Whether the daemon is about to find out: it has just started, or works on new files."""
    if document.get("phase") != "planning":
        return False
    desired = document.get("desired") or {}
    applied = document.get("applied") or {}
    return not desired.get("folders") or desired.get("generation") != applied.get("generation")
