"""The text of our drop-in of docker.service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.planning.unit_text import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.desired import Service
    from dockcfgd.planning.flags import Flag
    from dockcfgd.planning.launch import Launch

__all__ = ["render_drop_in"]

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
    command = launch.without(freed, service.arguments)
    base = launch.base
    place = "" if base is None else base.file
    names = ", ".join(dict.fromkeys(flag.name for flag in freed))
    return [
        f"# on the base of {place}, digest {launch.digest}",
        *([f"# without what daemon.json sets: {names}"] if names else []),
        "ExecStart=",
        f"ExecStart={command}",
    ]
