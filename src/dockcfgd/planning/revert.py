"""The way back, worked out from the steps and the host as it was.

It is data, journalled before the first effect.
Each back step says from which forward step on it is needed, so that going back undoes what was
begun and no more. Rejected: undo closures (they do not outlive the process), and planning the way
back after the failure (the host is broken then).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.table import reload_watch
from dockcfgd.model import steps as do
from dockcfgd.model.files import ABSENT, FileState, Ownership, Tag, digest_of
from dockcfgd.model.host import EngineState
from dockcfgd.model.plan import BackStep, Drift
from dockcfgd.planning import leaves
from dockcfgd.planning.compare import engine_shows
from dockcfgd.planning.expect import ownership, proof_of, settle_after_start, stop_timeout, written
from dockcfgd.planning.flags import conflict_paths
from dockcfgd.planning.freeing import effective
from dockcfgd.planning.launch import launch_in_force, running_flags
from dockcfgd.planning.log_level import lost_on_the_way_back
from dockcfgd.planning.reloading import defaults_to_write, readable, reload_step
from dockcfgd.planning.storage_change import SNAPSHOTTERS
from dockcfgd.planning.target import daemon_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.host import HostState
    from dockcfgd.model.policy import Verify

__all__ = ["way_back"]


def way_back(
    steps: Sequence[do.Step], *, host: HostState, drifts: Sequence[Drift], verify: Verify
) -> tuple[BackStep, ...]:
    """Give the steps that lead from any point of `steps` back to `host`, in their order."""
    back: list[BackStep] = []
    heavy = _first(steps, do.RestartEngine, do.StopEngine)
    reload = _first(steps, do.ReloadEngine)
    before = effective(daemon_json(host), launch_in_force(host).flags)
    touched = {drift.path for drift in drifts if drift.where == "daemon.json"}
    proof = proof_of(
        before,
        touched if heavy is not None else _ran(touched, before, host),
        verify=verify,
        settle=settle_after_start(before, verify),
        containers=True,
        again=True,
    )
    kept = _kept(steps)
    copied = _first(steps, do.CopyRootRest) is not None
    returns = _first(steps, do.ReturnStorage) is not None
    if heavy is not None and kept and not copied and not returns:
        # They were brought back once already, and the stop on the way back would end them again.
        back.append(BackStep(do.KeepDisposable(f"{kept}/again"), heavy))
    if heavy is not None:
        back += _containers_as_then(steps, host, heavy)
        back.append(BackStep(do.StopEngine(stop_timeout(host.unit)), heavy))
    back += [
        BackStep(do.PutBack(step.root, step.driver, step.folder), index)
        for index, step in enumerate(steps)
        if isinstance(step, do.SetAside | do.ReturnStorage)
    ]
    back += [
        BackStep(do.RenameRootBack(step.source, step.target, step.name), index)
        for index, step in enumerate(steps)
        if isinstance(step, do.RenameRoot)
    ]
    if reload is not None and (heavy is None or reload < heavy):
        alone = heavy is None
        if alone and _only_a_restart_brings_back(steps, host, drifts):
            back += _anew(steps, host, verify, reload)
        else:
            back += _restarted(steps, host, verify) if alone else ()
            back += _reload_back(steps, host, reload, heavy)
    files = _files_back(steps, host)
    # Where the old file has it on itself, that stays so behind the engine's start on it.
    off_again = leaves.get(before, ("live-restore",)) is not True
    bridge = heavy if heavy is not None and off_again and _bridged(steps, heavy) else None
    if bridge is not None:
        back.append(BackStep(_with_live_restore(steps, host, value=True), bridge))
        back += [_until(step, bridge) if _is_json(step, host) else step for step in files]
    else:
        back += files
    if heavy is not None:
        back.append(BackStep(do.StartEngine(verify.timeout), heavy))
    back += _containers_back(steps)
    back += [
        BackStep(do.RemoveStaging(step.staging, _brought_to(step)), index)
        for index, step in enumerate(steps)
        if isinstance(step, do.BackUpImages) and step.staging
    ]
    back += [
        BackStep(do.DiscardCopy(step.source, step.target, step.name), index)
        for index, step in enumerate(steps)
        if isinstance(step, do.CopyRoot)
    ]
    back += [
        BackStep(do.ForgetBackup(step.backup, step.directory), index)
        for index, step in enumerate(steps)
        if isinstance(step, do.BackUpPresent)
    ]
    if bridge is not None:
        off = _with_live_restore(steps, host, value=False)
        back.append(BackStep(off, bridge))
        back.append(BackStep(_reload_of(off), bridge))
    proven_from = heavy if heavy is not None else reload
    if proven_from is not None:
        back.append(BackStep(proof, proven_from))
    if bridge is not None:
        back += [BackStep(step.step, bridge) for step in files if _is_json(step, host)]
    return tuple(back)


def _ran(touched: Iterable[KeyPath], before: dict[str, Json], host: HostState) -> set[KeyPath]:
    """Give the keys without those of which the engine ran something else than the file had.

    A reload does not bring it there.
    """
    return {
        path
        for path in touched
        if engine_shows(path, _plain(leaves.get(before, path)), host) is not False
    }


def _bridged(steps: Sequence[do.Step], heavy: int) -> bool:
    """Tell whether live-restore was switched on first: then containers outlive the way back too."""
    return isinstance(steps[heavy], do.RestartEngine) and _switched(steps[:heavy]) is True


def _switched(steps: Sequence[do.Step]) -> bool | None:
    """Give what the last reload of `steps` made of live-restore; None where there is none."""
    said = [
        one.value
        for step in steps
        if isinstance(step, do.ReloadEngine)
        for one in step.expect
        if one.path == ("live-restore",)
    ]
    return said[-1] is True if said else None


def _containers_as_then(
    steps: Sequence[do.Step], host: HostState, heavy: int
) -> Iterable[BackStep]:
    """Switch live-restore so that the stop on the way back treats containers as the plan's did.

    After a bridge a last reload may have switched it off, whatever came of that: it goes on again.
    Where it was off on purpose, the new engine may have it on: it goes off again.
    """
    last = max(
        (at for at, step in enumerate(steps) if isinstance(step, do.ReloadEngine)), default=-1
    )
    if last > heavy:
        first, value = last, True
    elif _switched(steps[:heavy]) is False:
        first, value = heavy, False
    else:
        return
    write = _with_live_restore(steps, host, value=value)
    # From the write on: an engine that starts in between reads that file.
    yield BackStep(write, first - 1 if value else first)
    yield BackStep(_reload_of(write), first - 1 if value else first)


def _restarted(steps: Sequence[do.Step], host: HostState, verify: Verify) -> Iterable[BackStep]:
    """Take back a reload that the engine may have died of: dead or alive, it starts anew.

    Containers were noted before such a reload, and live-restore was switched on if it was off:
    then they run on through this too.
    """
    if _first(steps, do.NoteRunning) is None:
        return
    reloads = [at for at, step in enumerate(steps) if isinstance(step, do.ReloadEngine)]
    shielded = _switched(steps[: reloads[0] + 1]) is True and len(reloads) > 1
    content = leaves.render(_bridge(host, value=True)) if shielded else _interim(steps, host)
    at = reloads[1] if shielded else reloads[0]
    yield BackStep(_write(steps, host, content), at)
    yield BackStep(do.RestartEngine(verify.timeout, going=stop_timeout(host.unit)), at)


def _only_a_restart_brings_back(
    steps: Sequence[do.Step], host: HostState, drifts: Sequence[Drift]
) -> bool:
    noted = _first(steps, do.NoteRunning) is not None
    # An engine that may die of its reload is started anew anyway.
    risky = any(drift.desired is not None and reload_watch(drift.path) for drift in drifts)
    return noted and not risky and lost_on_the_way_back(drifts, host)


def _anew(steps: Sequence[do.Step], host: HostState, verify: Verify, at: int) -> Iterable[BackStep]:
    """Take a reload back by a restart, under live-restore where there are running containers."""
    restart = do.RestartEngine(verify.timeout, going=stop_timeout(host.unit))
    engine = host.engine
    if not isinstance(engine, EngineState) or engine.live_restore or not engine.running:
        write = _write(steps, host, _interim(steps, host))
        yield from (BackStep(write, at), BackStep(restart, at))
        return
    on, off = (_with_live_restore(steps, host, value=value) for value in (True, False))
    for step in (on, _reload_of(on), restart, off, _reload_of(off)):
        yield BackStep(step, at)


def _reload_of(write: do.WriteFile) -> do.ReloadEngine:
    return reload_step(daemon_json_of(write.content))


def _is_json(back: BackStep, host: HostState) -> bool:
    step = back.step
    return isinstance(step, do.WriteFile | do.RemoveFile) and step.path == host.daemon_json.path


def _until(back: BackStep, before: int) -> BackStep:
    return BackStep(back.step, back.needed_from, before)


def _with_live_restore(steps: Sequence[do.Step], host: HostState, *, value: bool) -> do.WriteFile:
    """Give the old daemon.json with live-restore as the bridge needs it."""
    return _write(steps, host, leaves.render(_bridge(host, value=value)))


def _bridge(host: HostState, *, value: bool) -> dict[str, Json]:
    return readable({**daemon_json(host), "live-restore": value}, host)


def _known(steps: Sequence[do.Step], host: HostState) -> tuple[Tag, ...]:
    """Give every tag that daemon.json may have on the way forth or back."""
    state = host.daemon_json
    bridges = [leaves.render(_bridge(host, value=value)) for value in (True, False)]
    contents = [_interim(steps, host), *bridges]
    tags = (*_given(steps, state), *(_tag(steps, state, content) for content in contents))
    return tuple(dict.fromkeys(tags))


def _ours(steps: Sequence[do.Step], host: HostState) -> tuple[bytes, ...]:
    """Give every content that daemon.json may have on the way forth or back, as it was first."""
    state = host.daemon_json
    forth = (
        step.content for step in steps if isinstance(step, do.WriteFile) and step.path == state.path
    )
    bridges = (leaves.render(_bridge(host, value=value)) for value in (True, False))
    return tuple(dict.fromkeys((state.content, *forth, _interim(steps, host), *bridges)))


def _first(steps: Sequence[do.Step], *kinds: type[do.Step]) -> int | None:
    return next((index for index, step in enumerate(steps) if isinstance(step, kinds)), None)


def _given(steps: Sequence[do.Step], state: FileState) -> tuple[Tag, ...]:
    """Give every tag that the file may have on the way: its own, then each step's."""
    tags = [state.tag]
    for step in steps:
        if isinstance(step, do.WriteFile) and step.path == state.path:
            tags.append(Tag(digest_of(step.content), step.uid, step.gid, step.mode))
        elif isinstance(step, do.RemoveFile) and step.path == state.path:
            tags.append(ABSENT)
    return tuple(dict.fromkeys(tags))


