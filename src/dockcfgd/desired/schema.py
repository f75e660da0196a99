"""The tables beside `[engine]`: what a value may be, and what this release does not do yet."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dockcfgd.desired.spans import parse_span
from dockcfgd.model.impact import Impact
from dockcfgd.model.policy import ContainersRule, OnDrift, RestartStyle, UnmanagedKeys

__all__ = ["Root"]

_LONGEST = 365 * 24 * 3600
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DIRECTIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=_hyphens, frozen=True)


def _span(value: object) -> float:
    if not isinstance(value, str):
        msg = 'must be text such as "90s"'
        raise ValueError(msg)  # noqa: TRY004 -- pydantic turns ValueError into a finding
    seconds = parse_span(value)
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


def _flag(value: str) -> str:
    if not value.startswith("-"):
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
    kind: type[OnDrift | RestartStyle | UnmanagedKeys | ContainersRule],
) -> BeforeValidator:
    words = " or ".join(f'"{member}"' for member in kind)

    def read(value: object) -> object:
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        msg = f"must be {words}"
        raise ValueError(msg)

    return BeforeValidator(read)


Span = Annotated[float, BeforeValidator(_span), Field(ge=0)]
Largest = Annotated[Impact, BeforeValidator(_impact)]
Directive = Annotated[str, AfterValidator(_single_line)]
_FREE_WITH_ARGUMENTS = "ExecStart"


def _directive_name(value: str) -> str:
    if _DIRECTIVE.fullmatch(value) is None:
        msg = f"{value[:40]!r} is not the name of a unit setting"
        raise ValueError(msg)
    return value


def _number_one(value: object) -> object:
    if value is True:  # equal to 1, and still no number
        msg = "must be 1"
        raise ValueError(msg)
    return value


def _section(value: object) -> object:
    if isinstance(value, dict) and _FREE_WITH_ARGUMENTS in value:
        msg = "ExecStart is put together by dockcfgd: use service.arguments for flags of dockerd"
        raise ValueError(msg)
    return value


def _nothing(value: list[str]) -> list[str]:
    return _not_yet(value) if value else value


def _only_false(value: bool) -> bool:  # noqa: FBT001 -- a validator gets its value
    return _not_yet(value) if value else value


def _only_true(value: bool) -> bool:  # noqa: FBT001 -- a validator gets its value
    return value or _not_yet(value)


class ServiceTable(_Table):
    """`[service]`."""

    environment: dict[
        Annotated[str, AfterValidator(_variable)], Annotated[str, AfterValidator(_no_null)]
    ] = {}
    arguments: list[Annotated[str, AfterValidator(_flag)]] = []
    unit: dict[
        Literal["Unit", "Service", "Install"],
        Annotated[
            dict[
                Annotated[str, AfterValidator(_directive_name)],
                bool | int | Directive | list[bool | int | Directive],
            ],
            BeforeValidator(_section),
        ],
    ] = {}


class PolicyTable(_Table):
    """`[policy]`."""

    max_impact: Largest = Impact.MIGRATE
    on_drift: Annotated[OnDrift, _choice(OnDrift)] = OnDrift.REVERT
    drift_max_impact: Largest = Impact.RELOAD
    restart: Annotated[RestartStyle, _choice(RestartStyle)] = RestartStyle.BRIDGED
    unmanaged_keys: Annotated[UnmanagedKeys, _choice(UnmanagedKeys)] = UnmanagedKeys.KEEP
    confirm_timeout: Span = 0.0
    maintenance_windows: Annotated[list[str], AfterValidator(_nothing)] = []


class VerifyTable(_Table):
    """`[verify]`."""

    timeout: Annotated[Span, Field(gt=0)] = 90.0
    settle: Span = 5.0
    containers: Annotated[ContainersRule, _choice(ContainersRule)] = ContainersRule.RUNNING_BEFORE
    commands: Annotated[list[str], AfterValidator(_nothing)] = []


class BackupTable(_Table):
    """`[backup]`."""

    directory: Annotated[str, AfterValidator(_absolute)] = "/var/lib/dockcfgd/backups"
    keep: Annotated[int, Field(ge=1)] = 3
    volumes: Annotated[bool, AfterValidator(_only_false)] = False


class StorageTable(_Table):
    """`[storage]`."""

    migrate_containers: bool = True
    keep_previous: Annotated[bool, AfterValidator(_only_true)] = True


class Root(_Table):
    """The whole document. `[engine]` is judged by `engine_keys`, `[engine-extra]` by nobody."""

    schema_: Annotated[Literal[1], BeforeValidator(_number_one), Field(alias="schema")] = 1
    engine: dict[str, Any] = {}
    engine_extra: dict[str, Any] = {}
    service: ServiceTable = ServiceTable()
    policy: PolicyTable = PolicyTable()
    verify: VerifyTable = VerifyTable()
    backup: BackupTable = BackupTable()
    storage: StorageTable = StorageTable()
    package: Annotated[dict[str, Any] | None, BeforeValidator(_not_yet)] = None
