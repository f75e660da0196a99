"""Restoring a backup, or some of it, on a host that has containers of its own.

Nothing that is there is overwritten: not a container, not a volume that has content or is used, not
the name of another image. `restoring.json` in the backup's folder says which containers are being
made until all of them are whole, so that a restore that was cut off can be done again.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration import archive
from dockcfgd.migration.access import empty_volumes
from dockcfgd.migration.bring_back import (
    Known,
    create_all,
    load_layers,
    make_networks,
    read_ids,
)
from dockcfgd.migration.choice import Choice, choose, outside_needs
from dockcfgd.migration.chosen_images import Standing, load_chosen, standing
from dockcfgd.migration.compare import differences, differences_of_releases
from dockcfgd.migration.dependency import mounted_volumes
from dockcfgd.migration.documents import Document, flag, table, text
from dockcfgd.migration.inventory import container_name
from dockcfgd.migration.presence import find_container
from dockcfgd.migration.records import Record, read_records
from dockcfgd.migration.recreate import Setting
from dockcfgd.migration.reporting import reported
from dockcfgd.migration.saved_images import read_content, read_images
from dockcfgd.migration.space import restore_refusal
from dockcfgd.migration.volume_content import Saved, obstacle, saved_in, volume_body
from dockcfgd.model.errors import BackupRefused, FileFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockcfgd.migration.access import Access, Facts
    from dockcfgd.migration.live_backup import Reports
    from dockcfgd.ports import FolderArchives

__all__ = ["Restored", "restore_chosen"]

_NOTE = "restoring.json"
_COPYING = frozenset({"vfs", "native"})


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore: what a person should know of, and what is not as it was."""

    remarks: tuple[str, ...]
    differing: tuple[str, ...]


def restore_chosen(
    access: Access,
    archives: FolderArchives,
    names: Sequence[str],
    *,
    folder: str,
    reports: Reports,
) -> Restored:
    """Restore what `names` mean, everything without names, and start what ran.

    Before anything is touched: BackupRefused where it cannot be done, FileFailure where the backup
    is damaged or there is no room. Later EngineFailure, FileFailure or SystemdFailure; then it can
    be done again, and goes on.
    """
    reports.step("look at the backup and at what is there")
    manifest = archive.read_manifest(folder)
    records = read_records(folder)
    chosen = choose(
        names,
        containers=[record.inspect for record in records],
        images=read_images(folder)[0],
        where=f"the backup {Path(folder).name}",
    )
    work = _Work(access, archives, folder=folder, reports=reports, manifest=manifest)
    return work.restore(chosen, records)


