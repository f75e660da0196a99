"""Doing one step. Nothing is decided here.

What to do is the step's, whether it was right is `planning.judge`'s.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from dockcfgd.migration import folders, left_behind, operations, stock
from dockcfgd.migration.left_layers import back_up_left_layers
from dockcfgd.migration.returning import back_up_present, forget_half_a_backup, start_then
from dockcfgd.migration.staging import cargo_of, stand_ins_of
from dockcfgd.model import steps as do
from dockcfgd.model.cargo import Cargo, FirstCopy
from dockcfgd.model.errors import EngineFailure, HostChanged, StaleFile, StepFailed, SystemdFailure
from dockcfgd.model.files import ABSENT, Tag
from dockcfgd.model.host import on_containerd_store
from dockcfgd.model.roots import RootMove
from dockcfgd.model.systemd import DOCKER_SERVICE, DOCKER_SOCKET, JobResult, JobVerb
from dockcfgd.planning import judge
from dockcfgd.transaction.left_running import await_end, end_older_than_engine
from dockcfgd.transaction.probing import note_probes
from dockcfgd.transaction.prove import prove, stays_up
from dockcfgd.transaction.put_over import put_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from dockcfgd.effects import Effects
    from dockcfgd.migration.access import Access
    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Progressing
    from dockcfgd.transaction.put_over import Ours

__all__ = ["perform"]

_NO_SOCKETS = "no sockets found via socket activation"
_COMING_UP = frozenset({"activating", "failed"})
# Whoever has changed a container in the moment before the engine's stop is why, not what is wanted.
_NOT_THE_SAME = "what came back is not what was: "
_NOTHING_KEPT = "/nonexistent"
_LATE_SECONDS = 1.0
_RETRY_SOCKET = frozenset({"masked", "not-found"})


def perform(  # noqa: C901, PLR0911, PLR0912, PLR0915 -- one case a step
    step: do.Step,
    effects: Effects,
    outcomes: Mapping[str, Json],
    progress: Progressing,
    *,
    heed: Callable[[], None],
    ours: Ours = tuple,
) -> Json:
    """Do a step and give its outcome. `outcomes` are those of earlier steps, by class name.

    `heed` is called in long waits and may raise to end them. The engine is held to what `ours`
    gives of the expectations.

    Raises StepFailed where the desired state is to blame, another DockcfgdError where the
    surroundings are.
    """
    match step:
        case do.WriteFile():
            return _write(step, effects)
        case do.RemoveFile():
            return _remove(step, effects)
        case do.ReloadUnits():
            effects.systemd.reload_units()
        case do.NoteRunning():
            return list(operations.note_running(effects.access))
        case do.NoteProbes():
            return note_probes(step, effects)
        case do.KeepDisposable():
            operations.keep_disposable(effects.access, folder=step.folder)
        case do.ReloadEngine():
            _reload(step, effects, ours)
        case do.RestartEngine():
            return _job(effects, JobVerb.RESTART, step.timeout, going=step.going)
        case do.StopEngine():
            return _stop(effects, step.timeout)
        case do.StartEngine():
            return _job(effects, JobVerb.START, step.timeout)
        case do.ResumeContainers():
            return _resume(step, effects, outcomes)
        case do.BackUpImages(staging=""):
            operations.back_up_images(
                effects.access,
                folder=_folder(step),
                target_driver=step.target_driver,
                progress=progress,
            )
        case do.BackUpImages():
            operations.back_up_images_and_stage(
                effects.access,
                _staging(step, effects),
                folder=_folder(step),
                target_driver=step.target_driver,
                target_root=effects.staging.root(step.staging, driver=step.target_driver),
                progress=progress,
            )
        case do.StageContainers():
            _stage_containers(step, effects, progress)
        case do.CarryLayers():
            _await_containers(step.root, effects, outcomes, heed)
            effects.carrier.carry(_cargo(step), progress=progress)
        case do.BackUpLayers():
            back_up_left_layers(
                effects.access,
                effects.folders,
                folder=_folder(step),
                root=step.root,
                driver=step.driver,
                kept=step.kept,
                progress=progress,
            )
        case do.BackUpPresent():
            back_up_present(
                effects.access, effects.folders, folder=_folder(step), progress=progress
            )
        case do.ForgetBackup():
            forget_half_a_backup(effects.access, folder=_folder(step))
        case do.ReturnStorage():
            _await_containers(step.root, effects, outcomes, heed)
            folders.return_to(step.root, step.driver, step.folder, kept=step.kept, moved=step.moved)
        case do.StartThen():
            return start_then(
                effects.access,
                running=step.running,
                disposable_in=step.disposable,
                remade=folders.remade(step.folder),
            )
        case do.PutInPlace():
            folders.put_in_place(
                root=step.root, driver=step.driver, folder=step.folder, staging=step.staging
            )
        case do.RemoveStaging(brought_to=""):
            effects.staging.remove(step.staging)
        case do.RemoveStaging():
            _take_back(step, effects)
        case do.CompareContainers():
            return _compare(step, effects)
        case do.BackUpContainers():
            return list(
                operations.back_up_containers(
                    effects.access, folder=_folder(step), progress=progress
                )
            )
        case do.SetAside():
            _await_containers(step.root, effects, outcomes, heed)
            folders.set_aside(root=step.root, driver=step.driver, folder=step.folder)
        case do.PutBack():
            end_older_than_engine(step.root, effects)
            folders.put_back(root=step.root, driver=step.driver, folder=step.folder)
        case do.CopyRoot():
            left_behind.forget(step.records, path=step.target)
            effects.roots.copy_live(_move(step), progress=progress)
        case do.CopyRootRest():
            _await_containers(step.source, effects, outcomes, heed)
            effects.roots.copy_rest(_move(step), progress=progress)
        case do.DiscardCopy():
            effects.roots.discard(_move(step))
        case do.RenameRoot():
            _await_containers(step.source, effects, outcomes, heed)
            effects.roots.rename(_move(step))
        case do.RenameRootBack():
            end_older_than_engine(step.target, effects)
            effects.roots.rename_back(_move(step))
        case do.TakeStock():
            stock.take(effects.access, folder=step.folder)
        case do.CompareStock():
            return _take_stock_again(step, effects)
        case do.RestoreStorage():
            return _restore(step, effects, progress)
        case do.ProveEngine():
            return prove(step, effects, outcomes, heed=heed, ours=ours)
        case _:
            assert_never(step)
    return None


def _await_containers(
    root: str, effects: Effects, outcomes: Mapping[str, Json], heed: Callable[[], None]
) -> None:
    """See that nothing is copied or moved under a container that runs on."""
    stopped = outcomes.get("StopEngine")
    at = stopped.get("at") if isinstance(stopped, dict) else None
    stopped_at = at if isinstance(at, float) else effects.clock.monotonic()
    await_end(root, effects, noted=_noted(outcomes), stopped_at=stopped_at, heed=heed)


def _noted(outcomes: Mapping[str, Json]) -> Json:
    return outcomes.get("BackUpContainers") or outcomes.get("NoteRunning") or []


def _write(step: do.WriteFile, effects: Effects) -> Json:
    """Write the file; give its path where somebody's edit stays in it."""
    fresh = Tag(digest="", uid=step.uid, gid=step.gid, mode=step.mode)
    try:
        effects.files.replace(
            step.path,
            step.content,
            expected=step.expected,
            fresh=fresh,
            attributes={one.name: one.content for one in step.attributes},
            exact=step.exact,
        )
    except StaleFile:
        if not step.ours:
            raise
        return _over_edit(step, effects, goal=step.content, fresh=fresh)
    return None


