"""All checks, in the order in which a person would look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor import (
    configuration,
    containers,
    kernel,
    networks,
    permissions,
    processes,
    storage,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding

__all__ = ["CHECKS", "findings_of"]

CHECKS: tuple[Callable[[Case], Iterable[Finding]], ...] = (
    *versions.CHECKS,
    *configuration.CHECKS,
    *kernel.CHECKS,
    *storage.CHECKS,
    *processes.CHECKS,
    *containers.CHECKS,
    *networks.CHECKS,
    *permissions.CHECKS,
)


def findings_of(case: Case) -> tuple[tuple[str, Finding], ...]:
    """Give what all checks find, each with the name of its check, such as `storage.space`."""
    return tuple((_name(check), finding) for check in CHECKS for finding in check(case))


def _name(check: Callable[[Case], Iterable[Finding]]) -> str:
    return f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
