"""A long life of one machine: random changes, each followed by a look at what dockcfgd promises.

The order comes from a seed, so that a life can be lived again. `Life.step` does one thing, lets
dockcfgd come to rest, and raises AssertionError with the seed and all that was done before where a
promise is broken.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from images import make_busybox
from machine import Machine, wait_for

__all__ = ["Life"]

_DAEMON_JSON = "/etc/docker/daemon.json"
_CONF_D = "/etc/dockcfgd/conf.d"
_LIVES = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"
_PORT = 9199
_LISTENS = f"import socket, time; taken = socket.create_server(('', {_PORT})); time.sleep(86400)"
_CONTAINERS = {"plain": "no", "always": "always", "stopped-by-hand": "unless-stopped"}
_MOST_PUT_BACK = 3
_REST = ("idle", "paused", "awaiting-confirmation")

Json = dict[str, Any]


class Life:
    """The machine must be booted; *package* is installed on it by `begin`."""

    def __init__(self, machine: Machine, *, seed: int) -> None:
        self._machine, self.seed = machine, seed
        self._random = random.Random(seed)  # noqa: S311 -- a life that can be lived again, no secret
        self.wanted: Json = {}
        self.in_force: Json = {}
        self.foreign: Json = {"max-download-attempts": 4}
        self.done: list[str] = []
        self._put_back = 0
        self._steps: list[tuple[int, Callable[[], None]]] = [
            (22, self.change_by_reload),
            (16, self.change_by_restart),
            (14, self.refused_file),
            (8, self.refused_start),
            (8, self.hand_edit_of_ours),
            (6, self.hand_edit_of_others),
            (8, self.kill_dockcfgd_in_a_change),
            (3, self.kill_engine),
            (3, self.kill_engine_in_a_change),
            (4, self.not_confirmed),
            (4, self.confirmed),
            (3, self.roll_back),
            (2, self.crash_in_a_change),
            (1, self.migrate),
        ]

    def begin(self, package: Path) -> None:
        """Make containers, install dockcfgd, and give it a first state."""
        machine = self._machine
        make_busybox(machine)
        machine.write(_DAEMON_JSON, json.dumps(self.foreign))
        machine.run(["systemctl", "reload", "docker"])
        for name, policy in _CONTAINERS.items():
            write = f"[ -e /mark ] || echo {name} > /mark; {_LIVES}"
            machine.docker("run", "-d", "--stop-timeout=2", f"--restart={policy}", f"--name={name}",
                           "--volume", f"{name}:/kept", "busybox", "sh", "-c", write)  # fmt: skip
            machine.docker("exec", name, "sh", "-c", f"echo {name} > /kept/mark")
        machine.run(["systemd-run", "--unit=taken-port", "python3", "-c", _LISTENS])
        machine.install_deb(package)
        machine.write(f"{_CONF_D}/00-quick.toml", '[verify]\nsettle = "300ms"\ntimeout = "20s"\n')
        self._want({"debug": True})
        self._expect_in_sync()

    def step(self) -> str:
        """Do one random thing and look; give what it was."""
        act = self._random.choices(
            [step for _, step in self._steps], [weight for weight, _ in self._steps]
        )[0]
        self.done.append(act.__name__)
        try:
            act()
            self._look()
        except (AssertionError, TimeoutError) as error:
            story = f"seed {self.seed}, step {len(self.done)}: {self.done}"
            raise AssertionError(f"{error}\n{story}\n{self._status_text()}") from error
        return act.__name__

    def cost(self) -> dict[str, int]:
        """Do what `cost_of` does."""
        return cost_of(self._machine)

    # What may happen

    def change_by_reload(self) -> None:
        self._want(self._reloadable())
        self._expect_in_sync()

    def change_by_restart(self) -> None:
        self._want(self._reloadable() | self._restarting())
        self._expect_in_sync()

    def refused_file(self) -> None:
        wrong = self._random.choice(
            [
                "[engine]\ndebgu = true",
                "[engine]\nmtu = 'x'",
                "[engine",
                "[engine]\nhost = 1",
                "\xff",
            ]
        )
        self._machine.write(f"{_CONF_D}/90-wrong.toml", wrong.encode("latin-1"))
        self._expect("rejected")
        self._machine.run(["rm", f"{_CONF_D}/90-wrong.toml"])
        self._expect_in_sync()

    def refused_start(self) -> None:
        self._drop({**self.wanted, "metrics-addr": f"127.0.0.1:{_PORT}"})
        self._expect("rejected")
        self._drop(self.wanted)
        self._expect_in_sync()

    def hand_edit_of_ours(self) -> None:
        if "debug" in self.wanted and self._put_back == _MOST_PUT_BACK:
            return  # one more, and dockcfgd takes it for a fight
        document = self._on_host()
        document["debug"] = not document.get("debug", False)
        self._machine.write(_DAEMON_JSON, json.dumps(document))
        if "debug" not in self.wanted:
            self.foreign["debug"] = document["debug"]
            return
        self._put_back += 1
        # The status knows of an edited daemon.json only once it was looked at.
        before = self.wanted["debug"]
        wait_for(lambda: self._on_host().get("debug") == before, 10, what="edit put back")
        self._expect_in_sync()

    def hand_edit_of_others(self) -> None:
        self.foreign["max-download-attempts"] = self._random.randint(2, 9)
        document = {**self._on_host(), **self.foreign}
        self._machine.write(_DAEMON_JSON, json.dumps(document))

    def kill_dockcfgd_in_a_change(self) -> None:
        self._want(self._reloadable() | self._restarting())
        time.sleep(self._random.uniform(0, 2))
        killed = self._machine.unit("dockcfgd")["MainPID"]
        self._machine.run(["systemctl", "kill", "--signal=KILL", "dockcfgd"], check=False)
        # The status of one that was killed at rest says until then that all is well.
        wait_for(lambda: self._serves_after(killed), 60, what="dockcfgd that systemd brings back")
        self._expect_in_sync()

    def _serves_after(self, killed: str) -> bool:
        unit = self._machine.unit("dockcfgd")
        return unit["ActiveState"] == "active" and unit["MainPID"] not in {"0", killed}

    def kill_engine(self) -> None:
        self._machine.run(["systemctl", "kill", "--signal=KILL", "docker"])
        wait_for(self._machine.ping, 60, what="engine that systemd brings back")
        # It comes back without those that have no restart policy, as without dockcfgd.
        self._machine.docker("start", *_CONTAINERS)

    def kill_engine_in_a_change(self) -> None:
        self._want(self._reloadable() | self._restarting())
        time.sleep(self._random.uniform(0, 2))
        kill = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "docker"]
        self._machine.run(kill, check=False)  # it may have no process just then
        self._expect_in_sync(limit=90)
        wait_for(self._machine.ping, 60, what="engine that serves")
        self._machine.docker("start", *_CONTAINERS)

    def not_confirmed(self) -> None:
        self._apply(self._reloadable() | self._restarting(), "1500ms")
        wait_for(lambda: self._status()["confirm"] is None, 40, what="end of the wait")
        self._expect_in_sync()

    def confirmed(self) -> None:
        wanted = self._reloadable() | self._restarting()
        self._apply(wanted, "60s")
        if self._status()["phase"] == "awaiting-confirmation":
            self._machine.run(["dockcfgctl", "confirm"])
        self._have(wanted)
        self._expect_in_sync()

    def roll_back(self) -> None:
        self._want(self._reloadable())
        self._expect_in_sync()
        self._machine.run(["dockcfgctl", "rollback", "--yes"], timeout=120)
        self._expect("rejected")
        self._want(self._reloadable())
        self._expect_in_sync()

    def crash_in_a_change(self) -> None:
        self._want(self._reloadable() | self._restarting())
        time.sleep(self._random.uniform(0, 2))
        self._machine.kill()
        self._machine.boot()
        self._machine.run(["systemd-run", "--unit=taken-port", "python3", "-c", _LISTENS])
        self._machine.docker("start", *_CONTAINERS)
        self._expect_in_sync()

    def migrate(self) -> None:
        now = self._machine.docker("info", "--format", "{{.Driver}}")
        self._want(self.wanted | {"storage-driver": "vfs" if now == "overlay2" else "overlay2"})
        self._expect_in_sync(limit=120)

    # Helpers of these

    def _reloadable(self) -> Json:
        pick = self._random
        all_of_them: Json = {
            "debug": pick.random() < 0.5,
            "labels": [f"number={pick.randint(1, 9)}"],
            "max-concurrent-downloads": pick.randint(1, 9),
            "shutdown-timeout": pick.randint(10, 20),
        }
        kept = {key: value for key, value in all_of_them.items() if pick.random() < 0.7}
        driver = {key: self.wanted[key] for key in ("storage-driver",) if key in self.wanted}
        return kept | driver or {"debug": True}

    def _restarting(self) -> Json:
        pick = self._random
        return pick.choice(
            [
                {"log-driver": pick.choice(["json-file", "local"])},
                {"log-opts": {"max-size": f"{pick.randint(1, 9)}m"}},
                {"default-ulimits": {"nofile": {"Name": "nofile", "Hard": 2048, "Soft": 1024}}},
                {"dns": [f"10.0.0.{pick.randint(1, 9)}"]},
            ]
        )

    def _want(self, wanted: Json) -> None:
        self._have(wanted)
        self._drop(wanted)

    def _have(self, wanted: Json) -> None:
        self.wanted, self._put_back = wanted, 0
        for key in wanted:
            self.foreign.pop(key, None)

    def _drop(self, wanted: Json) -> None:
        self._machine.write(f"{_CONF_D}/50-chaos.toml", _toml(wanted))

    def _apply(self, wanted: Json, confirm: str) -> None:
        self._machine.write("/root/50-chaos.toml", _toml(wanted))
        command = ["dockcfgctl", "apply", "--yes", "--confirm", confirm, "/root/50-chaos.toml"]
        self._machine.run(command, timeout=120)

    def _expect_in_sync(self, *, limit: float = 60) -> None:
        self._expect("in-sync", limit=limit)
        self.in_force = dict(self.wanted)

    def _expect(self, condition: str, *, limit: float = 60) -> None:
        wait_for(lambda: self._rests_as(condition), limit, what=f"{condition} state")

    def _rests_as(self, condition: str) -> bool:
        said = self._machine.run(["dockcfgctl", "status", "--json"], check=False).stdout
        status = json.loads(said) if said.startswith("{") else {}
        return status.get("condition") == condition and status.get("phase") in _REST

    def _status(self) -> Json:
        document: Json = json.loads(self._machine.read("/run/dockcfgd/status.json"))
        return document

    def _status_text(self) -> str:
        return self._machine.run(["dockcfgctl", "status"], check=False).stdout

    def _on_host(self) -> Json:
        document: Json = json.loads(self._machine.read(_DAEMON_JSON))
        return document

    # What must hold

    def _look(self) -> None:
        machine = self._machine
        wait_for(lambda: self._status()["phase"] in _REST, 60, what="dockcfgd at rest")
        assert machine.ping(), "the engine does not answer"
        running = set(machine.docker("ps", "--format", "{{.Names}}").split())
        assert running == set(_CONTAINERS), f"running are {running}"
        for name in _CONTAINERS:
            marks = machine.docker("exec", name, "cat", "/mark", "/kept/mark").split()
            assert marks == [name, name], f"{name} holds {marks}"
        document = self._on_host()
        expected = self.foreign | self.in_force
        if "storage-driver" in document:
            expected["storage-driver"] = machine.docker("info", "--format", "{{.Driver}}")
        assert document == expected, f"daemon.json is {document}, not {expected}"
        info: Json = json.loads(machine.docker("info", "--format", "{{json .}}"))
        shown = {"debug": info["Debug"], "labels": info["Labels"] or []}
        for key, default in (("debug", False), ("labels", [])):
            if key in self.foreign and key not in self.in_force:
                continue  # somebody else's edit takes effect whenever the engine reads the file
            value = expected.get(key, default)
            assert shown[key] == value, f"{key} is {shown[key]!r} in the engine, not {value!r}"


def _toml(wanted: Json) -> str:
    return "[engine]\n" + "\n".join(f"{key} = {_value(value)}" for key, value in wanted.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


def cost_of(machine: Machine) -> dict[str, int]:
    """Give dockcfgd's memory in KiB, its file descriptors and threads, its state file's KiB.

    SQLite's own journal counts too.
    """
    pid = machine.unit("dockcfgd.service", "MainPID")["MainPID"]
    text = machine.run(
        f"grep -E 'VmRSS|Threads' /proc/{pid}/status; ls /proc/{pid}/fd | wc -l;"
        " du -kc /var/lib/dockcfgd/state.db* | tail -1 | cut -f1"
    ).stdout.split()
    return {
        "memory": int(text[text.index("VmRSS:") + 1]),
        "threads": int(text[text.index("Threads:") + 1]),
        "descriptors": int(text[-2]),
        "state": int(text[-1]),
    }
