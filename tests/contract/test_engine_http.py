"""The engine's adapter against a server that answers as engines do when things go wrong."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockcfgd.adapters.engine import DockerContainers, DockerEngine, DockerImages
from dockcfgd.adapters.engine_http import EngineConnections, Request
from dockcfgd.model.errors import EngineFailure, EngineSilent

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An HTTP server on a Unix socket; `answers` by the beginning of method and path."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.api = "1.45"
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.connections = 0
        self.hold = threading.Event()

    def get_request(self) -> tuple[object, str]:  # type: ignore[override]  # no address to show
        self.connections += 1
        connection, _ = super().get_request()
        return connection, "client"


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives the server's answers."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base has it
        """Say nothing."""

    def _answer(self) -> None:
        line = f"{self.command} {self.path}"
        self.server.requests.append(line)
        self.close_connection = True
        if self.path == "/_ping":
            self.send_response(200)
            self.send_header("Api-Version", self.server.api)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")
            return
        for start, answer in self.server.answers.items():
            if f"{self.command} {self.path.partition('/v')[2].partition('/')[2]}".startswith(start):
                answer(self)
                return
        raise AssertionError(line)


def replying(status: int, content: object) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def streaming(*chunks: bytes, complete: bool = True) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if complete:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def falling_silent(server: Server) -> Answer:
    def answer(_: http.server.BaseHTTPRequestHandler) -> None:
        server.hold.wait(10)

    return answer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(str(tmp_path / "docker.sock")) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.hold.set()
        made.shutdown()
        thread.join()


@pytest.fixture
def connections(server: Server) -> EngineConnections:
    return EngineConnections(str(server.server_address))


@pytest.mark.parametrize(
    ("offered", "used"), [("1.41", "1.41"), ("1.51", "1.51"), ("1.55", "1.51"), ("1.9", "1.9")]
)
def test_the_older_api_of_the_two_is_spoken(
    server: Server, connections: EngineConnections, offered: str, used: str
) -> None:
    server.api = offered
    server.answers["GET info"] = replying(200, {"Driver": "overlay2"})
    engine = DockerEngine(connections)
    assert engine.info() == {"Driver": "overlay2"}
    assert engine.ping() == offered
    assert server.requests == ["GET /_ping", f"GET /v{used}/info", "GET /_ping"]


def test_another_engine_is_noticed_by_the_ping(
    server: Server, connections: EngineConnections
) -> None:
    engine = DockerEngine(connections)
    engine.ping()
    server.api = "1.41"
    engine.ping()
    assert connections.version() == "1.41"


def test_no_connection_is_made_while_nobody_serves(server: Server) -> None:
    connections = EngineConnections(str(server.server_address), serving=lambda: False)
    with pytest.raises(EngineSilent, match=r"docker\.service is not running") as failure:
        DockerEngine(connections).ping()
    assert failure.value.status == 0
    assert server.connections == 0


def test_no_socket(tmp_path: Path) -> None:
    path = tmp_path / "missing.sock"
    with pytest.raises(EngineSilent, match=f"{path}: No such file"):
        DockerEngine(EngineConnections(str(path))).ping()


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (500, {"message": "it broke"}, "it broke"),
        (404, b"page not found\n", "page not found"),
        (503, b"", "Service Unavailable"),
        (200, b"{not json", "no JSON"),
        (200, ["list"], "no object"),
    ],
)
def test_the_engines_own_words_are_told(
    server: Server, connections: EngineConnections, status: int, content: object, said: str
) -> None:
    server.answers["GET info"] = replying(status, content)
    with pytest.raises(EngineFailure, match=f"cannot ask the engine for its state: .*{said}") as f:
        DockerEngine(connections).info()
    assert f.value.status == (status if status >= 400 else 0)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("content", [b"<html>", b"\xff", b"[" * 200_000])
def test_an_answer_that_is_no_json_is_the_engines_failure(
    server: Server, connections: EngineConnections, content: bytes, status: int
) -> None:
    server.answers["GET info"] = replying(status, content)
    with pytest.raises(EngineFailure, match="cannot ask the engine for its state"):
        DockerEngine(connections).info()


def test_names_are_escaped(server: Server, connections: EngineConnections) -> None:
    server.answers["POST containers/create"] = replying(201, {"Id": "1"})
    assert DockerContainers(connections).create("/a&b", {}) == "1"
    assert server.requests[-1] == "POST /v1.45/containers/create?name=a%26b"


class TestTaskLeft:
    ID = "a1" * 32
    SAID = f"task {ID}: already exists"

    def _containers(
        self, connections: EngineConnections, found: list[bool]
    ) -> tuple[DockerContainers, list[str]]:
        asked: list[str] = []

        def end(container: str) -> bool:
            asked.append(container)
            return found[len(asked) - 1]

        return DockerContainers(connections, end_left_shim=end), asked

    def test_its_shim_is_ended_and_the_container_starts(
        self, server: Server, connections: EngineConnections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not before the engine has heard of the end, which it would take for the new one's."""
        waits: list[float] = []
        monkeypatch.setattr("dockcfgd.adapters.engine.time.sleep", waits.append)
        refusals = [500, 500]  # containerd takes a moment to forget the task

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            status = refusals.pop() if refusals else 204
            replying(status, {"message": self.SAID} if status >= 400 else b"")(handler)

        server.answers["POST containers/db/start"] = answer
        containers, asked = self._containers(connections, [True])
        containers.start("db")
        assert (asked, waits) == ([self.ID], [2.0, 0.25])

    def test_where_there_is_none_the_engines_words_are_told(
        self, server: Server, connections: EngineConnections
    ) -> None:
        server.answers["POST containers/db/start"] = replying(500, {"message": self.SAID})
        containers, asked = self._containers(connections, [False])
        with pytest.raises(EngineFailure, match=self.SAID):
            containers.start("db")
        assert asked == [self.ID]

    def test_no_other_refusal_ends_one(
        self, server: Server, connections: EngineConnections
    ) -> None:
        said = "network with name n already exists"
        server.answers["POST containers/db/start"] = replying(500, {"message": said})
        containers, asked = self._containers(connections, [])
        with pytest.raises(EngineFailure, match=said):
            containers.start("db")
        assert asked == []


