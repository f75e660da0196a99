"""What the rules judge: the configuration that the engine would start with, and its host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.key import Shape
from dockcfgd.engine_keys.table import table
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.facts import Facts
from dockcfgd.planning.flags import by_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import EngineState
    from dockcfgd.planning.flags import Flag

__all__ = ["Scene", "with_flags"]

_DATA_ROOT = "/var/lib/docker"
# The one key that the engine takes by flag and file both; a flag's name counts in small letters.
_MERGED = "runtimes"


@dataclass(frozen=True, slots=True)
class Scene:
    """The wanted daemon.json with the flags of docker.service, the engine, and the host's facts.

    `version` None: the newest engine's rules hold. `build` is the whole version text. `engine`
    None: it is stopped. `foreign` are the leaves that somebody else wrote, `assigned_at` is where a
    variable of the environment has its value from, `by_flag` are the keys that flags set.
    """

    settings: Mapping[str, Json]
    version: EngineVersion | None = None
    build: str = ""
    engine: EngineState | None = None
    facts: Facts = field(default_factory=Facts)
    environment: Mapping[str, str] = field(default_factory=dict)
    assigned_at: Mapping[str, str] = field(default_factory=dict)
    prior_drivers: tuple[str, ...] = ()
    foreign: frozenset[KeyPath] = frozenset()
    by_flag: frozenset[str] = frozenset()
    daemon_json: str = "/etc/docker/daemon.json"

    def text(self, key: str) -> str:
        """Give a string, empty where there is none."""
        value = self.settings.get(key)
        return value if isinstance(value, str) else ""

    def switch(self, key: str) -> bool | None:
        """Give a switch, None where it is not set."""
        value = self.settings.get(key)
        return value if isinstance(value, bool) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Give the strings of a list."""
        value = self.settings.get(key)
        items = value if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, str))

    def tables(self, key: str) -> tuple[Mapping[str, Json], ...]:
        """Give the tables of a list."""
        value = self.settings.get(key)
        items = value if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, dict))

    def table(self, key: str) -> Mapping[str, Json]:
        """Give a table, empty where there is none."""
        value = self.settings.get(key)
        return value if isinstance(value, dict) else {}

    def from_release(self, text: str) -> bool:
        """Whether the engine is of this release or newer; a version not known counts as newest."""
        return self.version is None or self.version >= EngineVersion.parse(text)

    @property
    def data_root(self) -> str:
        """Where the engine would keep its data."""
        return self.text("data-root") or self.text("graph") or _DATA_ROOT

    def where(self, path: KeyPath) -> str:
        """Say whose a leaf is that nothing of the desired state names; empty for one of ours."""
        return f", which {self.daemon_json} has from somebody else" if path in self.foreign else ""

    def way_out(self, path: KeyPath, hint: str) -> str:
        """Give the hint for our own leaf, and for a foreign one how to be rid of it."""
        if path not in self.foreign:
            return hint
        return "; ".join(filter(None, (f"take it out of {self.daemon_json}", hint)))


def with_flags(document: Mapping[str, Json], flags: Sequence[Flag]) -> dict[str, Json]:
    """Give daemon.json's keys and those that flags set; but for runtimes they never meet."""
    merged: dict[str, Json] = dict(document)
    for flag in flags:
        if flag.key == "features" and "features" not in document:
            merged |= {"features": by_flags(flags).get("features")}
        key = table().keys.get(flag.key)
        if flag.key == _MERGED:
            name, _, value = flag.value.partition("=")
            inner = merged.get(flag.key)
            named = inner if isinstance(inner, dict) else {}
            merged[flag.key] = {name.strip().lower(): {"path": value.strip()}, **named}
        if key is None or flag.key in document:
            continue
        if key.shape is Shape.BOOL:
            merged[flag.key] = flag.value.lower() in {"true", "1", "t"}
        elif key.shape is Shape.STRINGS:
            earlier = merged.get(flag.key)
            merged[flag.key] = [*(earlier if isinstance(earlier, list) else []), flag.value]
        elif key.shape in {Shape.STRING, Shape.SIZE}:
            merged[flag.key] = flag.value
        elif key.shape is Shape.STRING_MAP:
            name, _, value = flag.value.partition("=")
            inner = merged.get(flag.key)
            merged[flag.key] = {**(inner if isinstance(inner, dict) else {}), name: value}
    return merged
