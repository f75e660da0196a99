"""The tables beside `[engine]`: what a value may be, and what this release does not do yet."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dockcfgd.desired.spans import SPAN_PATTERN, parse_span, split_window
from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import Consistency, ContainersRule, OnDrift, RestartStyle, UnmanagedKeys

__all__ = ["Root"]

_LONGEST = 365 * 24 * 3600
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DIRECTIVE = re.compile(r"[A-Z][A-Za-z0-9-]{0,99}")


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=_hyphens, frozen=True)


def _span(value: object) -> float:
    if not isinstance(value, str):
        msg = 'must be text such as "90s"'
        raise ValueError(msg)  # noqa: TRY004 -- pydantic turns ValueError into a finding
    return _within_a_year(parse_span(value))


def _within_a_year(seconds: float) -> float:
    if seconds > _LONGEST:
        msg = "must not be longer than a year"
        raise ValueError(msg)
    return seconds


def _impact(value: object) -> Impact:
    try:
        return Impact.parse(str(value))
    except ValueError:
        msg = 'must be "none", "reload", "restart" or "migrate"'
        raise ValueError(msg) from None


def _single_line(value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        msg = "must be one line"
        raise ValueError(msg)
    if value.rstrip().endswith("\\"):
        msg = "must not end in a backslash, which joins it with the next line"
        raise ValueError(msg)
    return value


def _variable(value: str) -> str:
    if _VARIABLE.fullmatch(value) is None:
        msg = f"{value[:40]!r} is not the name of an environment variable"
        raise ValueError(msg)
    return value


def _no_null(value: str) -> str:
    if "\0" in value:
        msg = "must not hold a NUL character"
        raise ValueError(msg)
    return value


def _command(value: str) -> str:
    if not value.strip():
        msg = "must be a command"
        raise ValueError(msg)
    return _no_null(value)


def _flag(value: str) -> str:
    name = value.partition("=")[0]
    of_two_words = name.startswith("--") and len(name.split()) > 1
    if not value.startswith("-") or not value.strip("-") or of_two_words:
        msg = "must be a flag that begins with `-` and carries its value after `=`"
        raise ValueError(msg)
    return _no_null(value)


def _absolute(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/"):
        msg = "must be an absolute path"
        raise ValueError(msg)
    return value


def _not_yet(_value: object) -> NoReturn:
    """Refuse any value but the default of an option still to come."""
    msg = "not supported by this release"
    raise ValueError(msg)


def _choice(
    kind: type[OnDrift | RestartStyle | UnmanagedKeys | ContainersRule | Consistency],
) -> BeforeValidator:
    words = " or ".join(f'"{member}"' for member in kind)

    def read(value: object) -> object:
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        msg = f"must be {words}"
        raise ValueError(msg)

    return BeforeValidator(read)


Span = Annotated[
    float,
    BeforeValidator(_span),
    Field(ge=0),
    WithJsonSchema({"type": "string", "pattern": SPAN_PATTERN, "examples": ["90s", "1h 30m"]}),
]
Largest = Annotated[
    Impact, BeforeValidator(_impact), WithJsonSchema({"enum": [each.word for each in Impact]})
]
Directive = Annotated[str, AfterValidator(_single_line)]
_FREE_WITH_ARGUMENTS = "ExecStart"


def _directive_name(value: str) -> str:
    if value == _FREE_WITH_ARGUMENTS:
        msg = "is put together by dockcfgd: use service.arguments for flags of dockerd"
        raise ValueError(msg)
    if _DIRECTIVE.fullmatch(value) is None:
        msg = f"{value[:40]!r} is not the name of a unit setting"
        raise ValueError(msg)
    return value


def _number_one(value: object) -> object:
    if value is True:  # equal to 1, and still no number
        msg = "must be 1"
        raise ValueError(msg)
    return value


_WINDOW_PATTERN = r"^.*\S.*/" + SPAN_PATTERN.removeprefix("^")


def _window(value: str) -> str:
    _, seconds = split_window(_single_line(value))
    _within_a_year(seconds)
    return value


def _told(text: str, default: str | None = None) -> Any:  # noqa: ANN401 -- pydantic's fields have no type
    """Give the field's description for editors, and its default where TOML writes another value."""
    if default is None:
        return Field(description=text)
    return Field(description=text, json_schema_extra={"default": default})


_WindowText = Annotated[
    str,
    AfterValidator(_window),
    WithJsonSchema({"type": "string", "pattern": _WINDOW_PATTERN}),
]