def test_what_a_start_that_was_cut_off_has_left_is_waited_for(
    server: Server, connections: EngineConnections
) -> None:
    folder = f"mkdir /run/containerd/io.containerd.runtime.v2.task/moby/{'a1' * 32}: file exists"
    known = "OCI runtime create failed: runc create failed: container with given ID already exists"
    refusals = [known, folder, folder]

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        said = refusals.pop() if refusals else ""
        replying(500 if said else 204, {"message": said} if said else b"")(handler)

    server.answers["POST containers/db/start"] = answer
    DockerContainers(connections).start("db")
    assert server.requests.count("POST /v1.45/containers/db/start") == 4


def test_silence_ends_after_the_limit_and_is_attended_to(server: Server) -> None:
    attended: list[None] = []
    connections = EngineConnections(
        str(server.server_address), attend=lambda: attended.append(None)
    )
    server.answers["GET slow"] = falling_silent(server)
    with pytest.raises(EngineSilent, match="cannot wait: no answer within 2 s"):
        connections.call(Request("GET", "/slow", what="wait", limit=2.0))
    assert len(attended) >= 1


def test_an_upload_that_nobody_takes_ends_after_the_limit_and_is_attended_to(
    server: Server,
) -> None:
    attended: list[None] = []
    connections = EngineConnections(
        str(server.server_address), attend=lambda: attended.append(None)
    )
    server.answers["POST slow"] = falling_silent(server)
    chunk = bytes(8 * 1024 * 1024)
    with pytest.raises(EngineSilent, match="cannot send: nothing was taken within 2 s"):
        connections.upload(Request("POST", "/slow", what="send", limit=2.0), [chunk])
    assert len(attended) >= 1


@pytest.mark.parametrize(
    ("chunks", "complete", "said"),
    [
        ((b"layer", bytes(1024), b'{"errorDetail":{}}\r\n'), True, "errorDetail"),
        ((b"layer",), True, "layer"),
        ((), True, "cut short"),
        ((b"layer",), False, "IncompleteRead"),
    ],
)
def test_an_archive_that_is_cut_short_is_an_error(
    server: Server,
    connections: EngineConnections,
    chunks: tuple[bytes, ...],
    said: str,
    *,
    complete: bool,
) -> None:
    server.answers["GET images/get"] = streaming(*chunks, complete=complete)
    with pytest.raises(EngineFailure, match=said), DockerImages(connections).save(["a"]) as archive:
        list(archive)


