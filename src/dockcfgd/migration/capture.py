"""Stopping the containers and putting into a backup what they are and what they have written."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from dockcfgd.migration import disposable
from dockcfgd.migration.archive import Entry, remove_document, write_layer
from dockcfgd.migration.at_once import at_once
from dockcfgd.migration.dependency import stop_waves
from dockcfgd.migration.documents import Document, table, text, texts
from dockcfgd.migration.inventory import ACTIVE, container_name, inspected
from dockcfgd.migration.kept_images import keep_changes
from dockcfgd.migration.presence import find_container
from dockcfgd.migration.records import Record, read_records, write_record
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.migration.access import Access
    from dockcfgd.ports import Files, Progressing

__all__ = [
    "DISPOSABLE",
    "asked_macs",
    "save_layer",
    "save_layers",
    "stop_active",
    "stop_all",
    "write_down",
]

DISPOSABLE = "disposable"

_ROUNDS = 5
_AT_A_TIME = 32
# Each of them takes about 20 MB of memory, and processors enough to compress it.
_LAYERS_AT_A_TIME = 2
_PURPOSE = "stopped"


def stop_all(access: Access, *, folder: str, root: str, progress: Progressing) -> None:
    """Write down every container, then stop the active ones, those that need others first.

    What was written down while a container ran stays once it was stopped, so that this may be done
    again after a crash. A container that appears meanwhile is taken along.
    """
    active: list[Document] = []
    for _ in range(_ROUNDS):
        disposable.keep(access, folder=f"{folder}/{DISPOSABLE}")
        documents = inspected(access)
        ran = {one.id: one for one in read_records(folder) if one.state in ACTIVE}
        written = [_as_it_ran(document, ran.get(text(document, "Id"))) for document in documents]
        write_down(access.files, written, folder=folder, root=root)
        active = [document for document in documents if _status(document) in ACTIVE]
        if not active:
            return
        stop_active(access, active, progress)
    names = ", ".join(container_name(document) for document in active)
    raise EngineFailure(
        what="stop all containers", status=0, why=f"something starts them again: {names}"
    )


def save_layers(access: Access, *, folder: str, progress: Progressing) -> list[Entry]:
    """Save the writable layer of every container that changed; give the archives, in any order."""
    kept = {
        text(document, "Id"): image for document, image in disposable.kept(f"{folder}/{DISPOSABLE}")
    }
    records, entries, count = read_records(folder), list[Entry](), itertools.count(1)

    def save(record: Record) -> tuple[Record, Entry | None]:
        image = kept.get(record.id) or _commit(access, record)
        if image == text(record.inspect, "Image"):
            return record, None
        entry = save_layer(access, record, image=image, folder=folder)
        return record.with_layer(image, entry.path), entry

    def saved(_: Record, came: tuple[Record, Entry | None]) -> None:
        record, entry = came
        entries.extend([entry] if entry is not None else [])
        write_record(folder, record)
        progress(item=record.name, done=next(count), total=len(records), unit="containers")

    progress(item="", done=0, total=len(records), unit="containers")
    at_once(save, records, most=_LAYERS_AT_A_TIME, done=saved)
    return entries


def write_down(files: Files, documents: Sequence[Document], *, folder: str, root: str) -> None:
    """Write what these containers are, each into its file; those of names they had before go.

    A file that says so already stays as it is, with what it has of the writable layer.
    """
    earlier = read_records(folder)
    said = {record.path: (record.inspect, record.macs) for record in earlier}
    paths = {}
    for document in documents:
        macs = asked_macs(files, text(document, "Id"), root=root)
        record = Record(inspect=document, image=text(document, "Image"), macs=macs)
        paths[record.id] = record.path
        if said.get(record.path) != (record.inspect, record.macs):
            write_record(folder, record)
    kept = set(paths.values())
    for record in earlier:
        if record.id in paths and record.path not in kept:
            remove_document(folder, record.path)


def asked_macs(files: Files, container: str, *, root: str) -> dict[str, str]:
    """Read which addresses the user asked for; engines from 25 on keep them apart in their file."""
    content = files.read(f"{root}/containers/{container}/config.v2.json").content
    try:
        document = json.loads(content or b"{}")
    except ValueError:
        return {}
    networks = table(document, "NetworkSettings", "Networks") if isinstance(document, dict) else {}
    asked = {
        name: text(endpoint, "DesiredMacAddress")
        for name, endpoint in networks.items()
        if isinstance(endpoint, dict)
    }
    return {name: mac for name, mac in asked.items() if mac}


def stop_active(access: Access, active: Sequence[Document], progress: Progressing) -> None:
    """Stop them, many at a time: one that ignores the signal takes its whole stop timeout."""
    done = 0
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for wave in stop_waves(active):
            stops = {pool.submit(_stop_one, access, document): document for document in wave}
            for stopped in as_completed(stops):
                stopped.result()
                done += 1
                name = container_name(stops[stopped])
                progress(item=name, done=done, total=len(active), unit="containers")


def _as_it_ran(document: Document, before: Record | None) -> Document:
    """Give what to write down of one that ran before: it was stopped here where it does not now.

    Under another name it is written down anew, in the state that it had.
    """
    if before is None or _status(document) in ACTIVE:
        return document
    if before.name == container_name(document):
        return before.inspect
    return document | {"State": table(before.inspect, "State")}


def _stop_one(access: Access, document: Document) -> None:
    try:
        access.containers.stop(text(document, "Id"))
    except EngineFailure:
        # One with --rm may be gone before the answer, or before the question.
        if find_container(access.containers, text(document, "Id")) is not None:
            raise


def _commit(access: Access, record: Record) -> str:
    present = find_container(access.containers, record.id)
    if present is None:
        # It ended by itself and was removed, as it would have been without us.
        return text(record.inspect, "Image")
    return keep_changes(access, present, purpose=_PURPOSE)


def save_layer(access: Access, record: Record, *, image: str, folder: str) -> Entry:
    """Save the image that has a container's writable layer, without what is below; its archive."""
    layers = texts(access.images.inspect(image), "RootFS", "Layers")
    with access.images.save([image]) as stream:
        return write_layer(folder, record.layer_path, stream, layers=layers)


def _status(document: Document) -> str:
    return text(document, "State", "Status")
