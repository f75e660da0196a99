"""What the daemon tells systemd of itself (sd_notify(3)); without a supervisor, nothing."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["Notifier"]

_PATIENCE = 1.0  # the manager may be busy; its datagram queue is short
_MOST_BYTES = 4000  # systemd drops a message of more than 4096 whole, with the READY=1 in it


class Notifier:
    """The way to the supervisor that started this process.

    Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no child
    speaks in our name. `watchdog_interval` is how often `watchdog` is to be called, in seconds, and
    None where nobody waits for it.
    """

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        own = os.environ if environment is None else environment
        self._address = own.pop("NOTIFY_SOCKET", "")
        period, process = own.pop("WATCHDOG_USEC", ""), own.pop("WATCHDOG_PID", "")
        ours = process in {"", str(os.getpid())}
        expected = int(period) if ours and period.isdigit() else 0
        self.watchdog_interval = expected / 2_000_000 if expected else None

    @property
    def supervised(self) -> bool:
        """Whether somebody hears what is told here."""
        return bool(self._address)

    def ready(self, status: str) -> bool:
        """Say that the start is over. Whether it was heard is given back, here and below."""
        return self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> bool:
        """Give the line that `systemctl status` shows."""
        return self._send(f"STATUS={_one_line(text)}")

    def watchdog(self) -> bool:
        """Say that the process is well."""
        return self._send("WATCHDOG=1")

    def stopping(self) -> bool:
        """Say that the end has begun."""
        return self._send("STOPPING=1")

    def extend_timeout(self, seconds: float) -> bool:
        """Ask for `seconds` from now to start or stop; to be repeated before they are over."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, message: str) -> bool:
        if not self._address:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_PATIENCE)
            try:
                channel.connect(address)
                channel.sendall(message.encode())
            except OSError:
                return False
        return True


def _one_line(text: str) -> str:
    # A message with a zero byte in it systemd drops whole, too.
    line = " ".join(text.replace("\0", "?").split()).encode(errors="replace")
    if len(line) <= _MOST_BYTES:
        return line.decode()
    return line[:_MOST_BYTES].decode(errors="ignore") + "…"
