"""systemd where there is none to ask: a preview then says what it could not check, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from dockcfgd.model.errors import SystemdFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.host import UnitState
    from dockcfgd.model.probes import CommandEnd, Endpoint
    from dockcfgd.model.systemd import JobResult, JobVerb, JournalLine

__all__ = ["NoBus"]


class NoBus:
    """`ports.Systemd`, `Probes`, `FolderArchives` without a bus: each says why there is none."""

    def __init__(self, why: str) -> None:
        self._why = why

    def _refuse(self, what: str) -> NoReturn:
        name = "org.freedesktop.DBus.Error.NoServer"
        raise SystemdFailure(what=what, name=name, why=self._why)

    def unit(self, name: str) -> UnitState:
        """Fail."""
        self._refuse(f"read the state of {name}")

    def reload_units(self) -> None:
        """Fail."""
        self._refuse("read unit files again")

    def run_job(
        self,
        verb: JobVerb,
        unit: str,
        *,
        timeout: float,  # noqa: ARG002 -- the port's
        going: float = 0.0,  # noqa: ARG002 -- the port's
    ) -> JobResult:
        """Fail."""
        self._refuse(f"call {verb} for {unit}")

    def reset_failed(self, unit: str) -> None:
        """Fail."""
        self._refuse(f"reset {unit}")

    def stopping(self) -> bool:
        """Fail."""
        self._refuse("read the system's state")

    def last_line(self, unit: str, *, invocation: str) -> str:  # noqa: ARG002 -- the port's
        """Give nothing."""
        return ""

    def answering(self, endpoints: Sequence[Endpoint]) -> frozenset[Endpoint]:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("have ports tried")

    def run(self, command: str, *, timeout: float) -> CommandEnd:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"run {command}")

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:  # noqa: ARG002 -- the port's
        """Give none."""
        return ()

    def size(self, folder: str) -> int:
        """Fail."""
        self._refuse(f"measure {folder}")

    def pack(self, folder: str) -> NoReturn:
        """Fail."""
        self._refuse(f"read {folder}")

    def unpack(self, folder: str, archive: Iterable[bytes]) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"fill {folder}")