def _remove(step: do.RemoveFile, effects: Effects) -> Json:
    """Remove the file; give its path where somebody's edit stays in it."""
    try:
        effects.files.remove(step.path, expected=step.expected)
    except StaleFile:
        if not step.ours:
            raise
        return _over_edit(step, effects, goal=None, fresh=ABSENT)
    return None


def _over_edit(
    step: do.WriteFile | do.RemoveFile, effects: Effects, *, goal: bytes | None, fresh: Tag
) -> Json:
    return put_over(effects.files, step.path, ours=step.ours, goal=goal, fresh=fresh).to_json()


def _folder(
    step: do.BackUpImages
    | do.BackUpContainers
    | do.RestoreStorage
    | do.StageContainers
    | do.CarryLayers
    | do.CompareContainers
    | do.BackUpLayers
    | do.BackUpPresent
    | do.ForgetBackup,
) -> str:
    return str(Path(step.directory) / step.backup)


def _staging(
    step: do.BackUpImages | do.StageContainers, effects: Effects
) -> Callable[[], AbstractContextManager[Access]]:
    return partial(
        effects.staging.engine, step.staging, driver=step.target_driver, options=step.options
    )


def _stage_containers(step: do.StageContainers, effects: Effects, progress: Progressing) -> None:
    # First what takes longest: what comes meanwhile is taken along after it.
    facts = effects.access.facts()
    effects.carrier.copy_ahead(
        FirstCopy(facts.root, facts.driver, step.staging, step.target_driver), progress=progress
    )
    operations.stage_containers(
        effects.access,
        _staging(step, effects),
        folder=_folder(step),
        kept=step.kept,
        target_driver=step.target_driver,
        progress=progress,
    )
    effects.staging.adopt(step.target_driver, stand_ins_of(_folder(step)))


def _take_back(step: do.RemoveStaging, effects: Effects) -> None:
    try:
        in_use = on_containerd_store(effects.engine.info())
    except EngineFailure:
        in_use = False  # it did not come up, and would not on that store
    if in_use:
        effects.staging.remove(step.staging)
    else:
        effects.staging.take_back(step.staging, driver=step.brought_to)


def _cargo(step: do.CarryLayers) -> Cargo:
    return cargo_of(
        _folder(step),
        root=step.root,
        driver=step.driver,
        staging=step.staging,
        target=step.target_driver,
    )


