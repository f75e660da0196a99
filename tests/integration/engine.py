"""A small dockerd: the fakes' engine as a process of its own, behind HTTP on a Unix socket.

It has one image, which can be saved, and ENGINE_CONTAINERS (none) containers that run; it reads the
daemon.json that ENGINE_CONFIG names, takes SIGHUP for a reload, and knows `--validate`.
ENGINE_SOCKET is where it listens.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.fakes.clock import FakeClock
from tests.fakes.configuration import Refused, load, parse_command
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import Dockerd
from tests.fakes.engine import FakeContainers, FakeEngine, FakeImages, FakeNetworks
from tests.fakes.files import FakeFiles

DAEMON_JSON = "/etc/docker/daemon.json"
VERSION = "26.1.5+dfsg1"


class Engine:
    """The engine's process."""

    def __init__(self) -> None:
        self._files = FakeFiles()
        self.dockerd = Dockerd(self._files, FakeClock(), version=VERSION)
        self.dockerd.refusals.append(
            lambda config: "listen tcp: in use" if "metrics-addr" in config else None
        )
        cuts = Cuts()
        self._engine = FakeEngine(self.dockerd, cuts)
        self._containers = FakeContainers(self.dockerd, cuts)
        self._images = FakeImages(self.dockerd, cuts)
        self._networks = FakeNetworks(self.dockerd, cuts)

    def start(self, words: list[str]) -> None:
        self._read()
        self.dockerd.start(words, {})
        image = self.dockerd.images.add({"bin/sh": b""}, tag="busybox:latest", config=None)
        for number in range(int(os.environ.get("ENGINE_CONTAINERS", "0"))):
            labels = {f"com.example.label-{name}": "x" * 60 for name in range(8)}
            body: dict[str, Any] = {"Image": image, "Cmd": ["sleep"], "Labels": labels}
            self._containers.start(self._containers.create(f"container-{number}", body))

    def reload(self) -> None:
        self._read()
        self.dockerd.reload()

    def answer(self, path: str) -> Any:
        """Give the document of a path below the version; None where there is none."""
        answers: dict[str, Callable[[], Any]] = {
            "/info": self._engine.info,
            "/containers/json": self._containers.list,
            "/images/json": self._images.list,
            "/networks": self._networks.list,
            "/volumes": lambda: {"Volumes": self._networks.volumes()},
        }
        of_images = re.fullmatch(r"/images/(.+)/(json|history)", path)
        if of_images:
            name, what = unquote(of_images[1]), of_images[2]
            return self._images.inspect(name) if what == "json" else self._images.history(name)
        answer = answers.get(path)
        return None if answer is None else answer()

    def saved(self, references: list[str]) -> bytes:
        """Give the archive of images."""
        with self._images.save(references) as chunks:
            return b"".join(chunks)

    def _read(self) -> None:
        path = Path(os.environ["ENGINE_CONFIG"])
        if path.exists():
            self._files.put(DAEMON_JSON, path.read_bytes())
        else:
            self._files.delete(DAEMON_JSON)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    engine: Engine


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        path = "/" + path.split("/", 2)[2] if path.startswith("/v1.") else path
        if path == "/_ping":
            self._send(b"OK", "text/plain")
        elif path == "/events":
            self._stream()
        elif path == "/images/get":
            archive = self.server.engine.saved(parse_qs(query)["names"])
            self._send(archive, "application/x-tar")
        else:
            document = self.server.engine.answer(path)
            found = document is not None
            body = document if found else {"message": f"page not found: {path}"}
            self._send(json.dumps(body).encode(), "application/json", status=200 if found else 404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, body: bytes, kind: str, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Api-Version", self.server.engine.dockerd.api)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        process = self.server.engine.dockerd.process
        if process is None:
            return
        seen = len(process.events)
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            while True:
                for attributes in process.events[seen:]:
                    self._event(attributes)
                    seen += 1
                time.sleep(0.02)

    def _event(self, attributes: dict[str, str]) -> None:
        event = {"Type": "daemon", "Action": "reload", "Actor": {"Attributes": attributes}}
        self.wfile.write(json.dumps(event).encode() + b"\n")


def validate(words: list[str]) -> int:
    """Do what `dockerd --validate` does."""
    command = parse_command(words)
    engine = Engine()
    try:
        load(Path(command.config_file).read_bytes(), command, engine.dockerd.release)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    print("configuration OK")
    return 0


def serve(words: list[str]) -> int:
    """Run until SIGTERM; 1 where the configuration is refused."""
    engine = Engine()
    try:
        engine.start(words)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    path = Path(os.environ["ENGINE_SOCKET"])
    path.unlink(missing_ok=True)
    server = _Server(str(path), _Handler)
    server.engine = engine
    signal.signal(signal.SIGHUP, lambda *_: engine.reload())
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    path.unlink()
    return 0


def main(words: list[str]) -> int:
    """Run a command line."""
    return validate(words) if "--validate" in words else serve(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
