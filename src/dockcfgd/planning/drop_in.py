"""The text of our drop-in of docker.service."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dockcfgd.model.desired import Service
from dockcfgd.planning.freeing import freed_flags
from dockcfgd.planning.unit_text import expand, quote, settings_of, specified, split

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dockcfgd.model.desired import KeyPath
    from dockcfgd.planning.flags import Flag
    from dockcfgd.planning.launch import Launch

__all__ = ["rebased", "render_drop_in"]

_GOES_ON = " \\\n  "
_HEADER = """\
# Written by dockcfgd from the desired state in /etc/dockcfgd; changes made here are undone.
"""


def render_drop_in(service: Service, launch: Launch, freed: Sequence[Flag] = ()) -> bytes | None:
    """Give the drop-in's bytes, None where none is wanted.

    With extra arguments or freed flags ExecStart is emptied and rebuilt from the base command; the
    base's digest stands in a comment, so that a changed base (a package upgrade) makes another text
    and is seen. Values of `service.unit` are raw systemd text. Raises ValueError where the unit has
    no single command to build on.
    """
    if service.empty and not freed:
        return None
    lines: list[str] = []
    directives = {section: dict(entries) for section, entries in service.unit.items() if entries}
    for section in ("Unit", "Service", "Install"):
        body: list[str] = []
        if section == "Service":
            body += [
                f"Environment={quote(f'{name}={value}')}"
                for name, value in sorted(service.environment.items())
            ]
            body += _command(service, launch, freed)
        for name, values in sorted(directives.get(section, {}).items()):
            body += [f"{name}={value}" for value in values]
        if body:
            lines += [f"[{section}]", *body, ""]
    return (_HEADER + "\n".join(lines)).encode(errors="surrogateescape")


def _command(service: Service, launch: Launch, freed: Sequence[Flag]) -> list[str]:
    if not service.arguments and not freed:
        return []
    command = launch.without(freed)
    own = [launch.quoted(argument) for argument in service.arguments]
    base = launch.base
    place = "" if base is None else base.file
    names = ", ".join(dict.fromkeys(flag.name for flag in freed))
    return [
        f"# on the base of {place}, digest {launch.digest}",
        *([f"# without what daemon.json sets: {names}"] if names else []),
        "ExecStart=",
        # On a line of their own, which tells them from the base's when that changes.
        f"ExecStart={command}{_GOES_ON if own else ''}{' '.join(own)}",
    ]


def rebased(drop_in: bytes | None, launch: Launch, managed: Collection[KeyPath]) -> bytes | None:
    """Give the drop-in of an earlier generation for the command that the unit has now.

    It is the same to the byte where the unit's files have not changed since.
    """
    text = "" if drop_in is None else drop_in.decode(errors="surrogateescape")
    if text and not text.startswith(_HEADER):
        return drop_in
    service = Service(arguments=_own_arguments(text), unit=_other_settings(text))
    freed = freed_flags(launch, managed)
    block = "\n".join(_command(service, launch, freed))
    if block in text if block else "ExecStart=" not in text:
        return drop_in
    return render_drop_in(service, launch, freed)


def _own_arguments(text: str) -> tuple[str, ...]:
    """Give the arguments that a drop-in of ours adds to the base's."""
    for line, following in pairwise([*text.splitlines(), ""]):
        if line.startswith("ExecStart=") and line.endswith("\\"):
            literal = line.removeprefix("ExecStart=").startswith(":")
            words = [specified(word) for word in split(following)]
            return tuple(word if literal else expand(word, {})[0] for word in words)
    return ()


def _other_settings(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    unit: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in settings_of(text):
        if (one.section, one.name) != ("Service", "ExecStart"):
            section = unit.setdefault(one.section, {})
            section[one.name] = (*section.get(one.name, ()), one.value)
    return unit
