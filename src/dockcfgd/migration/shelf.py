"""What lies in a directory of backups, as the documents that a person or a program asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.archive import Backup, list_backups, read_documents, read_manifest, verify
from dockcfgd.migration.documents import Document, at, tables, text
from dockcfgd.migration.records import read_records
from dockcfgd.migration.saved_images import read_images
from dockcfgd.migration.volume_content import saved_in
from dockcfgd.model.desired import Json
from dockcfgd.model.errors import FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["list_document", "show_document", "verify_document"]


def list_document(directory: str) -> Document:
    """Give all backups, newest first, then those that are not complete."""
    return {"schema": 1, "backups": [_entry(backup) for backup in _backups(directory)]}


def show_document(directory: str, identity: str) -> Document:
    """Give what a complete backup holds, and who made it why."""
    backup = _complete(directory, identity)
    folder = backup.folder
    about = read_manifest(folder).about
    content = saved_in(about)
    containers: list[Json] = [
        {
            "name": record.name,
            "id": record.id,
            "image": text(record.inspect, "Config", "Image"),
            "state": record.state,
            "wrote": bool(record.layer),
            "left_out": list(record.left_out),
            "binds": _sorted(
                text(mount, "Source")
                for mount in tables(record.inspect, "Mounts")
                if text(mount, "Type") == "bind"
            ),
        }
        for record in read_records(folder)
    ]
    images: list[Json] = [
        {"id": image.id, "tags": list(image.tags), "bytes": image.size}
        for image in read_images(folder)[0]
    ]
    volumes: list[Json] = [
        {
            "name": text(volume, "Name"),
            "content": text(volume, "Name") in content,
            "bytes": content[text(volume, "Name")].bytes
            if text(volume, "Name") in content
            else None,
        }
        for volume in read_documents(folder, "volumes")
    ]
    networks = (text(network, "Name") for network in read_documents(folder, "networks"))
    return {
        **_entry(backup),
        "schema": 1,
        "actor": text(about, "actor") or None,
        "names": at(about, "names") or [],
        "consistency": text(about, "consistency") or None,
        "remarks": at(about, "remarks") or [],
        "containers": containers,
        "images": images,
        "networks": _sorted(networks),
        "volumes": volumes,
    }


def verify_document(directory: str, identity: str) -> Document:
    """Read a complete backup through, and give what is wrong with it."""
    backup = _complete(directory, identity)
    complaints = list[Json](verify(backup.folder))
    return {"schema": 1, "id": backup.id, "good": not complaints, "complaints": complaints}


def _backups(directory: str) -> tuple[Backup, ...]:
    # Where it may not be read it looks as if it were empty.
    try:
        os.listdir(directory)  # noqa: PTH208 -- asked for its error only
    except FileNotFoundError:
        return ()
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="list", path=directory, errno=error.errno or 0, why=why) from error
    return list_backups(directory)


def _complete(directory: str, identity: str) -> Backup:
    backups = _backups(directory)
    found = next((backup for backup in backups if backup.id == identity), None)
    where = str(Path(directory, identity))
    if found is None:
        known = ", ".join(backup.id for backup in backups)
        why = f"there is no such backup; there are {known}" if known else "there are no backups"
        raise FileFailure(what="use", path=where, errno=0, why=why)
    read_manifest(found.folder)
    return found


def _entry(backup: Backup) -> Document:
    manifest = backup.manifest
    return {
        "id": backup.id,
        "created": None if manifest is None else manifest.created,
        "engine": None if manifest is None else manifest.engine,
        "storage": None if manifest is None else manifest.storage,
        "bytes": backup.bytes,
        "complete": backup.complete,
        "origin": None if manifest is None else manifest.origin,
        "comment": (text(manifest.about, "comment") or None) if manifest is not None else None,
    }


def _sorted(names: Iterable[str]) -> list[Json]:
    return list[Json](sorted(names))
