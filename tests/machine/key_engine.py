"""An engine in a machine whose daemon.json a test writes: reload, restart, and what it then says.

It is started without flags, so that every key can stand in the file.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockcfgd.adapters.engine import DockerEngine
from dockcfgd.adapters.engine_http import EngineConnections
from dockcfgd.engine_keys import proof
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import Json
from images import make_busybox
from key_values import document
from machine import CommandFailed, Machine, wait_for

__all__ = ["EngineUnderTest", "Living", "make_certificate", "make_engine"]

# What an engine before left would be taken for this one's.
_UNIT = """[Service]
ExecStartPre=-/bin/rm -rf /run/other-docker /run/other.pid /run/other.sock \\
    /etc/docker/other-key.json
ExecStartPre=-/bin/sh -c 'for t in filter nat; do ip6tables -t $$t -F; ip6tables -t $$t -X; done'
ExecStart=
ExecStart=/usr/sbin/dockerd
Restart=no
[Unit]
StartLimitIntervalSec=0
"""
_EVENT_SECONDS = 4.0
_PLUGIN = """
import json, os, socketserver, http.server
path = "/run/docker/plugins/guard.sock"
os.makedirs(os.path.dirname(path), exist_ok=True)
if os.path.exists(path):
    os.unlink(path)
class Guard(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open("/run/guard.calls", "a").write("x")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        activate = self.path.endswith("Activate")
        answer = {"Implements": ["authz"]} if activate else {"Allow": True}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "engine"
    def log_message(self, *_):
        pass
class Server(socketserver.ThreadingUnixStreamServer):
    pass
Server(path, Guard).serve_forever()
"""
_LIVING = r"""
docker network create living >/dev/null
docker run -d --name web --network living -p 8080:80 busybox \
    sh -c 'echo here > /tmp/index.html; exec httpd -f -p 80 -h /tmp' >/dev/null
docker run -d --name client --network living busybox sleep 6000 >/dev/null
docker run -d --name plain -p 8081:80 busybox \
    sh -c 'echo here > /tmp/index.html; exec httpd -f -p 80 -h /tmp' >/dev/null
"""
_STATE = r"""
for one in web client plain; do
    pid=$(docker inspect -f '{{.State.Running}} {{.State.Pid}} {{.State.StartedAt}}' $one 2>&1)
    echo "$one: $pid"
    [ -d /proc/$(echo "$pid" | cut -d' ' -f2) ] && echo "$one: lives"
done
for port in 8080 8081; do
    echo "port $port: $(timeout 5 busybox wget -q -O - http://127.0.0.1:$port/ 2>&1)"
done
echo "name: $(timeout 10 docker exec client wget -q -O - http://web/ 2>&1)"
form='{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
echo "networks: $(docker inspect -f "$form" web client plain 2>&1 | tr '\n' ' ')"
"""


@dataclass(frozen=True)
class Living:
    """What is seen of the containers that are to live through a restart."""

    text: str

    @property
    def whole(self) -> bool:
        """Whether all of them run, answer on their ports and find each other by name."""
        return self.text.count("lives") == 3 and self.text.count(": here") == 3


class EngineUnderTest:
    """The engine; `version` is the installed one."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._engine = DockerEngine(EngineConnections(f"/proc/{machine.pid}/root/run/docker.sock"))
        self.version = EngineVersion.parse(str(self.info()["ServerVersion"]))

    def write(self, values: Mapping[str, Json]) -> None:
        """Write the daemon.json that sets these keys."""
        self.machine.write("/etc/docker/daemon.json", json.dumps(document(values)))

    def reload(self, values: Mapping[str, Json]) -> Mapping[str, str] | None:
        """Write these keys and reload; the attributes of the event, None where it was refused."""
        self.write(values)
        before = self.pid
        with self._engine.reload_events() as events:
            self.machine.run(["systemctl", "reload", "docker"])
            attributes = events.next(timeout=_EVENT_SECONDS)
        assert self.pid == before, "the engine was started anew by a reload"
        return attributes

    def restart(self, values: Mapping[str, Json]) -> str:
        """Write these keys and restart; empty where it serves, else its last words."""
        self.write(values)
        try:
            self.machine.run(["systemctl", "restart", "docker"], timeout=120)
            wait_for(self.machine.ping, 20)
        except (CommandFailed, TimeoutError):
            lines = self.machine.journal("docker.service").splitlines()
            words = [line for line in lines if "level=" in line or "failed" in line]
            return "\n".join((words or lines)[-3:])
        return ""

    def info(self) -> dict[str, Json]:
        """Give the /info document."""
        self._engine.ping()
        return self._engine.info()

    def asks_plugin(self) -> bool:
        """Tell whether the engine asks the authorization plugin about a request."""
        self.machine.run(["rm", "-f", "/run/guard.calls"])
        self.info()
        return self.machine.exists("/run/guard.calls")

    @property
    def pid(self) -> str:
        """The engine's process."""
        return self.machine.unit("docker.service")["MainPID"]

    def agrees(self, name: str, value: Json, event: Mapping[str, str] | None) -> bool | None:
        """Tell whether event or /info shows this value; None where neither shows the key."""
        path = tuple(name.split("."))
        said = None if event is None else proof.event_agrees(path, value, event)
        return proof.info_agrees(path, value, self.info()) if said is None else said

    def start_living(self) -> Living:
        """Start the containers that are to live through a restart."""
        self.machine.run("docker rm -f web client plain; docker network rm living; true")
        self.machine.run(_LIVING)
        wait_for(lambda: self.living().whole, 10, what="living containers")
        return self.living()

    def living(self) -> Living:
        """Look at them."""
        return Living(self.machine.run(_STATE).stdout)


def make_engine(machine: Machine, *, certificate: Path) -> EngineUnderTest:
    """Give the engine of a booted machine, restarted without flags, with all that values name."""
    machine.write("/etc/systemd/system/docker.service.d/test.conf", _UNIT)
    machine.write("/usr/local/lib/guard.py", _PLUGIN)
    machine.write("/etc/docker/seccomp.json", '{"defaultAction": "SCMP_ACT_ALLOW"}')
    for name in ("tls.pem", "tls.key"):
        machine.copy_in(certificate / name, f"/etc/docker/{name}")
    machine.run(
        "cp /usr/bin/docker-init /usr/local/bin/other-init 2>/dev/null ||"
        " cp $(command -v docker-init || ls /usr/libexec/docker/docker-init)"
        " /usr/local/bin/other-init; cp $(command -v docker-proxy ||"
        " ls /usr/libexec/docker/docker-proxy) /usr/local/bin/other-proxy;"
        " systemd-run -q --unit=guard python3 /usr/local/lib/guard.py; systemctl daemon-reload"
    )
    machine.write("/etc/docker/daemon.json", json.dumps(document({})))
    machine.run(["systemctl", "restart", "docker"], timeout=60)
    wait_for(machine.ping, 20)
    make_busybox(machine)
    return EngineUnderTest(machine)


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate for localhost."""
    command: Iterable[str] = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-keyout", str(folder / "tls.key")),
        *("-out", str(folder / "tls.pem")),
    )
    subprocess.run(list(command), check=True, capture_output=True)
    return folder
