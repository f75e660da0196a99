"""What is kept of the storage, as a document (schema 1) for those who ask; nothing is changed.

It is looked at beside the daemon, which may be at work or down, and for a bounded time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.migration.kept_view import kept_paths, then_of
from dockcfgd.migration.left_behind import belongings, why_not_freed
from dockcfgd.migration.since import since_of
from dockcfgd.migration.storage_left import is_mark, left_overs
from dockcfgd.model.errors import DockcfgdError, EngineFailure, FileFailure
from dockcfgd.model.host import driver_of
from dockcfgd.planning.storage_back import why_not

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.migration.kept_view import Then
    from dockcfgd.migration.since import Since
    from dockcfgd.model.desired import Json
    from dockcfgd.model.kept import KeptStorage
    from dockcfgd.model.roots import LeftBehind
    from dockcfgd.ports import Vitals

__all__ = ["storage_document"]

_SECONDS = 5.0
_CONTENT = "io.containerd.content.v1.content"


def storage_document(
    kept: KeptStorage | None,
    left: Sequence[LeftBehind],
    effects: Effects,
    vitals: Vitals,
    *,
    seconds: float = _SECONDS,
) -> dict[str, Any]:
    """Look once; for each of what is measured and what is compared about so many seconds.

    `left` are the data-roots that were moved from.
    """
    try:
        info: Mapping[str, Json] = effects.engine.info()
    except EngineFailure:
        info = {}
    driver, root = driver_of(info), str(info.get("DockerRootDir") or "")
    document: dict[str, Any] = {
        "schema": 1,
        "driver": driver or None,
        "root": root or None,
        "kept": None,
        "left": _left(root) if kept is None else [],
        "hazards": [],
    }
    share = seconds / max(len(left) + (kept is not None), 1)
    document["left_roots"] = [_left_root(one, root, vitals, share) for one in left]
    if kept is None:
        return document
    then = then_of(kept)
    since = _since(effects, kept, then, seconds) if driver == kept.successor else None
    barred = why_not(kept, driver=driver, root=root)
    document["kept"] = {
        **_described(kept, then),
        **_measured(kept, effects, vitals, share),
        "can_go_back": not barred,
        "why_not": barred or None,
        "since_then": None if since is None else _lists(since),
    }
    document["hazards"] = _hazards(kept, since)
    return document


def _left_root(left: LeftBehind, root: str, vitals: Vitals, seconds: float) -> dict[str, Json]:
    usage = vitals.usage(belongings(left), seconds=seconds)
    return {
        "path": left.path,
        "moved_to": left.moved_to,
        "transaction": left.transaction,
        "at": left.at,
        "bytes": None if usage is None else usage.bytes,
        "measured": usage is not None and usage.complete,
        "freeing": left.freeing,
        "why_not": why_not_freed(left, root) or None,
    }


def _described(kept: KeptStorage, then: Then) -> dict[str, Json]:
    return {
        "driver": kept.driver,
        "successor": kept.successor,
        "since": kept.since,
        "transaction": kept.transaction,
        "generation": kept.generation,
        "containers": cast("Json", sorted(then.containers.values())),
        "disposable": list(then.disposable),
        "ran": cast("Json", sorted(one.name for one in kept.running)),
        "images": None if then.images is None else len(then.images),
        "backup": kept.backup or None,
        "freeing": kept.freeing,
        "superseded": [one.driver for one in kept.superseded],
    }


def _in_containerd(kept: KeptStorage, effects: Effects) -> list[str]:
    """Give the folders of containerd in which there is something kept; others may use them too."""
    found = []
    for driver in sorted(SNAPSHOTTERS & {kept.driver, *(one.driver for one in kept.superseded)}):
        with suppress(DockcfgdError):
            layers = Path(effects.staging.root("", driver=driver))
            found += [str(layers), str(layers.parent / _CONTENT)]
    return found


def _measured(
    kept: KeptStorage, effects: Effects, vitals: Vitals, seconds: float
) -> dict[str, Json]:
    in_containerd = _in_containerd(kept, effects)
    paths = [*kept_paths(kept), *in_containerd]
    layers = [one for path in in_containerd for one in _subvolumes(path)]
    usage = vitals.usage([*paths, *layers], seconds=seconds)
    return {
        "paths": cast("Json", [one for one in paths if "/subvolumes/" not in one]),
        "bytes": None if usage is None else usage.bytes,
        "measured": usage is not None and usage.complete,
        # Snapshots share what they have in common, and nobody counts what is only theirs.
        "at_most": bool(in_containerd) or any("/subvolumes/" in one for one in paths),
    }


def _subvolumes(folder: str) -> list[str]:
    """Give the layers of containerd's btrfs, which are measured alone; none of other folders."""
    if not Path(folder, "active").is_dir():
        return []
    return sorted(
        str(one) for kind in ("active", "snapshots") for one in Path(folder, kind).glob("*")
    )


def _since(effects: Effects, kept: KeptStorage, then: Then, seconds: float) -> Since | None:
    try:
        return since_of(effects.access, kept, then, seconds=seconds)
    except EngineFailure:
        return None


def _lists(since: Since) -> dict[str, Json]:
    return {key: list(value) for key, value in asdict(since).items()}


def _hazards(kept: KeptStorage, since: Since | None) -> list[Json]:
    found: list[Json] = []
    for kind, gone, endangered in (
        ("volume", since.volumes, since.endangered_volumes) if since else ("volume", (), ()),
        ("network", since.networks, since.endangered_networks) if since else ("network", (), ()),
    ):
        if gone:
            what = f"{kind}s that containers of then need are gone: {', '.join(gone)}"
            why = "after going back those containers may not start"
            found.append({"what": what, "why": why})
        if endangered:
            names = ", ".join(endangered)
            what = (
                f"docker {kind} prune would remove what only {kept.driver} has a use for: {names}"
            )
            why = f"no container that the engine shows has it; those of {kept.driver} do"
            found.append({"what": what, "why": why})
    return found


def _left(root: str) -> list[str]:
    try:
        return [one for one in left_overs(root) if not is_mark(one)] if root else []
    except FileFailure:
        return []
