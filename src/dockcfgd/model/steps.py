"""The steps a plan is made of: what to do, as data.

`transaction.perform` does them, `planning` orders them.

A step is idempotent: doing it twice ends where doing it once does, so a crash in the middle is
mended by doing it again or by the way back. To add one: the class here, a case in
`transaction.perform`, a way back in `planning.revert`, a line of text in `planning.wording`.
"""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass
from typing import Any, TypeAlias

from dockcfgd.model.desired import Json, KeyPath
from dockcfgd.model.files import Attribute, Tag
from dockcfgd.model.kept import Ran

__all__ = [
    "MOVES_CONTAINERS",
    "BackUpContainers",
    "BackUpImages",
    "BackUpLayers",
    "BackUpPresent",
    "CarryLayers",
    "CompareContainers",
    "CompareStock",
    "CopyRoot",
    "CopyRootRest",
    "DiscardCopy",
    "Expectation",
    "ForgetBackup",
    "KeepDisposable",
    "NoteProbes",
    "NoteRunning",
    "ProveEngine",
    "PutBack",
    "PutInPlace",
    "ReloadEngine",
    "ReloadUnits",
    "RemoveFile",
    "RemoveStaging",
    "RenameRoot",
    "RenameRootBack",
    "RestartEngine",
    "RestoreStorage",
    "ResumeContainers",
    "ReturnStorage",
    "SetAside",
    "StageContainers",
    "StartEngine",
    "StartThen",
    "Step",
    "StopEngine",
    "TakeStock",
    "WriteFile",
    "from_json",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class Expectation:
    """A key of daemon.json and the value that the engine must show for it.

    None stands for the engine's default.
    """

    path: KeyPath
    value: Json


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Put `content` at `path`, if what stands there has one of the `expected` tags.

    A new file gets owner, mode and attributes; one that is there keeps its own, unless the step is
    `exact`. Where all is so already, nothing is done.

    On the way back `ours` are all contents of the change's own making: one that somebody has edited
    meanwhile keeps what is theirs (planning/over_edit.py).
    """

    path: str
    content: bytes
    expected: tuple[Tag, ...]
    uid: int = 0
    gid: int = 0
    mode: int = 0o644
    attributes: tuple[Attribute, ...] = ()
    exact: bool = False
    ours: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove `path`, if what stands there has one of the `expected` tags. Nothing there is fine.

    `ours` as of a WriteFile.
    """

    path: str
    expected: tuple[Tag, ...]
    ours: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ReloadUnits:
    """Let systemd read its unit files again (daemon-reload)."""


@dataclass(frozen=True, slots=True)
class NoteRunning:
    """List the containers that run now.

    The list is the step's outcome, on disk before anything is stopped.
    """


@dataclass(frozen=True, slots=True)
class NoteProbes:
    """Try what has to work again after the change; what works is the step's outcome.

    Each of `commands` may take `timeout` seconds. With `containers`, their health and the ports
    that they publish count too.
    """

    commands: tuple[str, ...]
    timeout: float
    containers: bool


@dataclass(frozen=True, slots=True)
class KeepDisposable:
    """Commit each `--rm` container, pin its anonymous volumes and keep its log.

    All of it goes with the engine's stop.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class ReloadEngine:
    """Reload docker.service and await the engine's own word that these values are in force.

    It has `timeout` seconds for it.
    """

    expect: tuple[Expectation, ...]
    timeout: float


@dataclass(frozen=True, slots=True)
class RestartEngine:
    """Reset the start limit and restart docker.service.

    The old engine has `going` seconds to go, from then on the new one `timeout` to be ready.
    `bridged`: containers run on through it.
    """

    timeout: float
    bridged: bool = False
    going: float = 0.0


@dataclass(frozen=True, slots=True)
class StopEngine:
    """Stop docker.socket, then docker.service, so that no client can wake the engine meanwhile."""

    timeout: float


@dataclass(frozen=True, slots=True)
class StartEngine:
    """Reset the start limit and start docker.service with its socket.

    The job may take `timeout` seconds.
    """

    timeout: float


@dataclass(frozen=True, slots=True)
class ResumeContainers:
    """Start what `NoteRunning` listed and does not run by itself.

    Bring back what `KeepDisposable` kept in `folder`. `to_old_storage`: on a way back that leaves
    another storage, as it was kept at first.
    """

    folder: str
    to_old_storage: bool = False


@dataclass(frozen=True, slots=True)
class BackUpImages:
    """Back up every image and the inventory, while the engine serves.

    It all goes into the backup `backup` below `directory`, and with `staging` on the same way into
    the staging engine that keeps its data there, on the target driver with `options`. Ends the
    transaction, before anything is stopped, when something would not fit on its filesystem.
    """

    backup: str
    directory: str
    target_driver: str
    staging: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackUpContainers:
    """Stop what runs, then back up each container's configuration and writable layer."""

    backup: str
    directory: str


@dataclass(frozen=True, slots=True)
class StageContainers:
    """Bring what came since `BackUpImages` to the staging engine, and a stand-in of each container.

    While the engine serves. The containers' configuration goes into the backup, `--rm` ones that
    came since `KeepDisposable` into its folder `kept`, and what the others have written since, too.
    Then the staging engine stops.
    """

    backup: str
    directory: str
    target_driver: str
    staging: str
    kept: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CarryLayers:
    """Copy each container's writable layer from `driver` in `root` to its stand-in in `staging`.

    Only while both engines are stopped. Ends the transaction when something came to the engine
    after `StageContainers`.
    """

    backup: str
    directory: str
    root: str
    driver: str
    target_driver: str
    staging: str


@dataclass(frozen=True, slots=True)
class PutInPlace:
    """Move what `staging` has of `driver` into `root`, and give the containers that driver.

    After the `SetAside` into `folder`, whose `PutBack` undoes this too. Only while the engine is
    stopped.
    """

    root: str
    driver: str
    folder: str
    staging: str


@dataclass(frozen=True, slots=True)
class RemoveStaging:
    """Stop the staging engine that keeps its data in `staging`, and remove that.

    On a way back with the snapshotter `brought_to`: what it has brought to containerd's store too.
    """

    staging: str
    brought_to: str = ""


@dataclass(frozen=True, slots=True)
class CompareContainers:
    """Compare the containers with those of the backup: nothing may differ but the driver."""

    backup: str
    directory: str


@dataclass(frozen=True, slots=True)
class BackUpLayers:
    """Save what the containers had written on `driver`, which lies in `root` as it was.

    Completes the backup. `kept` is the folder of `KeepDisposable`.
    """

    backup: str
    directory: str
    root: str
    driver: str
    kept: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """Move what `driver` left in data-root `root` to `folder` (inside `root`).

    Only while the engine is stopped.
    """

    root: str
    driver: str
    folder: str


@dataclass(frozen=True, slots=True)
class PutBack:
    """Throw away what `driver` has in `root` now and undo the `SetAside` into `folder`.

    Only while the engine is stopped.
    """

    root: str
    driver: str
    folder: str


@dataclass(frozen=True, slots=True)
class BackUpPresent:
    """Back up all that the engine has now into `backup` below `directory`, while it serves."""

    backup: str
    directory: str


@dataclass(frozen=True, slots=True)
class ForgetBackup:
    """Remove what a `BackUpPresent` that did not end has left. A whole backup stays."""

    backup: str
    directory: str


@dataclass(frozen=True, slots=True)
class ReturnStorage:
    """Move what `driver` has in `root` to `folder`, and give the containers `previous` again.

    Their files of then are in `kept`, and with `moved` all that `previous` had. Only while the
    engine is stopped. The `PutBack` of `driver` into `folder` undoes it.
    """

    root: str
    driver: str
    folder: str
    previous: str
    kept: str
    moved: bool = False


@dataclass(frozen=True, slots=True)
class StartThen:
    """Start the containers of `running`, and bring back what is kept in `disposable`.

    The outcome lists those that have to run; one that was removed since the change, and those of
    `disposable`, may have lost what they need, and are named in it if they do not start.
    `folder` is that of the `ReturnStorage`.
    """

    running: tuple[Ran, ...]
    disposable: str
    folder: str


@dataclass(frozen=True, slots=True)
class CopyRoot:
    """Copy the data-root `source` to `target` while the engine serves.

    `name` is the transaction's, which the copy bears. `records` is the folder that says which
    data-roots were left: `target` is none of them any more. With `shift` (model.roots.RootMove)
    files get other owners. Ends the transaction, before anything is stopped, where it would not
    fit.
    """

    source: str
    target: str
    name: str
    records: str
    shift: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CopyRootRest:
    """Copy what has changed since `CopyRoot`. Only while the engine is stopped."""

    source: str
    target: str
    name: str
    shift: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DiscardCopy:
    """Remove what `CopyRoot` of the transaction `name` made at `target`."""

    source: str
    target: str
    name: str


@dataclass(frozen=True, slots=True)
class RenameRoot:
    """Give the data-root `source` the path `target`. Only while the engine is stopped."""

    source: str
    target: str
    name: str


@dataclass(frozen=True, slots=True)
class RenameRootBack:
    """Undo the `RenameRoot` of the transaction `name`. Only while the engine is stopped."""

    source: str
    target: str
    name: str


@dataclass(frozen=True, slots=True)
class TakeStock:
    """Write what the engine has, as it shows it, into `folder`."""

    folder: str


@dataclass(frozen=True, slots=True)
class CompareStock:
    """Compare what the engine has with what `TakeStock` wrote into `folder`.

    Nothing may be missing or different but `source`, where the data-root was, and `target`.
    """

    folder: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class RestoreStorage:
    """Load the backup's images, create its containers and start those that ran.

    The outcome maps old IDs to new.
    """

    backup: str
    directory: str


@dataclass(frozen=True, slots=True)
class ProveEngine:
    """Wait until the engine shows all of `expect` and its containers run.

    Then it must hold for `settle` seconds, and what `NoteProbes` found to work must work, and all
    of `commands` exit 0. `again`: on the way back, where only those that did before have to.
    """

    expect: tuple[Expectation, ...]
    timeout: float
    settle: float
    containers: bool
    commands: tuple[str, ...] = ()
    again: bool = False


Step: TypeAlias = (
    WriteFile
    | RemoveFile
    | ReloadUnits
    | NoteRunning
    | NoteProbes
    | KeepDisposable
    | ReloadEngine
    | RestartEngine
    | StopEngine
    | StartEngine
    | ResumeContainers
    | BackUpImages
    | BackUpContainers
    | StageContainers
    | CarryLayers
    | PutInPlace
    | RemoveStaging
    | CompareContainers
    | BackUpLayers
    | BackUpPresent
    | ForgetBackup
    | ReturnStorage
    | StartThen
    | SetAside
    | PutBack
    | CopyRoot
    | CopyRootRest
    | DiscardCopy
    | RenameRoot
    | RenameRootBack
    | TakeStock
    | CompareStock
    | RestoreStorage
    | ProveEngine
)

_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Expectation,
        Attribute,
        Tag,
        WriteFile,
        RemoveFile,
        ReloadUnits,
        NoteRunning,
        NoteProbes,
        KeepDisposable,
        ReloadEngine,
        RestartEngine,
        StopEngine,
        StartEngine,
        ResumeContainers,
        BackUpImages,
        BackUpContainers,
        StageContainers,
        CarryLayers,
        PutInPlace,
        RemoveStaging,
        CompareContainers,
        BackUpLayers,
        BackUpPresent,
        ForgetBackup,
        ReturnStorage,
        StartThen,
        Ran,
        SetAside,
        PutBack,
        CopyRoot,
        CopyRootRest,
        DiscardCopy,
        RenameRoot,
        RenameRootBack,
        TakeStock,
        CompareStock,
        RestoreStorage,
        ProveEngine,
    )
}
MOVES_CONTAINERS = (BackUpContainers, CarryLayers, CopyRootRest, RenameRoot, ReturnStorage)
"""Steps that only a change has which takes containers to another storage."""

