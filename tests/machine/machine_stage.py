"""The story's stage on a real machine: Debian, systemd, Docker, and dockcfgd from its package."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from images import make_busybox
from machine import CommandFailed, Machine, wait_for
from story import DATA, METRICS_ADDRESS, Answer, Document, Ran, Seen

__all__ = ["MachineStage"]

_DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"
_DAEMON_JSON = "/etc/docker/daemon.json"
_BACKUPS = "/var/lib/dockcfgd/backups"
_INSPECTED = "{{.Name}} {{.State.Running}} {{.State.StartedAt}} {{.Id}}"
_LIVES = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"
_SERVES = "mkdir -p /www; echo hello > /www/index.html; httpd -p 80 -h /www;"
_LISTENS = (
    "import socket, sys, time; taken = socket.create_server((sys.argv[1], int(sys.argv[2]))); "
    "time.sleep(3600)"
)


class MachineStage:
    """See story.Stage. *machine* is booted; its containers are made here."""

    backup_table = ""

    def __init__(self, machine: Machine, package: Path) -> None:
        self._machine, self._package = machine, package
        make_busybox(machine)
        run = ("run", "--detach", "--stop-timeout=3")
        loop = ("busybox", "sh", "-c")
        machine.docker(*run, "--name=plain", *loop, _LIVES)
        machine.docker(*run, "--name=web", "--publish=8080:80", *loop, f"{_SERVES} {_LIVES}")
        machine.docker(*run, "--name=notes", "--restart=always", *loop, _LIVES)
        machine.docker("exec", "notes", "sh", "-c", f"echo {shlex.quote(DATA)} > /note")
        machine.docker(*run, "--name=visitor", "--rm", *loop, _LIVES)

    def install(self) -> str:
        said = self._machine.install_deb(self._package).splitlines()[-3:]

        def settled() -> bool:
            status = json.loads(self.control("status", "--json").text)
            return status["daemon"] is not None and status["condition"] is not None

        wait_for(settled, 30, what="status")
        state = self._machine.unit("dockcfgd.service")
        return "\n".join([*said, f"dockcfgd.service: {state['ActiveState']} ({state['SubState']})"])

    def see(self) -> Seen:
        names = self._machine.docker("ps", "--all", "--quiet").split()
        lines = self._machine.docker("inspect", "--format", _INSPECTED, *names).splitlines()
        parts = [line.split() for line in lines]
        return Seen(
            pid=int(self._machine.unit("docker.service")["MainPID"]),
            info=_steady(json.loads(self._machine.docker("info", "--format", "{{json .}}"))),
            containers={
                name.lstrip("/"): Ran(running == "true", started, identity)
                for name, running, started, identity in parts
            },
            files={path: self._file(path) for path in (_DAEMON_JSON, _DROP_IN)},
        )

    def put(self, path: str, text: str) -> None:
        self._machine.write(path, text)

    def take_away(self, path: str) -> None:
        self._machine.run(["rm", path])

    def touch(self, path: str) -> None:
        self._machine.run(["touch", path])

    def control(self, *arguments: str) -> Answer:
        done = self._machine.run(["dockcfgctl", *arguments], check=False, timeout=400)
        return Answer(done.returncode, done.stdout + done.stderr)

    def daemon_json(self) -> Document:
        if not self._machine.exists(_DAEMON_JSON):
            return {}
        document: Document = json.loads(self._machine.read(_DAEMON_JSON))
        return document

    def reloads(self) -> list[str]:
        # Without a fraction the present second's events would be left out.
        chosen = "--filter type=daemon --filter event=reload --since 1 --until $(date +%s.%N)"
        return self._machine.run(f"docker events {chosen}").stdout.splitlines()

    def note(self) -> str:
        return self._machine.docker("exec", "notes", "cat", "/note")

    def greeting(self) -> str:
        def page() -> str:
            asked = ["busybox", "wget", "-qO-", "http://127.0.0.1:8080/"]
            return self._machine.run(asked, check=False).stdout.strip()

        with contextlib.suppress(TimeoutError):
            return wait_for(page, 10, what="page")
        return ""

    def backups(self) -> Mapping[str, str]:
        found = {}
        for name in self._machine.run(["ls", _BACKUPS]).stdout.split():
            folder = f"{_BACKUPS}/{name}"
            try:
                manifest = json.loads(self._machine.read(f"{folder}/manifest.json"))
            except CommandFailed:
                continue
            sums = "".join(f"{one['sha256']}  {one['path']}\n" for one in manifest["files"])
            self._machine.run(f"cd {folder} && sha256sum --quiet --check -", input=sums)
            found[name] = str(manifest["storage"])
        return found

    def occupy(self) -> None:
        listen = ["/usr/bin/python3", "-c", _LISTENS, *METRICS_ADDRESS.split(":")]
        self._machine.run(["systemd-run", "--unit=other-listener", "--quiet", *listen])
        port = METRICS_ADDRESS.split(":")[1]
        taken = f"ss -Hltn 'sport = :{port}' | grep -q ."
        wait_for(lambda: self._machine.run(taken, check=False).returncode == 0, 10, what="listener")

    def _file(self, path: str) -> object:
        if not self._machine.exists(path):
            return None
        owner = self._machine.run(["stat", "--format=%u %g %a", path]).stdout
        return owner, self._machine.read(path)


def _steady(info: Document) -> Document:
    """Leave out what differs between two looks at an engine that nobody touched."""
    names = "Driver", "LoggingDriver", "LiveRestoreEnabled", "Debug", "Labels", "Images"
    return {name: info[name] for name in names}
