"""The content of volumes in a backup: which can be read, its archives, and putting it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.migration.archive import Entry, file_name, write_archive
from dockcfgd.migration.documents import Document, number, table, tables, text
from dockcfgd.migration.reporting import reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.ports import FolderArchives, Progressing

__all__ = ["Saved", "obstacle", "save_volume", "saved_in", "volume_body"]

_MOUNTED = ("type", "device", "o")


@dataclass(frozen=True, slots=True)
class Saved:
    """A volume whose content is in a backup: where, and what it took on disk."""

    name: str
    path: str
    bytes: int

    def to_json(self) -> Json:
        """Give it as a JSON object."""
        return {"name": self.name, "path": self.path, "bytes": self.bytes}


def obstacle(volume: Document) -> str:
    """Say why a volume's content is not dockcfgd's to read; empty where it is. Pure."""
    driver = text(volume, "Driver")
    if driver != "local":
        return f"the driver {driver} keeps its content"
    options = table(volume, "Options")
    mounted = [key for key in _MOUNTED if options.get(key)]
    if "device" in mounted:
        return f"its content is a mount of {options['device']}"
    if mounted:
        return "its content is a mount of its own"
    return ""


def save_volume(
    archives: FolderArchives, volume: Document, *, folder: str, progress: Progressing
) -> tuple[Saved, Entry, bool]:
    """Archive a volume's content; the last value is whether it stood still meanwhile."""
    name, place = text(volume, "Name"), text(volume, "Mountpoint")
    size = archives.size(place)
    path = f"volumes/{file_name(name)}.tar.zst"
    with archives.pack(place) as packed:
        chunks = reported(packed.chunks(), item=name, total=size, progress=progress)
        entry = write_archive(folder, path, chunks)
        steady = packed.steady()
    return Saved(name, path, size), entry, steady


def saved_in(about: Mapping[str, Json]) -> dict[str, Saved]:
    """Give the volumes whose content a backup has, by their names."""
    return {
        text(one, "name"): Saved(text(one, "name"), text(one, "path"), number(one, "bytes"))
        for one in tables(about, "content")
    }


def volume_body(volume: Document) -> Document:
    """Give the body that creates a volume's like."""
    body: Document = {"Name": text(volume, "Name"), "Driver": text(volume, "Driver")}
    if table(volume, "Options"):
        body["DriverOpts"] = table(volume, "Options")
    if table(volume, "Labels"):
        body["Labels"] = table(volume, "Labels")
    return body
