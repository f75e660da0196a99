"""What a transaction's steps do to containers and images: one function for each.

Every function may be done again after a crash and goes on where it was. FOLDER is a backup's folder
except where a docstring says otherwise; functions raise EngineFailure and FileFailure.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.migration import archive, disposable
from dockcfgd.migration.access import Access, Facts
from dockcfgd.migration.bring_back import restore_all
from dockcfgd.migration.capture import DISPOSABLE, save_layers, stop_all, write_down
from dockcfgd.migration.compare import differences, losses
from dockcfgd.migration.documents import Document, flag, tables, text
from dockcfgd.migration.file_counts import file_counts
from dockcfgd.migration.folders import obstacle
from dockcfgd.migration.inventory import (
    Inventory,
    container_name,
    inspected,
    note,
    take_inventory,
)
from dockcfgd.migration.kept_images import drop_kept_names, has_files_of_the_host
from dockcfgd.migration.obstacles import obstacles
from dockcfgd.migration.presence import came_back, find_container, start_again
from dockcfgd.migration.records import Record, read_records
from dockcfgd.migration.room import room_of, same_filesystem, written_by
from dockcfgd.migration.saved_images import read_images, save_images
from dockcfgd.migration.space import (
    Way,
    Written,
    content_size,
    copies_of_layer,
    estimate,
    files_wanted,
    inode_refusal,
    layer_sizes,
    refusal,
    store_need,
    store_refusal,
)
from dockcfgd.migration.staging import also_to, stage_images, stage_kept, stand_ins
from dockcfgd.model.errors import EngineFailure, FileFailure, HostChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dockcfgd.model.desired import Json
    from dockcfgd.ports import Containers, Progressing

__all__ = [
    "Access",
    "back_up_containers",
    "back_up_images",
    "back_up_images_and_stage",
    "clean_up_old_engine",
    "keep_disposable",
    "note_running",
    "restore",
    "resume",
    "sizes_of_layers",
    "stage_containers",
    "what_differs",
    "what_differs_in_place",
    "write_all",
]


_ROUNDS = 5
_NOT_FOUND = 404


def back_up_images(
    access: Access, *, folder: str, target_driver: str, progress: Progressing
) -> None:
    """Save every image while the engine serves.

    Refuses, with nothing stopped and nothing changed, what could not be brought back on
    `target_driver`, or has no room: FileFailure with ENOSPC.
    """
    moving = _Moving(Way.ANEW, target_driver, "", progress)
    inventory, total = _fitting(access, moving, folder=folder)
    save_images(access, inventory.images, folder=folder, total=total, progress=progress)


def back_up_images_and_stage(
    access: Access,
    begin: Callable[[], AbstractContextManager[Access]],
    *,
    folder: str,
    target_driver: str,
    target_root: str,
    progress: Progressing,
) -> None:
    """Do what `back_up_images` does, and load the images into the engine that `begin` gives.

    One pass over an image feeds both. That engine keeps its layers in `target_root`.
    """
    moving = _Moving(Way.IN_PLACE, target_driver, target_root, progress)
    inventory, total = _fitting(access, moving, folder=folder)
    with begin() as staging:
        _save_and_stage(access, staging, inventory, folder=folder, total=total, progress=progress)


def stage_containers(
    access: Access,
    begin: Callable[[], AbstractContextManager[Access]],
    *,
    folder: str,
    kept: str,
    target_driver: str,
    progress: Progressing,
) -> None:
    """Bring to the staging engine what came meanwhile, and a stand-in for each container.

    Until nothing came any more. `--rm` containers that came are kept in `kept` too, and those that
    were there are kept again, with what they have written since. The backup gets what the
    containers, networks and volumes are then.
    """
    facts = access.facts()
    archive.open_folder(folder)
    bring = partial(
        _bring_what_came, access, folder=folder, kept=kept, target_driver=target_driver,
        progress=progress,
    )  # fmt: skip
    with begin() as staging:
        inventory = bring(staging, None)
        disposable.keep_again(access, folder=kept, progress=progress)
        stage_kept(access, staging, kept=kept)
        # That may have taken its time, too.
        inventory = bring(staging, inventory)
        # They may have other names, settings or networks than when they came.
        _write_down_all(access, inventory, folder=folder, root=facts.root)
        disposable.describe(inventory.containers, folder=kept)


def _bring_what_came(
    access: Access,
    staging: Access,
    inventory: Inventory | None,
    *,
    folder: str,
    kept: str,
    target_driver: str,
    progress: Progressing,
) -> Inventory:
    """Bring what is not in `inventory`, which was brought, until nothing comes any more."""
    facts = access.facts()
    for _ in range(_ROUNDS):
        disposable.keep(access, folder=kept)
        latest = take_inventory(access)
        if inventory is not None and _same_things(inventory, latest):
            return latest
        inventory = latest
        _refuse(inventory, facts, target_driver=target_driver, way=Way.IN_PLACE)
        total = content_size(inventory.images, sizes_of_layers(access, inventory))
        _save_and_stage(access, staging, inventory, folder=folder, total=total, progress=progress)
        stage_kept(access, staging, kept=kept)
        _write_down_all(access, inventory, folder=folder, root=facts.root)
        every = [*inventory.containers, *disposable.holders(access)]
        stand_ins(staging, every, folder=folder, progress=progress)
    raise HostChanged("images or containers come and go all the time")


def back_up_containers(access: Access, *, folder: str, progress: Progressing) -> list[Json]:
    """Stop all containers, save what they are and have written, and complete the backup.

    Gives those that ran as `note_running` does, also when it is done again and nothing runs any
    more. What was pulled or built since `back_up_images` is saved too. `FOLDER/disposable` has what
    `resume` needs to bring back `--rm` containers on the old engine.
    """
    facts = access.facts()
    archive.open_folder(folder)
    stop_all(access, folder=folder, root=facts.root, progress=progress)
    # Those with --rm went when they were stopped.
    gone = [record.inspect for record in read_records(folder)]
    inventory = take_inventory(access, gone=gone)
    _refuse(inventory, facts, target_driver="", way=Way.ANEW)
    total = content_size(inventory.images, sizes_of_layers(access, inventory))
    save_images(access, inventory.images, folder=folder, total=total, progress=progress)
    layers = save_layers(access, folder=folder, progress=progress)
    write_all(folder, "networks", inventory.networks)
    write_all(folder, "volumes", inventory.volumes)
    manifest = archive.Manifest(
        created=access.clock.now(), engine=facts.version, api=facts.api, storage=facts.driver
    )
    archive.finish(folder, manifest, known=[*read_images(folder)[1], *layers])
    return note(record.inspect for record in read_records(folder))


def restore(access: Access, *, folder: str, progress: Progressing) -> dict[str, str]:
    """Load the backup's images, create its networks and containers, and start those that ran.

    Gives present container IDs by the old ones.
    """
    facts = access.facts()
    return restore_all(access, folder=folder, api=facts.api, progress=progress)


def what_differs(access: Access, *, folder: str, now: Mapping[str, str]) -> list[str]:
    """Compare the containers of a backup with those that `restore` made of them (`now`).

    Gives a line for each field that differs and may not, `NAME: FIELD: BEFORE -> AFTER`;
    `compare` lists what may. One that has ended and removed itself is left out, and so is what a
    container does: it may have ended by itself, and that those that ran do again is proven
    otherwise.
    """
    found = []
    for record in read_records(folder):
        present = find_container(access.containers, now.get(record.id, record.name))
        if present is not None:
            lines = losses(record.inspect, present, now=now)
            found += [f"{record.name}: {line}" for line in lines if not line.startswith("State")]
        elif not flag(record.inspect, "HostConfig", "AutoRemove"):
            found.append(f"{record.name}: it is not there")
    return found


def what_differs_in_place(access: Access, *, folder: str) -> list[str]:
    """Compare the containers of a backup with what they are now, their IDs being the same.

    Gives lines as `what_differs` does.
    """
    records = read_records(folder)
    present = {record.id: _present(access, record) for record in records}
    now = {key: text(document, "Id") for key, document in present.items() if document}
    found = []
    for record in records:
        document = present[record.id]
        if document is not None:
            lines = differences(record.inspect, document, now=now)
            found += [f"{record.name}: {line}" for line in lines if not line.startswith("State")]
        elif not flag(record.inspect, "HostConfig", "AutoRemove"):
            found.append(f"{record.name}: it is not there")
    return found


def _present(access: Access, record: Record) -> Document | None:
    disposable = flag(record.inspect, "HostConfig", "AutoRemove")
    return find_container(access.containers, record.name if disposable else record.id)


def keep_disposable(access: Access, *, folder: str) -> None:
    """Keep every `--rm` container in `folder`, a folder of its own."""
    disposable.keep(access, folder=folder)


def note_running(access: Access) -> list[Json]:
    """Give the active containers as {id, name, state, auto_remove, stop_timeout}."""
    return note(inspected(access))


def resume(
    access: Access, *, running: Json, folder: str, to_old_storage: bool = False
) -> list[str]:
    """Start those of `running` that do not run, and bring back what is kept in `folder`.

    `to_old_storage`: as `disposable.bring_back` has it.

    `running` is what `note_running` gave; `folder` that of `keep_disposable`, which need not exist.
    Gives the names of those that did not come back. One that ends by itself with exit code 0 did.
    """
    entries = tables({"running": running}, "running")
    states = {text(entry, "id"): text(entry, "state") for entry in entries}
    facts = access.facts()
    disposable.bring_back(access, folder=folder, api=facts.api, to_old_storage=to_old_storage)
    wanted = [one for one in inspected(access) if text(one, "Id") in states]
    refused = start_again(access.containers, wanted, states)
    return [
        text(entry, "name")
        for entry in entries
        if text(entry, "id") in refused or not _came_back(access.containers, entry)
    ]


def clean_up_old_engine(access: Access, *, folder: str) -> None:
    """Remove what `back_up_containers` and `keep_disposable` left in the engine.

    After `resume`, on the engine that they ran on: while a `--rm` container of FOLDER/disposable
    is not back, nothing is removed. The backup in `folder` stays.
    """
    if disposable.pending(f"{folder}/{DISPOSABLE}"):
        return
    disposable.drop_holders(access)
    drop_kept_names(access.images)


@dataclass(frozen=True, slots=True)
class _Moving:
    """A move to `driver`, which keeps its layers in `root`, or in data-root where that is empty."""

    way: Way
    driver: str
    root: str
    progress: Progressing


def _fitting(access: Access, moving: _Moving, *, folder: str) -> tuple[Inventory, int]:
    """Give the inventory and the size of its layers, if all of it can be moved."""
    facts = access.facts()
    inventory = take_inventory(access)
    sizes = sizes_of_layers(access, inventory)
    saved = bool(read_images(folder)[1])
    _refuse(inventory, facts, target_driver=moving.driver, way=moving.way)
    if moving.way is Way.ANEW:
        _refuse_files_of_the_host(access, inventory)
    if not saved:
        why = _too_little_room(access, inventory, sizes, facts, moving, folder=folder)
        where = moving.root if moving.driver in SNAPSHOTTERS else facts.root
        why = why or _too_few_inodes(access, inventory, facts, moving.driver, root=where)
        if why:
            raise FileFailure(what="back up to", path=folder, errno=errno.ENOSPC, why=why)
    archive.open_folder(folder)
    return inventory, content_size(inventory.images, sizes)


def _too_little_room(
    access: Access,
    inventory: Inventory,
    sizes: Mapping[str, Sequence[int]],
    facts: Facts,
    moving: _Moving,
    *,
    folder: str,
) -> str:
    directory, driver = str(Path(folder).parent), moving.driver
    written = _written(access, inventory, facts, moving)
    need = estimate(inventory, sizes, target_driver=driver, written=written)
    room = room_of(access.files, directory=directory, root=facts.root)
    why = refusal(need, room, directory=directory, root=facts.root, target_driver=driver)
    if why or driver not in SNAPSHOTTERS:
        return why
    # If that is the filesystem of data-root, the rest is wanted there too.
    shared = same_filesystem(moving.root, facts.root)
    rest = need.data_root + (need.backup if room.shared else 0) if shared else 0
    alone = 0 if shared else written.bytes
    store = store_need(inventory, sizes, snapshotter=driver, written=alone) + rest
    free = access.files.free_bytes(moving.root)
    return store_refusal(store, free, root=moving.root, snapshotter=driver, written=written.bytes)


def _written(access: Access, inventory: Inventory, facts: Facts, moving: _Moving) -> Written:
    """Ask how much each container has written."""
    # Of what comes out of containerd's store nobody knows here which filesystem it lies on.
    inside = facts.driver not in SNAPSHOTTERS
    sharing = inside and access.files.shares_blocks(facts.root)
    size = copies = 0
    for done, document in enumerate(inventory.containers):
        moving.progress(
            item=container_name(document),
            done=done,
            total=len(inventory.containers),
            unit="containers",
        )
        written = written_by(access.containers, document)
        times = copies_of_layer(document, moving.way, target_driver=moving.driver, sharing=sharing)
        size, copies = size + written, copies + times * written
    return Written(size, copies)


def _too_few_inodes(
    access: Access, inventory: Inventory, facts: Facts, target_driver: str, *, root: str
) -> str:
    free = access.files.free_inodes(root)
    if free is None:
        return ""
    counts = file_counts(facts.root, facts.driver, inventory.images)
    wanted = files_wanted(inventory, counts, target_driver=target_driver)
    return inode_refusal(wanted, free, root=root, target_driver=target_driver)


def _save_and_stage(
    access: Access,
    staging: Access,
    inventory: Inventory,
    *,
    folder: str,
    total: int,
    progress: Progressing,
) -> None:
    save_images(
        access,
        inventory.images,
        folder=folder,
        total=total,
        progress=progress,
        through=also_to(staging.images),
    )
    stage_images(staging, folder=folder, progress=progress)


def _same_things(before: Inventory, after: Inventory) -> bool:
    """Whether there are the same images and containers, whatever those do."""
    first = {text(document, "Id") for document in before.containers}
    second = {text(document, "Id") for document in after.containers}
    # Those made at the same moment come in any order.
    return first == second and set(before.images) == set(after.images)


def _write_down_all(access: Access, inventory: Inventory, *, folder: str, root: str) -> None:
    present = {text(document, "Id") for document in inventory.containers}
    for record in read_records(folder):
        if record.id not in present and not flag(record.inspect, "HostConfig", "AutoRemove"):
            archive.remove_document(folder, record.path)
    write_down(access.files, inventory.containers, folder=folder, root=root)
    write_all(folder, "networks", inventory.networks)
    write_all(folder, "volumes", inventory.volumes)


def sizes_of_layers(access: Access, inventory: Inventory) -> dict[str, tuple[int, ...]]:
    """Give the sizes of the layers of each image, by its ID; not of one that went meanwhile."""
    found = {}
    for image in inventory.images:
        try:
            found[image.id] = layer_sizes(image, access.images.history(image.id))
        except EngineFailure as error:
            if error.status != _NOT_FOUND:
                raise
    return found


def _refuse(inventory: Inventory, facts: Facts, *, target_driver: str, way: Way) -> None:
    reasons = list(obstacles(inventory, target_driver=target_driver, way=way))
    # What the new driver has from an earlier time is moved aside while the engine is stopped.
    drivers = filter(None, (facts.driver, target_driver))
    immovable = (obstacle(facts.root, driver) for driver in drivers)
    reasons += dict.fromkeys(filter(None, immovable))
    if reasons:
        raise EngineFailure(
            what="change the storage without losing something", status=0, why="; ".join(reasons)
        )


def _refuse_files_of_the_host(access: Access, inventory: Inventory) -> None:
    """Refuse to make anew who has files that no image can have."""
    found = [one for one in inventory.containers if has_files_of_the_host(access, one)]
    names = map(container_name, found)
    if found:
        why = (
            f"{', '.join(names)}: what a container with --userns=host has written as the host's"
            " users can be neither committed nor saved while userns-remap is in force; take"
            " userns-remap out first and set it again afterwards, or remove the container"
        )
        raise EngineFailure(what="change the storage without losing something", status=0, why=why)


def write_all(folder: str, kind: str, documents: Sequence[Document]) -> None:
    """Write the documents of `networks` or `volumes`, each into a file of its name."""
    for document in documents:
        name = archive.file_name(text(document, "Name"))
        archive.write_document(folder, f"{kind}/{name}.json", document)


def _came_back(containers: Containers, entry: Document) -> bool:
    found = find_container(containers, text(entry, "name"))
    if flag(entry, "auto_remove") and found is None:
        return True  # it was brought back, ended, and removed itself
    return came_back(found)
