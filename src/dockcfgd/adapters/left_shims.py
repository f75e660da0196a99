"""Shims that an engine has left without a process of their container.

containerd keeps the task of a shim that lives. Where an engine was killed while it took containers
down, containerd may have forgotten a container and not its task: nothing lists it, and each start
of the container fails with "task ...: already exists" (seen with containerd 1.6; made by hand it is
the same in Debian 13 and forky). When the shim has ended, containerd forgets the task too.
"""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, Protocol

from dockcfgd.model.errors import SystemdFailure
from dockcfgd.processes.roles import left_shim

if TYPE_CHECKING:
    from dockcfgd.model.processes import Process

__all__ = ["LeftShims"]

_END_SECONDS = 5.0


class _Listing(Protocol):
    def processes(self) -> tuple[Process, ...]: ...


class LeftShims:
    """Those among the processes that `listing` gives."""

    def __init__(self, listing: _Listing) -> None:
        self._listing = listing

    def end(self, container: str) -> bool:
        """End the shim of a container without a process, by its whole ID.

        False where there is none, or systemd cannot be asked: the engine's own words count then.
        """
        try:
            return self._end(container)
        except SystemdFailure:
            return False

    def _end(self, container: str) -> bool:
        pid = left_shim(container, self._listing.processes())
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            # What is held now is still what was found, or its number went to another process.
            if left_shim(container, self._listing.processes()) != pid:
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return _ended(handle)
        except ProcessLookupError:
            return True
        finally:
            os.close(handle)


def _ended(handle: int) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(_END_SECONDS * 1000))
