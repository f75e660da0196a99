"""The programs of transient units, which the fake really runs."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gi.repository import GLib

if TYPE_CHECKING:
    from collections.abc import Callable

_EXITED, _KILLED = 1, 2  # CLD_EXITED, CLD_KILLED


def run(properties: dict[str, Any], ended: Callable[[dict[str, Any]], None]) -> None:
    """Run ExecStart as the properties say; `ended` gets what the unit shows after its end."""
    ((path, arguments, _),) = properties["ExecStart"]
    environment = dict(str(one).split("=", 1) for one in properties.get("Environment", ()))
    with Path(str(properties.get("StandardOutputFileToTruncate", "/dev/null"))).open(
        "wb"
    ) as output:
        process = subprocess.Popen(
            [str(one) for one in arguments],
            executable=str(path),
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + int(properties["TimeoutStartUSec"]) / 1_000_000
    late = False

    def look() -> bool:
        nonlocal late
        status = process.poll()
        if status is None:
            if not late and time.monotonic() >= deadline:
                late = True
                process.send_signal(signal.SIGTERM)
            return True
        ended(_changes(status, late=late))
        return False

    GLib.timeout_add(10, look)


def _changes(status: int, *, late: bool) -> dict[str, Any]:
    result = "timeout" if late else "signal" if status < 0 else "exit-code" if status else "success"
    return {
        "ActiveState": "inactive" if result == "success" else "failed",
        "SubState": "dead" if result == "success" else "failed",
        "Result": result,
        "MainPID": 0,
        "ExecMainCode": _KILLED if status < 0 else _EXITED,
        "ExecMainStatus": abs(status),
    }
