"""Ends a real process at any line of dockcfgd's code, as `kill -9` does."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["killed_at_line"]

_ENDED, _KILLED, _FAILED = 0, 9, 1


def killed_at_line(number: int, act: Callable[[], None]) -> bool:
    """Run `act` in a process of its own that ends before line `number` of dockcfgd that it runs.

    Whether it was ended: False where it has fewer lines. AssertionError where `act` raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: none is used here
        child = os.fork()
    if child == 0:
        _run(number, act)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {_ENDED, _KILLED}, f"it failed instead, with {code}"
    return code == _KILLED


def _run(number: int, act: Callable[[], None]) -> None:
    passed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal passed
        if "/dockcfgd/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            if passed == number:
                os._exit(_KILLED)
            passed += 1
        return trace

    code = _FAILED
    try:
        sys.settrace(trace)
        act()
        code = _ENDED
    finally:
        os._exit(code)