def test_an_archives_end_may_come_in_pieces(server: Server, connections: EngineConnections) -> None:
    server.answers["GET images/get"] = streaming(b"layer", *[bytes(100)] * 11)
    with DockerImages(connections).save(["a", "b"]) as archive:
        assert b"".join(archive) == b"layer" + bytes(1100)
    assert server.requests[-1] == "GET /v1.45/images/get?names=a&names=b"


def taking(received: list[bytes], *lines: object) -> Answer:
    """Take an upload in chunks, then answer with lines of JSON."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        while size := int(handler.rfile.readline(), 16):
            received.append(handler.rfile.read(size))
            handler.rfile.readline()
        handler.rfile.readline()
        streaming(*(json.dumps(line).encode() + b"\r\n" for line in lines))(handler)

    return answer


def test_an_upload_arrives(server: Server, connections: EngineConnections) -> None:
    received: list[bytes] = []
    server.answers["POST images/load"] = taking(received, {"stream": "Loaded image: a"})
    DockerImages(connections).load(iter([b"one", b"", b"two"]))
    assert b"".join(received) == b"onetwo"


@pytest.mark.parametrize(
    "line",
    [
        {"errorDetail": {"message": "no space left"}, "error": "no space left"},
        {"stream": "Error unpacking image a: no space left"},
    ],
)
def test_an_error_inside_the_answer_is_one(
    server: Server, connections: EngineConnections, line: object
) -> None:
    server.answers["POST images/load"] = taking([], {"stream": "Loading"}, line)
    with pytest.raises(EngineFailure, match=r"cannot load images: .*no space left"):
        DockerImages(connections).load([b"one"])


def test_a_refusal_before_the_end_of_an_upload_is_told(
    server: Server, connections: EngineConnections
) -> None:
    server.answers["POST images/load"] = replying(500, {"message": "no space left"})
    with pytest.raises(EngineFailure, match="no space left") as failure:
        DockerImages(connections).load(bytes(100_000) for _ in range(100))
    assert failure.value.status == 500


def test_an_error_of_the_archives_reader_stays_what_it_is(
    server: Server, connections: EngineConnections
) -> None:
    server.answers["POST images/load"] = falling_silent(server)

    def broken() -> Iterator[bytes]:
        yield b"one"
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        DockerImages(connections).load(broken())


def events(*lines: bytes, server: Server) -> Answer:
    """Give the head at once, then lines in awkward pieces, then nothing more for a while."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for line in lines:
            handler.wfile.write(line[:10])
            handler.wfile.flush()
            handler.wfile.write(line[10:])
        server.hold.wait(5)

    return answer


def test_events_come_one_by_one(server: Server, connections: EngineConnections) -> None:
    told = {"Type": "daemon", "Action": "reload", "Actor": {"Attributes": {"debug": "true"}}}
    other = {"Type": "daemon", "Action": "shutdown"}
    lines = [json.dumps(event).encode() + b"\n" for event in (told, other, told)]
    server.answers["GET events"] = events(*lines, b"no json\n", server=server)
    with DockerEngine(connections).reload_events() as stream:
        assert stream.next(timeout=2) == {"debug": "true"}
        assert stream.next(timeout=2) == {"debug": "true"}
        assert stream.next(timeout=0.1) is None
        server.hold.set()
        assert stream.next(timeout=5) is None
    assert "since=" in server.requests[-1]


def test_a_refused_subscription_is_an_error(server: Server, connections: EngineConnections) -> None:
    server.answers["GET events"] = replying(400, {"message": "no"})
    with pytest.raises(EngineFailure) as failure, DockerEngine(connections).reload_events():
        pass
    assert failure.value.status == 400
    assert not isinstance(failure.value, EngineSilent)


def test_a_subscription_without_an_answer(server: Server, connections: EngineConnections) -> None:
    server.answers["GET events"] = falling_silent(server)
    connections.version()
    server.hold.set()
    what = "cannot subscribe to the engine's events: no answer"
    with pytest.raises(EngineSilent, match=what), DockerEngine(connections).reload_events():
        pass
