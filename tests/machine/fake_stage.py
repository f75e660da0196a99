"""The story's stage where no machine can be booted: a simulated host and the real reconciler."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dockcfgd.chronicle import read_history
from dockcfgd.cli.plan_text import render as plan_text
from dockcfgd.cli.screen import Screen
from dockcfgd.cli.text import render as status_text
from dockcfgd.cli.verbs import history
from dockcfgd.history import read_applied
from dockcfgd.migration.archive import list_backups
from dockcfgd.model.status import Status
from dockcfgd.reconcile.preview import preview
from dockcfgd.reconcile.reconciler import Reconciler
from dockcfgd.reconcile.requests import Look, PlanRequest, Rollback, Stop
from dockcfgd.settings import Settings
from dockcfgd.state_file import StateFile
from dockcfgd.transaction.undo import Undo
from story import DATA, METRICS_ADDRESS, Answer, Document, Ran, Seen
from tests.fakes.host import FakeHost

__all__ = ["FakeStage", "fake_stage"]

_SECONDS = 60.0
_NOTE = "/note"
_CODES = {"rejected": 1, "degraded": 1, "pending": 4, "drifted": 4}


class FakeStage:
    """See story.Stage. dockcfgd's state and backups go into *folder*."""

    def __init__(self, folder: Path) -> None:
        self._host = FakeHost(data_root=str(folder / "docker"))
        self._backups = str(folder / "backups")
        self.backup_table = f'\n[backup]\ndirectory = "{self._backups}"\n'
        self._settings = Settings(state_dir=str(folder / "state"))
        self._make_containers()
        self._effects = self._host.effects
        self._state: StateFile | None = None
        self._undo = Undo(self._settings.state_dir)
        self._reconciler: Reconciler | None = None
        self._thread: threading.Thread | None = None

    def _make_containers(self) -> None:
        port = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}
        self._host.run("plain")
        self._host.run("web", host_config=port, layer={"/www/index.html": b"hello"})
        self._host.run("notes", restart="always", layer={_NOTE: DATA.encode()})
        self._host.run("visitor", host_config={"AutoRemove": True})

    def install(self) -> str:
        self._state = StateFile(self._settings.state_file)
        first = Status(version="0", pid=1, since=self._host.clock.now(), started_ticks=0)
        self._reconciler = Reconciler(
            self._effects,
            self._state,
            self._settings,
            undo=self._undo,
            first=first,
            publish=lambda _: None,
            finished=lambda _transaction, _verdict: None,
        )
        self._thread = threading.Thread(target=self._reconciler.run, name="reconciler")
        self._thread.start()
        self._settle()
        return "(no package: the reconciler runs against a simulated host)"

    def close(self) -> None:
        """Stop the reconciler."""
        if self._thread is not None:
            self._running().enqueue(Stop())
            self._thread.join(_SECONDS)
        if self._state is not None:
            self._state.close()
        self._undo.close()

    def see(self) -> Seen:
        containers = self._host.dockerd.containers()
        return Seen(
            pid=self._host.systemd.unit("docker.service").main_pid,
            info=self._host.engine.info(),
            containers={one.name: Ran(one.alive, one.started, one.id) for one in containers},
            files={path: self._file(path) for path in self._managed()},
        )

    def put(self, path: str, text: str) -> None:
        self._host.files.put(path, text)

    def take_away(self, path: str) -> None:
        self._host.files.delete(path)

    def touch(self, path: str) -> None:
        self._host.files.put(path, self._host.files.text(path))

    def control(self, *arguments: str) -> Answer:
        verb, *rest = arguments
        as_json = "--json" in rest
        if verb == "plan":
            return self._plan(rest[0], as_json=as_json)
        if verb == "history":
            return self._history(as_json=as_json)
        self._settle(Rollback("by-hand") if verb == "rollback" else Look("asked"))
        document = self._running().snapshot().document()
        text = status_text(document)
        shown = (
            json.dumps(document)
            if as_json
            else text
            if verb == "status"
            else text[: text.find("\n")]
        )
        return Answer(_CODES.get(str(document["condition"]), 0), shown)

    def daemon_json(self) -> Document:
        document: Document = json.loads(self._host.files.text(self._settings.daemon_json))
        return document

    def reloads(self) -> list[str]:
        process = self._host.dockerd.process
        events = [] if process is None else process.events
        return [", ".join(f"{name}={value}" for name, value in one.items()) for one in events]

    def note(self) -> str:
        return self._host.content("notes")[_NOTE].decode()

    def greeting(self) -> str:
        bindings = self._host.container("web").host["PortBindings"]["80/tcp"]
        page = self._host.content("web")["/www/index.html"].decode()
        return page if bindings[0]["HostPort"] == "8080" else ""

    def backups(self) -> Mapping[str, str]:
        found = list_backups(self._backups)
        return {one.id: one.manifest.storage for one in found if one.manifest is not None}

    def occupy(self) -> None:
        reason = f"listen tcp {METRICS_ADDRESS}: bind: address already in use"
        line = f"failed to start metrics server: {reason}"
        self._host.refuse_start(lambda config: line if "metrics-addr" in config else None)

    def _managed(self) -> tuple[str, str]:
        return self._settings.daemon_json, f"{self._settings.drop_in_dir}/zz-dockcfgd.conf"

    def _file(self, path: str) -> object:
        state = self._host.files.read(path)
        return (state.content, state.tag) if state.present else None

    def _running(self) -> Reconciler:
        if self._reconciler is None:
            raise RuntimeError("cannot ask dockcfgd: it is not installed yet")
        return self._reconciler

    def _settle(self, *requests: Look | Rollback) -> None:
        """Hand requests in and wait until they are served: what comes last is answered last."""
        answered = threading.Event()
        reconciler = self._running()
        for request in requests:
            reconciler.enqueue(request)
        reconciler.enqueue(PlanRequest((), lambda _: answered.set(), lambda _: answered.set()))
        if not answered.wait(_SECONDS):
            raise TimeoutError(f"cannot go on: no answer within {_SECONDS:g} s")

    def _plan(self, path: str, *, as_json: bool) -> Answer:
        name = path.rpartition("/")[2]
        document: dict[str, Any] = preview(
            ((name, self._host.files.text(path)),),
            effects=self._effects,
            settings=self._settings,
            applied=read_applied(self._settings.state_file),
        ).document()
        return Answer(0, json.dumps(document) if as_json else plan_text(document))

    def _history(self, *, as_json: bool) -> Answer:
        out = io.StringIO()
        screen = Screen(stdin=io.StringIO(), stdout=out, stderr=out, environment={})
        arguments = Namespace(json=as_json)
        code = history.run(
            arguments, read=lambda: read_history(self._settings.state_file), screen=screen
        )
        return Answer(code, out.getvalue())


@contextlib.contextmanager
def fake_stage(folder: Path) -> Iterator[FakeStage]:
    """Give a stage that is closed at the end."""
    stage = FakeStage(folder)
    try:
        yield stage
    finally:
        stage.close()
