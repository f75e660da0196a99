"""systemd where there is none to ask: a preview then says what it could not check, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from dockcfgd.model.errors import SystemdFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dockcfgd.model.cargo import Cargo, FirstCopy
    from dockcfgd.model.host import UnitState
    from dockcfgd.model.kept import Freed
    from dockcfgd.model.probes import CommandEnd, Endpoint
    from dockcfgd.model.processes import Process
    from dockcfgd.model.roots import LeftBehind, RootMove
    from dockcfgd.model.systemd import JobResult, JobVerb, JournalLine
    from dockcfgd.ports import Progressing

__all__ = ["NoBus"]


class NoBus:
    """`ports.Systemd` and what needs it, without a bus: the answer is why there is none."""

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

    def processes(self) -> tuple[Process, ...]:
        """Fail."""
        self._refuse("list the processes")

    def kill(self, unit: str) -> None:
        """Fail."""
        self._refuse(f"kill {unit}")

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

    def killed(self, unit: str, *, invocation: str) -> bool:  # noqa: ARG002 -- the port's
        """Tell of nothing."""
        return False

    def started_since(self, unit: str, *, since: float) -> bool | None:  # noqa: ARG002 -- the port's
        """Tell of nothing."""
        return None

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:  # noqa: ARG002 -- the port's
        """Give none."""
        return ()

    def size(self, folder: str) -> int:
        """Fail."""
        self._refuse(f"measure {folder}")

    def pack(self, folder: str) -> NoReturn:
        """Fail."""
        self._refuse(f"read {folder}")

    def pack_layer(
        self,
        root: str,  # noqa: ARG002
        *,
        driver: str,  # noqa: ARG002
        container: str,
        image: str,  # noqa: ARG002
        name: str = "",  # noqa: ARG002
    ) -> NoReturn:
        """Fail."""
        self._refuse(f"read what container {container} has written")

    def unpack(self, folder: str, archive: Iterable[bytes]) -> NoReturn:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"fill {folder}")

    def engine(self, folder: str, *, driver: str, options: Sequence[str]) -> NoReturn:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("start a staging engine")

    def root(self, folder: str, *, driver: str) -> NoReturn:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"find where {driver} keeps its layers")

    def adopt(self, driver: str, containers: Mapping[str, str]) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("make layers for containers")

    def remove(self, folder: str) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("stop the staging engine")

    def take_back(self, folder: str, *, driver: str) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("stop the staging engine")

    def obstacle(self, root: str, driver: str, containers: Sequence[str]) -> str:  # noqa: ARG002 -- the port's
        """Give nothing."""
        return ""

    def copy_ahead(self, copy: FirstCopy, *, progress: Progressing) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("copy writable layers")

    def carry(self, cargo: Cargo, *, progress: Progressing) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("copy writable layers")

    def survey(self, move: RootMove) -> NoReturn:
        """Fail."""
        self._refuse(f"look at {move.target}")

    def copy_live(self, move: RootMove, *, progress: Progressing) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"copy {move.source}")

    def copy_rest(self, move: RootMove, *, progress: Progressing) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"copy {move.source}")

    def discard(self, move: RootMove) -> None:
        """Fail."""
        self._refuse(f"remove the copy in {move.target}")

    def rename(self, move: RootMove) -> None:
        """Fail."""
        self._refuse(f"rename {move.source}")

    def rename_back(self, move: RootMove) -> None:
        """Fail."""
        self._refuse(f"rename {move.target} back")

    def remove_left(self, left: LeftBehind, *, progress: Progressing) -> None:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse(f"remove {left.path}")

    def free(self, folders: Sequence[str], *, progress: Progressing) -> Freed:  # noqa: ARG002 -- the port's
        """Fail."""
        self._refuse("delete anything")

    def clear_store(self, snapshotter: str) -> None:
        """Fail."""
        self._refuse(f"remove what {snapshotter} has")
