"""Which mounts a re-created container must be given so that it has those of its document. Pure.

A volume without a name of the user's is in the document's Mounts only. It is attached by its name,
or an empty one would be made. `nocopy` keeps the engine from copying the image's files once more
into a volume that is empty, for whoever emptied it meant it.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, table, tables, text, texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dockcfgd.migration.others import Others

__all__ = ["mount_settings"]


def mount_settings(document: Document, others: Others, *, empty: Collection[str]) -> Document:
    """Give the settings of HostConfig that name the container's mounts, those that need a change.

    A container whose volumes it took is named as it is called now; where that one is gone, its
    mounts are given one by one. `empty` are the names of volumes without content.
    """
    host = table(document, "HostConfig")
    actual = {_clean(text(mount, "Destination")): mount for mount in tables(document, "Mounts")}
    sources = [_source(entry, others) for entry in texts(host, "VolumesFrom")]
    kept = [source for source in sources if source is not None]
    inherited = _inherited(texts(host, "VolumesFrom"), others)

    binds, bound = _binds(texts(host, "Binds"), actual, empty)
    mounts, mounted = _named(tables(host, "Mounts"), actual, empty)
    covered = bound | mounted | {_clean(place) for place in table(host, "Tmpfs")}
    for place, mount in actual.items():
        if place not in covered and _identity(mount) not in inherited:
            binds.append(_bind(mount))

    changed: Document = {}
    if binds != texts(host, "Binds"):
        changed["Binds"] = list(binds)
    if mounts != tables(host, "Mounts"):
        changed["Mounts"] = list(mounts)
    if sources:
        changed["VolumesFrom"] = list(kept)
    return changed


def _source(entry: str, others: Others) -> str | None:
    token, colon, mode = entry.partition(":")
    present = others.present(token)
    return None if present is None else f"{present}{colon}{mode}"


def _inherited(entries: Iterable[str], others: Others) -> set[tuple[str, str]]:
    tokens = [entry.partition(":")[0] for entry in entries]
    return {
        _identity(mount)
        for token in tokens
        if others.present(token) is not None
        for mount in others.mounts(token)
    }


def _identity(mount: Document) -> tuple[str, str]:
    return text(mount, "Destination"), text(mount, "Name") or text(mount, "Source")


def _binds(
    entries: Iterable[str], actual: dict[str, Document], empty: Collection[str]
) -> tuple[list[str], set[str]]:
    binds, bound = [], set()
    for entry in entries:
        parts = entry.split(":")
        place = _clean(parts[1] if len(parts) > 1 else parts[0])
        bound.add(place)
        # One part only is an unnamed volume.
        unnamed = len(parts) == 1 and place in actual
        binds.append(
            _bind(actual[place]) if unnamed else _uncopied(entry, actual.get(place, {}), empty)
        )
    return binds, bound


def _uncopied(entry: str, mount: Document, empty: Collection[str]) -> str:
    source, place, *options = entry.split(":")
    # Where nothing is asked for, a volume has a mode of the engine's choice, which is kept.
    mode = options[0] if options else text(mount, "Mode")
    if source not in empty or "nocopy" in mode.split(","):
        return entry
    return f"{source}:{place}:{mode},nocopy" if mode else f"{source}:{place}:nocopy"


def _named(
    mounts: Iterable[Document], actual: dict[str, Document], empty: Collection[str]
) -> tuple[list[Document], set[str]]:
    named, places = [], set()
    for mount in mounts:
        place = _clean(text(mount, "Target"))
        places.add(place)
        name = text(actual.get(place, {}), "Name")
        unnamed = name and not text(mount, "Source")
        if text(mount, "Type") == "volume" and (unnamed or name in empty):
            options = dict(table(mount, "VolumeOptions")) | {"NoCopy": True}
            named.append(mount | {"Source": name, "VolumeOptions": options})
        else:
            named.append(mount)
    return named, places


def _bind(mount: Document) -> str:
    volume = text(mount, "Type") == "volume"
    options = [option for option in text(mount, "Mode").split(",") if option]
    if volume and "nocopy" not in options:
        options.append("nocopy")
    if mount.get("RW") is False and "ro" not in options:
        options.append("ro")
    source = text(mount, "Name") if volume else text(mount, "Source")
    bind = f"{source}:{text(mount, 'Destination')}"
    return f"{bind}:{','.join(options)}" if options else bind


def _clean(place: str) -> str:
    return posixpath.normpath(place)
