"""What verbs are given in tests: a screen in memory, a daemon that follows a script, a preview."""

from __future__ import annotations

import io
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.api.client import Client
from dockcfgd.cli.screen import Screen
from dockcfgd.model.errors import BusFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockcfgd.cli.preview import NamedFiles
    from dockcfgd.model.host import HostState


class _Stream(io.StringIO):
    def __init__(self, text: str = "", *, terminal: bool = False) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class Console:
    """A screen whose sides can be read; `answers` is what a person types, None: nobody is there.

    On a `terminal` both sides are one.
    """

    def __init__(self, answers: str | None = None, *, terminal: bool = False) -> None:
        self.stdout = _Stream(terminal=terminal)
        self.stderr = _Stream(terminal=terminal)
        stdin = _Stream(answers or "", terminal=answers is not None)
        self.screen = Screen(stdin=stdin, stdout=self.stdout, stderr=self.stderr, environment={})

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@dataclass
class Told:
    """A signal."""

    member: str
    arguments: tuple[Any, ...]


Event = Told | BusFailure | type[KeyboardInterrupt] | None


@dataclass
class Daemon:
    """A daemon that accepts everything as transaction t1, and whose signals follow a script.

    Each turn of `script` is run when the client waits for a signal: it may change `status`, and
    gives what the wait ends with (None: nothing came in time).
    """

    status: dict[str, Any] | None
    script: list[Callable[[Daemon], Event]] = field(default_factory=list)
    refusal: BusFailure | KeyboardInterrupt | None = None
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def connect(self) -> Client:
        return Client(self)

    def read_status(self) -> dict[str, Any] | None:
        return self.status

    def call(self, member: str, *arguments: Any, timeout: float) -> Any:
        assert timeout > 0
        if self.refusal is not None:
            raise self.refusal
        self.calls.append((member, *arguments))
        return "t1"

    @contextmanager
    def listen(self, *members: str) -> Iterator[Daemon]:
        assert "TransactionFinished" in members
        self.calls.append(("listen",))
        yield self

    def next(self, *, timeout: float) -> Told | None:
        assert timeout > 0
        event = self.script.pop(0)(self)
        if isinstance(event, BusFailure):
            raise event
        if event is KeyboardInterrupt:
            raise KeyboardInterrupt
        assert event is None or isinstance(event, Told)
        return event


def nothing_comes(_daemon: Daemon) -> Event:
    return None


@dataclass
class Plan:
    """A preview with a given document."""

    content: dict[str, Any]

    @property
    def refused(self) -> bool:
        return bool(self.content.get("refusals"))

    @property
    def empty(self) -> bool:
        return not self.content.get("steps")

    def document(self) -> dict[str, Any]:
        return self.content


@dataclass
class Previews:
    """Gives one plan, and notes for which files."""

    plan: dict[str, Any]
    asked: list[tuple[NamedFiles, str]] = field(default_factory=list)

    def __call__(self, files: NamedFiles, folder: str) -> Plan:
        self.asked.append((files, folder))
        return Plan(self.plan)


def no_paper(_files: NamedFiles, _folder: str, _host: HostState) -> Plan:
    raise AssertionError("no host was described")


GOLDEN = Path(__file__).parents[2] / "golden" / "cli"


def golden(kind: str, name: str) -> dict[str, Any]:
    """Give the document of a golden case."""
    document: dict[str, Any] = json.loads((GOLDEN / kind / f"{name}.json").read_text())
    return document


def started_ticks(pid: int) -> int:
    """Give when a process started, as proc(5) has it."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def living(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Give the document as one that this very process published and whose inputs are unchanged."""
    daemon = {**document["daemon"], "pid": os.getpid(), "started_ticks": started_ticks(os.getpid())}
    folder = input_view(Path(__file__).parent)
    desired = {**document["desired"], "files": [], "folders": [folder]}
    return {**document, "daemon": daemon, "desired": desired, **changes}


def input_view(path: Path) -> dict[str, Any]:
    """Give what the daemon publishes of an input file or folder."""
    if not path.exists():
        return {"path": str(path), "inode": 0, "mtime_ns": 0, "size": 0}
    found = path.stat()
    return {
        "path": str(path),
        "inode": found.st_ino,
        "mtime_ns": found.st_mtime_ns,
        "size": found.st_size,
    }
