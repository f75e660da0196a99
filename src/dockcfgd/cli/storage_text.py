"""What is kept of the storage, as a person reads it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import clock_time, plain
from dockcfgd.model.amounts import size, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["going_back", "pruning", "storage_text"]

_NAMES = 12


def storage_text(document: dict[str, Any]) -> str:
    """Give the answer of `storage status`."""
    return "\n".join(_lines(document))


def going_back(document: dict[str, Any]) -> list[str]:
    """Say what going back does to what is there now."""
    kept = document["kept"] or {}
    lines = [f"Going back to {plain(kept.get('driver', ''))} as it was {_since(kept)}."]
    since = kept.get("since_then")
    if since is None:
        return [*lines, "What was created or changed since cannot be told now."]
    hidden = list(_hidden(since))
    if hidden:
        lines.append("This is hidden or undone then, and kept:")
        lines += [f"  {line}" for line in hidden]
    else:
        lines.append("Nothing was created or changed since.")
    if since["removed"]:
        lines.append(f"These were removed since, and come back: {_names(since['removed'])}")
    lines.append("Volumes and networks stay as they are. All containers stop and come back.")
    return lines


def pruning(document: dict[str, Any]) -> list[str]:
    """Say what freeing it does."""
    kept, lines = document["kept"], list[str]()
    if kept:
        drivers = ", ".join([plain(kept["driver"]), *map(plain, kept["superseded"])])
        lines.append(f"{_amount(kept)} of {drivers} is deleted for good.")
        lines.append(f"Nothing leads back then to how it was {_since(kept)}.")
    elif document["left"]:
        lines.append(f"Left behind: {', '.join(map(plain, document['left']))}.")
    for one in document["left_roots"]:
        path = plain(one["path"])
        if one["why_not"]:
            lines.append(f"{path} stays: {plain(one['why_not'])}.")
        else:
            lines.append(f"{_amount(one)} in {path}, data-root {_until(one)}, is deleted for good.")
    return lines


def _lines(document: dict[str, Any]) -> Iterator[str]:
    kept, driver = document["kept"], plain(document["driver"] or "")
    yield f"in use: {driver}" if driver else "the engine does not answer"
    if kept:
        yield from _told_kept(document, kept)
    elif not document["left_roots"]:
        yield "nothing is kept of a storage from before"
    if not kept and document["left"]:
        left = ", ".join(map(plain, document["left"]))
        yield f"left behind: {left} (dockcfgctl storage prune removes it)"
    for one in document["left_roots"]:
        yield from _told_root(one)


def _told_root(one: dict[str, Any]) -> Iterator[str]:
    yield (
        f"left:   {plain(one['path'])}, data-root {_until(one)}"
        f" (transaction {plain(one['transaction'])}, moved to {plain(one['moved_to'])})"
    )
    if one["why_not"]:
        how = f"storage prune does not free it: {plain(one['why_not'])}"
    elif one["freeing"]:
        how = "it is being freed: dockcfgctl storage prune goes on with it"
    else:
        how = "dockcfgctl storage prune frees it"
    yield f"        {_amount(one)}; {how}"


def _told_kept(document: dict[str, Any], kept: dict[str, Any]) -> Iterator[str]:
    yield (
        f"kept:   {plain(kept['driver'])} as it was {_since(kept)}"
        f" (transaction {plain(kept['transaction'])}, generation {kept['generation']})"
    )
    yield f"        {_amount(kept)}{_held(kept)}"
    if kept["superseded"]:
        older = ", ".join(map(plain, kept["superseded"]))
        yield f"        and what is left of older changes: {older}"
    if kept["backup"]:
        yield f"        backup {plain(kept['backup'])} belongs to it"
    if kept["freeing"]:
        yield "        it is being freed: dockcfgctl storage prune goes on with it"
    elif kept["can_go_back"]:
        yield "        dockcfgctl storage rollback goes back to it, storage prune frees it"
    else:
        yield f"        it cannot be gone back to: {plain(kept['why_not'])}"
    since = kept["since_then"]
    if since is not None and not kept["freeing"]:
        yield from _told_since(since)
    for hazard in document["hazards"]:
        yield f"beware: {plain(hazard['what'])}"
        yield f"        {plain(hazard['why'])}"


def _told_since(since: dict[str, Any]) -> Iterator[str]:
    hidden = list(_hidden(since))
    yield "since:  " + (hidden[0] if hidden else "nothing was created or changed")
    for line in hidden[1:]:
        yield f"        {line}"
    if since["removed"]:
        yield f"        removed, and back after a rollback: {_names(since['removed'])}"


def _hidden(since: dict[str, Any]) -> Iterator[str]:
    for key, what in (
        ("created", "containers created"),
        ("written", "containers that have written something"),
        ("changed", "containers with another name, settings or networks than then"),
        ("untold", "containers of which that cannot be told"),
        ("images", "images pulled, built or named"),
        ("ending", "containers with --rm, which end"),
    ):
        if since[key]:
            yield f"{what}: {_names(since[key])}"


def _names(names: Sequence[str]) -> str:
    left = len(names) - _NAMES
    shown = ", ".join(plain(name) for name in names[:_NAMES])
    return f"{shown} and {left} more" if left > 0 else shown


def _amount(kept: dict[str, Any]) -> str:
    if kept["bytes"] is None:
        return "of a size that cannot be told"
    words = "at most " if kept.get("at_most") else "" if kept["measured"] else "more than "
    return f"{words}{size(kept['bytes'])}"


def _held(kept: dict[str, Any]) -> str:
    parts = [some(len(kept["containers"]) + len(kept["disposable"]), "container")]
    if kept["images"] is not None:
        parts.append(some(kept["images"], "image"))
    return f", {' and '.join(parts)}"


def _until(left: dict[str, Any]) -> str:
    return f"until {clock_time(left['at'])}"


def _since(kept: dict[str, Any]) -> str:
    return f"until {clock_time(kept['since'])}"