class _Work:
    def __init__(
        self,
        access: Access,
        archives: FolderArchives,
        *,
        folder: str,
        reports: Reports,
        manifest: archive.Manifest,
    ) -> None:
        self._access, self._archives = access, archives
        self._folder, self._reports, self._manifest = folder, reports, manifest
        self._facts: Facts = access.facts()
        self._remarks: list[str] = []

    def restore(self, chosen: Choice, records: Sequence[Record]) -> Restored:
        """Do it."""
        access = self._access
        wanted = [record for record in records if record.inspect in chosen.containers]
        present = self._named()
        begun = self._begun(present)
        self._refuse(chosen, records, present, begun)
        images = standing(access.images, chosen.images)
        volumes = self._volumes(chosen)
        self._check_room(images, volumes, wanted)
        self._check_sums(chosen, images, volumes, wanted)
        self._reports.step("load the images")
        ids = images.there | load_chosen(
            access.images, images.missing, folder=self._folder, progress=self._reports.progress
        )
        ids |= load_layers(access, wanted, folder=self._folder, manifest=self._manifest)
        self._remarks += [
            f"container {record.name} is without {line}"
            for record in wanted
            for line in record.left_out
        ]
        if images.taken:
            self._remarks.append(
                f"these names mean other images here and were left: {', '.join(images.taken)}"
            )
        self._reports.step("create networks and volumes")
        networks = [
            one
            for one in archive.read_documents(self._folder, "networks")
            if chosen.all or text(one, "Name") in chosen.networks
        ]
        renamed = make_networks(access, networks)
        made = self._make_volumes(volumes)
        self._reports.step("create the containers and start what ran")
        setting = Setting(
            "",
            self._facts.api,
            self._manifest.api,
            networks=renamed,
            # One that was just made is to get the image's files, as it did at first.
            empty_volumes=empty_volumes(access) - made,
        )
        elsewhere = {
            record.id: present[record.name]
            for record in records
            if record not in wanted and record.name in present
        }
        marks = {*begun, *(record.id for record in wanted)}
        known = Known(records, elsewhere | _made(begun), _NOTE, marks)
        archive.write_document(self._folder, _NOTE, known.entries(known.present))
        now = create_all(
            access,
            wanted,
            folder=self._folder,
            images=ids,
            setting=setting,
            known=known,
            progress=self._reports.progress,
        )
        self._reports.step("compare with the backup")
        differing = self._differing(wanted, now, setting)
        archive.remove_document(self._folder, _NOTE)
        return Restored(tuple(self._remarks), tuple(differing))

    def _named(self) -> dict[str, str]:
        """Give the IDs of the containers that are there, by name."""
        return {container_name(one): text(one, "Id") for one in self._present()}

    def _begun(self, present: Mapping[str, str]) -> dict[str, str]:
        """Give what a restore that was cut off has made, and begun (without an ID)."""
        there = {*present.values(), ""}
        noted = read_ids(self._folder, _NOTE)
        return {before: now for before, now in noted.items() if now in there}

    def _refuse(
        self,
        chosen: Choice,
        records: Sequence[Record],
        present: Mapping[str, str],
        begun: Mapping[str, str],
    ) -> None:
        there = [
            container_name(one)
            for one in chosen.containers
            if container_name(one) in present and text(one, "Id") not in begun
        ]
        if there:
            raise BackupRefused(
                "cannot restore: there are containers of these names, and none is overwritten: "
                f"{', '.join(there)}; rename or remove them, or name what is to be restored"
            )
        known = [record.inspect for record in records]
        lines = outside_needs(chosen.containers, known, present=present.keys())
        if lines:
            raise BackupRefused(
                f"cannot restore: {'; '.join(lines)}, which is not there: name that too"
            )

    def _volumes(self, chosen: Choice) -> list[tuple[Document, Saved | None]]:
        """Give the volumes that are to be made or filled, with their content; the others stay."""
        content = saved_in(self._manifest.about)
        there = {text(one, "Name"): one for one in self._access.networks.volumes()}
        used = self._used_volumes()
        found: list[tuple[Document, Saved | None]] = []
        for volume in archive.read_documents(self._folder, "volumes"):
            name = text(volume, "Name")
            if not chosen.all and name not in chosen.volumes:
                continue
            present = there.get(name)
            if present is None:
                found.append((volume, content.get(name)))
            elif name in content and self._fillable(present) and name not in used:
                found.append((volume, content[name]))
            else:
                self._remarks.append(f"volume {name} is there and was left as it is")
        return found

    def _used_volumes(self) -> frozenset[str]:
        return frozenset(name for one in self._present() for name in mounted_volumes(one))

    def _present(self) -> Iterator[Document]:
        """Give what containers are there; one with --rm may go between two questions."""
        containers = self._access.containers
        found = (find_container(containers, text(one, "Id")) for one in containers.list())
        return filter(None, found)

    def _fillable(self, volume: Document) -> bool:
        """Whether it is empty, and what is put there is what containers see."""
        return not obstacle(volume) and not self._access.files.names(text(volume, "Mountpoint"))

    def _check_room(
        self,
        images: Standing,
        volumes: Sequence[tuple[Document, Saved | None]],
        wanted: Sequence[Record],
    ) -> None:
        alone = sum(image.size for image in images.missing if image.id not in images.there)
        # Images share layers: never more than all that the backup has, each counted once.
        content = min(alone, read_content(self._folder))
        layers = sum(
            entry.size
            for entry in self._manifest.files
            if entry.path in {record.layer for record in wanted}
        )
        staged = 2 * (content + layers)
        if self._facts.driver in _COPYING:
            sizes = {image.id: image.size for image in read_images(self._folder)[0]}
            staged += 2 * sum(sizes.get(text(one.inspect, "Image"), 0) for one in wanted) + alone
        need = staged + sum(saved.bytes for _, saved in volumes if saved is not None)
        root = self._facts.root
        free = self._access.files.free_bytes(root)
        why = restore_refusal(need, free, root=root, driver=self._facts.driver)
        if why:
            raise FileFailure(what="restore to", path=root, errno=errno.ENOSPC, why=why)

    def _check_sums(
        self,
        chosen: Choice,
        images: Standing,
        volumes: Sequence[tuple[Document, Saved | None]],
        wanted: Sequence[Record],
    ) -> None:
        paths = self._documents(chosen) | {record.layer for record in wanted}
        paths |= {saved.path for _, saved in volumes if saved is not None}
        if images.missing:
            paths |= {entry.path for entry in read_images(self._folder)[1]} | {"images.json"}
        wrong = archive.verify(self._folder, only=paths)
        if wrong:
            raise BackupRefused(f"cannot restore from a damaged backup: {'; '.join(wrong)}")

    def _documents(self, chosen: Choice) -> set[str]:
        """Give the paths of the documents that say what is restored, also where one is missing."""
        if chosen.all:
            return {one.path for one in self._manifest.files if one.path.endswith(".json")}
        named = [
            *(("containers", container_name(one)) for one in chosen.containers),
            *(("networks", name) for name in chosen.networks),
            *(("volumes", name) for name in chosen.volumes),
        ]
        return {f"{kind}/{archive.file_name(name)}.json" for kind, name in named}

    def _make_volumes(self, volumes: Sequence[tuple[Document, Saved | None]]) -> frozenset[str]:
        """Make and fill volumes; give the names of those that were made without content."""
        networks = self._access.networks
        there = {text(one, "Name") for one in networks.volumes()}
        bare = set()
        for volume, _ in volumes:
            if text(volume, "Name") not in there:
                networks.create_volume(volume_body(volume))
        places = {text(one, "Name"): text(one, "Mountpoint") for one in networks.volumes()}
        for volume, saved in volumes:
            if saved is None:
                bare.add(text(volume, "Name"))
                self._remarks.append(f"volume {text(volume, 'Name')} was made without content")
                continue
            entry = next(one for one in self._manifest.files if one.path == saved.path)
            chunks = reported(
                archive.read_archive(self._folder, entry),
                item=saved.name,
                total=saved.bytes,
                progress=self._reports.progress,
            )
            lost = self._archives.unpack(places[saved.name], chunks)
            self._remarks += [f"volume {saved.name} is not whole: {line}" for line in lost]
        return frozenset(bare)

    def _differing(
        self, wanted: Sequence[Record], now: Mapping[str, str], setting: Setting
    ) -> list[str]:
        compare = differences if self._manifest.api == self._facts.api else differences_of_releases
        found = []
        for record in wanted:
            present = find_container(self._access.containers, now[record.id])
            if present is not None:
                lines = compare(_as_asked(record.inspect, setting), present, now=now)
                found += [f"{record.name}: {line}" for line in lines]
            elif not flag(record.inspect, "HostConfig", "AutoRemove"):
                found.append(f"{record.name}: it is not there")
        return found


def _as_asked(document: Document, setting: Setting) -> Document:
    """Give a container's document with the name of a network that it names by an ID now gone."""
    host = table(document, "HostConfig") | {"NetworkMode": setting.network_mode(document)}
    return document | {"HostConfig": host}


def _made(begun: Mapping[str, str]) -> dict[str, str]:
    return {before: now for before, now in begun.items() if now}