def _reload_back(
    steps: Sequence[do.Step], host: HostState, reload: int, heavy: int | None
) -> list[BackStep]:
    """Undo a reload by a reload, for as long as the engine was not restarted."""
    write = _write(steps, host, _interim(steps, host))
    return [BackStep(write, reload, heavy), BackStep(_reload_of(write), reload, heavy)]


def _interim(steps: Sequence[do.Step], host: HostState) -> bytes:
    """Give the old daemon.json with defaults for what a reload would else keep."""
    old = daemon_json(host)
    document: dict[str, Json] = copy.deepcopy(old)
    by_flag = {path for flag in running_flags(host) for path in conflict_paths(flag)}
    written: dict[KeyPath, Json] = {}
    for content in dict.fromkeys(
        step.content
        for step in steps
        if isinstance(step, do.WriteFile) and step.path == host.daemon_json.path
    ):
        written |= leaves.flatten(daemon_json_of(content))
    for path, value in defaults_to_write(written, old, host).items():
        # What a flag of the running engine sets it has never read from the file.
        if by_flag.isdisjoint({path, path[:1]}):
            leaves.put(document, path, value)
    document = readable(document, host)
    return (
        leaves.render(document)
        if document != old
        else host.daemon_json.content or leaves.render(old)
    )


def daemon_json_of(content: bytes) -> dict[str, Json]:
    """Give the document of bytes that a plan itself rendered or read before."""
    import json  # noqa: PLC0415 -- only a way back with a reload needs it

    document = json.loads(content.decode("utf-8-sig") or "{}")
    return document if isinstance(document, dict) else {}


