"""What speaks against a target because of docker.service: its command, environment and drop-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import storage_affecting
from dockcfgd.model.desired import dotted
from dockcfgd.model.errors import Finding
from dockcfgd.planning.flags import CONFIG_FILE, key_set_by
from dockcfgd.planning.freeing import conflicting, missing, place_of, shown
from dockcfgd.planning.launch import launch_of, launch_with
from dockcfgd.planning.unit_text import settings_of, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.launch import Launch
    from dockcfgd.planning.target import Target
    from dockcfgd.planning.unit_text import Setting

__all__ = ["flag_findings", "planned_arguments"]

_BEATS_FILE = "DOCKER_DRIVER"
_SOCKET = "fd://"
_SOCKET_PATHS = {"unix:///run/docker.sock", "unix:///var/run/docker.sock", "unix://"}
# Settings that gather values: one more elsewhere takes nothing away.
_GATHERING = {
    "After", "Before", "BindPaths", "BindReadOnlyPaths", "CapabilityBoundingSet", "Conflicts",
    "Documentation", "EnvironmentFile", "ExecCondition", "ExecReload", "ExecStartPost",
    "ExecStartPre", "ExecStop", "ExecStopPost", "InaccessiblePaths", "PartOf", "PassEnvironment",
    "ReadOnlyPaths", "ReadWritePaths", "Requires", "SystemCallFilter", "UnsetEnvironment", "Wants",
}  # fmt: skip


def planned_arguments(target: Target, host: HostState) -> tuple[str, ...]:
    """Give dockerd's arguments as they will be once the target's drop-in is in force."""
    return launch_with(host, target.drop_in).arguments


def flag_findings(target: Target, host: HostState) -> Iterable[Finding]:
    """Give every reason that docker.service's files hold against this target."""
    document = target.document or {}
    base, planned = launch_of(host), launch_with(host, target.drop_in)
    later = [*_later_drop_ins(target, host)]
    if later:
        yield from later
        return  # what they do is not known before they are out of the way
    yield from _still_in_the_way(document, base, planned)
    yield from _past_daemon_json(target, base, planned)
    yield from _sockets(target, document, base, planned)


def _later_drop_ins(target: Target, host: HostState) -> Iterable[Finding]:
    if target.drop_in is None:
        return
    ours = _set_by(target.drop_in.decode(errors="replace"))
    name = host.drop_in.path.rpartition("/")[2]
    for other in host.unit_files[1:]:
        if other.path.rpartition("/")[2] <= name:
            continue
        for setting in settings_of(other.text):
            if not _set_by_one(setting).isdisjoint(ours):
                yield Finding(
                    file=other.path,
                    line=setting.line,
                    message=f"its {setting.name}= would win over the one in dockcfgd's drop-in",
                    hint=f"take the line out, or give the file a name that sorts before {name}",
                )
                break


def _set_by(drop_in: str) -> set[str]:
    """Give what a drop-in decides, and the settings that somebody's empty one would take away."""
    settings = [*settings_of(drop_in)]
    emptied = {f"{one.section}.{one.name}=" for one in settings}
    return emptied.union(*(_set_by_one(one) for one in settings))


def _set_by_one(setting: Setting) -> set[str]:
    """Give what one later line would decide: a value, a variable, or that all before it is gone."""
    whole = f"{setting.section}.{setting.name}"
    if not setting.value:
        return {f"{whole}="}
    if setting.name == "Environment":
        return {f"{whole}.{word.partition('=')[0]}" for word in split(setting.value)}
    return set() if setting.name in _GATHERING else {whole}


def _still_in_the_way(
    document: dict[str, Json], base: Launch, planned: Launch
) -> Iterable[Finding]:
    own = missing(planned.flags, base.flags)
    for flag, path in conflicting(planned.flags, document):
        place = "service.arguments" if flag in own else place_of(planned, flag)
        if flag in own:
            hint = f"say {path[-1]} in one of the two places"
        else:
            hint = (
                f"name engine.{dotted(path)} in the desired state, then dockcfgd takes the flag out"
            )
        yield Finding(
            key=dotted(("engine", *path)),
            message=f"docker.service passes {shown(flag)} ({place}); the engine does not start"
            " with a key set both ways, even to the same value",
            hint=hint,
        )


def _past_daemon_json(target: Target, base: Launch, planned: Launch) -> Iterable[Finding]:
    """Refuse a drop-in that changes by a flag or variable where images and containers lie."""
    for flag in missing(planned.flags, base.flags):
        if flag.name == CONFIG_FILE:
            yield Finding(
                key="service.arguments",
                message=f"{flag.text} would lead the engine past the daemon.json in use",
                hint="leave it out; a unit of your own may name another file",
            )
        elif storage_affecting(key_set_by(flag)):
            yield Finding(
                key="service.arguments",
                message=f"{flag.text} could hide every image and container of this host",
                hint=f"set engine.{key_set_by(flag)} instead, where such a change is checked",
            )
    if target.drop_in is not None and f"{_BEATS_FILE}=".encode() in target.drop_in:
        yield Finding(
            key="service.environment",
            message=f"{_BEATS_FILE} could hide every image and container of this host",
            hint="set engine.storage-driver instead, where such a change is checked",
        )


def _sockets(
    target: Target, document: dict[str, Json], base: Launch, planned: Launch
) -> Iterable[Finding]:
    """Keep docker.socket served where it is: a socket that nobody serves hangs every client."""
    hosts = document.get("hosts")
    flags = [flag for flag in base.flags if flag.key == "hosts" and flag.value.startswith(_SOCKET)]
    if ("hosts",) not in target.managed or not isinstance(hosts, list) or not flags:
        return
    if any(flag.key == "hosts" for flag in planned.flags):
        return
    place = place_of(base, flags[0])
    if not any(isinstance(one, str) and one.startswith(_SOCKET) for one in hosts):
        kept = [one for one in hosts if one not in _SOCKET_PATHS]
        wanted = ", ".join(f'"{one}"' for one in (flags[0].value, *kept))
        yield Finding(
            key="engine.hosts",
            message=f"docker.socket is in use (-H {flags[0].value} at {place}), and without"
            f" {_SOCKET} in hosts nobody would serve it",
            hint=f"write hosts = [{wanted}]",
        )
        return
    for one in hosts:
        if one in _SOCKET_PATHS:
            yield Finding(
                key="engine.hosts",
                message=f"{one} would take docker.socket's place on the disk,"
                f" which {_SOCKET} serves already",
                hint=f"leave {one} out of hosts",
            )
