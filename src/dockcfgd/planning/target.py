"""What the host's two files shall be: from a desired state, or from an earlier generation."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

from dockcfgd.engine_keys.table import impact
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import DesiredState, Json, KeyPath
from dockcfgd.model.files import FileKind, FileState, Ownership
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.model.kept import KeptStorage
from dockcfgd.model.policy import UnmanagedKeys
from dockcfgd.planning import leaves
from dockcfgd.planning.drop_in import rebased, render_drop_in
from dockcfgd.planning.foreign_json import read_json
from dockcfgd.planning.freeing import carried_over, freed_flags
from dockcfgd.planning.launch import Launch, launch_of
from dockcfgd.planning.storage_change import (
    FEATURE,
    in_containerd,
    named_storage,
    names_snapshotter,
)

__all__ = [
    "Applied",
    "Target",
    "UnreadableFile",
    "daemon_json",
    "empty_target",
    "generation_target",
    "picks_same_driver",
    "refuse_irregular",
    "target_of",
]

_DRIVER: KeyPath = ("storage-driver",)
# From here on an engine without data of a driver of its own takes containerd's store.
_STORE_BY_ITSELF = EngineVersion(29, 0)


class UnreadableFile(ValueError):
    """A managed file is none that could be merged into: no regular file, or no JSON object."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} {why}")
        self.path, self.why = path, why


