"""A program in a unit of its own, followed by the lines of JSON that it writes."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.model.errors import FileFailure, SystemdFailure
from dockcfgd.model.systemd import JobVerb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dockcfgd.adapters.systemd import ProgramEnd, SystemdBus

__all__ = ["follow_program"]

_LOOK_SECONDS = 0.25
_STOP_SECONDS = 60.0


def follow_program(  # noqa: PLR0913 -- what running a program takes
    systemd: SystemdBus,
    unit: str,
    command: Sequence[str],
    *,
    what: str,
    output: Path,
    timeout: float,
    tell: Callable[[dict[str, Any]], None],
    attend: Callable[[], None],
    properties: Sequence[tuple[str, Any]] = (),
) -> ProgramEnd:
    """Run it to its end, `tell` each object that it writes, and call `attend` meanwhile.

    `properties` are further ones of its unit.

    An exception out of either ends the program before it is raised here. FileFailure where the
    file `output`, which is only root's to write to, cannot be used.
    """
    lines = _Lines(output, tell)
    try:
        output.unlink(missing_ok=True)
        with ThreadPoolExecutor(1) as pool:
            end = pool.submit(
                systemd.run_program,
                unit,
                command,
                what=what,
                timeout=timeout,
                output=str(output),
                properties=properties,
            )
            try:
                while not end.done():
                    attend()
                    lines.read()
                    time.sleep(_LOOK_SECONDS)
            except BaseException:
                with suppress(SystemdFailure):
                    systemd.run_job(JobVerb.STOP, unit, timeout=_STOP_SECONDS)
                raise
        lines.read()
        return end.result()
    except OSError as error:
        why = error.strerror or str(error)
        where = str(error.filename or output)
        raise FileFailure(what="use", path=where, errno=error.errno or 0, why=why) from error
    finally:
        with suppress(OSError):
            output.unlink(missing_ok=True)


class _Lines:
    def __init__(self, path: Path, tell: Callable[[dict[str, Any]], None]) -> None:
        self._path, self._tell = path, tell
        self._at = 0

    def read(self) -> None:
        """Tell the whole lines that came since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at, os.SEEK_SET)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    self._tell(found)
