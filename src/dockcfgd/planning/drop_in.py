"""The text of our drop-in of docker.service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.planning.unit_text import quote

if TYPE_CHECKING:
    from dockcfgd.model.desired import Service
    from dockcfgd.planning.launch import Launch

__all__ = ["render_drop_in"]

_HEADER = """\
# Written by dockcfgd from the desired state in /etc/dockcfgd; changes made here are undone.
"""


def render_drop_in(service: Service, launch: Launch) -> bytes | None:
    """Give the drop-in's bytes, None where none is wanted.

    With extra arguments ExecStart is emptied and rebuilt from the base command; the base's digest
    stands in a comment, so that a changed base (a package upgrade) makes another text and is seen.
    Raises ValueError where the unit has no single command to build on.
    """
    if service.empty:
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
            body += _command(service, launch)
        for name, values in sorted(directives.get(section, {}).items()):
            body += [f"{name}={value}" for value in values]
        if body:
            lines += [f"[{section}]", *body, ""]
    return (_HEADER + "\n".join(lines)).encode()


def _command(service: Service, launch: Launch) -> list[str]:
    if not service.arguments:
        return []
    if launch.base is None:
        msg = "cannot add arguments: docker.service has no ExecStart of its own to build on"
        raise ValueError(msg)
    words = " ".join(quote(argument, command=True) for argument in service.arguments)
    return [
        f"# on the base of {launch.base.file}, digest {launch.digest}",
        "ExecStart=",
        f"ExecStart={launch.base.text} {words}",
    ]
