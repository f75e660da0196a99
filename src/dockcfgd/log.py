"""The daemon's log: events with constant names and facts as keys, to the journal's native protocol.

Without the journal (a terminal, a test) one line an event goes to standard error. Rejected: JSON on
standard output, which makes an unreadable MESSAGE and loses the priority.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

import structlog

from dockcfgd.engine_keys.secrets import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

__all__ = ["configure", "get_logger"]

_SOCKET = "/run/systemd/journal/socket"
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_LONGEST = 100_000  # a datagram above about 200 kB is refused


def configure(scrub: Callable[[str], str] = redact_text) -> None:
    """Set up structlog for this process; call it once, first.

    Every text passes `scrub`, which takes secrets out of it.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _Scrubbed(scrub),
            _to_journal if _journal_is_stderr() else _to_stderr,
        ],
        logger_factory=structlog.ReturnLoggerFactory(),
    )


def get_logger() -> Any:  # noqa: ANN401 -- structlog's bound logger is made at run time
    """Give a logger: `log.info("transaction.begins", transaction=…)`."""
    return structlog.get_logger()


class _Scrubbed:
    """The processor behind which no event holds a secret."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {
            name: value if isinstance(value, (bool, int, float, type(None))) else self._text(value)
            for name, value in event.items()
        }

    def _text(self, value: object) -> str:
        return self._scrub(str(value))


def _journal_is_stderr() -> bool:
    """Tell whether standard error leads to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    found = os.fstat(sys.stderr.fileno())
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def _text(event: MutableMapping[str, Any]) -> str:
    facts = " ".join(
        f"{name}={value}"
        for name, value in event.items()
        if name not in {"event", "level", "exception"} and value not in {None, ""}
    )
    trace = f"\n{event['exception']}" if event.get("exception") else ""
    return f"{event.get('event', '')} {facts}".strip() + trace


def _to_stderr(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    text = _text(event)
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- this is the log
    return text


def _to_journal(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    text = _text(event)
    fields = {
        "MESSAGE": text,
        "PRIORITY": str(_PRIORITY.get(str(event.get("level")), 6)),
        "SYSLOG_IDENTIFIER": "dockcfgd",
        "DOCKCFGD_EVENT": str(event.get("event", "")),
    }
    fields |= {
        f"DOCKCFGD_{name.upper()}": str(value)
        for name, value in event.items()
        if name not in {"event", "level"}
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # noqa: FBT003 -- the socket's own interface
            channel.sendto(b"".join(_field(*item) for item in fields.items()), _SOCKET)
    except OSError:
        return _to_stderr(logger, method, event)
    return text


def _field(name: str, value: str) -> bytes:
    """Encode one field (systemd.io, native journal protocol).

    With newlines the length goes first.
    """
    content = value.encode(errors="replace")[:_LONGEST]
    if b"\n" in content:
        return name.encode() + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"
    return name.encode() + b"=" + content + b"\n"
