"""HTTP over the engine's Unix socket: the one place that connects to it.

Rejected: the Docker SDK. It adds 10 to 22 MiB of memory and 100 ms to the start, saves images no
faster than http.client with 1 MiB chunks, and differs by majors among the systems that dockcfgd
runs on, while two dozen plain requests are all that is needed of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from dockcfgd.model.desired import Json
from dockcfgd.model.errors import EngineFailure, EngineSilent

__all__ = ["CHUNK", "EngineConnections", "Request"]

CHUNK = 1024 * 1024
DEFAULT_SOCKET = "/run/docker.sock"

# The newest API whose documents dockcfgd knows; engines 20.10 (1.41) to 29 (at least 1.44) speak it
# or an older one that they name in the answer to /_ping.
_NEWEST_API = (1, 51)
_ANSWER_SECONDS = 60.0
_PING_SECONDS = 10.0
_SLICE_SECONDS = 1.0
# As much as the kernel holds for a Unix socket: few calls, and the engine waits for none of them.
_BUFFER = 256 * 1024
_HTTP_ERROR = 400


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `what` completes "cannot ..."; `limit` is the longest silence of the engine."""

    method: str
    path: str
    what: str
    query: Mapping[str, str | Iterable[str]] = field(default_factory=dict)
    body: Mapping[str, Json] | None = None
    limit: float = _ANSWER_SECONDS

    def url(self, version: str) -> str:
        """Give the request's target for an API version."""
        path = quote(self.path, safe="/:@+~!$,")
        query = urlencode(dict(self.query), doseq=True)
        return f"/v{version}{path}?{query}" if query else f"/v{version}{path}"


