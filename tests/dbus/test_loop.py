from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from dockcfgd.adapters.bus import Loop
from tests.support.looping import while_looping
from tests.support.private_bus import ROOT


def test_work_from_other_threads_comes_in_order(loop: Loop) -> None:
    done: list[int] = []

    def work() -> None:
        for number in range(100):
            loop.call_soon(lambda number=number: done.append(number))  # type: ignore[misc]

    while_looping(loop, work)
    assert done == list(range(100))


def test_it_runs_in_the_loops_thread(loop: Loop) -> None:
    threads: list[int] = []
    while_looping(loop, lambda: loop.call_soon(lambda: threads.append(threading.get_ident())))
    assert threads == [threading.get_ident()]


def test_a_timer_fires_once_in_time(loop: Loop) -> None:
    fired: list[float] = []
    begin = time.monotonic()
    timer = loop.call_later(0.1, lambda: fired.append(time.monotonic() - begin))
    loop.call_later(0.4, loop.quit)
    loop.run()
    timer.cancel()
    assert len(fired) == 1
    assert 0.09 < fired[0] < 0.35


def test_a_cancelled_timer_does_not_fire(loop: Loop) -> None:
    fired: list[str] = []
    timer = loop.call_later(0.05, lambda: fired.append("late"))
    timer.cancel()
    timer.cancel()
    loop.call_later(0.2, loop.quit)
    loop.run()
    assert fired == []


def test_a_repeating_timer_ends_when_it_cancels_itself(loop: Loop) -> None:
    fired: list[int] = []

    def tick() -> None:
        fired.append(1)
        if len(fired) == 3:
            timer.cancel()

    timer = loop.call_every(0.02, tick)
    loop.call_later(0.4, loop.quit)
    loop.run()
    assert len(fired) == 3


PROGRAM = """
import signal, sys
from dockcfgd.adapters.bus import Loop
loop = Loop()
def told(name):
    print(name, flush=True)
    if name == "term":
        loop.quit()
loop.on_signal(signal.SIGHUP, lambda: told("hup"))
loop.on_signal(signal.SIGTERM, lambda: told("term"))
loop.call_soon(lambda: print("runs", flush=True))
loop.run()
print("ended")
"""


def test_process_signals_wake_an_idle_loop() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        time.sleep(0.2)
        begin = time.monotonic()
        for number, name in ((signal.SIGHUP, "hup"), (signal.SIGTERM, "term")):
            process.send_signal(number)
            assert process.stdout.readline() == f"{name}\n"
        assert process.stdout.readline() == "ended\n"
        assert time.monotonic() - begin < 1
    assert process.returncode == 0
