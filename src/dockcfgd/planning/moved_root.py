"""The steps that move a data-root: by another name, or by a copy made while the engine serves.

Other users for containers (`userns-remap`) are such a move too: into a folder of the data-root, or
out of it, with other owners.

Rejected: rsync, which takes a file for unchanged by size and time of change, and has to be there.
A copy beside the renamed folder protects from nothing that the way back does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.host import EngineState
from dockcfgd.model.impact import Impact
from dockcfgd.model.roots import RootMove
from dockcfgd.planning.flag_rules import planned_arguments
from dockcfgd.planning.remapping import data_root_of, remap_move
from dockcfgd.planning.rules.moved_root import left_before
from dockcfgd.planning.staging import scene_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Drift
    from dockcfgd.planning.target import Target

__all__ = ["before_stop", "notes_on", "root_move", "while_stopped"]

_KEYS = {("data-root",), ("graph",)}
_USERS = ("userns-remap",)


def root_move(
    target: Target, host: HostState, drifts: Iterable[Drift], name: str
) -> RootMove | None:
    """Give the move that these drifts ask for; None where the data-root stays."""
    engine = host.engine
    hidden = {one.path for one in drifts if one.impact is Impact.MIGRATE}
    if not isinstance(engine, EngineState) or not hidden & {*_KEYS, _USERS}:
        return None
    scene = scene_of(target, host, planned_arguments(target, host))
    if _USERS in hidden:
        return remap_move(scene.text(_USERS[0]), host, name)
    if host.survey is not None:
        return RootMove(host.survey.source, host.survey.target, name)
    wanted = scene.data_root
    return RootMove(data_root_of(engine), wanted.rstrip("/") or "/", name)


def before_stop(move: RootMove, host: HostState, *, kept: str, records: str) -> Iterator[do.Step]:
    """Give what is done while the engine serves."""
    if not _renamed(host):
        yield do.CopyRoot(move.source, move.target, move.name, records, move.shift)
    yield do.TakeStock(kept)


def while_stopped(move: RootMove, host: HostState) -> Iterator[do.Step]:
    """Give what is done while it does not."""
    if _renamed(host):
        yield do.RenameRoot(move.source, move.target, move.name)
    else:
        yield do.CopyRootRest(move.source, move.target, move.name, move.shift)


def notes_on(move: RootMove, host: HostState) -> Iterator[str]:
    """Say what of it a person may want to know."""
    seen = host.survey
    if seen is None:
        return
    if seen.renamable:
        yield (
            f"{move.source} is renamed to {move.target}: they lie on one filesystem;"
            " nothing is copied, and nothing stays behind"
        )
    else:
        yield f"{move.source} stays as it was when the engine stopped"
    if not seen.renamable and left_before(host):
        yield f"what {move.target} had from earlier is brought up to date, and gone with that"
    if move.shift and seen.bound:
        yield (
            "folders of the host that containers mount keep their owners, so that they may not be"
            f" able to read or write there: {', '.join(seen.bound)}"
        )
    if seen.binding and not move.shift:
        yield (
            f"{', '.join(seen.binding)}: mounts folders of {move.source} by their path, and gets"
            " those of the new place; what makes such containers still names the old one"
        )


def _renamed(host: HostState) -> bool:
    return host.survey is not None and host.survey.renamable