class EngineConnections:
    """Makes one connection for each call; safe to use from several threads.

    Connecting to the socket of an engine that is stopped starts it, as systemd listens there. So
    `serving` is asked before every connection, and where it says no the call fails with status 0.
    Without it the socket is simply connected to. `attend` is called at least every second while
    the engine is waited for.
    """

    def __init__(
        self,
        path: str = DEFAULT_SOCKET,
        *,
        serving: Callable[[], bool] | None = None,
        attend: Callable[[], None] | None = None,
    ) -> None:
        self._path = path
        self._serving = serving
        self._attend = attend or _nothing
        self._version = ""

    def negotiate(self) -> str:
        """Ask the engine for its API version, use it from now on unless it is too new, give it."""
        what = "reach the engine"
        connection = self._connection(what, limit=_PING_SECONDS)
        with contextlib.closing(connection), _translated(what):
            connection.request("GET", "/_ping")
            response = connection.getresponse()
            response.read()
            offered = response.getheader("Api-Version", "")
        if response.status >= _HTTP_ERROR or not _numbers(offered):
            why = f"the answer to /_ping is {response.status} {response.reason}"
            raise EngineFailure(what=what, status=response.status, why=why)
        self._version = ".".join(str(part) for part in min(_numbers(offered), _NEWEST_API))
        return offered

    def call(self, request: Request) -> Json:
        """Send a request and give the JSON answer, None where the answer is empty."""
        with self.open(request) as response:
            with _translated(request.what):
                content = response.read()
            return _parse(content, request.what) if content.strip() else None

    @contextlib.contextmanager
    def open(self, request: Request) -> Iterator[http.client.HTTPResponse]:
        """Send a request and give the answer to be read as a stream."""
        url = request.url(self.version())
        connection = self._connection(request.what, limit=request.limit)
        with contextlib.closing(connection):
            with _translated(request.what):
                with _closed_early():
                    _send(connection, request, url)
                response = connection.getresponse()
            _refuse_error(response, request.what)
            yield response

    def upload(self, request: Request, chunks: Iterable[bytes]) -> list[Json]:
        """Send a stream as the request's body, give the documents of the answer's stream."""
        url = request.url(self.version())
        connection = self._connection(request.what, limit=request.limit)
        with contextlib.closing(connection):
            with _translated(request.what):
                connection.putrequest(request.method, url)
                connection.putheader("Content-Type", "application/x-tar")
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders()
            with _closed_early():
                self._send(connection, chunks, what=request.what)
            with _translated(request.what):
                response = connection.getresponse()
            _refuse_error(response, request.what)
            with _translated(request.what):
                content = response.read()
        return [_parse(line, request.what) for line in content.splitlines() if line.strip()]

    def _send(
        self, connection: http.client.HTTPConnection, chunks: Iterable[bytes], *, what: str
    ) -> None:
        for chunk in chunks:
            if chunk:
                with _translated(what, but=(BrokenPipeError, ConnectionResetError)):
                    connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self._attend()
        with _translated(what, but=(BrokenPipeError, ConnectionResetError)):
            connection.send(b"0\r\n\r\n")

    @contextlib.contextmanager
    def lines(self, request: Request) -> Iterator[LineStream]:
        """Subscribe to an endless answer of one JSON document a line; in force when entered.

        HTTP/1.0, so that the answer comes without chunks and may be waited for on the bare socket.
        """
        version = self.version()
        connection = self._socket(request.what, limit=request.limit)
        with contextlib.closing(connection):
            with _translated(request.what):
                head = f"{request.method} {request.url(version)} HTTP/1.0\r\nHost: docker\r\n\r\n"
                connection.sendall(head.encode("ascii"))
                stream = LineStream(connection, attend=self._attend)
                status = stream.skip_head(timeout=request.limit)
            if not status:
                raise EngineSilent(what=request.what, why="no answer")
            if status >= _HTTP_ERROR:
                why = f"the engine answers {status}"
                raise EngineFailure(what=request.what, status=status, why=why)
            yield stream

    def version(self) -> str:
        """Give the API version in use, negotiated with the first call."""
        if not self._version:
            self.negotiate()
        return self._version

    def _connection(self, what: str, *, limit: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("docker")
        connection.sock = self._socket(what, limit=limit)
        return connection

    def _socket(self, what: str, *, limit: float) -> _PatientSocket:
        if self._serving is not None and not self._serving():
            raise EngineSilent(what=what, why="docker.service is not running")
        made = _PatientSocket(limit=limit, attend=self._attend)
        try:
            with _translated(what, path=self._path):
                made.connect(self._path)
        except EngineFailure:
            made.close()
            raise
        return made


class LineStream:
    """An answer that is read line by line, each waited for with its own limit."""

    def __init__(self, connection: socket.socket, *, attend: Callable[[], None]) -> None:
        self._connection = connection
        self._attend = attend
        self._buffer = b""
        self._ended = False

    def skip_head(self, *, timeout: float) -> int:
        """Read status line and headers, give the status, 0 where none came."""
        status = 0
        while (line := self.next_line(timeout=timeout)) is not None and line.strip():
            if not status:
                words = line.split()
                status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        return status

    def next_line(self, *, timeout: float) -> bytes | None:
        """Give the next line, None when none came in time or the engine went away."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            if self._ended or not _wait(self._connection, select.POLLIN, deadline, self._attend):
                return None
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _receive(self) -> None:
        try:
            received = self._connection.recv(CHUNK)
        except OSError:
            received = b""
        self._ended = not received
        self._buffer += received


class _PatientSocket(socket.socket):
    """A connection that waits at most `limit` at a time, and attends to other things meanwhile."""

    def __init__(self, *, limit: float, attend: Callable[[], None]) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self.settimeout(limit)
        self._limit = limit
        self._attend = attend

    def makefile(self, *_: Any, **__: Any) -> Any:
        """Give it as a file to be read, which is all that http.client asks for."""
        return super().makefile("rb", _BUFFER)

    def recv_into(self, *args: object, **options: object) -> int:
        """Wait for bytes, then take what is there. http.client reads by this alone."""
        if not self._comes(select.POLLIN):
            raise TimeoutError(f"no answer within {self._limit:.0f} s")
        return super().recv_into(*args, **options)  # type: ignore[arg-type]  # passed on as they came

    def sendall(self, data: Any, *flags: int) -> None:
        """Send all of it, waiting for room. http.client sends by this alone."""
        with memoryview(data) as left:
            sent = 0
            while sent < len(left):
                if not self._comes(select.POLLOUT):
                    raise TimeoutError(f"nothing was taken within {self._limit:.0f} s")
                sent += self.send(left[sent:], *flags)

    def _comes(self, event: int) -> bool:
        return _wait(self, event, time.monotonic() + self._limit, self._attend)


def _wait(
    connection: socket.socket, event: int, deadline: float, attend: Callable[[], None]
) -> bool:
    poll = select.poll()
    poll.register(connection, event)
    while True:
        left = deadline - time.monotonic()
        if poll.poll(max(0.0, min(left, _SLICE_SECONDS)) * 1000):
            return True
        if left <= _SLICE_SECONDS and time.monotonic() >= deadline:
            return False
        attend()


@contextlib.contextmanager
def _translated(
    what: str, *, path: str = "", but: tuple[type[OSError], ...] = ()
) -> Iterator[None]:
    try:
        yield
    except but:
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = f"{path}: " if path else ""
        why = f"{where}{reason or type(error).__name__}"
        raise EngineSilent(what=what, why=why) from error


@contextlib.contextmanager
def _closed_early() -> Iterator[None]:
    """Let the answer be read of an engine that refused a request before its end."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        yield


def _send(connection: http.client.HTTPConnection, request: Request, url: str) -> None:
    if request.body is None:
        connection.request(request.method, url)
    else:
        headers = {"Content-Type": "application/json"}
        connection.request(request.method, url, json.dumps(request.body), headers)


def _refuse_error(response: http.client.HTTPResponse, what: str) -> None:
    if response.status < _HTTP_ERROR:
        return
    with _translated(what):
        content = response.read()
    raise EngineFailure(what=what, status=response.status, why=_message(content, response.reason))


def _message(content: bytes, reason: str) -> str:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("message"), str):
        return str(document["message"]).strip()
    return content.decode("utf-8", "replace").strip() or reason


def _parse(content: bytes, what: str) -> Json:
    try:
        document: Json = json.loads(content)
    except (ValueError, RecursionError) as error:
        why = f"the engine's answer is no JSON ({error})"
        raise EngineFailure(what=what, status=0, why=why) from error
    return document


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def _nothing() -> None:
    pass