def _compare(step: do.CompareContainers, effects: Effects) -> Json:
    found = operations.what_differs_in_place(effects.access, folder=_folder(step))
    if found:
        raise HostChanged(_NOT_THE_SAME + "; ".join(found))
    return True


def _restore(step: do.RestoreStorage, effects: Effects, progress: Progressing) -> Json:
    now = operations.restore(effects.access, folder=_folder(step), progress=progress)
    found = operations.what_differs(effects.access, folder=_folder(step), now=now)
    if found:
        raise HostChanged(_NOT_THE_SAME + "; ".join(found))
    return dict(now)


def _move(
    step: do.CopyRoot | do.CopyRootRest | do.DiscardCopy | do.RenameRoot | do.RenameRootBack,
) -> RootMove:
    shift = step.shift if isinstance(step, do.CopyRoot | do.CopyRootRest) else ()
    return RootMove(step.source, step.target, step.name, shift)


def _take_stock_again(step: do.CompareStock, effects: Effects) -> Json:
    found = stock.what_differs(
        effects.access, folder=step.folder, source=step.source, target=step.target
    )
    if found:
        raise HostChanged(f"what came along is not what was: {'; '.join(found)}")
    return True


def _reload(step: do.ReloadEngine, effects: Effects, ours: Ours) -> None:
    before = effects.systemd.unit(DOCKER_SERVICE)
    if before.active_state in _COMING_UP:
        # It fell or never came up; what it reads at its start are the same values.
        _job(effects, JobVerb.START, step.timeout)
        return
    with effects.engine.reload_events() as events:
        result = effects.systemd.run_job(JobVerb.RELOAD, DOCKER_SERVICE, timeout=step.timeout)
        if not result.good:
            raise SystemdFailure(
                what="reload docker.service", name=result, why=f"the job ended as {result}"
            )
        attributes = events.next(timeout=step.timeout)
        if attributes is None:
            stays_up(before, effects)
            # One that is silent has refused nothing; where it speaks again the event comes late.
            effects.engine.ping()
            attributes = events.next(timeout=_LATE_SECONDS)
    if attributes is None:
        raise StepFailed(
            f"the engine refused the reload: {_last_line(effects) or 'it gave no reason'}"
        )
    wrong = judge.reload_contradictions(ours(step.expect), attributes)
    if wrong:
        raise StepFailed("; ".join(wrong))


def _job(effects: Effects, verb: JobVerb, timeout: float, *, going: float = 0.0) -> dict[str, Json]:
    """(Re)start the engine; give which run that made, when it began and how long it took."""
    effects.systemd.reset_failed(DOCKER_SOCKET)
    effects.systemd.reset_failed(DOCKER_SERVICE)
    result = effects.systemd.run_job(verb, DOCKER_SERVICE, timeout=timeout, going=going)
    if result.good:
        unit = effects.systemd.unit(DOCKER_SERVICE)
        return {
            "invocation": unit.invocation_id,
            "started": unit.started,
            "seconds": unit.start_seconds,
        }
    if result is JobResult.CANCELED:
        raise SystemdFailure(
            what="start docker.service", name=result, why="somebody cancelled the job"
        )
    why = _last_line(effects)
    if _NO_SOCKETS in why:
        # docker.socket has lost them, as after `systemctl mask`; the way back starts it anew.
        raise SystemdFailure(what="start docker.service", name=result, why=why)
    if result is JobResult.TIMEOUT:
        raise StepFailed(
            f"the engine was not ready within {timeout:.0f} s{': ' if why else ''}{why}"
        )
    raise StepFailed(f"the engine did not start: {why or f'the job ended as {result}'}")


def _last_line(effects: Effects) -> str:
    unit = effects.systemd.unit(DOCKER_SERVICE)
    return effects.systemd.last_line(DOCKER_SERVICE, invocation=unit.invocation_id)


def _stop(effects: Effects, timeout: float) -> Json:
    """Stop the engine; give the monotonic moment at which it was told to."""
    at = effects.clock.monotonic()
    if effects.systemd.unit(DOCKER_SOCKET).load_state not in _RETRY_SOCKET:
        effects.systemd.run_job(JobVerb.STOP, DOCKER_SOCKET, timeout=timeout)
    result = effects.systemd.run_job(JobVerb.STOP, DOCKER_SERVICE, timeout=timeout)
    unit = effects.systemd.unit(DOCKER_SERVICE)
    if not result.good or unit.active_state not in {"inactive", "failed"}:
        why = f"the job ended as {result} and the unit is {unit.active_state}"
        raise SystemdFailure(what="stop docker.service", name=result, why=why)
    return {"at": at}


def _resume(step: do.ResumeContainers, effects: Effects, outcomes: Mapping[str, Json]) -> Json:
    running = _noted(outcomes)
    folder = step.folder or _NOTHING_KEPT
    return list(
        operations.resume(
            effects.access, running=running, folder=folder, to_old_storage=step.to_old_storage
        )
    )
