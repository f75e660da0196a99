"""Changes that wait on a real host: for a word, for a window, for the end of a pause."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guarded import CALM, Guarded
from machine import Machine

PROOF = os.environ.get("DOCKCFGD_PROOF") == "1"
RELEASES = ("bookworm", "trixie", "forky") if PROOF else ("trixie",)
PROPOSED = "/root/50-extra.toml"
EXTRA = "/etc/dockcfgd/conf.d/50-extra.toml"
# What is on the way to a boot and back takes about 15 s on two cores.
LONG = 60
SHORT = 12
REFUSED = 1

pytestmark = [
    pytest.mark.suite(*RELEASES),
    pytest.mark.machine(data="ext4"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def prepared(module_machine: Machine, suite: str, build_deb: Callable[[str], Path]) -> Guarded:
    host = Guarded(module_machine, build_deb("bookworm" if suite == "bookworm" else "trixie"))
    host.machine.docker("update", "--restart=always", "by-itself")
    return host


@pytest.fixture
def host(prepared: Guarded) -> Iterator[Guarded]:
    for word in ("cancel", "resume"):
        prepared.machine.run(["dockcfgctl", word], check=False)
    prepared.machine.run(["rm", "-f", EXTRA])
    prepared.want(CALM)
    prepared.calm()
    yield prepared
    prepared.whole()


def ctl(host: Guarded, *words: str) -> tuple[int, str]:
    done = host.machine.run(["dockcfgctl", *words], check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def proposed(host: Guarded, *, seconds: int) -> tuple[str, str]:
    """Apply another log driver, to be confirmed; give the one before and the new one."""
    before = host.log_driver()
    new = host.other_driver()
    host.machine.write(PROPOSED, f'[engine]\nlog-driver = "{new}"\n[policy]\nrestart = "plain"\n')
    code, said = ctl(host, "apply", "--confirm", f"{seconds}s", PROPOSED)
    assert (code, "dockcfgctl confirm" in said) == (0, True), said
    assert host.log_driver() == new
    return before, new


def awaits(host: Guarded) -> dict[str, Any]:
    def waiting() -> dict[str, Any] | None:
        status = host.status
        there = status["phase"] == "awaiting-confirmation" and host.alive(status)
        return status if there else None

    found: dict[str, Any] = host.awaited(waiting, "the wait for a word")
    return found


def went_back(host: Guarded, driver: str) -> dict[str, Any]:
    """Hold that it went back for want of a word, and nothing of the file is left."""
    status = host.rests("in-sync", timeout=LONG + 30)
    assert status["last"]["verdict"] == "rolled-back"
    assert status["last"]["reason"] == "not confirmed in time"
    assert host.log_driver() == driver
    assert not host.machine.exists(EXTRA)
    return status


class TestForAWord:
    @pytest.mark.parametrize("how", ["reboot", "power cut"])
    def test_over_a_boot(self, host: Guarded, how: str) -> None:
        _, new = proposed(host, seconds=LONG)
        deadline = awaits(host)["confirm"]["deadline"]
        if how == "reboot":
            host.machine.reboot()
        else:
            host.machine.power_cut()
            host.machine.boot()
        assert awaits(host)["confirm"]["deadline"] == pytest.approx(deadline, abs=0.1)
        assert host.log_driver() == new
        code, said = ctl(host, "confirm")
        assert (code, host.rests("in-sync")["last"]["verdict"]) == (0, "applied"), said
        assert host.machine.exists(EXTRA)
        host.machine.run(["rm", EXTRA])

    def test_over_a_boot_and_without_one(self, host: Guarded) -> None:
        before, new = proposed(host, seconds=LONG)
        deadline = awaits(host)["confirm"]["deadline"]
        host.machine.power_cut()
        host.machine.boot()
        assert host.log_driver() == new
        went_back(host, before)
        assert 0 <= time.time() - deadline < 15

    def test_a_machine_that_was_off_for_longer_boots_into_the_old_state(
        self, host: Guarded
    ) -> None:
        before, _ = proposed(host, seconds=SHORT)
        host.machine.power_cut()
        time.sleep(SHORT)
        host.machine.boot()
        # Before dockcfgd has done anything.
        assert host.log_driver() == before
        engine = host.engine
        went_back(host, before)
        assert host.engine == engine

    def test_words_that_come_too_late(self, host: Guarded) -> None:
        before, _ = proposed(host, seconds=SHORT)
        time.sleep(SHORT)
        status = went_back(host, before)
        for word in ("confirm", "cancel"):
            code, said = ctl(host, word)
            assert (code, f"cannot {word}: nothing " in said) == (REFUSED, True), said
        assert host.rests("in-sync")["last"] == status["last"]

    def test_a_second_apply_is_refused_and_cancel_goes_back_at_once(self, host: Guarded) -> None:
        before, new = proposed(host, seconds=LONG * 5)
        code, said = ctl(host, "apply", PROPOSED)
        assert (code, "a change awaits confirmation" in said) == (REFUSED, True), said
        assert host.log_driver() == new
        code, said = ctl(host, "cancel")
        assert code == 0, said
        host.rests("in-sync")
        assert host.log_driver() == before
        assert not host.machine.exists(EXTRA)


def paused(host: Guarded) -> None:
    def there() -> bool:
        status = host.status
        return status["phase"] == "paused" and host.alive(status)

    host.awaited(there, "a pause")
    assert host.status["reason"].startswith("paused by root: moving the rack")


def test_a_pause_outlives_dockcfgd_and_the_machine(host: Guarded) -> None:
    before, new = host.log_driver(), host.other_driver()
    assert ctl(host, "pause", "moving the rack")[0] == 0
    # No state that was taken back before.
    wanted = CALM.replace("= 5", "= 4").replace("[engine]", f'[engine]\nlog-driver = "{new}"')
    host.want(f'{wanted}[policy]\nrestart = "plain"\n')
    host.awaited(lambda: host.status["condition"] == "pending", "what is not in force")
    paused(host)
    begun = host.told()
    host.machine.run(["systemctl", "restart", "dockcfgd"])
    paused(host)
    # Nor is a hand edit put back meanwhile.
    edited = {**host.document, "debug": True, "max-concurrent-downloads": 9}
    host.machine.write("/etc/docker/daemon.json", json.dumps(edited))
    time.sleep(1)
    paused(host)
    assert (host.document, host.log_driver(), host.told()) == (edited, before, begun)
    host.machine.reboot()
    paused(host)
    assert (host.document, host.log_driver()) == (edited, before)
    assert ctl(host, "resume")[0] == 0
    host.rests("in-sync")
    assert (host.log_driver(), host.document["max-concurrent-downloads"]) == (new, 4)


def test_a_restart_waits_for_its_window_and_a_reload_does_not(host: Guarded) -> None:
    before, new, engine = host.log_driver(), host.other_driver(), host.engine
    opens = int(time.time()) + 20
    window = time.strftime("%H:%M:%S UTC", time.gmtime(opens))
    policy = f'[policy]\nrestart = "plain"\nmaintenance-windows = ["*-*-* {window}/10m"]\n'
    host.want(CALM.replace("= 5", "= 7") + policy)
    host.awaited(lambda: host.document["max-concurrent-downloads"] == 7, "the reload")
    host.rests("in-sync")
    assert host.engine == engine
    later = CALM.replace("= 5", "= 6").replace("[engine]", f'[engine]\nlog-driver = "{new}"')
    host.want(later + policy)
    status = host.rests("pending", saying="window")
    assert time.time() < opens, "too slow to tell"
    assert (host.log_driver(), host.engine) == (before, engine)
    # A dockcfgd that is restarted waits for the same.
    host.machine.run(["systemctl", "restart", "dockcfgd"])
    assert host.rests("pending", saying="window")["reason"] == status["reason"]
    host.awaited(lambda: time.time() >= opens, "the window", timeout=30)
    host.rests("in-sync")
    assert (host.log_driver(), host.document["max-concurrent-downloads"]) == (new, 6)


def test_more_than_max_impact_waits_for_an_apply(host: Guarded) -> None:
    before, new = host.log_driver(), host.other_driver()
    text = CALM.replace("[engine]", f'[engine]\nlog-driver = "{new}"')
    host.want(text + '[policy]\nrestart = "plain"\nmax-impact = "reload"\n')
    host.rests("pending", saying="max-impact")
    assert host.log_driver() == before
    code, said = ctl(host, "apply")
    assert code == 0, said
    host.rests("in-sync")
    assert host.log_driver() == new
