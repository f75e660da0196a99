"""How dockerd is launched: its command without our drop-in, and the keys that its flags set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import Shape
from dockcfgd.engine_keys.table import table
from dockcfgd.planning.unit_text import (
    Command,
    binary_and_flags,
    environment_of,
    exec_start,
    expand,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.host import HostState

__all__ = ["Flag", "Launch", "launch_of", "parse_flags"]

DEFAULT_CONFIG_FILE = "/etc/docker/daemon.json"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as written, the key of daemon.json it sets (empty if none), and its value."""

    text: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Launch:
    """How dockerd is launched without our drop-in, its flags expanded.

    `base` is None where no unit file has a command; `digest` identifies it.
    """

    base: Command | None
    digest: str
    binary: str
    flags: tuple[Flag, ...]
    arguments: tuple[str, ...]
    environment: dict[str, str]

    @property
    def config_file(self) -> str:
        """The daemon.json that the command names."""
        for flag in reversed(self.flags):
            if flag.text.startswith(("--config-file=", "--config-file ")):
                return flag.value
        return DEFAULT_CONFIG_FILE


def launch_of(host: HostState) -> Launch:
    """Work out the launch from the unit's files but ours.

    Where they say nothing, systemd's own view counts.
    """
    base = exec_start(host.unit_files)
    environment = environment_of(host.unit.environment, host.environment_files)
    words = split(base.text) if base else list(host.unit.exec_start)
    binary, arguments = binary_and_flags(expand(words, environment))
    return Launch(
        base=base,
        digest=hashlib.sha256((base.text if base else "").encode()).hexdigest()[:16],
        binary=binary,
        flags=parse_flags(arguments),
        arguments=tuple(arguments),
        environment=environment,
    )


def parse_flags(arguments: Sequence[str]) -> tuple[Flag, ...]:
    """Read flags as dockerd does.

    These are `--name=value`, `--name value`, `-H value`, `-Hvalue`, switches without value.
    """
    keys = {flag: key for key in table().keys.values() for flag in key.flags}
    flags: list[Flag] = []
    position = 0
    while position < len(arguments):
        word = arguments[position]
        position += 1
        if not word.startswith("-"):
            continue
        name, equals, value = word.partition("=")
        if not name.startswith("--") and len(name) > 2:  # noqa: PLR2004 -- a short flag with its value
            name, equals, value = word[:2], "=", word[2:].removeprefix("=")
        key = keys.get(name)
        switch = key is not None and key.shape is Shape.BOOL
        if (
            not equals
            and not switch
            and position < len(arguments)
            and not arguments[position].startswith("-")
        ):
            value = arguments[position]
            position += 1
            flags.append(
                Flag(text=f"{name} {value}", key="" if key is None else key.name, value=value)
            )
            continue
        flags.append(
            Flag(text=word, key="" if key is None else key.name, value=value if equals else "true")
        )
    return tuple(flags)
