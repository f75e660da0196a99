"""What docker.service's own files say, as entries that show what it would be as TOML.

All of it stays where it is: a key set by flag must not stand in daemon.json too, and what other
drop-ins and environment files set is in force already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.desired.import_flags import flag_entries
from dockcfgd.desired.import_text import Entry
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.planning.environment_text import assignments_in_file
from dockcfgd.planning.launch import launch_of
from dockcfgd.planning.leaves import ABSENT
from dockcfgd.planning.unit_text import exec_start, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState, UnitFile

__all__ = ["UnitEntries", "unit_entries"]

_VENDOR = ("/usr/lib/", "/lib/")
_SECTIONS = {"Unit", "Service", "Install"}
_ALONE = re.compile(r"\$(\w+)|\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class UnitEntries:
    """Entries below `[engine]` (set by flag) and below `[service]`, none of them live."""

    engine: tuple[Entry, ...]
    service: tuple[Entry, ...]


def unit_entries(host: HostState) -> UnitEntries:
    """Give what the unit, its drop-ins but ours and its environment files set."""
    version = EngineVersion.parse_or_none(host.version)
    by_place = list(_words_by_place(host))
    variables = {word[1] or word[2] for word in _ALONE.finditer(_command(host))}
    keys, others = flag_entries(by_place, version)
    service = (*others, *_environment(host, variables), *_drop_ins(host))
    return UnitEntries(engine=keys, service=service)


def _command(host: HostState) -> str:
    base = exec_start(host.unit_files)
    return base.text if base else ""


def _words_by_place(host: HostState) -> Iterator[tuple[str, list[str]]]:
    """Give the words of dockerd's command by the file and line that they stand in.

    Those that the package's own unit passes are left out.
    """
    launch = launch_of(host)
    if launch.base is None:
        return
    place, words = "", list[str]()
    for argument in launch.given:
        where = f"{argument.file}:{argument.line}"
        if where != place:
            yield place, [] if place.startswith(_VENDOR) else words
            place, words = where, []
        words.append(argument.text)
    yield place, [] if place.startswith(_VENDOR) else words


def _environment(host: HostState, used: set[str]) -> Iterator[Entry]:
    """Give the variables of the environment files but those that the command line takes."""
    for environment_file in host.environment_files:
        for name, assigned in assignments_in_file(environment_file).items():
            if name in used:
                continue
            where = f"{assigned.file}:{assigned.line}"
            said = f"from {where} (left there, where it beats what stands here)"
            yield Entry(("environment", name), assigned.value, said, live=False)


def _drop_ins(host: HostState) -> Iterator[Entry]:
    for unit_file in host.unit_files:
        if unit_file.path == host.unit.fragment_path and unit_file.path.startswith(_VENDOR):
            continue
        if unit_file.path != host.unit.fragment_path:
            yield from _drop_in(unit_file)


def _drop_in(unit_file: UnitFile) -> Iterator[Entry]:
    gathered: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for one in settings_of(unit_file.text):
        gathered.setdefault((one.section, one.name), []).append((one.value, one.line))
    for (section, name), values in gathered.items():
        lines = ", ".join(str(line) for _, line in values)
        where = f"from {unit_file.path}:{lines} (left there)"
        if section not in _SECTIONS or not name.isalnum():
            yield Entry((), ABSENT, f"[{section}] {name}= {where}", live=False)
        elif name == "ExecStart":
            said = f"ExecStart= {where}: its flags are under [engine]"
            yield Entry(("unit", section, name), ABSENT, said, live=False)
        else:
            yield Entry(
                ("unit", section, name), _written([one for one, _ in values]), where, live=False
            )


def _written(values: Sequence[str]) -> Json:
    return values[0] if len(values) == 1 else list(values)
