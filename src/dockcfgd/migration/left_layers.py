"""Backing up writable layers from the data of a driver that the engine no longer uses.

After containers were moved to another driver their old layers lie on disk as they were, so that it
costs no time in which the containers are away.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from dockcfgd.log import get_logger
from dockcfgd.migration import archive, disposable
from dockcfgd.migration.capture import save_layer
from dockcfgd.migration.documents import flag, text
from dockcfgd.migration.records import Record, read_records, write_record
from dockcfgd.migration.saved_images import read_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.migration.access import Access
    from dockcfgd.migration.archive import Entry
    from dockcfgd.ports import FolderArchives, Progressing

__all__ = ["back_up_left_layers"]


def back_up_left_layers(
    access: Access,
    folders: FolderArchives,
    *,
    folder: str,
    root: str,
    driver: str,
    kept: str,
    progress: Progressing,
) -> None:
    """Save what the containers had written on `driver` in `root`, and complete the backup.

    `kept` is the folder of `disposable.keep`. What an archive cannot have is no obstacle: it came
    along, and lies on `driver` as it was; the log and the container's record say so. Doing it again
    goes on.
    """
    facts = access.facts()
    images, renamed = dict(_kept(kept)), disposable.renamed(kept)
    records, entries = read_records(folder), list[archive.Entry]()
    for number, record in enumerate(records):
        progress(item=record.name, done=number, total=len(records), unit="containers")
        if flag(record.inspect, "HostConfig", "AutoRemove"):
            image = images.get(record.id, "")
            if image not in {"", text(record.inspect, "Image")}:
                present = renamed.get(image, image)
                entries.append(_of_disposable(access, record, present, folder=folder))
        else:
            entries += _left(folders, record, folder=folder, root=root, driver=driver)
    progress(item="", done=len(records), total=len(records), unit="containers")
    manifest = archive.Manifest(
        created=access.clock.now(), engine=facts.version, api=facts.api, storage=driver
    )
    archive.finish(folder, manifest, known=[*read_images(folder)[1], *entries])


def _kept(folder: str) -> Iterator[tuple[str, str]]:
    """Give the ID of each container with `--rm`, and the image that has what it had written."""
    return ((text(document, "Id"), image) for document, image in disposable.kept(folder))


def _of_disposable(access: Access, record: Record, image: str, *, folder: str) -> Entry:
    entry = save_layer(access, record, image=image, folder=folder)
    write_record(folder, record.with_layer(image, entry.path))
    return entry


def _left(
    folders: FolderArchives, record: Record, *, folder: str, root: str, driver: str
) -> list[Entry]:
    image = text(record.inspect, "Image")
    with folders.pack_layer(root, driver=driver, container=record.id, image=image) as packed:
        chunks = packed.chunks()
        first = next(chunks, b"")
        if not first:
            return []
        entry = archive.write_archive(folder, record.layer_path, chain([first], chunks))
        made, left_out = packed.image().image, packed.left_out()
    for line in left_out:
        get_logger().warning("backup.left_out", container=record.name, what=line)
    write_record(folder, record.with_layer(made, entry.path, left_out=left_out))
    return [entry]
