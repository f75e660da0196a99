"""What differs between the target and the host, key by key, and what each difference takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys import proof
from dockcfgd.engine_keys.table import impact, is_table, lookup
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model import steps as do
from dockcfgd.model.desired import KeyPath
from dockcfgd.model.host import EngineState, HostState
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Drift
from dockcfgd.planning import leaves
from dockcfgd.planning.direction import change_impact
from dockcfgd.planning.freeing import conflicting, effective
from dockcfgd.planning.freeing import shown as shown_flag
from dockcfgd.planning.launch import launch_in_force, launch_with, running_flags
from dockcfgd.planning.target import Target, daemon_json, picks_same_driver
from dockcfgd.planning.unit_text import settings_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from dockcfgd.model.desired import Json
    from dockcfgd.model.files import Ownership
    from dockcfgd.planning.flags import Flag

__all__ = ["differences", "engine_shows", "surely_runs"]

_DRIVER: KeyPath = ("storage-driver",)
_USERS: KeyPath = ("userns-remap",)

# Settings that PID 1 itself acts on; the others of [Service] reach the process at its start only.
_READ_BY_MANAGER = ("Restart", "Timeout", "StartLimit", "Kill", "SendSIG", "Watchdog", "FinalKill")


def differences(target: Target, host: HostState) -> tuple[Drift, ...]:
    """Give every difference in the file and in the drop-in.

    Where the file is right and the running engine is not, that is one too; so is another owner or
    mode, where the target gives one.
    """
    return (
        *_file_differences(target, host),
        *_drop_in_differences(target, host),
        *_owner_differences(target, host),
    )


def _owner_differences(target: Target, host: HostState) -> Iterable[Drift]:
    pairs = (
        (host.daemon_json, target.document is not None, target.daemon_json_owned),
        (host.drop_in, target.drop_in is not None, target.drop_in_owned),
    )
    for state, wanted, given in pairs:
        if wanted and given is not None and state.present and state.ownership != given:
            before, after = _owner(state.ownership), _owner(given)
            yield Drift("owner", (state.path,), after, before, Impact.NONE)


def _owner(of: Ownership | None) -> Json:
    if of is None:
        return None
    attributes = "".join(f", {one.name}" for one in of.attributes)
    return f"{of.uid}:{of.gid}, mode {of.mode:04o}{attributes}"


def _file_differences(target: Target, host: HostState) -> Iterable[Drift]:
    current = daemon_json(host)
    wanted = target.document or {}
    planned = launch_with(host, target.drop_in).flags
    flags = {flag.key for flag in planned}
    was, shall = leaves.flatten(current), leaves.flatten(wanted)
    by_flag = effective({}, planned)
    running = {path: flag for flag, path in conflicting(_running(host), wanted)}
    for path in sorted(target.touched | set(was) | set(shall)):
        before, after = was.get(path, leaves.ABSENT), shall.get(path, leaves.ABSENT)
        alone = after if path in shall else leaves.get(by_flag, path)
        shown = engine_shows(path, _plain(alone), host)
        if path == _DRIVER and path not in shall:
            shown = picks_same_driver(host)
        if path == _USERS and before and after and before != after:
            # The engine shows that containers have other users, not which.
            shown = None
        weight = change_impact(path, after=after, wanted=wanted, host=host)
        if before != after or type(before) is not type(after):
            sure = shown is None and path in target.running and target.running[path] == after
            moot = _sets_nothing(path, before) and _sets_nothing(path, after)
            weight = Impact.NONE if shown is True or sure or moot else weight
            yield Drift("daemon.json", path, _plain(after), _plain(before), weight)
        elif path in target.touched and shown is False and _expected(path, shall, flags):
            actual = proof.observed(path, _info(host))
            live = actual.value if isinstance(actual, proof.Observed) else None
            yield Drift("engine", path, _plain(after), live, weight)
        elif path in target.touched and path in running:
            # It takes no reload while it runs with a flag for a key of the file.
            yield Drift("engine", path, _plain(after), shown_flag(running[path]), Impact.RESTART)


def _sets_nothing(path: KeyPath, value: Json | leaves.Absent) -> bool:
    """Tell whether the engine takes it for no such table; of an unknown one nobody can say."""
    if isinstance(value, leaves.Absent):
        return True
    key = lookup(path)
    return value == {} and (is_table(path) or (key is not None and key.shape.open))


def _running(host: HostState) -> tuple[Flag, ...]:
    return running_flags(host) if host.command and host.unit.running else ()


def surely_runs(target: Target, host: HostState, *, steps: Iterable[do.Step]) -> bool:
    """Tell whether after these steps all that is ours is in force, also what nothing shows."""
    if any(isinstance(step, do.RestartEngine | do.StartEngine) for step in steps):
        return True
    version = EngineVersion.parse_or_none(host.version)
    document = target.document or {}
    return host.unit.running and all(
        impact(path, version) is Impact.RELOAD
        or (path in target.running and target.running[path] == leaves.get(document, path))
        or engine_shows(path, _plain(leaves.get(document, path)), host) is True
        for path in target.managed
    )


def _expected(path: KeyPath, shall: Container[KeyPath], flags: set[str]) -> bool:
    """Tell whether the file decides what the engine shows: it names the key, or no flag does."""
    parts = [".".join(path[:length]) for length in range(1, len(path) + 1)]
    return path in shall or flags.isdisjoint(parts)


def _plain(value: Json | leaves.Absent) -> Json:
    return None if isinstance(value, leaves.Absent) else value


def engine_shows(path: KeyPath, value: Json, host: HostState) -> bool | None:
    """Tell whether the running engine shows `value` (None: the default) for the key.

    None where it cannot be seen.
    """
    if not isinstance(host.engine, EngineState):
        return None
    return proof.info_agrees(path, value, host.engine.info)


def _info(host: HostState) -> dict[str, Json]:
    return dict(host.engine.info) if isinstance(host.engine, EngineState) else {}


def _drop_in_differences(target: Target, host: HostState) -> Iterable[Drift]:
    if not target.owns_drop_in:
        return
    is_there = host.drop_in.content.decode(errors="replace") if host.drop_in.present else None
    wanted = None if target.drop_in is None else target.drop_in.decode()
    runs = wanted is not None and target.drop_in == target.running_drop_in
    if is_there != wanted:
        weight = _weight(is_there, wanted, same_command=_same_command(target, host))
        weight = Impact.NONE if runs else weight
        yield Drift("drop-in", ("drop-in",), wanted, is_there, weight)
    elif wanted is not None and host.drop_in.path not in host.unit.drop_in_paths:
        weight = Impact.NONE if runs else _weight(None, wanted)
        yield Drift("drop-in", ("drop-in",), wanted, "not loaded by systemd", weight)


def _same_command(target: Target, host: HostState) -> bool:
    """Tell whether another text of the command comes to the same words."""
    before, after = launch_in_force(host), launch_with(host, target.drop_in)
    return (before.binary, before.arguments) == (after.binary, after.arguments)


def _weight(before: str | None, after: str | None, *, same_command: bool = False) -> Impact:
    changed = set(_settings(before)) ^ set(_settings(after))
    if same_command:
        changed = {one for one in changed if not one[1].startswith("ExecStart=")}
    lighter = all(
        section != "Service" or setting.startswith(_READ_BY_MANAGER) for section, setting in changed
    )
    if not changed:
        return Impact.NONE
    return Impact.RELOAD if lighter else Impact.RESTART


def _settings(text: str | None) -> Iterable[tuple[str, str]]:
    return ((one.section, f"{one.name}={one.value}") for one in settings_of(text or ""))
