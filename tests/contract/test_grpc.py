"""gRPC calls, against a service that speaks HTTP/2 by the same library's other half."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from dockcfgd.adapters import grpc
from dockcfgd.model.errors import EngineFailure

Headers = list[tuple[str, str]]
Answer = Callable[[H2Connection, int, dict[str, str], bytes], None]


def framed(*messages: bytes) -> bytes:
    return b"".join(b"\0" + len(one).to_bytes(4, "big") + one for one in messages)


@contextlib.contextmanager
def service(folder: Path, answer: Answer) -> Iterator[str]:
    """Answer one call at a socket."""
    path = str(folder / "service.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        thread = threading.Thread(target=_serve, args=(listening, answer))
        thread.start()
        yield path
        thread.join(10)
        assert not thread.is_alive()


def _serve(listening: socket.socket, answer: Answer) -> None:
    peer, _ = listening.accept()
    # The client closes as soon as it has its answer.
    with peer, contextlib.suppress(ConnectionError):
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        peer.sendall(http.data_to_send())
        headers: dict[str, str] = {}
        body = b""
        while data := peer.recv(65536):
            for event in http.receive_data(data):
                if isinstance(event, events.RequestReceived):
                    headers = {str(key): str(value) for key, value in event.headers}
                elif isinstance(event, events.DataReceived):
                    body += event.data
                elif isinstance(event, events.StreamEnded):
                    answer(http, event.stream_id, headers, body)
            peer.sendall(http.data_to_send())


def well(*messages: bytes) -> Answer:
    def answer(http: H2Connection, stream: int, _: dict[str, str], __: bytes) -> None:
        http.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        http.send_data(stream, framed(*messages))
        http.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    return answer


def ask(path: str, *, attend: Callable[[], None] = lambda: None) -> list[bytes]:
    return grpc.call(
        path, "/of.a.Service/Method", b"question", metadata={"containerd-namespace": "moby"},
        what="ask", limit=60.0, attend=attend,
    )  # fmt: skip


def test_messages_of_an_answer_come_as_they_were_sent(tmp_path: Path) -> None:
    with service(tmp_path, well(b"one", b"", b"x" * 9000)) as path:
        assert ask(path) == [b"one", b"", b"x" * 9000]


def test_the_question_and_its_namespace_arrive(tmp_path: Path) -> None:
    seen: list[tuple[dict[str, str], bytes]] = []

    def answer(http: H2Connection, stream: int, headers: dict[str, str], body: bytes) -> None:
        seen.append((headers, body))
        well()(http, stream, headers, body)

    with service(tmp_path, answer) as path:
        assert ask(path) == []
    headers, body = seen[0]
    assert body == framed(b"question")
    assert headers[":path"] == "/of.a.Service/Method"
    assert headers["containerd-namespace"] == "moby"


def test_a_refusal_has_its_code_and_reason(tmp_path: Path) -> None:
    def answer(http: H2Connection, stream: int, _: dict[str, str], __: bytes) -> None:
        trailers: Headers = [
            (":status", "200"), ("grpc-status", "5"), ("grpc-message", "no such%20snapshot"),
        ]  # fmt: skip
        http.send_headers(stream, trailers, end_stream=True)

    with (
        service(tmp_path, answer) as path,
        pytest.raises(grpc.Refused, match="cannot ask: no such snapshot") as refused,
    ):
        ask(path)
    assert refused.value.code == grpc.NOT_FOUND


def test_a_stream_that_is_reset_is_no_answer(tmp_path: Path) -> None:
    def answer(http: H2Connection, stream: int, _: dict[str, str], __: bytes) -> None:
        http.reset_stream(stream, error_code=2)

    with service(tmp_path, answer) as path, pytest.raises(EngineFailure, match="error 2"):
        ask(path)


def test_nobody_at_the_socket(tmp_path: Path) -> None:
    with pytest.raises(EngineFailure, match=r"nobody\.sock: No such file"):
        ask(str(tmp_path / "nobody.sock"))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4])
def test_what_is_no_http2_is_refused(tmp_path: Path, said: bytes) -> None:
    path = str(tmp_path / "other.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def other() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(said)

        thread = threading.Thread(target=other)
        thread.start()
        with pytest.raises(EngineFailure, match=r"other\.sock: "):
            ask(path)
        thread.join(10)


def test_a_slow_answer_is_attended_to(tmp_path: Path) -> None:
    waited = threading.Event()
    heard = []

    def answer(http: H2Connection, stream: int, headers: dict[str, str], body: bytes) -> None:
        assert waited.wait(10)
        well(b"late")(http, stream, headers, body)

    def attend() -> None:
        heard.append(1)
        waited.set()

    with service(tmp_path, answer) as path:
        assert ask(path, attend=attend) == [b"late"]
    assert heard
