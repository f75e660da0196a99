"""The way back, worked out from the steps and the host as it was.

It is data, journalled before the first effect.
Each back step says from which forward step on it is needed, so that going back undoes what was
begun and no more. Rejected: undo closures (they do not outlive the process), and planning the way
back after the failure (the host is broken then).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.files import ABSENT, FileState, Tag, digest_of
from dockcfgd.model.plan import BackStep, Drift
from dockcfgd.planning import leaves
from dockcfgd.planning.expect import (
    RELOAD_SECONDS,
    defaults_to_write,
    ownership,
    proof_of,
    reload_expectations,
    start_timeout,
    stop_timeout,
)
from dockcfgd.planning.target import daemon_json, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.model.desired import Json
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
    proof = proof_of(
        daemon_json(host),
        {drift.path for drift in drifts if drift.where == "daemon.json"},
        verify=verify,
        settle=verify.settle,
        containers=True,
    )
    kept = _kept(steps)
    if heavy is not None and kept:
        # They were brought back once already, and the stop on the way back would end them again.
        back.append(BackStep(do.KeepDisposable(f"{kept}/again"), heavy))
    if heavy is not None:
        back.append(BackStep(do.StopEngine(stop_timeout()), heavy))
    back += [
        BackStep(do.PutBack(step.root, step.driver, step.folder), index)
        for index, step in enumerate(steps)
        if isinstance(step, do.SetAside)
    ]
    if reload is not None and (heavy is None or reload < heavy):
        back += _reload_back(steps, host, reload, heavy)
    files = _files_back(steps, host)
    bridge = heavy if heavy is not None and _bridged(steps, heavy) else None
    if bridge is not None:
        back.append(BackStep(_with_live_restore(steps, host, value=True), bridge))
        back += [_until(step, bridge) if _is_json(step, host) else step for step in files]
    else:
        back += files
    if heavy is not None:
        back.append(BackStep(do.StartEngine(start_timeout(verify)), heavy))
    back += _containers_back(steps)
    if bridge is not None:
        off = _with_live_restore(steps, host, value=False)
        expect = reload_expectations(daemon_json_of(off.content))
        back.append(BackStep(off, bridge))
        back.append(BackStep(do.ReloadEngine(expect, RELOAD_SECONDS), bridge))
    proven_from = heavy if heavy is not None else reload
    if proven_from is not None:
        back.append(BackStep(proof, proven_from))
    if bridge is not None:
        back += [BackStep(step.step, bridge) for step in files if _is_json(step, host)]
    return tuple(back)


def _bridged(steps: Sequence[do.Step], heavy: int) -> bool:
    """Tell whether live-restore was switched on first: then containers outlive the way back too."""
    return isinstance(steps[heavy], do.RestartEngine) and any(
        isinstance(step, do.ReloadEngine) for step in steps[:heavy]
    )


def _is_json(back: BackStep, host: HostState) -> bool:
    step = back.step
    return isinstance(step, do.WriteFile | do.RemoveFile) and step.path == host.daemon_json.path


def _until(back: BackStep, before: int) -> BackStep:
    return BackStep(back.step, back.needed_from, before)


def _with_live_restore(steps: Sequence[do.Step], host: HostState, *, value: bool) -> do.WriteFile:
    """Give the old daemon.json with live-restore as the bridge needs it."""
    state = host.daemon_json
    content = render({**daemon_json(host), "live-restore": value})
    return do.WriteFile(state.path, content, _known(steps, host), *ownership(state))


def _known(steps: Sequence[do.Step], host: HostState) -> tuple[Tag, ...]:
    """Give every tag that daemon.json may have on the way forth or back."""
    state, old = host.daemon_json, daemon_json(host)
    bridges = [render({**old, "live-restore": value}) for value in (True, False)]
    contents = [_interim(steps, host), *bridges]
    tags = (*_given(steps, state), *(_tag(state, content) for content in contents))
    return tuple(dict.fromkeys(tags))


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
    content = _interim(steps, host)
    state = host.daemon_json
    write = do.WriteFile(state.path, content, _known(steps, host), *ownership(state))
    expect = reload_expectations(daemon_json_of(content))
    return [
        BackStep(write, reload, heavy),
        BackStep(do.ReloadEngine(expect, RELOAD_SECONDS), reload, heavy),
    ]


def _interim(steps: Sequence[do.Step], host: HostState) -> bytes:
    """Give the old daemon.json with defaults for what a reload would else keep."""
    old = daemon_json(host)
    document: dict[str, Json] = copy.deepcopy(old)
    for step in steps:
        if isinstance(step, do.WriteFile) and step.path == host.daemon_json.path:
            written = daemon_json_of(step.content)
            for path, value in defaults_to_write(written, old, host).items():
                leaves.put(document, path, value)
    return render(document) if document != old else host.daemon_json.content or render(old)


def daemon_json_of(content: bytes) -> dict[str, Json]:
    """Give the document of bytes that a plan itself rendered or read before."""
    import json  # noqa: PLC0415 -- only a way back with a reload needs it

    document = json.loads(content.decode("utf-8-sig") or "{}")
    return document if isinstance(document, dict) else {}


def _tag(state: FileState, content: bytes) -> Tag:
    uid, gid, mode = ownership(state)
    return Tag(digest_of(content), uid, gid, mode)


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
        known = _known(steps, host) if state is host.daemon_json else _given(steps, state)
        step: do.Step = (
            do.WriteFile(state.path, state.content, known, *ownership(state))
            if state.present
            else do.RemoveFile(state.path, known)
        )
        back.append(BackStep(step, index))
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
    return [] if restart is None else [BackStep(do.ResumeContainers(kept), restart)]


def _kept(steps: Sequence[do.Step]) -> str:
    return next((step.folder for step in steps if isinstance(step, do.KeepDisposable)), "")
