"""gRPC over a Unix socket: the one place that speaks HTTP/2.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. Rejected: grpcio, which brings 20
MiB of memory, threads of its own, and code generated for each message.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from h2.connection import H2Connection

__all__ = ["Refused", "Unreachable", "call"]

NOT_FOUND, ALREADY_EXISTS = 5, 6

_PREFIX = 5
_CHUNK = 64 * 1024
_SLICE_SECONDS = 1.0


class Refused(EngineFailure):
    """The service answered with an error; `code` is gRPC's."""

    def __init__(self, *, what: str, code: int, why: str) -> None:
        super().__init__(what=what, status=0, why=why)
        self.code = code


class Unreachable(EngineFailure):
    """Nobody answered, or not to the end: what was asked for may be done all the same."""

    def __init__(self, *, what: str, why: str) -> None:
        super().__init__(what=what, status=0, why=why)

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame: always."""
        return True


def call(
    path: str,
    method: str,
    message: bytes,
    *,
    metadata: Mapping[str, str],
    what: str,
    limit: float,
    attend: Callable[[], None],
) -> list[bytes]:
    """Call a method of the service that listens at `path` and give the messages of its answer.

    `what` completes "cannot ...". `attend` is called at least every second while it is waited for,
    `limit` seconds at most. Raises Refused, and Unreachable where nothing answers.
    """
    try:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(_SLICE_SECONDS)
            connection.connect(path)
            exchange = _Exchange(connection, attend, limit)
            status, content = exchange.run(method, message, metadata)
    except (OSError, EOFError) as error:
        why = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
        raise Unreachable(what=what, why=f"{path}: {why}") from error
    code = status.get("grpc-status", "")
    if code != "0":
        why = (
            unquote(status.get("grpc-message", ""))
            or f"the answer is {status.get(':status', 'none')}"
        )
        raise Refused(what=what, code=int(code) if code.isdigit() else -1, why=why)
    return list(_messages(content))


class _Exchange:
    """One request and its answer, on a connection of its own."""

    def __init__(self, connection: socket.socket, attend: Callable[[], None], limit: float) -> None:
        self._socket, self._attend, self._limit = connection, attend, limit
        self._until = time.monotonic() + limit
        self._status: dict[str, str] = {}
        self._content = bytearray()
        self._ended = False

    def run(
        self, method: str, message: bytes, metadata: Mapping[str, str]
    ) -> tuple[dict[str, str], bytes]:
        """Send it and give the answer's headers and trailers, and its content."""
        # 20 ms to import, and only a change of the storage asks containerd.
        from h2.config import H2Configuration  # noqa: PLC0415
        from h2.connection import H2Connection  # noqa: PLC0415

        http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        http.initiate_connection()
        stream = http.get_next_available_stream_id()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
            **metadata,
        }
        http.send_headers(stream, list(headers.items()))
        framed = b"\0" + len(message).to_bytes(4, "big") + message
        http.send_data(stream, framed, end_stream=True)
        self._socket.sendall(http.data_to_send())
        while not self._ended:
            self._take(http, self._received())
            self._socket.sendall(http.data_to_send())
        return self._status, bytes(self._content)

    def _received(self) -> bytes:
        while True:
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                self._attend()
                if time.monotonic() > self._until:
                    raise TimeoutError(f"no answer within {self._limit:.0f} s") from None
                continue
            if not data:
                raise EOFError("the connection was closed before the answer")
            return data

    def _take(self, http: H2Connection, data: bytes) -> None:
        from h2 import events  # noqa: PLC0415 -- with the others
        from h2.exceptions import ProtocolError  # noqa: PLC0415

        try:
            happened = http.receive_data(data)
        except ProtocolError as error:
            raise EOFError(f"the answer is no HTTP/2: {error}") from error
        for event in happened:
            if isinstance(event, events.DataReceived):
                self._content += event.data
                http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
                self._status |= {str(key): str(value) for key, value in event.headers}
            elif isinstance(event, events.StreamReset | events.ConnectionTerminated):
                # No wrong type: the peer has given up.
                raise EOFError(f"it ended with error {event.error_code}")  # noqa: TRY004
            elif isinstance(event, events.StreamEnded):
                self._ended = True


def _messages(content: bytes) -> Iterator[bytes]:
    at = 0
    while at + _PREFIX <= len(content):
        size = int.from_bytes(content[at + 1 : at + _PREFIX], "big")
        at += _PREFIX
        yield content[at : at + size]
        at += size
