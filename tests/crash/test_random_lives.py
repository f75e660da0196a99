"""Lives of dockcfgd on one simulated host, drawn by seed: cut off, disturbed, told, contradicted.

Whatever came in between, it ends where it should: what is said to be so is so, the engine serves,
what others have set is still set, and nothing is open.
"""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dockcfgd.model.status import Condition, Phase, Status
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobVerb
from dockcfgd.reconcile.requests import Cancel, Confirm, Pause, Resume
from tests.crash.lives import CONF, DAEMON_JSON, DROP_IN, Lives
from tests.fakes.host import FakeHost
from tests.fakes.trouble import DiskTrouble

FEW = range(100)
BLOCK = 100
LIVES = 12
LAST_LOOKS = 6
NOT_MANAGED = "shutdown-timeout"
IN_USE = "bind: address already in use"
DEFAULTS = {"log-driver": "json-file", "debug": False, "live-restore": False}

Line = tuple[float, Callable[[Random], str]]
ENGINE: tuple[Line, ...] = (
    (0.5, lambda draw: f'log-driver = "{draw.choice(["local", "journald", "json-file"])}"'),
    (0.5, lambda draw: f"max-download-attempts = {draw.randint(1, 5)}"),
    (0.4, lambda draw: f"debug = {draw.choice(['true', 'false'])}"),
    (0.3, lambda draw: f"max-concurrent-downloads = {draw.randint(1, 5)}"),
    (0.2, lambda _: 'metrics-addr = "127.0.0.1:9323"'),
    (0.05, lambda _: "nonsense = 1"),
    (0.3, lambda draw: f'labels = ["rack={draw.randint(1, 5)}"]'),
    (0.2, lambda _: "live-restore = true"),
)
POLICY: tuple[Line, ...] = (
    (0.3, lambda _: 'confirm-timeout = "2m"'),
    (0.3, lambda _: 'restart = "plain"'),
    (1.0, lambda draw: f'drift-max-impact = "{draw.choice(["reload", "restart"])}"'),
    (0.3, lambda draw: f'on-drift = "{draw.choice(["report", "adopt"])}"'),
)
SERVICE = (
    'environment = { A = "1" }',
    'arguments = ["--metrics-addr=127.0.0.1:9323"]',
    'environment = { A = "2" }',
)
EDITS: dict[str, Callable[[Random], tuple[str, Any]]] = {
    "log-driver": lambda draw: ("log-driver", draw.choice(["journald", "syslog"])),
    "max-download-attempts": lambda draw: ("max-download-attempts", draw.randint(6, 9)),
    "labels": lambda draw: ("labels", [f"rack={draw.randint(10, 12)}"]),
    "not managed": lambda draw: (NOT_MANAGED, draw.randint(10, 30)),
    "debug": lambda draw: ("debug", draw.choice([True, False])),
}


def blocks() -> list[Sequence[int]]:
    """Give the seeds to try: 600 with DOCKCFGD_PROOF=1, else a few."""
    if os.environ.get("DOCKCFGD_PROOF") == "1":
        return [range(first, first + BLOCK) for first in range(0, 6 * BLOCK, BLOCK)]
    return [FEW]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seeds", blocks(), ids=lambda seeds: f"from-{seeds[0]}")
def test_it_ends_where_it_should(folder: Path, seeds: Sequence[int]) -> None:
    failed = []
    for seed in seeds:
        simulation = Simulation(folder / str(seed), seed)
        try:
            simulation.run()
        except Exception as error:  # noqa: BLE001 -- whatever it is, its log is needed
            log = "\n".join(simulation.log)
            failed.append(f"seed {seed}: {type(error).__name__}: {error}\n{log}")
    print(f"random: {len(seeds) * LIVES} lives, {len(failed)} failed")
    assert failed == [], "\n\n".join(failed)


