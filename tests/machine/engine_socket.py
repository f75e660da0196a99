"""Questions to a machine's engine, from outside it and without a process for each."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from machine import Machine

__all__ = ["ask", "ask_bytes", "tell"]

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


def tell(machine: Machine, path: str, body: Any) -> Any:
    """Post a document and give the JSON that the engine answers, if it does."""
    said = _answer(machine, "POST", path, json.dumps(body).encode())
    return json.loads(said) if said else None


def ask_bytes(machine: Machine, path: str) -> bytes:
    """Give what the engine answers, whatever its status."""
    return _answer(machine, "GET", path)


def _answer(machine: Machine, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = _Connection(f"/proc/{machine.pid}/root/run/docker.sock")
    kind = {"Content-Type": "application/json"} if body is not None else {}
    try:
        connection.request(method, path, body, kind)
        return connection.getresponse().read()
    finally:
        connection.close()