_BYTES, _MANY_BYTES = {"content"}, {"ours"}
_RAW = {"value"}
# Left out where they say nothing: the ids of plans are made of these documents.
_SPARING = {
    "attributes", "brought_to", "exact", "moved", "options", "ours", "shift", "staging",
    "to_old_storage",
}  # fmt: skip


def to_json(value: Step | Expectation | Attribute | Tag | Ran) -> dict[str, Json]:
    """Give a step as a JSON object, its class under `@`; `from_json` gives the equal step back."""
    document: dict[str, Json] = {"@": type(value).__name__}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if held or field.name not in _SPARING:
            document[field.name] = _encode(field.name, held)
    return document


def _encode(name: str, value: Any) -> Json:  # noqa: ANN401 -- the fields of all steps pass through here
    if name in _BYTES:
        return base64.b64encode(value).decode("ascii")
    if name in _MANY_BYTES:
        return [base64.b64encode(one).decode("ascii") for one in value]
    if name in _RAW:
        return value  # type: ignore[no-any-return]  # Json by its declaration
    if isinstance(value, tuple):
        return [_encode("", item) for item in value]
    if dataclasses.is_dataclass(value):
        return to_json(value)  # type: ignore[arg-type]  # only the classes above nest
    return value  # type: ignore[no-any-return]  # scalars


def from_json(document: dict[str, Json]) -> Any:  # noqa: ANN401 -- the class is named in the document
    """Give the step that `to_json` wrote.

    Raises KeyError for a class that this release does not know.
    """
    cls = _CLASSES[str(document["@"])]
    return cls(**{name: _decode(name, value) for name, value in document.items() if name != "@"})


def _decode(name: str, value: Json) -> Any:  # noqa: ANN401 -- see from_json
    if name in _BYTES:
        return base64.b64decode(str(value))
    if name in _MANY_BYTES and isinstance(value, list):
        return tuple(base64.b64decode(str(one)) for one in value)
    if name in _RAW:
        return value
    if isinstance(value, list):
        return tuple(_decode("", item) for item in value)
    if isinstance(value, dict):
        return from_json(value)
    return value