class Simulation:
    """A host, what happens on it by `seed`, and the log of that."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.draw = Random(seed)  # noqa: S311 -- no secret
        begun = '{"debug": true, "labels": ["rack=7"]}' if seed % 3 else ""
        self.host = FakeHost(daemon_json=begun)
        self.host.run("web", restart="always")
        self.host.run("job")
        self.host.refuse_start(lambda config: IN_USE if "metrics-addr" in config else None)
        self.lives = Lives(folder, self.host)
        self.log: list[str] = []
        self.theirs: int | None = None
        self.paused = False

    def run(self) -> None:
        self.want()
        for _ in range(LIVES):
            self.live()
            self.host.cuts.unwatch()
            self.host.clock.advance(self.draw.choice([1, 1, 5, 31, 130, 400]))
            if self.draw.random() < 0.4:
                self.disturb()
            if self.draw.random() < 0.5:
                self.want()
        self.end()

    # -- what dockcfgd does ---------------------------------------------------------------------

    def live(self) -> None:
        self.host.cuts.restart()
        kinds: tuple[tuple[int, Callable[[], Status | None]], ...] = (
            (5, self.lives.look),
            (3, self.cut_off),
            (4, self.disturbed),
            (1, self.apply),
            (1, self.roll_back),
            (1, partial(self.say, partial(Confirm, ""))),
            (1, partial(self.say, partial(Cancel, "", "root"))),
            (1, self.power_cut),
            (1, self.unanswered),
            (1, self.on_a_full_disk),
            (1, self.pause_or_resume),
        )
        act = self.draw.choice([act for weight, act in kinds for _ in range(weight)])
        self.log.append(f"life: {getattr(act, '__name__', 'say')}")
        status = act()
        if status is not None:
            self.check(status)

    def cut_off(self) -> Status | None:
        passed = self.host.cuts.passed
        self.host.cuts.restart(crash_at=self.draw.randint(0, 60))
        status = self.lives.live()
        if status is None:
            self.log.append(f"  at {passed[-1]}")
        self.host.cuts.restart()
        return status

    def power_cut(self) -> Status | None:
        status = self.cut_off()
        self.host.power_cut()
        self.host.clock.reboot()
        self.host.boot()
        self.host.clock.advance(self.draw.choice([1, 100]))
        return status

    def disturbed(self) -> None:
        self.at_a_place(self.disturb)
        self.note(self.lives.look())

    def unanswered(self) -> None:
        """Let the engine hang from a place on."""
        self.at_a_place(lambda: setattr(self.host.dockerd, "hangs", True))
        self.note(self.lives.look())
        self.host.dockerd.hangs = False

    def on_a_full_disk(self) -> None:
        """Let no write succeed from one on."""
        first = self.draw.randint(0, 30)
        trouble = DiskTrouble(self.host.cuts, errno.ENOSPC, first, lasting=True)
        self.note(self.lives.look())
        self.log.append(f"  {trouble.hits} writes failed")

    def at_a_place(self, act: Callable[[], object]) -> None:
        place = self.draw.randint(0, 50)

        def passed(label: str) -> None:
            if len(self.host.cuts.passed) == place + 1:
                self.host.cuts.unwatch()
                self.log.append(f"  at {label}")
                act()

        self.host.cuts.watch(passed)

    def apply(self) -> Status:
        if self.draw.random() < 0.5:
            return self.lives.apply()
        text, _, _ = self.wanted().partition("[policy]")
        return self.lives.apply(("50-a.toml", f"schema = 1\n{text}"))

    def roll_back(self) -> Status:
        return self.lives.roll_back(self.draw.choice([None, 0, 1]))

    def say(self, word: Callable[..., Any]) -> Status:
        self.log.append(f"  {self.lives.say(word) or 'done'}")
        return self.lives.reconciler.snapshot()

    def pause_or_resume(self) -> Status:
        self.paused = not self.paused
        return self.say(partial(Pause, "for a while", "root") if self.paused else Resume)

    # -- what others do -------------------------------------------------------------------------

    def wanted(self) -> str:
        lines = ["[engine]", *self.lines(ENGINE), "[policy]", *self.lines(POLICY)]
        if self.draw.random() < 0.3:
            lines += ["[service]", self.draw.choice(SERVICE)]
        return "\n".join(lines)

    def lines(self, drawn: tuple[Line, ...]) -> Iterator[str]:
        return (line(self.draw) for chance, line in drawn if self.draw.random() < chance)

    def want(self) -> None:
        if self.draw.random() < 0.05:
            self.log.append("  nothing is wanted")
            if self.host.files.read(CONF).present:
                self.host.files.delete(CONF)
            return
        text = self.wanted()
        self.log.append(f"  wanted: {text}".replace("\n", "; "))
        self.lives.want(text)

    def disturb(self) -> None:
        job = partial(self.host.systemd.run_job, timeout=60)
        acts: tuple[tuple[int, str, Callable[[], object]], ...] = (
            (2, "edit", self.edit),
            (1, "stop", partial(job, JobVerb.STOP, DOCKER_SOCKET)),
            (1, "start", partial(job, JobVerb.START, DOCKER_SERVICE)),
            (1, "restart", partial(job, JobVerb.RESTART, DOCKER_SERVICE)),
            (1, "kill", self.kill),
            (1, "remove", self.remove),
            (1, "drop-in", self.put_drop_in),
            (1, "want", self.want),
        )
        drawn = [(name, act) for weight, name, act in acts for _ in range(weight)]
        name, act = self.draw.choice(drawn)
        self.log.append(f"  somebody: {name}")
        act()

    def edit(self) -> None:
        content = self.host.files.snapshot().get(DAEMON_JSON)
        key, value = EDITS[self.draw.choice(list(EDITS))](self.draw)
        self.log.append(f"    {key} = {value}")
        self.theirs = value if key == NOT_MANAGED else self.theirs
        self.host.files.put(DAEMON_JSON, json.dumps({**json.loads(content or b"{}"), key: value}))

    def kill(self) -> None:
        if self.host.dockerd.process is not None:
            self.host.kill_engine()

    def remove(self) -> None:
        if self.draw.random() < 0.3 and self.host.files.read(DAEMON_JSON).present:
            self.host.files.delete(DAEMON_JSON)
            self.theirs = None

    def put_drop_in(self) -> None:
        if self.draw.random() < 0.5:
            self.host.files.put(DROP_IN, "[Service]\n")

    # -- what must hold -------------------------------------------------------------------------

    def note(self, status: Status) -> None:
        """Hold that nothing has failed that need not."""
        last = f"{status.last.verdict}: {status.last.reason}" if status.last else "none yet"
        shown = f"{status.phase} {status.condition} ({status.reason})"
        self.log.append(f"  -> {shown}; last change {last}")
        assert "internal error" not in (status.reason or "")
        assert "going back failed too" not in (status.reason or "")

    def check(self, status: Status) -> None:
        """Hold that it says what is so, where nobody has disturbed the look."""
        self.note(status)
        process = self.host.dockerd.process
        if (
            status.condition is not Condition.IN_SYNC
            or status.phase is not Phase.IDLE
            or not process
        ):
            return
        for key, value in self.engine_wanted().items():
            assert process.config.get(key, DEFAULTS.get(key)) == value, f"{key} is not in force"
            assert self.lives.document.get(key) == value, f"{key} is not in the file"

    def engine_wanted(self) -> dict[str, Any]:
        there = self.host.files.snapshot()
        paths = [CONF, *sorted(path for path in there if path.startswith("/etc/dockcfgd/conf.d/"))]
        wanted: dict[str, Any] = {}
        for path in paths:
            document = tomllib.loads(there.get(path, b"").decode())
            unset = {name.removeprefix("engine.") for name in document.get("unset", [])}
            wanted = {key: value for key, value in wanted.items() if key not in unset}
            wanted |= document.get("engine", {})
        return wanted

    def end(self) -> None:
        """Hold what must be so once nobody disturbs it any more and the engine was started."""
        self.host.cuts.restart()
        self.log.append("end")
        if self.paused:
            self.pause_or_resume()
        self.host.clock.advance(120)
        for _ in range(LAST_LOOKS):
            self.host.systemd.run_job(JobVerb.START, DOCKER_SERVICE, timeout=60)
            self.host.clock.advance(300)
            self.check(self.lives.look())
        assert not self.lives.open_transaction
        assert self.host.engine.ping(), "the engine does not serve"
        assert "web" in self.host.names(running=True)
        document = self.lives.document
        assert self.theirs is None or document.get(NOT_MANAGED) == self.theirs, document
        settled = self.settled()
        self.check(self.lives.look())
        assert self.settled() == settled, "one look more has changed something"

    def settled(self) -> tuple[object, ...]:
        unit = self.host.systemd.unit(DOCKER_SERVICE)
        return self.host.files.snapshot(), unit.invocation_id, self.host.names(running=True)
