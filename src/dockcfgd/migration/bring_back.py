"""Bringing a backup's images, networks and containers to an engine.

`restored.json` in the backup's folder has the present IDs by the old ones, written after each
container is whole; one that bears the right name, was never started and is not in it was left half
made by a crash, and is made anew.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.access import empty_volumes
from dockcfgd.migration.archive import (
    Entry,
    Manifest,
    read_archive,
    read_document,
    read_documents,
    read_manifest,
    write_document,
)
from dockcfgd.migration.at_once import at_once
from dockcfgd.migration.capture import DISPOSABLE
from dockcfgd.migration.dependency import create_waves, in_order, start_waves
from dockcfgd.migration.documents import Document, text
from dockcfgd.migration.image_filter import contents_of
from dockcfgd.migration.inventory import Image
from dockcfgd.migration.kept_logs import put_logs
from dockcfgd.migration.logs import carry_logs
from dockcfgd.migration.network_body import network_body, network_order
from dockcfgd.migration.others import Others
from dockcfgd.migration.presence import find_container, start_wave
from dockcfgd.migration.records import Record, read_records
from dockcfgd.migration.recreate import Recreation, Setting, recreation
from dockcfgd.migration.saved_images import load_images, present_ids
from dockcfgd.model.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dockcfgd.migration.access import Access
    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Progressing

__all__ = [
    "Known",
    "create_all",
    "load_layers",
    "make_networks",
    "read_ids",
    "restore_all",
]

_RECORD = "restored.json"
_AT_A_TIME = 8
_LAYERS_AT_A_TIME = 2


def restore_all(access: Access, *, folder: str, api: str, progress: Progressing) -> dict[str, str]:
    """Bring everything back and start what ran; give present container IDs by the old ones.

    FileFailure where the backup is incomplete or a checksum is wrong. Doing it again goes on.
    """
    manifest = read_manifest(folder)
    images = load_images(access.images, folder=folder, progress=progress)
    records = read_records(folder)
    images |= load_layers(access, records, folder=folder, manifest=manifest)
    renamed = make_networks(access, read_documents(folder, "networks"))
    setting = Setting("", api, manifest.api, networks=renamed, empty_volumes=empty_volumes(access))
    known = Known(records, read_ids(folder, _RECORD), _RECORD)
    return create_all(
        access, records, folder=folder, images=images, setting=setting, known=known,
        progress=progress,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when containers are created.

    All containers of the backup, the present IDs of some of them by the old ones, and the file in
    the backup's folder that keeps these. `begun` are the IDs from before that the file has, where
    it does not have all.
    """

    records: Sequence[Record]
    present: Mapping[str, str]
    note: str
    begun: Collection[str] = ()

    def entries(self, present: Mapping[str, str]) -> dict[str, Json]:
        """Give what the file has; an empty ID where a container is still to be made."""
        return {key: present.get(key, "") for key in self.begun or present}


def create_all(
    access: Access,
    records: Sequence[Record],
    *,
    folder: str,
    images: Mapping[str, str],
    setting: Setting,
    known: Known,
    progress: Progressing,
) -> dict[str, str]:
    """Create the containers that are not there and start what ran.

    `images` has present image IDs by the old ones. Gives present container IDs by the old ones.
    """
    by_id = {record.id: record for record in records}
    maker = _Maker(access, known, folder=folder, images=images, setting=setting)
    count = itertools.count(1)

    def made(record: Record, now: str) -> None:
        maker.note(record, now)
        progress(item=record.name, done=next(count), total=len(records), unit="containers")

    progress(item="", done=0, total=len(records), unit="containers")
    for wave in create_waves([record.inspect for record in records]):
        making = [by_id[text(document, "Id")] for document in wave]
        at_once(maker.make, making, most=_AT_A_TIME, done=made)
    _start(access, _ordered(records), maker.present, progress)
    return maker.present


