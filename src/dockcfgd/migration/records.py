"""What a backup says of a container: its inspect document and where its writable layer is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dockcfgd.migration.archive import file_name, read_documents, write_document
from dockcfgd.migration.documents import Document, table, text, texts
from dockcfgd.migration.inventory import container_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Record", "read_records", "write_record"]


@dataclass(frozen=True, slots=True)
class Record:
    """A container of a backup.

    `inspect` is its document from before it was stopped. `image` is the image to create it from:
    its own, or the one that has its writable layer, which `layer` names the archive of. `macs` are
    addresses that its user asked for, by network, where the engine shows them in its files only.
    `left_out` says what that archive cannot have, a line each.
    """

    inspect: Document
    image: str
    layer: str = ""
    macs: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The ID it had."""
        return text(self.inspect, "Id")

    @property
    def name(self) -> str:
        """Its name."""
        return container_name(self.inspect)

    @property
    def state(self) -> str:
        """What it did, in the engine's word."""
        return text(self.inspect, "State", "Status")

    @property
    def path(self) -> str:
        """Its file in the backup."""
        return f"containers/{file_name(self.name)}.json"

    @property
    def layer_path(self) -> str:
        """The file in the backup for its writable layer."""
        return f"layers/{file_name(self.name)}.tar.zst"

    def with_layer(self, image: str, layer: str, *, left_out: tuple[str, ...] = ()) -> Record:
        """Give the record with the image that has the writable layer, but for what is left out."""
        return replace(self, image=image, layer=layer, left_out=left_out)


def write_record(folder: str, record: Record) -> None:
    """Write a container's file."""
    document: Document = {
        "inspect": record.inspect,
        "image": record.image,
        "layer": record.layer,
        "macs": dict(record.macs),
        "left_out": list(record.left_out),
    }
    write_document(folder, record.path, document)


def read_records(folder: str) -> list[Record]:
    """Give all containers of a backup, oldest first."""
    records = [_record(document) for document in read_documents(folder, "containers")]
    return sorted(records, key=lambda record: text(record.inspect, "Created"))


def _record(document: Document) -> Record:
    return Record(
        inspect=table(document, "inspect"),
        image=text(document, "image"),
        layer=text(document, "layer"),
        macs={key: str(value) for key, value in table(document, "macs").items()},
        left_out=tuple(texts(document, "left_out")),
    )
