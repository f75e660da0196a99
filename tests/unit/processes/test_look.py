"""The look through the ports: names from the engine, from its files, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dockcfgd.adapters.processes import HostProcesses
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.processes import Process
from dockcfgd.model.systemd import JobVerb
from dockcfgd.processes.look import look_tree
from dockcfgd.settings import Settings
from tests.fakes.files import FakeFiles
from tests.fakes.host import FakeHost
from tests.fakes.processes import FakeProcesses
from tests.support.proc_tree import WEB, ProcTree


def _shims(host: FakeHost, proc: ProcTree) -> list[dict[str, Any]]:
    document = look_tree(host.effects, Settings(), HostProcesses(str(proc.folder)))
    assert json.loads(json.dumps(document)) == document
    return [one for root in document["processes"] for one in root["children"]]


def test_names_come_from_the_engine(tmp_path: Path) -> None:
    host, proc = FakeHost(), ProcTree(tmp_path)
    identity = host.run("web")
    proc.containerd()
    proc.shim(200, identity)
    (shim,) = _shims(host, proc)
    assert shim["container"]["name"] == "web"
    assert (shim["container"]["state"], shim["trouble"]) == ("running", None)


class _Meanwhile:
    """ports.Processes, with what happens on the host just before or after they are looked at."""

    def __init__(
        self, proc: ProcTree, *, before: Callable[[], object], after: Callable[[], object]
    ) -> None:
        self._proc, self._before, self._after = proc, before, after

    def list(self) -> tuple[Process, ...]:
        self._before()
        found = HostProcesses(str(self._proc.folder)).list()
        self._after()
        return found


def test_what_comes_and_goes_during_the_look_is_no_trouble(tmp_path: Path) -> None:
    host, proc = FakeHost(), ProcTree(tmp_path)
    proc.containerd()
    ending, gone = host.run("ending"), host.run("gone")
    proc.shim(200, ending)
    proc.shim(300, gone)

    def end() -> None:
        host.effects.containers.stop(ending)
        host.effects.containers.remove(gone)

    processes = _Meanwhile(proc, before=lambda: proc.shim(400, host.run("new")), after=end)
    document = look_tree(host.effects, Settings(), processes)
    shims = [one for root in document["processes"] for one in root["children"]]
    troubles = {one["container"]["name"]: one["trouble"] for one in shims}
    assert troubles == {"ending": None, "gone": None, "new": None}


def test_no_command_shows_a_secret(tmp_path: Path) -> None:
    host, proc = FakeHost(), ProcTree(tmp_path)
    identity = host.run("db")
    proc.containerd()
    proc.shim(200, identity)
    words = ("--password", "hidden-Qx7", "--token=hidden-Qx8", "--from", "http://me:hidden-Qx9@h")
    proc.inside(201, 200, identity, 1, "/bin/db", "--port", "5432", *words)
    (shim,) = _shims(host, proc)
    (first,) = shim["children"]
    shown = ["/bin/db", "--port", "5432", "--password", "***", "--token=***", "--from"]
    assert first["command"] == [*shown, "http://***@h"]


def test_names_come_from_the_files_of_an_engine_that_is_down(tmp_path: Path) -> None:
    host, proc = FakeHost(daemon_json='{"data-root": "/srv/docker"}'), ProcTree(tmp_path)
    host.files.put(f"/srv/docker/containers/{WEB}/config.v2.json", '{"Name": "/web"}')
    host.systemd.run_job(JobVerb.STOP, "docker.service", timeout=90)
    proc.containerd()
    proc.shim(200, WEB)
    (shim,) = _shims(host, proc)
    assert (shim["container"]["name"], shim["trouble"]) == ("web", None)
    document = look_tree(host.effects, Settings(), FakeProcesses())
    assert document["engine"] == {
        "running": False,
        "version": "",
        "reason": "docker.service is inactive (dead)",
    }


class _Closed(FakeFiles):
    def names(self, folder: str) -> tuple[str, ...]:
        raise FileFailure(what="list", path=folder, errno=13, why="Permission denied")


def test_what_this_user_may_not_see_is_noted() -> None:
    host = FakeHost()
    host.systemd.run_job(JobVerb.STOP, "docker.service", timeout=90)
    closed = replace(host.effects, files=_Closed())
    (note,) = look_tree(closed, Settings(), FakeProcesses())["notes"]
    assert note == (
        "the containers' names are not known: cannot list /var/lib/docker/containers:"
        " Permission denied"
    )
