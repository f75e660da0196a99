"""A pager for answers that are longer than the terminal."""

from __future__ import annotations

import shlex
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["show"]

_NONE = {"", "cat"}
# Quit where all fits, colours as they are, the text stays when it ends.
_LESS = "FRX"
_NOT_FOUND = 127
"""What a wrapper of a pager that is not there ends with."""


def show(text: bytes, *, environment: Mapping[str, str]) -> bool:
    """Let a person read the text; whether a pager could be started."""
    command = environment.get("PAGER", "less").strip()
    if command in _NONE:
        return False
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    # LESSSECURE: who may only look, by sudo, shall get no shell out of it.
    settings = {"LESS": _LESS, **environment, "LESSSECURE": "1"}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pager has Ctrl-C for itself
    try:
        pager = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            env=settings,
            preexec_fn=_interruptible,  # noqa: PLW1509 -- there is one thread
        )
    except OSError:
        return False
    else:
        with pager:
            pager.communicate(text)
        return pager.returncode != _NOT_FOUND
    finally:
        signal.signal(signal.SIGINT, before)


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
