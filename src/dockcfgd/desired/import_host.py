"""A host's present configuration as TOML that plans to nothing on that host.

The keys of daemon.json become `[engine]`, those that the key table does not know `[engine-extra]`.
What could not be taken over without changing something is shown as a comment with the reason.

Rejected: taking over flags too. A key that stands in daemon.json must not be passed as a flag, so
the flag would have to leave the command, and that is a restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dockcfgd.desired.import_text import Entry, comment, table_lines, unwritable
from dockcfgd.desired.import_unit import unit_entries
from dockcfgd.desired.json_places import Places, key_places
from dockcfgd.engine_keys.check import check, remarks
from dockcfgd.engine_keys.finding import KeyFinding, shown_path
from dockcfgd.engine_keys.table import is_table, lookup, table
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import DesiredState, KeyPath, Service, dotted
from dockcfgd.model.errors import Finding, ImportRefused
from dockcfgd.model.host import HostState
from dockcfgd.model.policy import Backup, Policy, Storage, Verify
from dockcfgd.planning import leaves
from dockcfgd.planning.foreign_json import read_json
from dockcfgd.planning.freeing import conflicting, place_of, shown
from dockcfgd.planning.launch import launch_of
from dockcfgd.planning.planner import Rules, make_plan
from dockcfgd.planning.target import Applied, UnreadableFile, refuse_irregular, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockcfgd.desired.load import Loaded
    from dockcfgd.model.desired import Json

__all__ = ["Imported", "import_host"]

_HEAD = """\
Made by `dockcfgctl import` from what it found on this host. As /etc/dockcfgd/conf.toml, or in
conf.d, it changes nothing here: dockcfgd then keeps these values as they are.

