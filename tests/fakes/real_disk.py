"""Files that stories write for real are cut off, and refused, like all else of a simulated host.

Way back, kept containers, backups, marks of copies and moved folders lie in a folder of the test's
own. What makes them durable, or moves them, passes a place of `Cuts` before and after it.
"""

from __future__ import annotations

import inspect
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from dockcfgd.migration.at_once import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.cuts import Cuts

__all__ = ["REAL", "real_disk"]

REAL = "before: real "
_LIBRARY = {"contextlib", "os", "pathlib", "shutil"}
_CALLS = ("fsync", "rename", "replace", "unlink", "mkdir", "link")


@contextmanager
def real_disk(cuts: Cuts) -> Iterator[None]:
    """Let these calls of dockcfgd's in this thread, and in those of `at_once`, pass `cuts`.

    Other threads work for nobody who waits, and what the simulated engine does is the engine's.
    """
    thread = threading.current_thread().name
    patches = [
        mock.patch.object(os, name, _watched(getattr(os, name), name, cuts, (thread, THREADS)))
        for name in _CALLS
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _watched(
    call: Callable[..., Any], name: str, cuts: Cuts, threads: tuple[str, ...]
) -> Callable[..., Any]:
    def watched(place: Any, *rest: Any, **named: Any) -> Any:
        if not threading.current_thread().name.startswith(threads) or not _by_dockcfgd():
            return call(place, *rest, **named)
        what = f"{name} {_named(place)}"
        cuts.at(f"{REAL}{what}")
        done = call(place, *rest, **named)
        cuts.at(f"after: real {what}")
        return done

    return watched


def _by_dockcfgd() -> bool:
    """Tell whether the code that called the standard library is dockcfgd's own."""
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals["__name__"])
        if module != __name__ and module.partition(".")[0] not in _LIBRARY:
            return module.startswith("dockcfgd.")
        frame = frame.f_back
    return False


def _named(place: Any) -> str:
    if isinstance(place, int):
        place = Path(f"/proc/self/fd/{place}").readlink()
    return Path(os.fsdecode(place)).name