@dataclass(frozen=True, slots=True)
class Applied:
    """What an applied generation left.

    Its daemon.json, its drop-in, and the leaves that are ours. `adopted` is the digest of a desired
    state made of hand edits that is not in force yet (empty: none), `adopted_under` the invocation
    of the engine that ran when they were seen. `invocation` is the run of the engine that surely
    has the leaves in force, empty where that is not known. `slowest_start` is how many seconds the
    slowest start of the engine took that is on record, `kept` what is on record as kept of the
    storage before its newest change.
    The `_owned` are None where there was no file, or an older release did not keep them.
    """

    document: Mapping[str, Json] = field(default_factory=dict)
    managed: frozenset[KeyPath] = frozenset()
    daemon_json: bytes | None = None
    drop_in: bytes | None = None
    owns_drop_in: bool = False
    adopted: str = ""
    adopted_under: str = ""
    invocation: str = ""
    slowest_start: float = 0.0
    kept: KeptStorage | None = None
    daemon_json_owned: Ownership | None = None
    drop_in_owned: Ownership | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The wanted files. `document` None: no daemon.json wanted.

    `exact`: bytes to write if nothing foreign differs.

    `running` are the leaves that the engine surely has in force, whatever its file says now,
    `running_drop_in` the drop-in that it surely was started with.

    `managed` are the leaves that are ours from now on, `touched` those to compare: managed now or
    before.

    The `_owned` are what the files get; None: what they have, or root and 0644 when they are new.
    """

    document: dict[str, Json] | None
    drop_in: bytes | None
    managed: frozenset[KeyPath]
    touched: frozenset[KeyPath]
    owns_drop_in: bool
    exact: bytes | None = None
    notes: tuple[str, ...] = ()
    running: Mapping[KeyPath, Json] = field(default_factory=dict)
    running_drop_in: bytes | None = None
    daemon_json_owned: Ownership | None = None
    drop_in_owned: Ownership | None = None


def daemon_json(host: HostState) -> dict[str, Json]:
    """Give the host's daemon.json; empty when it is missing or blank. Raises UnreadableFile."""
    refuse_irregular(host.daemon_json)
    path, text = host.daemon_json.path, host.daemon_json.content.decode("utf-8-sig", "replace")
    if not text.strip():
        return {}
    try:
        document = read_json(text)
    except ValueError as error:
        raise UnreadableFile(path, f"is not valid JSON: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UnreadableFile(path, "is not a JSON object")
    return document


def refuse_irregular(state: FileState) -> None:
    """Raise UnreadableFile where something else than a file stands at a managed file's place."""
    if state.kind in {FileKind.DIRECTORY, FileKind.SPECIAL}:
        kind = "a directory" if state.kind is FileKind.DIRECTORY else "a device, socket or FIFO"
        raise UnreadableFile(state.path, f"is {kind}, where a file is expected")


def target_of(desired: DesiredState, host: HostState, applied: Applied) -> Target:
    """Merge the desired state into what is there.

    Three ways, so that foreign keys stay and our old ones go.
    """
    current, launch = daemon_json(host), launch_of(host)
    wanted = _but_filled_by_flag(leaves.flatten(desired.engine), launch)
    wanted |= carried_over(wanted, launch)
    keep_foreign = desired.policy.unmanaged_keys is UnmanagedKeys.KEEP
    document = copy.deepcopy(current) if keep_foreign else {}
    gone = set(applied.managed) - set(wanted)
    if not keep_foreign:
        gone |= set(leaves.flatten(current)) - set(wanted)
    kept, notes = _kept_storage(gone, current, host, store=wanted.get(FEATURE))
    leaves.take_out(document, gone - kept)
    for path in kept:
        value = leaves.get(current, path)
        if not isinstance(value, leaves.Absent):
            leaves.put(document, path, value)
    for path, value in wanted.items():
        leaves.merge(document, path, value)
    named = {path for path, value in wanted.items() if leaves.get(document, path) == value}
    managed = frozenset(named) | kept
    drop_in = render_drop_in(desired.service, launch, freed_flags(launch, managed))
    return Target(
        document=document if document or host.daemon_json.present else None,
        drop_in=drop_in,
        managed=managed,
        touched=frozenset(named) | (frozenset(gone) - kept),
        owns_drop_in=drop_in is not None or applied.owns_drop_in,
        notes=notes,
        running=_running(applied, host),
        running_drop_in=applied.drop_in if _runs(applied, host) else None,
        daemon_json_owned=_as_left(applied.daemon_json_owned, host.daemon_json),
        drop_in_owned=_as_left(applied.drop_in_owned, host.drop_in),
    )


def _but_filled_by_flag(wanted: Mapping[KeyPath, Json], launch: Launch) -> dict[KeyPath, Json]:
    """Leave out tables with nothing in them beside which the engine would not take the flag."""
    keys = {flag.key for flag in launch.flags}
    return {
        path: value for path, value in wanted.items() if value != {} or ".".join(path) not in keys
    }


def empty_target(host: HostState, applied: Applied) -> Target:
    """Give the target when the last desired file went.

    What we had set is removed, all else stays.
    """
    current = daemon_json(host)
    document = copy.deepcopy(current)
    kept, notes = _kept_storage(set(applied.managed), current, host)
    gone = set(applied.managed) - kept
    leaves.take_out(document, gone)
    return Target(
        document=document if document or host.daemon_json.present else None,
        drop_in=None,
        managed=frozenset(),
        touched=frozenset(gone),
        owns_drop_in=applied.owns_drop_in,
        notes=notes,
        running=_running(applied, host),
        running_drop_in=applied.drop_in if _runs(applied, host) else None,
        daemon_json_owned=_as_left(applied.daemon_json_owned, host.daemon_json),
    )


def _running(applied: Applied, host: HostState) -> Mapping[KeyPath, Json]:
    """Give what the engine had in force then and keeps until it starts anew.

    What a reload takes may have been changed by one since.
    """
    if not _runs(applied, host):
        return {}
    version = EngineVersion.parse_or_none(host.version)
    then = {path: leaves.get(dict(applied.document), path) for path in applied.managed}
    return {
        path: value
        for path, value in then.items()
        if not isinstance(value, leaves.Absent) and impact(path, version) is not Impact.RELOAD
    }


def _runs(applied: Applied, host: HostState) -> bool:
    """Tell whether the engine is still the one that had all of it in force."""
    return bool(applied.invocation) and applied.invocation == host.unit.invocation_id


def picks_same_driver(host: HostState) -> bool:
    """Tell whether the engine would surely choose its present driver with no storage-driver set.

    It takes the one of DOCKER_DRIVER, else of its flag, else one whose folder holds something, vfs
    excepted; in containerd's store, if that stays, the usual snapshotter.
    """
    engine = host.engine
    if not isinstance(engine, EngineState):
        return False
    launch = launch_of(host)
    assigned = launch.environment.get("DOCKER_DRIVER")
    named = assigned.value if assigned else launch.value_of("storage-driver")
    if in_containerd(engine):
        return named_storage({"storage-driver": named}, containerd=True) == engine.driver
    return named == engine.driver if named else engine.prior_drivers == (engine.driver,)


def _kept_storage(
    gone: set[KeyPath], current: Mapping[str, Json], host: HostState, *, store: Json = None
) -> tuple[frozenset[KeyPath], tuple[str, ...]]:
    """Keep what chooses the storage and leaves, unless the engine would choose the same itself."""
    driver, of_driver = _kept_driver(gone, current, host, store=store)
    if FEATURE not in gone or leaves.get(current, FEATURE) is not True or _takes_store(host):
        return driver, of_driver
    note = (
        "features.containerd-snapshotter stays true in daemon.json: without it the engine would"
        " leave the containerd image store and hide every image and container; set it to false,"
        " and storage-driver, to take them along"
    )
    return driver | {FEATURE}, (*of_driver, note)


def _takes_store(host: HostState) -> bool:
    """Tell whether the engine takes containerd's store by itself, or is not on it anyway."""
    engine = host.engine
    if not isinstance(engine, EngineState) or not in_containerd(engine):
        return True
    version = EngineVersion.parse_or_none(host.version)
    return version is not None and version >= _STORE_BY_ITSELF and not engine.prior_drivers


def _kept_driver(
    gone: set[KeyPath], current: Mapping[str, Json], host: HostState, *, store: Json = None
) -> tuple[frozenset[KeyPath], tuple[str, ...]]:
    """Keep a storage-driver that leaves, unless the engine would pick the same one itself.

    `store` is what is wanted of `features.containerd-snapshotter`: a driver of the store that goes
    is not kept.
    """
    value = leaves.get(current, _DRIVER)
    if _DRIVER not in gone or isinstance(value, leaves.Absent) or picks_same_driver(host):
        return frozenset(), ()
    if isinstance(store, bool) and store is not names_snapshotter(current):
        return frozenset(), ()
    note = (
        f"storage-driver stays {value!r} in daemon.json:"
        " without it the engine would not surely"
        " choose the same driver again and could hide every image and container"
    )
    return frozenset({_DRIVER}), (note,)


def generation_target(wanted: Applied, host: HostState, applied: Applied) -> Target:
    """Give the target that brings back a generation: our leaves of then and now.

    What others wrote meanwhile stays.
    """
    before = dict(wanted.document)
    # Where the file is gone there is nothing of others to keep, and theirs of then is missed.
    current = daemon_json(host) if host.daemon_json.present else before
    document = copy.deepcopy(current)
    touched = wanted.managed | applied.managed
    then = {path: leaves.get(before, path) for path in sorted(touched)}
    leaves.take_out(document, (path for path in then if isinstance(then[path], leaves.Absent)))
    for path, value in then.items():
        if not isinstance(value, leaves.Absent):
            leaves.merge(document, path, value)
    managed = wanted.managed
    named, notes = _named_driver(before, current, touched, host)
    if named is None and _leaves_store(document, host):
        named, notes = _driver_out_of_store(host)
        if named is None:
            leaves.put(document, FEATURE, value=True)
            managed |= {FEATURE}
    if named is not None:
        leaves.put(document, _DRIVER, named)
        managed |= {_DRIVER}
    same = document == before
    drop_in = rebased(wanted.drop_in, launch_of(host), managed)
    return Target(
        document=None if same and wanted.daemon_json is None else document,
        drop_in=drop_in,
        managed=managed,
        touched=touched,
        owns_drop_in=drop_in is not None or wanted.owns_drop_in or applied.owns_drop_in,
        exact=wanted.daemon_json if same else None,
        notes=notes,
        running=_running(applied, host),
        running_drop_in=applied.drop_in if _runs(applied, host) else None,
        daemon_json_owned=_owned(
            wanted.daemon_json_owned, applied.daemon_json_owned, host.daemon_json
        ),
        drop_in_owned=_owned(wanted.drop_in_owned, applied.drop_in_owned, host.drop_in)
        if wanted.owns_drop_in
        else None,
    )


def _leaves_store(document: Mapping[str, Json], host: HostState) -> bool:
    """Tell whether the engine would leave containerd's store for a driver that is not named."""
    chosen = leaves.get(document, FEATURE) is True or _takes_store(host)
    return not chosen and isinstance(leaves.get(document, _DRIVER), leaves.Absent)


def _driver_out_of_store(host: HostState) -> tuple[Json, tuple[str, ...]]:
    """Find the driver that a generation had before it went into containerd's store."""
    others = host.engine.prior_drivers if isinstance(host.engine, EngineState) else ()
    if len(others) == 1:
        return others[0], (f"storage-driver becomes {others[0]!r}, the one with data here",)
    note = (
        "features.containerd-snapshotter stays true: which storage driver that generation had is"
        " not known"
    )
    return None, (note,)


def _as_left(last: Ownership | None, now: FileState) -> Ownership | None:
    """Give what a file gets that somebody removed: what it had."""
    return None if now.present else last


def _owned(then: Ownership | None, last: Ownership | None, now: FileState) -> Ownership | None:
    """Give what a file gets that is brought back; what others made of it since stays."""
    if then is None or (now.present and now.ownership != last):
        return None
    return None if now.ownership == then else then


def _named_driver(
    before: Mapping[str, Json],
    current: Mapping[str, Json],
    touched: frozenset[KeyPath],
    host: HostState,
) -> tuple[Json, tuple[str, ...]]:
    """Find the driver of a generation that named none: the only other one with data, else ours."""
    set_then = not isinstance(leaves.get(before, _DRIVER), leaves.Absent)
    now = leaves.get(current, _DRIVER)
    if _DRIVER not in touched or set_then or isinstance(now, leaves.Absent):
        return None, ()
    if picks_same_driver(host) or leaves.get(before, FEATURE) is True or names_snapshotter(current):
        return None, ()  # the store's, which is looked at apart
    others: tuple[str, ...] = ()
    if isinstance(host.engine, EngineState):
        others = tuple(one for one in host.engine.prior_drivers if one != host.engine.driver)
    if len(others) != 1:
        return now, (f"storage-driver stays {now!r}: which one that generation had is not known",)
    named = others[0]
    return named, (f"storage-driver becomes {named!r}, the one other driver with data here",)
