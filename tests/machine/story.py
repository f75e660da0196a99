"""What dockcfgd does for a host, told step by step; every step is judged.

`tell` runs the whole story on a stage, the real machine's (machine_stage.py) or the simulated
host's (fake_stage.py), prints what is done and seen, and raises NotTrue at the first thing that is
not as promised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

__all__ = [
    "CONFIG",
    "DATA",
    "METRICS_ADDRESS",
    "Answer",
    "Document",
    "NotTrue",
    "Ran",
    "Seen",
    "Stage",
    "tell",
]

Document: TypeAlias = dict[str, Any]

CONFIG = "/etc/dockcfgd"
METRICS_ADDRESS = "127.0.0.1:9323"
DATA = "written before the driver changed"

_FIRST = """\
schema = 1

[engine]
debug = true
labels = ["room=12"]
"""
_LOG = """\
[engine]
log-driver = "local"
log-opts = { max-size = "10m", max-file = "3" }
"""
_WITHOUT_DEBUG = """\
schema = 1

[engine]
labels = ["room=12"]
"""
_STORAGE = """\
[engine]
storage-driver = "vfs"
"""
_METRICS = f"""\
[engine]
metrics-addr = "{METRICS_ADDRESS}"
"""
_TYPO = """\
[engine]
log-dirver = "json-file"
"""
_OTHER_ROOM = _WITHOUT_DEBUG.replace("12", "13")


class NotTrue(AssertionError):
    """Something that dockcfgd promises is not so."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A container: whether it runs, since when, and its ID."""

    running: bool
    started: str
    id: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A host at one moment. `files` are the two managed ones: content, owner and mode by path."""

    pid: int
    info: Mapping[str, Any]
    containers: Mapping[str, Ran]
    files: Mapping[str, object]

    @property
    def running(self) -> set[str]:
        return {name for name, one in self.containers.items() if one.running}


class Stage(Protocol):
    """A host with an engine and four running containers: plain, web, notes and, with --rm, visitor.

    plain has no restart policy, web a published port, notes a file in its writable layer.
    """

    backup_table: str
    """What the storage change's file says of backups, empty for the default."""

    def install(self) -> str:
        """Install dockcfgd and start it; give what was said."""

    def see(self) -> Seen:
        """Look at the host, past dockcfgd."""

    def put(self, path: str, text: str) -> None:
        """Put a file in place, owned by root."""

    def take_away(self, path: str) -> None:
        """Remove a file."""

    def touch(self, path: str) -> None:
        """Let a file look changed."""

    def control(self, *arguments: str) -> Answer:
        """Run dockcfgctl."""

    def daemon_json(self) -> Document:
        """Give what stands in daemon.json; empty where there is none."""

    def reloads(self) -> list[str]:
        """Give the `daemon reload` events that the engine has sent, with what they say."""

    def note(self) -> str:
        """Give what stands in the file of the container notes."""

    def greeting(self) -> str:
        """Ask the container web for its page over its published port; give what came."""

    def backups(self) -> Mapping[str, str]:
        """Give the complete backups: by name, the storage driver that they are of."""

    def occupy(self) -> None:
        """Have something listen on METRICS_ADDRESS."""


def tell(stage: Stage) -> None:
    """Run the story. NotTrue at the first thing that is not as promised."""
    story = _Story(stage)
    story.install()
    story.reload()
    story.restart()
    story.unset()
    story.migrate()
    story.go_back()
    story.refuse()
    story.roll_back()
    print("\nEverything was as promised.", flush=True)