class ServiceTable(_Table):
    """The drop-in of docker.service."""

    environment: Annotated[
        dict[Annotated[str, AfterValidator(_variable)], Annotated[str, AfterValidator(_no_null)]],
        _told("Environment of dockerd."),
    ] = {}
    arguments: Annotated[
        list[Annotated[str, AfterValidator(_flag), Field(json_schema_extra={"pattern": "^-"})]],
        _told("Further flags of dockerd, each with its value after `=`."),
    ] = []
    unit: Annotated[
        dict[
            Literal["Unit", "Service", "Install"],
            dict[
                Annotated[str, AfterValidator(_directive_name)],
                bool | int | Directive | list[bool | int | Directive],
            ],
        ],
        _told("Any setting of the unit, by section; a list gives several lines."),
    ] = {}


class PolicyTable(_Table):
    """How far dockcfgd may go by itself."""

    max_impact: Annotated[
        Largest,
        _told(
            "The largest action by itself for changed files; more waits for dockcfgctl apply."
            " It does not bound what is done against drift.",
            "migrate",
        ),
    ] = Impact.MIGRATE
    on_drift: Annotated[
        OnDrift,
        _choice(OnDrift),
        _told("What to do when the host no longer is as it was left.", "revert"),
    ] = OnDrift.REVERT
    drift_max_impact: Annotated[
        Largest,
        _told(
            "The largest action by itself against drift, also where max-impact is less; more waits"
            " for dockcfgctl apply.",
            "reload",
        ),
    ] = Impact.RELOAD
    restart: Annotated[
        RestartStyle,
        _choice(RestartStyle),
        _told("bridged: containers run on through a restart where the engine can.", "bridged"),
    ] = RestartStyle.BRIDGED
    unmanaged_keys: Annotated[
        UnmanagedKeys,
        _choice(UnmanagedKeys),
        _told("What happens to keys of daemon.json that are not named here.", "keep"),
    ] = UnmanagedKeys.KEEP
    confirm_timeout: Annotated[
        Span, _told("More than 0: goes back unless dockcfgctl confirm comes in time.", "0s")
    ] = 0.0
    maintenance_windows: Annotated[
        list[_WindowText],
        _told('Restart and migration wait for one, as in ["Sat,Sun 02:00/2h"].'),
    ] = []


class VerifyTable(_Table):
    """What counts as proof that a change worked."""

    timeout: Annotated[
        Span, Field(gt=0), _told("Counted from the end of the old engine process.", "90s")
    ] = 90.0
    settle: Annotated[Span, _told("How long the engine must stay up before it counts.", "5s")] = 5.0
    containers: Annotated[
        ContainersRule,
        _choice(ContainersRule),
        _told("running-before: what ran must run again.", "running-before"),
    ] = ContainersRule.RUNNING_BEFORE
    commands: Annotated[
        list[Annotated[str, AfterValidator(_command), Field(json_schema_extra={"pattern": r"\S"})]],
        _told("Commands of the shell that must exit 0 after a change."),
    ] = []


class BackupTable(_Table):
    """Made before images and containers are touched, by schedule, and at an operator's word."""

    directory: Annotated[
        str,
        AfterValidator(_absolute),
        Field(json_schema_extra={"pattern": "^/"}),
        _told("Where backups lie, an absolute path."),
    ] = "/var/lib/dockcfgd/backups"
    keep: Annotated[
        int, Field(ge=1), _told("How many are kept of a migration's and of the schedule's.")
    ] = 3
    volumes: Annotated[
        bool, _told("Archives the content of volumes too, but for a migration, which leaves them.")
    ] = False
    consistency: Annotated[
        Consistency,
        _choice(Consistency),
        _told("What becomes of running containers while what they write is read.", "pause"),
    ] = Consistency.PAUSE
    schedule: Annotated[
        str,
        AfterValidator(_single_line),
        _told('When a backup is made by itself, as in "daily" or "Sat 03:00"; empty: never.'),
    ] = ""


class StorageTable(_Table):
    """Changes of the storage driver."""

    migrate_containers: Annotated[
        bool, _told("Creates the containers again on the new driver.")
    ] = True
    keep_previous: Annotated[
        bool,
        _told("Keeps what the old driver had, until `dockcfgctl storage prune`."),
    ] = True


class Root(_Table):
    """The whole document. `[engine]` is judged by `engine_keys`, `[engine-extra]` by nobody."""

    schema_: Annotated[
        Literal[1],
        BeforeValidator(_number_one),
        Field(alias="schema"),
        _told("The form of this file."),
    ] = 1
    engine: dict[str, Any] = {}
    engine_extra: Annotated[
        dict[str, Any],
        _told("Keys of daemon.json that this release does not know, passed on unchecked."),
    ] = {}
    service: ServiceTable = ServiceTable()
    policy: PolicyTable = PolicyTable()
    verify: VerifyTable = VerifyTable()
    backup: BackupTable = BackupTable()
    storage: StorageTable = StorageTable()
    package: Annotated[dict[str, Any] | None, BeforeValidator(_not_yet)] = None