class _Maker:
    """Makes containers, each able to refer to those noted before it."""

    def __init__(
        self,
        access: Access,
        known: Known,
        *,
        folder: str,
        images: Mapping[str, str],
        setting: Setting,
    ) -> None:
        self.present = dict(known.present)
        self._access = access
        self._known = known
        self._documents = [record.inspect for record in known.records]
        self._folder = folder
        self._images = images
        self._setting = setting
        self._root = access.facts().root
        self._networks = {text(network, "Name") for network in access.networks.list()}

    def make(self, record: Record) -> str:
        """Create the container, unless it is there; give its ID."""
        if record.id in self.present:
            return self.present[record.id]
        found = find_container(self._access.containers, record.name)
        if found is not None and text(found, "Id") != record.id:
            self._remove_half_made(found, record)
            found = None
        return text(found, "Id") if found is not None else self._create(record)

    def note(self, record: Record, now: str) -> None:
        """Note that the container is whole."""
        if record.id not in self.present:
            self.present[record.id] = now
            write_document(self._folder, self._known.note, self._known.entries(self.present))

    def _create(self, record: Record) -> str:
        plan = self._plan(record)
        created = self._access.containers.create(plan.name, plan.body)
        for connect in plan.connects:
            # A container that is stopped may name a network that was removed.
            if connect.network in self._networks:
                self._access.networks.connect(connect.network, connect.body(created))
        carry_logs(self._root, before=record.id, now=created)
        kept = f"{self._folder}/{DISPOSABLE}"
        put_logs(kept, self._root, before=record.id, now=created)
        return created

    def _plan(self, record: Record) -> Recreation:
        setting = replace(self._setting, image=self._image(record), macs=record.macs)
        return recreation(record.inspect, Others(self._documents, self.present), setting)

    def _image(self, record: Record) -> str:
        """Give the image as the container knew it, where that still means the same image."""
        present = self._images[record.image]
        asked = text(record.inspect, "Config", "Image")
        if record.layer or not asked:
            return present
        try:
            same = text(self._access.images.inspect(asked), "Id") == present
        except EngineFailure as error:
            if error.status == 0:
                raise
            same = False
        return asked if same else present

    def _remove_half_made(self, found: Document, record: Record) -> None:
        ours = text(found, "State", "Status") == "created"
        ours = ours and text(found, "Config", "Image") == self._image(record)
        if not ours:
            raise EngineFailure(
                what=f"create container {record.name}",
                status=0,
                why="there is another container of that name",
            )
        self._access.containers.remove(text(found, "Id"))


def _start(
    access: Access, records: Sequence[Record], present: Mapping[str, str], progress: Progressing
) -> None:
    """Start what ran, many at a time; EngineFailure names those that cannot, with the reasons."""
    by_id = {record.id: record for record in records}
    refused = []
    done = 0
    for wave in start_waves([record.inspect for record in records]):
        progress(item="", done=done, total=len(records), unit="containers")
        starting = [by_id[text(document, "Id")] for document in wave]
        ids = {present[record.id]: record for record in starting}
        states = {now: record.state for now, record in ids.items()}
        for now, error in start_wave(access.containers, states).items():
            refused.append(f"{ids[now].name} ({error})")
        done += len(wave)
    progress(item="", done=len(records), total=len(records), unit="containers")
    if refused:
        why = "; ".join(refused)
        raise EngineFailure(what="start all containers that ran", status=0, why=why)


def _ordered(records: Sequence[Record]) -> list[Record]:
    by_id = {record.id: record for record in records}
    documents = in_order([record.inspect for record in records])
    return [by_id[text(document, "Id")] for document in documents]


def load_layers(
    access: Access, records: Sequence[Record], *, folder: str, manifest: Manifest
) -> dict[str, str]:
    """Load the writable layers of containers; give the present IDs of their images."""
    entries: dict[str, Entry] = {entry.path: entry for entry in manifest.files}
    images: dict[str, str] = {}
    archives = {record.image: entries[record.layer] for record in records if record.layer}

    def load(image: str) -> dict[str, str]:
        return _load_layer(access, Image(id=image), archives[image], folder=folder)

    at_once(load, archives, most=_LAYERS_AT_A_TIME, done=lambda _, now: images.update(now))
    return images


def _load_layer(access: Access, image: Image, archive: Entry, *, folder: str) -> dict[str, str]:
    try:
        return present_ids(access.images, [image])
    except EngineFailure as error:
        if error.status != 0:
            raise
    access.images.load(read_archive(folder, archive))
    # One from containerd's store has an ID there that it has nowhere else.
    (config,) = contents_of(read_archive(folder, archive)).identities
    return present_ids(access.images, [replace(image, config=config)])


def make_networks(access: Access, networks: Sequence[Document]) -> dict[str, str]:
    """Create those of `networks` that are missing.

    Gives the names of those that have another ID now, by their old ones: also of one that was there
    already, as a restore that was cut off may have made it.
    """
    present = {text(network, "Name"): text(network, "Id") for network in access.networks.list()}
    for network in network_order(networks):
        if text(network, "Name") not in present:
            access.networks.create(network_body(network))
    return {
        text(network, "Id"): text(network, "Name")
        for network in networks
        if present.get(text(network, "Name")) != text(network, "Id")
    }


def read_ids(folder: str, note: str) -> dict[str, str]:
    """Give the present IDs by the old ones that a file of the backup's folder keeps."""
    if not Path(folder, note).exists():
        return {}
    return {key: str(value) for key, value in read_document(folder, note).items()}
