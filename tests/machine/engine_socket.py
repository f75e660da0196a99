"""Questions to a machine's engine, from outside it and without a process for each."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from machine import Machine

__all__ = ["ask", "ask_bytes"]

_SECONDS = 120.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("machine", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def ask(machine: Machine, path: str) -> Any:
    """Give the JSON that the engine answers."""
    return json.loads(ask_bytes(machine, path))


def ask_bytes(machine: Machine, path: str) -> bytes:
    """Give what the engine answers, whatever its status."""
    connection = _Connection(f"/proc/{machine.pid}/root/run/docker.sock")
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()
