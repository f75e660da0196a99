"""A backup of what an engine holds while it serves, with containers held for moments only.

Its folder is complete or, after a failure, to be removed (`clear_away`). Containers that share
volumes are held together, until their writable layers are committed and their volumes are read.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration import archive
from dockcfgd.migration.capture import asked_macs, save_layer
from dockcfgd.migration.choice import Choice, choose
from dockcfgd.migration.dependency import mounted_volumes
from dockcfgd.migration.documents import Document, text, texts
from dockcfgd.migration.holding import Holding, as_paused, groups, held
from dockcfgd.migration.inventory import (
    KEPT,
    Inventory,
    container_name,
    images_now,
    inspected,
    take_inventory,
)
from dockcfgd.migration.kept_images import has_files_of_the_host, keep_changes, short
from dockcfgd.migration.operations import sizes_of_layers, write_all
from dockcfgd.migration.presence import find_container
from dockcfgd.migration.records import Record, write_record
from dockcfgd.migration.room import room_of, written_by
from dockcfgd.migration.saved_images import read_images, save_images
from dockcfgd.migration.space import BackupNeed, backup_refusal, content_size
from dockcfgd.migration.volume_content import Saved, obstacle, save_volume
from dockcfgd.model.errors import EngineFailure, FileFailure
from dockcfgd.model.policy import Consistency

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from dockcfgd.migration.access import Access, Facts
    from dockcfgd.migration.archive import Entry
    from dockcfgd.migration.inventory import Image
    from dockcfgd.model.desired import Json
    from dockcfgd.ports import FolderArchives, Progressing

__all__ = ["Reports", "Wish", "clear_away", "make_backup"]

_PURPOSE = "backup"
_ROUNDS = 5
_GOING = frozenset({"dead", "removing"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be in a backup (no names: everything), and how; `about` goes into its manifest."""

    names: tuple[str, ...] = ()
    volumes: bool = False
    consistency: Consistency = Consistency.PAUSE
    about: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a backup or a restore tells what it does.

    `step` begins a named part of it, `progress` says how far that is. `note` keeps who is held; it
    is first called, with nobody, before anything is touched.
    """

    step: Callable[[str], None]
    progress: Progressing
    note: Callable[[Sequence[Json]], None]


def make_backup(
    access: Access, archives: FolderArchives, wish: Wish, *, folder: str, reports: Reports
) -> tuple[str, ...]:
    """Make a backup; give what a person should know of it, a line each.

    Before anything is written: BackupRefused for a name that means nothing, FileFailure with ENOSPC
    where it would not fit. Later EngineFailure, FileFailure or SystemdFailure.
    """
    reports.step("look at what is to be saved")
    facts = access.facts()
    inventory = take_inventory(access)
    chosen = choose(
        wish.names, containers=inventory.containers, images=inventory.images, where="this engine"
    )
    work = _Work(access, archives, wish, folder=folder, reports=reports, facts=facts)
    work.make(chosen, inventory)
    return tuple(work.remarks)


def clear_away(access: Access) -> None:
    """Remove the images that a backup has made of containers, where it was cut off."""
    for image in access.images.list():
        for tag in texts(image, "RepoTags"):
            if tag.startswith(KEPT) and tag.endswith(f":{_PURPOSE}"):
                access.images.untag(tag)


class _Work:
    def __init__(
        self,
        access: Access,
        archives: FolderArchives,
        wish: Wish,
        *,
        folder: str,
        reports: Reports,
        facts: Facts,
    ) -> None:
        self._access, self._archives, self._wish = access, archives, wish
        self._folder, self._reports, self._facts = folder, reports, facts
        self._holding = Holding(reports.note)
        self._entries: list[Entry] = []
        self._saved: dict[str, Saved] = {}
        self._went: set[str] = set()
        self._known: tuple[Document, ...] = ()
        self._listed: frozenset[str] = frozenset()
        self.remarks: list[str] = []

    def make(self, chosen: Choice, inventory: Inventory) -> None:
        """Make it."""
        chosen = self._with_images(chosen)
        volumes = [
            one for one in inventory.volumes if chosen.all or text(one, "Name") in chosen.volumes
        ]
        content = self._readable(volumes)
        self._check_room(chosen, content)
        self._reports.note(())
        archive.open_folder(self._folder)
        self._reports.step("save the images")
        chosen = self._still_there(chosen)
        self._save_images(chosen.images)
        self._reports.step("save the containers")
        self._save_containers(chosen, content)
        networks = [
            one for one in inventory.networks if chosen.all or text(one, "Name") in chosen.networks
        ]
        write_all(self._folder, "networks", networks)
        left = [one for one in volumes if text(one, "Name") not in self._went]
        write_all(self._folder, "volumes", left)
        self._reports.step("complete the backup")
        manifest = archive.Manifest(
            created=self._access.clock.now(),
            engine=self._facts.version,
            api=self._facts.api,
            storage=self._facts.driver,
            about=self._about(),
        )
        archive.finish(
            self._folder, manifest, known=[*read_images(self._folder)[1], *self._entries]
        )

    def _with_images(self, chosen: Choice) -> Choice:
        """Leave out the containers that the engine has no image for.

        It runs them and can neither commit nor create them.
        """
        there = {image.id for image in chosen.images}
        lost = [one for one in chosen.containers if text(one, "Image") not in there]
        self.remarks += [
            f"container {container_name(one)} is not in it: its image was removed by force; "
            "docker export gives its files"
            for one in lost
        ]
        left = tuple(one for one in chosen.containers if one not in lost)
        return replace(chosen, containers=left)

    def _still_there(self, chosen: Choice) -> Choice:
        """Give the images as they are called now, and leave out those that went.

        To measure containers and volumes may have taken its time.
        """
        now = images_now(self._access.images, chosen.images)
        there = {image.id for image in now}
        self.remarks += [
            f"image {image.tags[0] if image.tags else image.id} went while the backup was made"
            for image in chosen.images
            if image.id not in there
        ]
        return self._with_images(replace(chosen, images=now))

    def _about(self) -> Document:
        about = dict(self._wish.about)
        about["names"] = list(self._wish.names)
        about["consistency"] = str(self._wish.consistency)
        about["volumes"] = self._wish.volumes
        about["content"] = [one.to_json() for _, one in sorted(self._saved.items())]
        about["remarks"] = list(self.remarks)
        return about

    def _readable(self, volumes: Sequence[Document]) -> dict[str, Document]:
        """Give the volumes whose content is to be read, by their names."""
        if not self._wish.volumes:
            return {}
        found = {}
        for volume in volumes:
            name, why = text(volume, "Name"), obstacle(volume)
            if why:
                self.remarks.append(f"volume {name} is without its content: {why}")
            else:
                found[name] = volume
        return found

    def _check_room(self, chosen: Choice, content: dict[str, Document]) -> None:
        only = Inventory(containers=chosen.containers, images=chosen.images)
        places = [text(volume, "Mountpoint") for volume in content.values()]
        need = BackupNeed(
            images=content_size(chosen.images, sizes_of_layers(self._access, only)),
            layers=sum(written_by(self._access.containers, one) for one in chosen.containers),
            volumes=sum(self._archives.size(place) for place in places),
        )
        directory, root = str(Path(self._folder).parent), self._facts.root
        room = room_of(self._access.files, directory=directory, root=root)
        why = backup_refusal(need, room, directory=directory, root=root)
        if why:
            raise FileFailure(what="back up to", path=self._folder, errno=errno.ENOSPC, why=why)

    def _save_images(self, images: Sequence[Image]) -> None:
        """Save them, and once more those that lost a name meanwhile.

        The engine saves by names, and what is built or pulled anew takes the name of another.
        """
        for _ in range(_ROUNDS):
            sizes = sizes_of_layers(self._access, Inventory(images=tuple(images)))
            save_images(
                self._access,
                images,
                folder=self._folder,
                total=content_size(images, sizes),
                progress=self._reports.progress,
            )
            now = {image.id: image for image in images_now(self._access.images, images)}
            # One that is gone by now was saved.
            saved, images = images, [now.get(image.id, image) for image in images]
            if list(saved) == images:
                return
        why = "their names go to other images all the time"
        raise EngineFailure(what="save the images", status=0, why=why)

    def _save_containers(self, chosen: Choice, content: dict[str, Document]) -> None:
        done = 0
        for group in groups(chosen.containers):
            held_records = self._commit_group(group, content)
            for record, image in held_records:
                self._reports.progress(
                    item=record.name, done=done, total=len(chosen.containers), unit="containers"
                )
                self._keep(record, image)
                done += 1
            done += len(group) - len(held_records)
        for name, volume in content.items():
            if name not in self._saved and name not in self._went:
                with self._held({name}):
                    self._save_volume(volume)

    def _commit_group(
        self, group: Sequence[Document], content: dict[str, Document]
    ) -> list[tuple[Record, str]]:
        """Commit what containers have written and read their volumes, while they are held."""
        names = sorted({name for one in group for name in mounted_volumes(one)} & content.keys())
        with self._held(names):
            committed = [one for document in group for one in self._commit(document)]
            for name in names:
                self._save_volume(content[name])
        return committed

    def _held(self, volumes: Collection[str]) -> AbstractContextManager[None]:
        """Hold who has one of the volumes; without any, a commit holds the one that it commits."""
        users = self._users(frozenset(volumes)) if volumes else []
        return held(
            self._access,
            users,
            known=self._known,
            consistency=self._wish.consistency,
            holding=self._holding,
        )

    def _users(self, volumes: frozenset[str]) -> list[Document]:
        """Give the containers that have one of the volumes, as they are now.

        What came before this may have taken hours: one that has ended since is not to be started.
        """
        listed = frozenset(text(one, "Id") for one in self._access.containers.list())
        if not listed <= self._listed:
            self._listed, self._known = listed, inspected(self._access)
        using = [text(one, "Id") for one in self._known if mounted_volumes(one) & volumes]
        found = [find_container(self._access.containers, identity) for identity in using]
        return [one for one in found if one is not None]

    def _commit(self, document: Document) -> Iterator[tuple[Record, str]]:
        present = self._there(document)
        if present is None:
            self.remarks.append(_gone(document))
            return
        root = self._facts.root
        macs = asked_macs(self._access.files, text(document, "Id"), root=root)
        record = Record(inspect=document, image=text(document, "Image"), macs=macs)
        frozen = [as_paused(document)] if text(present, "State", "Status") == "running" else []
        self._holding.add(frozen)
        try:
            image = keep_changes(self._access, present, purpose=_PURPOSE)
        except EngineFailure:
            if self._there(document) is not None:
                raise
            self.remarks.append(_gone(document))
            return
        finally:
            self._holding.drop(frozen)
        if image != record.image and has_files_of_the_host(self._access, present):
            self.remarks.append(
                f"container {container_name(document)} is without what it has written as the host's"
                " users, with --userns=host: while userns-remap is in force that cannot be saved"
            )
        yield record, image

    def _there(self, document: Document) -> Document | None:
        """Give what a container is now; None where it is gone, or going."""
        found = find_container(self._access.containers, text(document, "Id"))
        going = found is not None and text(found, "State", "Status") in _GOING
        return None if going else found

    def _keep(self, record: Record, image: str) -> None:
        if image != text(record.inspect, "Image"):
            entry = save_layer(self._access, record, image=image, folder=self._folder)
            self._entries.append(entry)
            record = record.with_layer(image, entry.path)
            self._access.images.untag(f"{KEPT}{short(record.inspect)}:{_PURPOSE}")
        write_record(self._folder, record)

    def _save_volume(self, volume: Document) -> None:
        try:
            saved, entry, steady = save_volume(
                self._archives, volume, folder=self._folder, progress=self._reports.progress
            )
        except FileFailure:
            name = text(volume, "Name")
            if name in {text(one, "Name") for one in self._access.networks.volumes()}:
                raise
            # An unnamed one goes with its container, where that has --rm.
            self._went.add(name)
            self.remarks.append(f"volume {name} went while the backup was made")
            return
        self._saved[saved.name] = saved
        self._entries.append(entry)
        if not steady:
            self.remarks.append(f"volume {saved.name} changed while it was read")


def _gone(document: Document) -> str:
    return f"container {container_name(document)} went while the backup was made"
