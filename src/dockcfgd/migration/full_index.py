"""Letting the index of an archive name every image that the archive has.

An engine from 25 on leaves images without a name out of index.json, or all but one of them where
none has a name, though manifest.json has them all (tried with 26.1 and 28.5). An engine on a graph
driver reads manifest.json, one on containerd's image store the index, and loads no others.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, tables, text
from dockcfgd.migration.image_filter import packed
from dockcfgd.migration.tar_members import Source, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["with_full_index"]

_INDEX = "index.json"
_BLOBS = "blobs/sha256/"
# The manifest of an image with hundreds of layers.
_LARGEST = 256 * 1024
_END = bytes(1024)


def with_full_index(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the archive with what its index lacks; one without an index passes as it is.

    The index comes after what it names. BadArchive where it is no tar archive.
    """
    source, found = Source(chunks), _Found()
    for member in members(source):
        if member.regular and member.name == _INDEX:
            content = source.exactly(member.padded)[: member.size]
            yield packed(_INDEX, found.completed(content))
            continue
        yield member.head
        if member.regular and member.name.startswith(_BLOBS) and member.size <= _LARGEST:
            content = source.exactly(member.padded)
            found.note(content[: member.size])
            yield content
        else:
            for piece in source.pieces(member.padded):
                yield bytes(piece)
    yield _END
    for _ in source.rest():
        pass


class _Found:
    """The manifests that an archive has, and those that belong to an image of many platforms."""

    def __init__(self) -> None:
        self._manifests: dict[str, Document] = {}
        self._inner: set[str] = set()

    def note(self, content: bytes) -> None:
        document = _document(content)
        self._inner |= {text(one, "digest") for one in tables(document, "manifests")}
        if isinstance(document.get("config"), dict) and "layers" in document:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            kind = document.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
            self._manifests[digest] = {"mediaType": kind, "digest": digest, "size": len(content)}

    def completed(self, content: bytes) -> bytes:
        index = _document(content)
        listed = tables(index, "manifests")
        known = {text(one, "digest") for one in listed} | self._inner
        lacking = [one for digest, one in self._manifests.items() if digest not in known]
        if not lacking:
            return content
        return json.dumps(index | {"manifests": [*listed, *lacking]}).encode()


def _document(content: bytes) -> Document:
    """Read a blob, which may be anything: empty where it is no object."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
