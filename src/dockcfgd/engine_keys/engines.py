"""What differs between releases of the engine beside the keys: API, drivers, their options.

Without a release (None) the newest one's answer is given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from dockcfgd.engine_keys.entry import read_window
from dockcfgd.engine_keys.version import EngineVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ApiRange",
    "EnvironmentVariable",
    "api_range",
    "automatic_storage_drivers",
    "environment",
    "log_drivers",
    "log_options",
    "removed_storage_drivers",
    "required_log_options",
    "snapshotters",
    "storage_drivers",
    "storage_options",
]

_NEWEST = EngineVersion(10_000, 0)


@dataclass(frozen=True, slots=True)
class ApiRange:
    """The API versions that a release speaks; `min-api-version` moves the oldest."""

    oldest: str
    newest: str


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """A variable in the environment of dockerd. `key` is the key it touches, empty for none."""

    name: str
    summary: str
    key: str
    beats_file: bool


def api_range(version: EngineVersion | None) -> ApiRange:
    """Give the API versions of a release."""
    row = _last_row(_facts()["api"], version)
    return ApiRange(oldest=row["oldest"], newest=row["newest"])


def storage_drivers(version: EngineVersion | None, *, build: str = "") -> tuple[str, ...]:
    """Give the storage drivers that a release knows.

    `build` is the whole version text; a distribution's build may have left some out.
    """
    missing = {
        name
        for row in _facts()["distribution-builds"]
        if build.startswith(row["version"])
        for name in row["missing"]
    }
    names = _names_in(_facts()["storage-drivers"], version)
    return tuple(name for name in names if name not in missing)


def removed_storage_drivers(version: EngineVersion | None) -> tuple[str, ...]:
    """Give the storage drivers that earlier releases knew and this one refuses."""
    known = storage_drivers(version)
    return tuple(row["name"] for row in _facts()["storage-drivers"] if row["name"] not in known)


def automatic_storage_drivers(version: EngineVersion | None) -> tuple[str, ...]:
    """Give the drivers that a release tries by itself, best first."""
    return tuple(_last_row(_facts()["automatic-storage-drivers"], version)["drivers"])


def snapshotters() -> tuple[str, ...]:
    """Give names that the containerd image store takes as storage-driver; others may do."""
    return tuple(_facts()["snapshotters"])


def storage_options(driver: str, version: EngineVersion | None) -> tuple[str, ...]:
    """Give the names that `storage-opts` may have for a driver; fuse-overlayfs ignores all."""
    rows = [row for row in _facts()["storage-options"] if row["driver"] == driver]
    return _names_in(rows, version)


def log_drivers(version: EngineVersion | None) -> tuple[str, ...]:
    """Give the log drivers of a release; installed plugins come on top."""
    return _names_in(_facts()["log-drivers"], version)


def log_options(driver: str, version: EngineVersion | None) -> frozenset[str]:
    """Give the options that a log driver takes, the common ones included; empty if unknown."""
    own = _names_in(_facts()["log-options"].get(driver, []), version)
    return frozenset((*own, *_facts()["common-log-options"])) if own else frozenset()


def required_log_options(driver: str) -> tuple[str, ...]:
    """Give the options without which the engine does not start with this log driver."""
    return tuple(_facts()["required-log-options"].get(driver, ()))


def environment(version: EngineVersion | None) -> tuple[EnvironmentVariable, ...]:
    """Give the variables that a release looks at."""
    return tuple(
        EnvironmentVariable(
            name=row["name"],
            summary=row["summary"],
            key=row.get("key", ""),
            beats_file=row.get("beats-file", False),
        )
        for row in _facts()["environment"]
        if _holds(row, version)
    )


@cache
def _facts() -> Mapping[str, Any]:
    facts: Mapping[str, Any] = json.loads(
        files(__package__).joinpath("engines.json").read_text("utf-8")
    )
    return facts


def _holds(row: Mapping[str, Any], version: EngineVersion | None) -> bool:
    return read_window(row).holds(version or _NEWEST)


def _names_in(rows: Sequence[Mapping[str, Any]], version: EngineVersion | None) -> tuple[str, ...]:
    return tuple(row["name"] for row in rows if _holds(row, version))


def _last_row(
    rows: Sequence[Mapping[str, Any]], version: EngineVersion | None
) -> Mapping[str, Any]:
    """Give the newest row that the release has reached; a release older than all gets the first."""
    reached = [row for row in rows if _holds(row, version)]
    return reached[-1] if reached else rows[0]
