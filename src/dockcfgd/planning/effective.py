"""What the running engine uses for each key, where that value comes from, and what proves it.

Facts: an engine does not start with a key set by flag and file both, so which of them wins is no
question, but for DOCKER_DRIVER, which beats both. A variable stands behind flag and file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from dockcfgd.engine_keys import proof
from dockcfgd.engine_keys.key import FileRule, NoDefault
from dockcfgd.engine_keys.table import default_value, known_keys, lookup
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import dotted
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.planning import leaves
from dockcfgd.planning.docker0 import shown_by_docker0
from dockcfgd.planning.flags import by_flags
from dockcfgd.planning.launch import launch_in_force, running_flags
from dockcfgd.planning.target import Applied, daemon_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.engine_keys.key import Key
    from dockcfgd.model.desired import DesiredState, Json, KeyPath
    from dockcfgd.planning.launch import Launch

__all__ = ["Effective", "Evidence", "Origin", "Proof", "Reloaded", "effective"]

_OTHERS = "others"
_WINS = "DOCKER_DRIVER"
_CERTIFICATES = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
_NOT_A_VALUE = {"features.containerd-migration", "features.embedded-containerd"}


class Origin(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    FLAG = "flag"
    ENVIRONMENT = "environment"
    FOREIGN = "foreign"
    DESIRED = "desired"
    EXTRA = "extra"


class Proof(StrEnum):
    """What shows that the engine uses a value."""

    EVENT = "event"
    INFO = "info"
    INSPECT = "inspect"
    NOT_OBSERVABLE = "not observable"
    CONTRADICTED = "contradicted"
    NOT_RUNNING = "engine is not running"
    NOT_ASKED = "engine cannot be asked"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What the engine's reload event showed, and the run (invocation) of the engine it was."""

    invocation: str
    values: Mapping[KeyPath, Json]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves more than /info: reloads, newest first, and the network on docker0.

    `lines` are those of daemon.json's keys.
    """

    reloads: tuple[Reloaded, ...] = ()
    docker0: Mapping[str, Json] = field(default_factory=dict)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Effective:
    """A key's value. None with a `text`: it is the default that these words describe.

    `configured` is what files, flags and variables say where the engine shows another `value`;
    `where` is a file with a line, `applies` what a new value reaches (empty: everything). `read`:
    this run of the engine began with, or was reloaded to, the value, though it does not show it.
    """

    path: KeyPath
    group: str
    value: Json
    source: Origin
    proof: Proof
    where: str = ""
    applies: str = ""
    text: str = ""
    configured: Json = None
    read: bool = False

    @property
    def key(self) -> str:
        """The dotted key."""
        return dotted(self.path)


@dataclass(frozen=True, slots=True)
class _Setting:
    value: Json
    source: Origin
    where: str


def effective(
    host: HostState, desired: DesiredState | None, applied: Applied, evidence: Evidence
) -> tuple[Effective, ...]:
    """Give every key that the engine knows, and what else is set, group by group.

    Raises UnreadableFile where daemon.json is none.
    """
    file = daemon_json(host)
    settings = dict(_environment(host))
    settings |= _flags(host)
    settings |= dict(_file(host, file, desired, applied, evidence))
    launch = launch_in_force(host)
    if _WINS in launch.environment:
        settings["storage-driver",] = _variable(launch, _WINS, launch.environment[_WINS].value)
    return tuple(
        _read(_proven(_row(path, settings.get(path), host), host, file, evidence), host, applied)
        for path in _paths(settings, EngineVersion.parse_or_none(host.version))
    )


def _paths(
    settings: Mapping[KeyPath, _Setting], version: EngineVersion | None
) -> Iterator[KeyPath]:
    left = dict(settings)
    for key in known_keys(version):
        inner = [path for path in settings if path[: len(key.path)] == key.path]
        yield from inner if key.shape.open and inner else [key.path]
        for path in inner:
            left.pop(path, None)
    yield from left


def _row(path: KeyPath, setting: _Setting | None, host: HostState) -> Effective:
    key = lookup(path)
    group = key.group if key else _OTHERS
    applies = key.applies if key else ""
    if setting is not None:
        return Effective(
            path, group, setting.value, setting.source, Proof.NOT_OBSERVABLE, setting.where, applies
        )
    value = _default(path, host)
    if isinstance(value, NoDefault):
        text = key.default_text if key else ""
        return Effective(
            path, group, None, Origin.DEFAULT, Proof.NOT_OBSERVABLE, applies=applies, text=text
        )
    return Effective(path, group, value, Origin.DEFAULT, Proof.NOT_OBSERVABLE, applies=applies)


def _default(path: KeyPath, host: HostState) -> Json | NoDefault:
    version = EngineVersion.parse_or_none(host.version)
    old = isinstance(host.engine, EngineState) and host.engine.text("CgroupVersion") == "1"
    return default_value(path, version=version, cgroup_version=1 if old else 2)


# What is set


def _environment(host: HostState) -> Iterator[tuple[KeyPath, _Setting]]:
    launch = launch_in_force(host)
    for key in known_keys(EngineVersion.parse_or_none(host.version)):
        if not key.environment or key.name in _NOT_A_VALUE or key.environment == _WINS:
            continue
        lower = key.environment.lower() if key.group == "proxies" else key.environment
        for name in (key.environment, lower):
            assigned = launch.environment.get(name)
            if assigned and assigned.value:
                yield key.path, _variable(launch, name, _meant(key, assigned.value))
                break


def _meant(key: Key, text: str) -> Json:
    if key.name in _CERTIFICATES:
        return f"{text.rstrip('/')}/{_CERTIFICATES[key.name]}"
    return True if key.name == "tlsverify" else text


def _variable(launch: Launch, name: str, value: Json) -> _Setting:
    assigned = launch.environment[name]
    place = f"{assigned.file}:{assigned.line}" if assigned.line else assigned.file
    return _Setting(value, Origin.ENVIRONMENT, f"{name} in {place}" if place else name)


def _flags(host: HostState) -> dict[KeyPath, _Setting]:
    launch, running = launch_in_force(host), running_flags(host)
    places: dict[str, str] = {}
    for flag in launch.flags:
        file, line = launch.place(flag)
        places[flag.key] = f"{file}:{line}" if line else file
    found: dict[KeyPath, _Setting] = {}
    for name, value in by_flags(running).items():
        where = places.get(name, "the command of the running engine")
        path = tuple(name.split("."))
        document: dict[str, Json] = {}
        leaves.put(document, path, value)
        for inner, item in leaves.flatten(document).items():
            found[inner] = _Setting(item, Origin.FLAG, where)
    return found


def _file(
    host: HostState,
    file: Mapping[str, Json],
    desired: DesiredState | None,
    applied: Applied,
    evidence: Evidence,
) -> Iterator[tuple[KeyPath, _Setting]]:
    wanted = {} if desired is None else leaves.flatten(desired.engine)
    for path, value in leaves.flatten(file).items():
        above = (path[:length] for length in range(len(path), 0, -1))
        line = next((evidence.lines[one] for one in above if one in evidence.lines), None)
        where = f"{host.daemon_json.path}:{line}" if line else host.daemon_json.path
        key = lookup(path)
        if key is not None and key.file is FileRule.IGNORED:
            continue
        if desired is not None and path in wanted and wanted[path] == value:
            yield path, _ours(path, value, desired, where)
        elif path in applied.managed and leaves.get(applied.document, path) == value:
            yield path, _Setting(value, Origin.DESIRED, where)
        else:
            yield path, _Setting(value, Origin.FOREIGN, where)


def _ours(path: KeyPath, value: Json, desired: DesiredState, where: str) -> _Setting:
    for length in range(len(path), 0, -1):
        for table, origin in (("engine", Origin.DESIRED), ("engine-extra", Origin.EXTRA)):
            source = desired.sources.get((table, *path[:length]))
            if source is not None:
                place = f"{source.file}:{source.line}" if source.line else source.file
                return _Setting(value, origin, place)
    return _Setting(value, Origin.DESIRED, where)


# What proves it


def _read(row: Effective, host: HostState, applied: Applied) -> Effective:
    """Say where it is known that the engine has read what it does not show."""
    invocation = host.unit.invocation_id
    ours = row.path in applied.managed and leaves.get(applied.document, row.path) == row.value
    read = bool(invocation) and applied.invocation == invocation and ours
    return replace(row, read=read and row.proof is Proof.NOT_OBSERVABLE)


def _proven(
    row: Effective, host: HostState, file: Mapping[str, Json], evidence: Evidence
) -> Effective:
    if not isinstance(host.engine, EngineState):
        down = bool(host.unit.load_state) and not host.unit.running
        return replace(row, proof=Proof.NOT_RUNNING if down else Proof.NOT_ASKED)
    info = host.engine.info
    wanted = None if row.source is Origin.DEFAULT else row.value
    agrees = proof.info_agrees(row.path, wanted, info)
    seen = proof.observed(row.path, info)
    shown = seen.value if isinstance(seen, proof.Observed) else None
    chosen = row.source is Origin.DEFAULT and (row.value is None or row.value == "")
    if agrees is None and chosen and shown is not None:
        return replace(row, value=shown, text="", proof=Proof.INFO)
    if agrees is None:
        return _further(row, host, file, evidence)
    if agrees:
        return replace(row, proof=Proof.INFO)
    return replace(row, value=shown, configured=row.value, proof=Proof.CONTRADICTED)


def _further(
    row: Effective, host: HostState, file: Mapping[str, Json], evidence: Evidence
) -> Effective:
    shown = shown_by_docker0(row.path, evidence.docker0)
    if shown is not None and row.value is not None:
        if shown == row.value:
            return replace(row, proof=Proof.INSPECT)
        return replace(row, value=shown, configured=row.value, proof=Proof.CONTRADICTED)
    if row.source in {Origin.DESIRED, Origin.EXTRA, Origin.FOREIGN} and _reloaded(
        row.path, host, file, evidence
    ):
        return replace(row, proof=Proof.EVENT)
    return row


def _reloaded(path: KeyPath, host: HostState, file: Mapping[str, Json], evidence: Evidence) -> bool:
    """Whether the newest reload of this run of the engine that told of the key showed this value.

    The event itself is gone; what it showed is in the journal of transactions.
    """
    key = lookup(path)
    if key is None or not host.unit.invocation_id:
        return False
    for reloaded in evidence.reloads:
        if reloaded.invocation == host.unit.invocation_id and key.path in reloaded.values:
            return reloaded.values[key.path] == leaves.get(file, key.path)
    return False