def _tag(steps: Sequence[do.Step], state: FileState, content: bytes) -> Tag:
    uid, gid, mode = ownership(state, _given_back(steps, state))
    return Tag(digest_of(content), uid, gid, mode)


def _write(steps: Sequence[do.Step], host: HostState, content: bytes) -> do.WriteFile:
    """Give the step that puts `content` into daemon.json on the way back."""
    state = host.daemon_json
    step = written(state, content, _known(steps, host), _given_back(steps, state))
    return replace(step, ours=_ours(steps, host))


def _given_back(steps: Sequence[do.Step], state: FileState) -> Ownership | None:
    """Give the owner and mode that the way back has to give; None where the file keeps its own.

    One that was not there has those of the plan on the way, until it goes.
    """
    mine = [
        step
        for step in steps
        if isinstance(step, do.WriteFile | do.RemoveFile) and step.path == state.path
    ]
    if state.present:
        lost = any(isinstance(step, do.RemoveFile) or step.exact for step in mine)
        return state.ownership if lost else None
    exact = (step for step in mine if isinstance(step, do.WriteFile) and step.exact)
    return next((Ownership(one.uid, one.gid, one.mode, one.attributes) for one in exact), None)


def _file_back(steps: Sequence[do.Step], host: HostState, state: FileState) -> do.Step:
    if state is host.daemon_json:
        if state.present:
            return _write(steps, host, state.content)
        return do.RemoveFile(state.path, _known(steps, host), _ours(steps, host))
    # What somebody has changed in a drop-in, which is no document, cannot be told.
    known = _given(steps, state)
    if state.present:
        return written(state, state.content, known, _given_back(steps, state))
    return do.RemoveFile(state.path, known)


