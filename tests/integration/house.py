"""A whole dockcfgd in a folder: the real daemon and CLI, a private bus, fake systemd and engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.engine import VERSION
from tests.support.private_bus import ROOT, FakeSystemd, PrivateBus

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

_UNIT = """\
[Unit]
Description=Docker
[Service]
Type=notify
ExecStart={dockerd} -H fd://
ExecReload=/bin/kill -s HUP $MAINPID
"""
_START = """\
#!/bin/sh
rm -f {socket}
{dockerd} -H fd:// </dev/null >>{log} 2>&1 &
engine=$!
for _ in $(seq 200); do
    [ -S {socket} ] && break
    kill -0 $engine 2>/dev/null || exit 1
    sleep 0.05
done
echo $engine >{pid}
echo $engine
"""
_STOP = """\
#!/bin/sh
[ -f {pid} ] || exit 0
kill $(cat {pid})
while [ -S {socket} ]; do sleep 0.02; done
rm -f {pid}
"""
_PATIENCE = 15.0


class House:
    """Everything in `folder`; the engine and `containers` run, dockcfgd does not until `start`.

    `heard` are the lines that daemons have told their supervisor.
    """

    def __init__(self, folder: Path, *, containers: int = 0) -> None:
        self.folder = folder
        self._containers = containers
        self.conf_d = folder / "etc/dockcfgd/conf.d"
        self.daemon_json = folder / "etc/docker/daemon.json"
        self._cleanup = contextlib.ExitStack()
        self._daemons: list[subprocess.Popen[str]] = []
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        for name in ("etc/dockcfgd/conf.d", "etc/docker", "etc/systemd", "run", "bin"):
            (self.folder / name).mkdir(parents=True)
        self.bus = self._cleanup.enter_context(PrivateBus())
        self._put_programs()
        self._cleanup.callback(self._stop_engine)
        pid = int(self._script("start").split()[-1])
        hooks = [f"--on-{verb}={self.folder}/bin/{verb}" for verb in ("start", "stop", "reload")]
        self.systemd = self._cleanup.enter_context(FakeSystemd(self.bus.address, hooks))
        self.systemd.set_unit(
            "docker.service",
            FragmentPath=str(self.folder / "docker.service"),
            EnvironmentFiles=[],
            MainPID=pid,
        )
        self._cleanup.callback(self._stop_daemons)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def environment(self) -> dict[str, str]:
        folder = self.folder
        return os.environ | {
            "DOCKCFGD_BUS_ADDRESS": self.bus.address,
            "DOCKCFGD_CONFIG_FILE": str(folder / "etc/dockcfgd/conf.toml"),
            "DOCKCFGD_CONFIG_DIRS": str(self.conf_d),
            "DOCKCFGD_RUNTIME_DIR": str(folder / "run"),
            "DOCKCFGD_STATE_DIR": str(folder / "state"),
            "DOCKCFGD_DOCKER_SOCKET": str(folder / "run/docker.sock"),
            "DOCKCFGD_DAEMON_JSON": str(self.daemon_json),
            "DOCKCFGD_DROP_IN_DIR": str(folder / "etc/systemd"),
        }

    def start(self, *, ready: bool = True) -> subprocess.Popen[str]:
        """Start a daemon; with `ready`, return once it has said so and looked at the host.

        Without, nobody supervises it.
        """
        supervisor = str(self.folder / f"run/notify-{len(self._daemons)}")
        said = self._supervise(supervisor) if ready else None
        log = self._cleanup.enter_context((self.folder / "dockcfgd.log").open("a"))
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dockcfgd.daemon"],
            env=self.environment | ({"NOTIFY_SOCKET": supervisor} if ready else {}),
            stdout=log,
            stderr=log,
            text=True,
        )
        self._daemons.append(daemon)
        if said is not None:
            assert said.wait(_PATIENCE), self.log()
            self.until(lambda status: status["phase"] == "idle")
        return daemon

    def _supervise(self, path: str) -> threading.Event:
        """Hear what is told at a socket; the event is that of READY=1."""
        said = threading.Event()
        heard = self._cleanup.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        heard.bind(path)

        def hear() -> None:
            while message := heard.recv(4096):
                self.heard += message.decode().splitlines()
                if message.startswith(b"READY=1"):
                    said.set()

        thread = threading.Thread(target=hear)
        thread.start()
        self._cleanup.callback(thread.join)
        self._cleanup.callback(heard.shutdown, socket.SHUT_RD)
        return said

    def drop(self, name: str, text: str) -> Path:
        """Put a file into conf.d, as an editor does: complete at once."""
        path = self.conf_d / name
        made = path.with_name(f".{name}.new")
        made.write_text(f"schema = 1\n{text}\n")
        made.rename(path)
        return path

    def status(self) -> dict[str, Any]:
        """Give the published document."""
        path = self.folder / "run/status.json"
        document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return document

    def until(
        self, right: Callable[[dict[str, Any]], bool], *, patience: float = _PATIENCE
    ) -> dict[str, Any]:
        """Wait for a status; AssertionError with the last one."""
        deadline = time.monotonic() + patience
        while True:
            status = self.status()
            if status and right(status):
                return status
            assert time.monotonic() < deadline, f"{status}\n{self.log()}"
            time.sleep(0.02)

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dockcfgctl."""
        return subprocess.run(
            [sys.executable, "-c", _CTL, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def document(self, *arguments: str) -> dict[str, Any]:
        """Run dockcfgctl with `--json`, give its document."""
        document: dict[str, Any] = json.loads(self.ctl(*arguments, "--json").stdout)
        return document

    def log(self) -> str:
        """Give what daemons and engine have written."""
        logs = (self.folder / "dockcfgd.log", self.folder / "engine.log")
        return "\n".join(path.read_text() for path in logs if path.exists())

    def _put_programs(self) -> None:
        folder = self.folder
        names = {
            "dockerd": str(folder / "bin/dockerd"),
            "socket": str(folder / "run/docker.sock"),
            "pid": str(folder / "run/docker.pid"),
            "log": str(folder / "engine.log"),
        }
        (folder / "docker.service").write_text(_UNIT.format(**names))
        self._program(
            "dockerd",
            "#!/bin/sh\n"
            f'[ "$1" = --version ] && echo "Docker version {VERSION}, build 1" && exit\n'
            f"export ENGINE_CONFIG={self.daemon_json} ENGINE_SOCKET={names['socket']}\n"
            f"export ENGINE_CONTAINERS=${{ENGINE_CONTAINERS:-{self._containers}}}\n"
            f"export PYTHONPATH={ROOT}:{ROOT}/src\n"
            f'exec {sys.executable} -m tests.integration.engine "$@"\n',
        )
        self._program("start", _START.format(**names))
        self._program("stop", _STOP.format(**names))
        self._program("reload", f"#!/bin/sh\nkill -HUP $(cat {names['pid']})\n")

    def _program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def _script(self, name: str) -> str:
        done = subprocess.run(
            [self.folder / "bin" / name], capture_output=True, text=True, check=True
        )
        return done.stdout

    def _stop_engine(self) -> None:
        if (self.folder / "run/docker.pid").exists():
            self._script("stop")

    def _stop_daemons(self) -> None:
        for daemon in self._daemons:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGKILL)
            daemon.wait()


_CTL = "import sys; from dockcfgd.cli.main import main; sys.exit(main())"
