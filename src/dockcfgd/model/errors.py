"""The errors that end a transaction or a request, each with what an operator needs to act.

DockcfgdError
+- InvalidDesiredState   the TOML files cannot be used; carries one Finding for each reason
+- ImportRefused         a host's daemon.json cannot be turned into TOML
+- StaleFile             a managed file changed between observation and write
+- FileFailure           a file cannot be read, written or removed; carries errno
+- SystemdFailure        systemd refused, a job failed, or the bus gave no answer in time
+- BusFailure            a D-Bus call failed, or the connection to the bus did
+- EngineFailure         the Docker API refused or could not be reached
   +- EngineSilent       and no answer came at all
+- EngineReplaced        somebody restarted the engine while it was proven
+- StepFailed            a step ran with a wrong outcome (a verdict on the state tried)
+- HostChanged           something came or went while a change was made ready
+- StateFileFailure      state.db cannot be used
   +- StateFileDamaged   and its content is to blame
+- Unfinished            a change could not be ended yet: it is tried again
+- OfAnotherRelease      the open change is one that this release cannot read
+- BackupRefused         a backup or restore is refused before anything is touched
+- StorageRefused        what is kept of the storage is not touched, and why
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BackupRefused",
    "BusFailure",
    "CalendarFailure",
    "DockcfgdError",
    "EngineFailure",
    "EngineReplaced",
    "EngineSilent",
    "FileFailure",
    "Finding",
    "HostChanged",
    "ImportRefused",
    "InvalidDesiredState",
    "OfAnotherRelease",
    "StaleFile",
    "StateFileDamaged",
    "StateFileFailure",
    "StepFailed",
    "StorageRefused",
    "SystemdFailure",
    "Unfinished",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why something is refused: where it stands, what is wrong, what to do instead.

    `file` is an absolute path or None, `line` counts from 1, `key` is the dotted key. `hint` may be
    empty. `engine_down`: it holds because the engine is down, and may not once it serves.
    """

    message: str
    file: str | None = None
    line: int | None = None
    key: str | None = None
    hint: str = ""
    engine_down: bool = False

    def text(self) -> str:
        """Give the finding as one line: `FILE:LINE: KEY: message (hint)`."""
        where = (
            ""
            if self.file is None
            else f"{self.file}:{self.line}: "
            if self.line
            else f"{self.file}: "
        )
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{key}{self.message}{hint}"


class DockcfgdError(Exception):
    """Base of all errors that dockcfgd raises on purpose. `str()` is one line for a person.

    `of_surroundings`: it tells of the host at that moment and nothing of the state tried, which may
    be tried again once the host allows it.
    """

    def __str__(self) -> str:
        """Give it as text that can be stored and sent, also where a file's name is no UTF-8."""
        return super().__str__().encode("utf-8", "backslashreplace").decode("utf-8")

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame."""
        return False


class InvalidDesiredState(DockcfgdError):
    """The desired state is refused before anything is touched."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(finding.text() for finding in findings))
        self.findings = tuple(findings)


class ImportRefused(DockcfgdError):
    """A host's configuration cannot be turned into TOML."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"cannot import: {finding.text()}")
        self.finding = finding


class StaleFile(DockcfgdError):
    """A managed file is no longer what was observed; it was left as it is now."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"cannot replace {path}: it changed since it was looked at, and was left alone"
        )
        self.path = path


class FileFailure(DockcfgdError):
    """A file operation failed; `errno` is the kernel's number."""

    def __init__(self, *, what: str, path: str, errno: int, why: str) -> None:
        super().__init__(f"cannot {what} {path}: {why}")
        self.what, self.why = what, why
        self.path = path
        self.errno = errno

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame: always."""
        return True


class SystemdFailure(DockcfgdError):
    """systemd did not do what it was asked.

    `name` is the D-Bus error name or the job's result word.
    """

    def __init__(self, *, what: str, name: str, why: str) -> None:
        super().__init__(f"cannot {what}: {why}")
        self.name = name

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame; a unit with bad settings is not."""
        return not self.name.endswith(".BadUnitSetting")


class CalendarFailure(DockcfgdError):
    """systemd does not understand a calendar expression, or cannot be asked."""

    def __init__(self, expression: str, why: str) -> None:
        super().__init__(f"cannot read the calendar expression {expression!r}: {why}")


class BusFailure(DockcfgdError):
    """A D-Bus call failed; `name` is the D-Bus error name, `text` the other side's words.

    No answer within the time limit is `org.freedesktop.DBus.Error.Timeout`, a lost connection
    `org.freedesktop.DBus.Error.Disconnected`, nobody behind the name
    `org.freedesktop.DBus.Error.ServiceUnknown`.
    """

    def __init__(self, *, what: str, name: str, text: str) -> None:
        super().__init__(f"cannot {what}: {text}")
        self.what = what
        self.name = name
        self.text = text


class EngineFailure(DockcfgdError):
    """The engine's API answered with an error (`status` >= 400) or not at all (`status` 0)."""

    def __init__(self, *, what: str, status: int, why: str) -> None:
        super().__init__(f"cannot {what}: {why}")
        self.status = status


class EngineSilent(EngineFailure):
    """The engine's API cannot be connected to, or gave no answer in time.

    It does not tell whether the engine is down or only busy: its unit does.
    """

    def __init__(self, *, what: str, why: str) -> None:
        super().__init__(what=what, status=0, why=why)


class EngineReplaced(DockcfgdError):
    """Somebody else restarted the engine while it was proven."""

    def __init__(self) -> None:
        super().__init__("somebody restarted the engine meanwhile")

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame: always."""
        return True


class StepFailed(DockcfgdError):
    """A step's outcome is wrong.

    The desired state is to blame, so it is remembered and not tried again by itself.
    """


class HostChanged(DockcfgdError):
    """Something came or went on the host while a change was made ready for it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; the change starts over")

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame: always."""
        return True


class StateFileFailure(DockcfgdError):
    """The state file cannot be used; the managed files were left alone."""

    @property
    def of_surroundings(self) -> bool:
        """Whether the host at that moment is to blame: always."""
        return True


class StateFileDamaged(StateFileFailure):
    """The state file holds something else than dockcfgd wrote."""


class Unfinished(DockcfgdError):
    """A change could not be ended in these surroundings.

    Its way back stays in force and is gone once they allow it.
    """


class OfAnotherRelease(DockcfgdError):
    """The open change was begun by a release that knows more; it is left as it is."""

    def __init__(self, transaction: str, why: str) -> None:
        super().__init__(
            f"cannot end change {transaction}: another release of dockcfgd began it, and this one"
            f" does not know all of it ({why}); install that release again, or a newer one, which"
            " ends it. Until then nothing is changed, but dockcfgd-recover puts the files back"
            " before the engine's next start, or now: systemctl start dockcfgd-recover"
        )
        self.transaction = transaction


class BackupRefused(DockcfgdError):
    """A backup or a restore is refused before anything is touched."""


class StorageRefused(DockcfgdError):
    """What is kept of the storage cannot be freed, and nothing of it was touched."""