def _files_back(steps: Sequence[do.Step], host: HostState) -> list[BackStep]:
    back: list[BackStep] = []
    for state in (host.daemon_json, host.drop_in):
        index = next(
            (
                index
                for index, step in enumerate(steps)
                if isinstance(step, do.WriteFile | do.RemoveFile) and step.path == state.path
            ),
            None,
        )
        if index is None:
            continue
        back.append(BackStep(_file_back(steps, host, state), index))
    units = _first(steps, do.ReloadUnits)
    if units is not None:
        wrote = next(
            (
                index
                for index, step in enumerate(steps)
                if isinstance(step, do.WriteFile | do.RemoveFile) and step.path == host.drop_in.path
            ),
            units,
        )
        back.append(BackStep(do.ReloadUnits(), min(wrote, units)))
    return back


def _containers_back(steps: Sequence[do.Step]) -> list[BackStep]:
    kept = _kept(steps)
    for index, step in enumerate(steps):
        if isinstance(step, do.BackUpContainers):
            folder = f"{step.directory}/{step.backup}/disposable"
            return [BackStep(do.ResumeContainers(folder), index)]
    restart = _first(steps, do.KeepDisposable, do.RestartEngine)
    if restart is None and _first(steps, do.CarryLayers, do.ReturnStorage) is not None:
        restart = _first(steps, do.StopEngine)
    if restart is None and _first(steps, do.NoteRunning) is not None:
        restart = _first(steps, do.ReloadEngine)
    apart = _first(steps, do.CarryLayers, do.CopyRootRest) is not None
    return [] if restart is None else [BackStep(do.ResumeContainers(kept, apart), restart)]


def _brought_to(step: do.BackUpImages) -> str:
    return step.target_driver if step.target_driver in SNAPSHOTTERS else ""


def _plain(value: Json | leaves.Absent) -> Json:
    return None if isinstance(value, leaves.Absent) else value


def _kept(steps: Sequence[do.Step]) -> str:
    return next((step.folder for step in steps if isinstance(step, do.KeepDisposable)), "")
