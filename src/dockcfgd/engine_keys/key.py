"""One key of daemon.json as the table describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from dockcfgd.engine_keys.version import EngineVersion, Window
from dockcfgd.model.desired import Json
from dockcfgd.model.impact import Impact

__all__ = [
    "Fatal",
    "FileRule",
    "InfoProbe",
    "Key",
    "NoDefault",
    "Shape",
    "TableKey",
    "Unset",
    "When",
]


class Shape(StrEnum):
    """What a value looks like."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    SIZE = "size"
    DURATION = "duration"
    STRINGS = "list[string]"
    OBJECTS = "list[object]"
    STRING_MAP = "map[string,string]"
    OBJECT_MAP = "map[string,object]"
    MAP_MAP = "map[string,map]"

    @property
    def open(self) -> bool:
        """Whether names inside the value are the operator's own."""
        return self in {Shape.STRING_MAP, Shape.OBJECT_MAP, Shape.MAP_MAP}


class Unset(StrEnum):
    """How the engine forgets a value.

    By dropping the key and a reload, by writing the default and a reload, or by a restart.
    """

    RELOAD_DEFAULT = "reload-default"
    WRITE_DEFAULT = "write-default"
    RESTART = "restart"


class FileRule(StrEnum):
    """What every engine does with the key in daemon.json."""

    READ = "read"
    IGNORED = "ignored"
    REJECTED = "rejected"


class When(StrEnum):
    """Which values a release dies of."""

    SET = "set"
    NON_ZERO = "non-zero"


class NoDefault(Enum):
    """Stands where there is no default that could be written."""

    NO_DEFAULT = "no-default"


@dataclass(frozen=True, slots=True)
class Fatal:
    """Releases that do not start with the key."""

    window: Window
    when: When


@dataclass(frozen=True, slots=True)
class InfoProbe:
    """Where /info shows the effective value (a dotted path) and how it is compared."""

    path: str
    compare: str


@dataclass(frozen=True, slots=True)
class TableKey:
    """A table of keys such as `features` or `builder.gc`; only its leaves are keys."""

    name: str
    summary: str
    since: EngineVersion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. `name` is its dotted path; inside the open maps the names are the operator's own.

    `default` is what the engine uses without the key, NO_DEFAULT where `default_text` has to say it
    in words; `example` is a value worth showing where the default is not. `since` and `removed` are
    the first releases with and without it. `applies` says what a new value reaches, empty where it
    reaches everything.
    """

    name: str
    group: str
    shape: Shape
    summary: str
    trap: str = ""
    default: Json | NoDefault = NoDefault.NO_DEFAULT
    default_text: str = ""
    example: Json | NoDefault = NoDefault.NO_DEFAULT
    older_defaults: tuple[tuple[EngineVersion, Json], ...] = ()
    default_by_cgroup: Mapping[int, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    form: str = ""
    minimum: int | None = None
    maximum: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    required_fields: tuple[str, ...] = ()
    fields_since: Mapping[str, EngineVersion] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    environment: str = ""
    since: EngineVersion | None = None
    removed: EngineVersion | None = None
    deprecated: EngineVersion | None = None
    ignored_from: EngineVersion | None = None
    replacement: str = ""
    file: FileRule = FileRule.READ
    impact: Impact = Impact.RESTART
    reload_window: Window = field(default_factory=Window)
    unset: Unset = Unset.RESTART
    event: str = ""
    info: InfoProbe | None = None
    storage: bool = False
    bridgeable: bool = False
    zero_is_default: Window | None = None
    fatal: tuple[Fatal, ...] = ()
    reload_watch: int = 0
    applies: str = ""
    secret: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The name, part by part."""
        return tuple(self.name.split("."))

    @property
    def observable(self) -> bool:
        """Whether the engine shows the effective value anywhere."""
        return bool(self.event) or self.info is not None

    def known_in(self, version: EngineVersion) -> bool:
        """Tell whether this release reads the key."""
        return self.file is FileRule.READ and Window(self.since, self.removed).holds(version)
