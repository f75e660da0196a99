"""What Prometheus is given."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import Any

import pytest

from dockcfgd.cli.metrics_text import render
from dockcfgd.cli.published import fresh
from dockcfgd.cli.verbs import metrics
from tests.unit.cli.surroundings import GOLDEN, Console, golden

_NAMES = sorted(path.stem for path in (GOLDEN / "status").glob("*.json"))
_INFO: dict[str, Any] = {
    "ServerVersion": '26.1.5"\\\n',
    "Driver": "overlay2",
    "ContainersRunning": 2,
    "ContainersPaused": 0,
    "ContainersStopped": 1,
    "Images": 7,
    "LiveRestoreEnabled": True,
}
_LINE = re.compile(r'dockcfgd_[a-z_]+(\{[a-z]+="[^\n]*"\})? -?[0-9.e+]+')


@pytest.mark.parametrize("name", _NAMES)
def test_every_line_is_one_that_prometheus_reads(name: str) -> None:
    lines = render(golden("status", name), _INFO).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(_LINE.fullmatch(line) for line in samples)
    helped = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    assert len(helped) == len(set(helped))
    assert {re.split(r"[{ ]", line)[0] for line in samples} == set(helped)


def test_condition_and_engine_are_told() -> None:
    lines = render(golden("status", "in-sync"), _INFO).splitlines()
    assert "dockcfgd_up 1" in lines
    assert 'dockcfgd_condition{condition="in-sync"} 1' in lines
    assert 'dockcfgd_condition{condition="degraded"} 0' in lines
    assert 'dockcfgd_engine_containers{state="running"} 2' in lines
    assert r'dockcfgd_engine_info{version="26.1.5\"\\\n",storage="overlay2"} 1' in lines


def test_a_snapshotter_has_the_name_that_the_status_gives_it() -> None:
    stored = {"Driver": "btrfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    lines = render(golden("status", "in-sync"), _INFO | stored).splitlines()
    assert any('storage="containerd-btrfs"' in line for line in lines)


def test_a_host_where_nothing_runs_is_told_too() -> None:
    console = Console()
    code = metrics.run(
        Namespace(json=False),
        read_status=lambda: None,
        read_info=lambda: None,
        screen=console.screen,
    )
    assert code == 0
    lines = console.out.splitlines()
    assert "dockcfgd_up 0" in lines
    assert "dockcfgd_engine_up 0" in lines
    assert 'dockcfgd_phase{phase="stopped"} 1' in lines
    assert "condition{" not in console.out


def test_a_status_whose_daemon_is_gone_is_not_up() -> None:
    console = Console()
    gone = golden("status", "in-sync")
    gone["daemon"]["pid"] = 2**31 - 1
    metrics.run(
        Namespace(json=False),
        read_status=lambda: gone,
        read_info=lambda: None,
        screen=console.screen,
    )
    assert "dockcfgd_up 0" in console.out.splitlines()


def test_as_a_document() -> None:
    console = Console()
    code = metrics.run(
        Namespace(json=True),
        read_status=lambda: golden("status", "in-sync"),
        read_info=lambda: _INFO,
        screen=console.screen,
    )
    assert (code, console.document["schema"]) == (0, 1)
    metrics_of = console.document["metrics"]
    running = {"state": "running"}
    one = {"name": "dockcfgd_engine_containers", "labels": running, "value": 2.0}
    assert one in metrics_of
    lines = render(fresh(golden("status", "in-sync")), _INFO).splitlines()
    assert len(metrics_of) == sum(not line.startswith("#") for line in lines)
