"""What a plan does that no way back undoes, in sentences for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.planning.storage_change import SNAPSHOTTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.model.plan import Disturbed, Drift

__all__ = ["OTHER_IDS", "irreversible"]

_DIFFER = "a new ID, creation time, exit code, health log and restart count"
_LOGS = "their logs come along where the log driver keeps them in files (json-file, local)"
_IMAGE = "another image (where they have written something)"
_REST = (
    "and another hostname (where it is the host's or another container's); what said nothing is"
    " filled in, limits that this kernel lacks go, and a working directory of the image that they"
    " had removed is there again"
)
_MIGRATED = (
    f"containers made anew get {_DIFFER}; {_LOGS}",
    f"their settings may have {_IMAGE}, unnamed volumes by name (rm -v leaves them), {_REST}",
    (
        "a stopped container may read created instead of exited; with the restart policy always it"
        " does not come up with the engine until it is started once"
    ),
    "names of images by digest are gone until the next pull, and the build cache is not moved",
)


OTHER_IDS = (
    "images get other IDs, as the containerd image store has others; names stay, and docker"
    " compose up may create a project's containers again, as it goes by the ID"
)
_OTHER_STORE = (
    OTHER_IDS,
    "names of images by digest are others, or gone until the next pull",
)


def irreversible(
    steps: Sequence[do.Step], drifts: Sequence[Drift], disturbed: Disturbed
) -> tuple[str, ...]:
    """Give one sentence for each thing that does not come back."""
    return tuple(_sentences(steps, drifts, disturbed))


def _of_storage(steps: Sequence[do.Step], kinds: set[type[do.Step]]) -> Iterator[str]:
    if do.RestoreStorage in kinds:
        yield from _MIGRATED
    if do.ReturnStorage in kinds:
        yield "containers with --rm that run now end"
    if do.CarryLayers in kinds:
        yield "the build cache is not moved"
    if _changes_store(steps):
        yield from _OTHER_STORE


def _changes_store(steps: Sequence[do.Step]) -> bool:
    """Tell whether one of the two is containerd's."""
    return any(
        isinstance(step, do.CarryLayers) and SNAPSHOTTERS & {step.driver, step.target_driver}
        for step in steps
    )


def _sentences(
    steps: Sequence[do.Step], drifts: Sequence[Drift], disturbed: Disturbed
) -> Iterator[str]:
    kinds = {type(step) for step in steps}
    if disturbed.stopped:
        yield "the processes of containers that stop end; what they hold only in memory is lost"
    yield from _of_storage(steps, kinds)
    if disturbed.recreated and do.KeepDisposable in kinds:
        names = ", ".join(disturbed.recreated)
        yield f"--rm containers get {_DIFFER}; {_LOGS}: {names}"
        yield f"their settings may have {_IMAGE}, who kept their unnamed volumes, {_REST}"
    starts = kinds & {do.RestartEngine, do.StartEngine}
    for drift in drifts if starts else ():
        if do.CompareStock in kinds:
            continue
        if drift.path == ("userns-remap",) and drift.desired == "default":
            yield (
                "the engine makes the user and group dockremap, with ranges in /etc/subuid and"
                " /etc/subgid; nothing removes them"
            )
        elif drift.path == ("data-root",) and isinstance(drift.desired, str):
            yield f"the engine makes the folder {drift.desired}; nothing removes it"
