"""From an archive of many images to one of a few, with the names that they may have.

What an archive of `docker save` has for an image stands in its manifest.json, which comes last, so
that the archive is read twice. The layouts before and from engine 25 on differ in their names only.
"""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, text, texts
from dockcfgd.migration.tar_members import BadArchive, Member, Source, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Contents", "contents_of", "only", "packed"]

_MANIFEST = "manifest.json"
_END = bytes(1024)
_BLOBS = "blobs/sha256/"
_LINKS = frozenset(b"12")


class Contents:
    """What an archive says that it holds: its entries, and which member links to which."""

    def __init__(self, entries: Sequence[Document], links: Mapping[str, str]) -> None:
        self._entries = list(entries)
        self._links = dict(links)

    @property
    def identities(self) -> tuple[str, ...]:
        """The IDs that its images have on a storage driver: those of their configurations."""
        return tuple(_identity(entry) for entry in self._entries)

    def choose(self, wanted: Mapping[str, Sequence[str]]) -> list[Document]:
        """Give the entries of the images `wanted`, by those IDs, each with those names."""
        return [
            entry | {"RepoTags": list(wanted[identity])}
            for entry in self._entries
            if (identity := _identity(entry)) in wanted
        ]

    def members(self, entries: Iterable[Document]) -> frozenset[str]:
        """Give the names of the members that entries need."""
        found: set[str] = set()
        for entry in entries:
            for name in (text(entry, "Config"), *texts(entry, "Layers")):
                while name and name not in found:
                    found.add(name)
                    name = self._links.get(name, "")  # noqa: PLW2901 -- from link to link
        return frozenset(found)


def contents_of(chunks: Iterable[bytes]) -> Contents:
    """Read an archive through; BadArchive where it has no manifest that is understood."""
    source = Source(chunks)
    links: dict[str, str] = {}
    manifest: list[Document] | None = None
    for member in members(source):
        link = _link(member)
        if link:
            links[member.name] = link
        if member.name == _MANIFEST:
            manifest = _entries(source.exactly(member.size))
            _skip(source, member.padded - member.size)
        else:
            _skip(source, member.padded)
    for _ in source.rest():
        pass
    if manifest is None:
        raise BadArchive(f"it has no {_MANIFEST}")
    return Contents(manifest, links)


def only(
    chunks: Iterable[bytes], entries: Sequence[Document], *, needed: frozenset[str]
) -> Iterator[bytes]:
    """Give an archive of the members `needed` with a manifest of `entries`."""
    source = Source(chunks)
    for member in members(source):
        if member.name in needed:
            yield member.head
            for piece in source.pieces(member.padded):
                yield bytes(piece)
        else:
            _skip(source, member.padded)
    for _ in source.rest():
        pass
    yield packed(_MANIFEST, json.dumps(list(entries)).encode())
    yield _END


def packed(name: str, content: bytes) -> bytes:
    """Give a member of an archive."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        return output.getvalue()


def _identity(entry: Document) -> str:
    digest = text(entry, "Config").removeprefix(_BLOBS).removesuffix(".json")
    return f"sha256:{digest}"


def _entries(content: bytes) -> list[Document]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise BadArchive(f"its {_MANIFEST} is no JSON: {error}") from error
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _link(member: Member) -> str:
    """Give where a link leads, as a member's name; empty for what is none."""
    block = member.head[-512:]
    if block[156] not in _LINKS:
        return ""
    target = block[157:257].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return posixpath.normpath(posixpath.join(posixpath.dirname(member.name), target))


def _skip(source: Source, count: int) -> None:
    for _ in source.pieces(count):
        pass