class _Story:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def install(self) -> None:
        _title("0  Installed: nothing is touched")
        before = self._stage.see()
        _said("apt-get install ./dockcfgd.deb", self._stage.install())
        self._status("unmanaged")
        _holds(self._stage.see() == before, "engine, containers and files are as they were")
        _holds(before.running == {"plain", "web", "notes", "visitor"}, "four containers run")

    def reload(self) -> None:
        _title("1  A reloadable key: no container notices")
        before, reloads = self._stage.see(), self._stage.reloads()
        self._drop("conf.toml", _FIRST)
        status = self._status("in-sync")
        after = self._info("Debug", "Labels")
        self._applied(status, impact="reload")
        _holds(after.info["Debug"] is True, "the engine has debug = true")
        _holds(after.info["Labels"] == ["room=12"], "the engine has the label")
        new = self._stage.reloads()[len(reloads) :]
        _said("docker events --filter event=reload", "\n".join(new))
        told = len(new) == 1 and "debug=true" in new[0]
        _holds(told, "the engine itself reported one reload, with debug=true")
        self._undisturbed(before, after)

    def restart(self) -> None:
        _title("2  A key that takes a restart: containers run on where the plan says so")
        plan = self._plan("20-log.toml", _LOG)
        before = self._stage.see()
        self._drop("conf.d/20-log.toml", _LOG)
        status = self._status("in-sync")
        after = self._info("LoggingDriver", "LiveRestoreEnabled")
        self._applied(status, impact="restart")
        _holds(plan["impact"] == "restart", "the plan had announced a restart")
        _holds(after.pid != before.pid, f"the engine is a new process: {before.pid}, {after.pid}")
        _holds(after.info["LoggingDriver"] == "local", "the engine has log-driver = local")
        self._all_run(before, after)
        bridged = set(plan["disturbed"]["bridged"])
        same = {name for name in bridged if after.containers[name] == before.containers[name]}
        _holds(same == bridged, f"with the same start time, as planned: {', '.join(sorted(same))}")
        live = after.info["LiveRestoreEnabled"]
        _holds(live is False, "live-restore, nobody's wish, is off again")

    def unset(self) -> None:
        _title("3  A key that leaves the file is unset in the running engine")
        before = self._stage.see()
        self._drop("conf.toml", _WITHOUT_DEBUG)
        self._applied(self._status("in-sync"), impact="reload")
        after = self._info("Debug", "Labels")
        _holds(before.info["Debug"] is True, "debug was on before")
        _holds(after.info["Debug"] is False, "debug is off in the engine")
        document = self._stage.daemon_json()
        _said("cat /etc/docker/daemon.json", json.dumps(document, indent=2))
        _holds("debug" not in document, "and daemon.json does not name it any more")
        self._undisturbed(before, after)

    def migrate(self) -> None:
        _title("4  Another storage driver: images and containers come along")
        text = _STORAGE + self._stage.backup_table
        self._plan("30-storage.toml", text)
        before = self._stage.see()
        _holds(before.info["Driver"] != "vfs", f"the driver is {before.info['Driver']}")
        self._drop("conf.d/30-storage.toml", text)
        self._applied(self._status("in-sync"), impact="migrate")
        after = self._info("Driver", "Images")
        _holds(after.info["Driver"] == "vfs", "the driver is vfs")
        _holds(after.info["Images"] >= before.info["Images"], "all images are there")
        self._all_run(before, after)
        note, page = self._stage.note(), self._stage.greeting()
        _said("docker exec notes cat /note", note)
        _holds(note == DATA, "the container notes has what it had written")
        _holds(page == "hello", "the container web answers on its port")
        backups = self._stage.backups()
        _said("backups (of driver)", "\n".join(f"{one} ({of})" for one, of in backups.items()))
        known = list(backups.values()) == [before.info["Driver"]]
        _holds(known, "one complete backup of the old driver's content is there")

    def go_back(self) -> None:
        _title("5  What no check can foresee: the engine does not start, and all goes back")
        before = self._stage.see()
        plan = self._plan("40-metrics.toml", _METRICS)
        _holds(not plan["refusals"], "every check passes")
        self._stage.occupy()
        print(f"   (now something else listens on {METRICS_ADDRESS})")
        self._drop("conf.d/40-metrics.toml", _METRICS)
        status = self._status("rejected")
        after, last = self._stage.see(), status["last"]
        _holds(last["verdict"] == "rolled-back", "the verdict is rolled-back")
        own = "address already in use"
        _holds(own in (status["reason"] or ""), f"the reason has the engine's own words: {own}")
        _holds(
            after.files == before.files, "both files are byte for byte as before, owner and mode"
        )
        _holds(after.pid not in {0, before.pid}, f"the engine runs again, as {after.pid}")
        self._all_run(before, after)
        self._stage.touch(f"{CONFIG}/conf.toml")
        again = self._status("rejected")
        _holds(again["last"] == last, "it is not tried again by itself")
        _holds(self._stage.see() == after, "and nothing was done since")
        self._take_away("conf.d/40-metrics.toml", after)

    def refuse(self) -> None:
        _title("6  A typo is refused before anything is touched")
        before = self._stage.see()
        self._drop("conf.d/50-typo.toml", _TYPO)
        status = self._status("rejected")
        errors = status["desired"]["errors"]
        _holds(len(errors) == 1, "there is one error")
        found = errors[0]
        _holds(found["file"] == f"{CONFIG}/conf.d/50-typo.toml", "it names the file")
        _holds(found["line"] == 2, "the line")
        _holds("log-dirver" in found["key"], "the key")
        _holds("log-driver" in f"{found['message']} {found['hint']}", "and the nearest right name")
        _holds(status["last"]["verdict"] == "refused", "the verdict is refused")
        _holds(self._stage.see() == before, "engine, containers and files are as they were")
        self._take_away("conf.d/50-typo.toml", before)

    def roll_back(self) -> None:
        _title("7  History, and back by one word")
        before = self._stage.see()
        self._drop("conf.toml", _OTHER_ROOM)
        self._applied(self._status("in-sync"), impact="reload")
        _holds(self._stage.see().info["Labels"] == ["room=13"], "the label is the new one")
        self._control("rollback")
        status = self._status("rejected")
        _holds("operator" in status["reason"], "the files on disk wait, on an operator's word")
        after = self._info("Labels")
        _holds(after.info["Labels"] == ["room=12"], "the label is the old one again")
        self._undisturbed(before, after)
        self._control("history")
        generations = self._document("history")["generations"]
        verdicts = {one["verdict"] for one in generations}
        _holds({"applied", "rolled-back", "refused"} <= verdicts, "the history has every verdict")
        numbers = [one["generation"] for one in generations]
        _holds(numbers == sorted(numbers, reverse=True), "the newest first")

    # What steps have in common

    def _drop(self, name: str, text: str) -> None:
        path = f"{CONFIG}/{name}"
        _said(f"cat > {path}", text)
        self._stage.put(path, text)
        answer = self._stage.control("wait", "--timeout=5m")
        _said("dockcfgctl wait", answer.text)
        _holds(answer.code in {0, 1}, f"there is a verdict (exit {answer.code})")

    def _take_away(self, name: str, before: Seen) -> None:
        _said(f"rm {CONFIG}/{name}", "")
        self._stage.take_away(f"{CONFIG}/{name}")
        self._stage.control("wait", "--timeout=1m")
        self._status("in-sync", shown=False)
        _holds(self._stage.see() == before, "without that file all is in sync again, untouched")

    def _plan(self, name: str, text: str) -> Document:
        path = f"/root/{name}"
        self._stage.put(path, text)
        self._control("plan", path)
        return self._document("plan", path)

    def _status(self, condition: str, *, shown: bool = True) -> Document:
        if condition != "unmanaged":
            self._stage.control("wait", "--timeout=1m")
        if shown:
            self._control("status")
        status = self._document("status")
        found = f"{status['condition']}, {status['reason']}"
        _holds(status["condition"] == condition, f"the host is {condition}", found)
        return status

    def _applied(self, status: Document, *, impact: str) -> None:
        last = status["last"]
        found = f"{last['verdict']} by {last['impact']}"
        _holds(found == f"applied by {impact}", f"applied, and it took a {impact}", found)

    def _info(self, *names: str) -> Seen:
        seen = self._stage.see()
        _said("docker info", "\n".join(f"{name}: {seen.info[name]}" for name in names))
        return seen

    def _undisturbed(self, before: Seen, after: Seen) -> None:
        _holds(after.pid == before.pid, f"the engine is the same process, {after.pid}")
        _holds(after.containers == before.containers, "all containers run since the same time")

    def _all_run(self, before: Seen, after: Seen) -> None:
        missing = ", ".join(sorted(before.running - after.running))
        _holds(not missing, f"all that ran runs: {', '.join(sorted(after.running))}", missing)

    def _control(self, *arguments: str) -> None:
        _said(f"dockcfgctl {' '.join(arguments)}", self._stage.control(*arguments).text)

    def _document(self, *arguments: str) -> Document:
        answer = self._stage.control(*arguments, "--json")
        try:
            document: Document = json.loads(answer.text)
        except ValueError:
            raise NotTrue(f"dockcfgctl {arguments[0]} --json: {answer.text}") from None
        return document


def _title(text: str) -> None:
    print(f"\n== {text}\n", flush=True)


def _said(command: str, text: str) -> None:
    print(f"   $ {command}")
    for line in text.splitlines():
        print(f"   | {line}".rstrip())
    print(flush=True)


def _holds(fact: object, text: str, instead: object = "") -> None:
    if not fact:
        print(f"   NOT TRUE: {text}", flush=True)
        raise NotTrue(f"{text}: {instead}" if instead else text)
    print(f"   ok  {text}", flush=True)