What is commented out stays where it is. To have dockcfgd set it, un-comment it with the header of
its table; `dockcfgctl plan FILE` tells what that would do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The text, and what an operator must know of it: what was not taken over, what will go."""

    toml: str
    notes: tuple[Finding, ...] = ()


def import_host(host: HostState, *, ours: Loaded | None = None) -> Imported:
    """Give the TOML of a host. `ours` is the desired state in force, where there is one.

    Its `[service]` counts where our drop-in is there, its other tables beside `[engine]` always.
    Raises ImportRefused where daemon.json is not valid.
    """
    document, places = _read(host)
    taking = _Taking(host, document, places)
    taking.sort_out()
    unit = unit_entries(host)
    own = _own(ours, "service") if host.drop_in.present else ()
    lines = [*comment(_HEAD), "schema = 1", ""]
    lines += table_lines("engine", [*taking.entries("engine"), *unit.engine], header=True)
    lines += table_lines("engine-extra", [*taking.entries("engine-extra")])
    lines += table_lines("service", [*own, *unit.service])
    for name in ("policy", "verify", "backup", "storage"):
        lines += table_lines(name, [*_own(ours, name)])
    return Imported("\n".join(lines).rstrip("\n") + "\n", tuple(taking.notes()))


def _read(host: HostState) -> tuple[dict[str, Json], Places]:
    path, content = host.daemon_json.path, host.daemon_json.content
    try:
        refuse_irregular(host.daemon_json)
    except UnreadableFile as failure:
        _refuse(path, None, failure.why)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path, content.count(b"\n", 0, error.start) + 1, "not valid UTF-8")
    if not text.strip():
        return {}, Places()
    try:
        document = read_json(text)
        places = key_places(text)
    except json.JSONDecodeError as error:
        _refuse(path, error.lineno, f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}")
    except ValueError as error:
        _refuse(path, None, f"not valid JSON: {error}")
    if document is None:
        return {}, Places()
    if not isinstance(document, dict):
        _refuse(path, 1, "not a JSON object")
    return document, places


def _refuse(path: str, line: int | None, why: str) -> NoReturn:
    hint = "mend it first; `dockerd --validate` tells what the engine thinks of it"
    raise ImportRefused(Finding(message=why, file=path, line=line, hint=hint))


class _Taking:
    """Sorts the leaves of daemon.json: `[engine]`, `[engine-extra]`, or left as they are."""

    def __init__(self, host: HostState, document: dict[str, Json], places: Places) -> None:
        self._host, self._places = host, places
        self._leaves = leaves.flatten(document)
        self._version = EngineVersion.parse_or_none(host.version)
        self._table = dict.fromkeys(self._leaves, "engine")
        self._why_not: dict[KeyPath, str] = {}
        self._remarks: dict[KeyPath, str] = {}

    def sort_out(self) -> None:
        """Leave out what would be refused, or would change something."""
        for path, value in self._leaves.items():
            why = unwritable([*path, value]) or self._twice(path) or _ignored_object(path, value)
            if why:
                self._leave(path, why)
            if _unknown(path):
                self._table[path] = "engine-extra"
        while refused := [*check(self._document("engine"), self._version)]:
            for finding in refused:
                self._settle(finding)
        while changing := dict(self._changes()):
            for path, why in changing.items():
                self._leave(path, why)
        for finding in remarks(self._document("engine"), self._version):
            for path in self._at(finding.path):
                self._remarks[path] = _plain(finding)

    def entries(self, table: str) -> Iterator[Entry]:
        """Give the leaves of one of the two tables."""
        for path, value in self._leaves.items():
            if self._table[path] != table:
                continue
            why = self._why_not.get(path)
            if why is None:
                yield Entry(
                    path, value, f"from {self._place(path)}", remark=self._remarks.get(path, "")
                )
            else:
                yield Entry(path, value, f"left in {self._place(path)}: {why}", live=False)

    def notes(self) -> Iterator[Finding]:
        """Give what was not taken over, and what is taken over and will go."""
        file = self._host.daemon_json.path
        said = {path: f"not taken over: {why}" for path, why in self._why_not.items()}
        for path in self._leaves:
            message = said.get(path) or self._remarks.get(path)
            if message:
                line = self._places.lines.get(path)
                yield Finding(message=message, file=file, line=line, key=dotted(path))

    def _leave(self, path: KeyPath, why: str) -> None:
        self._why_not.setdefault(path, why)

    def _place(self, path: KeyPath) -> str:
        line = self._places.lines.get(path)
        return f"{self._host.daemon_json.path}:{line}" if line else self._host.daemon_json.path

    def _twice(self, path: KeyPath) -> str:
        for length in range(1, len(path) + 1):
            lines = self._places.repeated.get(path[:length])
            if lines:
                shown = dotted(path[:length])
                return f"{shown} stands there more than once (lines {', '.join(map(str, lines))})"
        return ""

    def _document(self, *tables: str) -> dict[str, Json]:
        document: dict[str, Json] = {}
        for path, value in self._leaves.items():
            if path not in self._why_not and self._table[path] in tables:
                leaves.put(document, path, value)
        return document

    def _at(self, path: KeyPath) -> list[KeyPath]:
        """Give the live leaves of `[engine]` that a path is in, or that are in it."""
        known = [
            one for one in self._leaves if one not in self._why_not and self._table[one] == "engine"
        ]
        return [one for one in known if path[: len(one)] == one or one[: len(path)] == path]

    def _settle(self, finding: KeyFinding) -> None:
        found = (
            self._at(finding.path) or self._at(finding.path[:1]) or self._written_as(finding.path)
        )
        for path in found:
            self._leave(path, _plain(finding))

    def _written_as(self, path: KeyPath) -> list[KeyPath]:
        """Give the live leaves whose names hold dots themselves, or else all: one is at fault."""
        live = [one for one in self._leaves if one not in self._why_not]
        return [one for one in live if ".".join(one).startswith(".".join(path))] or live

    def _changes(self) -> Iterator[tuple[KeyPath, str]]:
        """Find the keys for which the plan would do something."""
        desired = _desired(self._document("engine", "engine-extra"))
        plan = make_plan(target_of(desired, self._host, Applied()), self._host, Rules())
        for drift in plan.drifts:
            if drift.where == "drop-in":
                yield from self._by_flag_too()
            if drift.where == "engine":
                why = f"the running engine does not have it yet; that takes a {drift.impact.word}"
                yield from ((path, why) for path in self._live_at(drift.path))
        for refusal in plan.refusals:
            path = tuple((refusal.key or "").replace('"', "").split("."))[1:]
            yield from ((one, refusal.message) for one in self._live_at(path))

    def _by_flag_too(self) -> Iterator[tuple[KeyPath, str]]:
        """Find the keys that a flag sets too: to take them over would change the command."""
        launch = launch_of(self._host)
        for flag, path in conflicting(launch.flags, self._document("engine", "engine-extra")):
            why = (
                f"{shown(flag)} ({place_of(launch, flag)}) sets it too, and the engine refuses both"
            )
            yield from ((one, why) for one in self._live_at(path))

    def _live_at(self, path: KeyPath) -> Iterable[KeyPath]:
        return [
            one for one in self._leaves if one not in self._why_not and one[: len(path)] == path
        ]


def _unknown(path: KeyPath) -> bool:
    """Whether the table knows nothing of the name at the top, not even as that of a flag."""
    top = path[:1]
    return lookup(top) is None and not is_table(top) and top[0] not in table().flag_spellings


def _ignored_object(path: KeyPath, value: Json) -> str:
    if _unknown(path) and (len(path) > 1 or isinstance(value, dict)):
        return "engines ignore an object that they do not know; un-comment it if this one knows it"
    return ""


def _plain(finding: KeyFinding) -> str:
    """Give the reason alone: the key stands beside it."""
    message = finding.message.removeprefix("cannot use ")
    path = shown_path(finding.path)
    reason = message.partition(": ")[2] if message.startswith(path) else message
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"{reason or message}{hint}"


def _desired(engine: dict[str, Json]) -> DesiredState:
    return DesiredState(
        engine=engine,
        service=Service(),
        policy=Policy(),
        verify=Verify(),
        backup=Backup(),
        storage=Storage(),
        digest="",
    )


def _own(ours: Loaded | None, table: str) -> Iterator[Entry]:
    """Give a table of the desired state in force: nothing on the host has it."""
    values = {} if ours is None else ours.document.get(table, {})
    for path, value in leaves.flatten(values).items():
        source = ours.sources.get((table, *path)) if ours else None
        line = f":{source.line}" if source and source.line else ""
        where = f"{source.file}{line}" if source else "the desired state in force"
        yield Entry(path, value, f"from {where}")
