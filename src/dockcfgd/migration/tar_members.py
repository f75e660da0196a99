"""Going through a tar archive while it streams by, without holding its content.

Knows what the engine's archives are made of: ustar, with pax or GNU records for what does not fit.
Python's own tarfile cannot be used, as the bytes of what is kept must pass unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["BadArchive", "Member", "Source", "members"]

BLOCK = 512
_EXTENSIONS = frozenset(b"xgLK")
_REGULAR = frozenset(b"0\0")
_LIMIT = 1024 * 1024


class BadArchive(ValueError):
    """The stream is no tar archive that is understood."""


class Source:
    """Chunks of bytes of any size, read in pieces of the wanted size."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def exactly(self, count: int) -> bytes:
        """Read `count` bytes; BadArchive where the stream ends before."""
        parts = bytearray()
        for piece in self.pieces(count):
            parts += piece
        return bytes(parts)

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Read `count` bytes piece by piece; BadArchive where the stream ends before."""
        while count > 0:
            piece = self._next()[:count]
            if not piece:
                raise BadArchive("it ends too early")
            self._rest = self._rest[len(piece) :]
            count -= len(piece)
            yield piece

    def rest(self) -> Iterator[memoryview]:
        """Read all that is left."""
        while piece := self._next():
            self._rest = memoryview(b"")
            yield piece

    def _next(self) -> memoryview:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest = memoryview(chunk)
        return self._rest


@dataclass(frozen=True, slots=True)
class Member:
    """A member: its name, the bytes before its content, and the content's size without padding."""

    name: str
    head: bytes
    size: int
    regular: bool

    @property
    def padded(self) -> int:
        """The bytes that the content takes in the archive."""
        return -(-self.size // BLOCK) * BLOCK


def members(source: Source) -> Iterator[Member]:
    """Give the members in their order; the content must be read from `source` before the next.

    Ends at the archive's end mark, which is not read further than its first block.
    """
    while True:
        head, name, size = b"", "", -1
        block = source.exactly(BLOCK)
        while block[156] in _EXTENSIONS:
            length = _size(block)
            if length > _LIMIT:
                raise BadArchive("a record is too long")
            content = source.exactly(-(-length // BLOCK) * BLOCK)
            name, size = _extension(block[156], content[:length], name=name, size=size)
            head += block + content
            block = source.exactly(BLOCK)
        if not any(block):
            return
        kind = block[156]
        length = size if size >= 0 else _size(block)
        # Links, devices and folders have no content, whatever their size says.
        regular = kind in _REGULAR
        yield Member(name or _name(block), head + block, length if regular else 0, regular)


def _extension(kind: int, content: bytes, *, name: str, size: int) -> tuple[str, int]:
    if kind == ord("L"):
        return content.rstrip(b"\0").decode("utf-8", "surrogateescape"), size
    if kind == ord("x"):
        records = _records(content)
        name = records.get(b"path", name.encode("utf-8", "surrogateescape")).decode(
            "utf-8", "surrogateescape"
        )
        size = int(records.get(b"size", b"%d" % size))
    return name, size


def _records(content: bytes) -> dict[bytes, bytes]:
    found = {}
    while content:
        digits, space, _ = content.partition(b" ")
        if not space or not digits.isdigit() or int(digits) <= len(digits):
            raise BadArchive("a pax record is broken")
        key, _, value = content[len(digits) + 1 : int(digits) - 1].partition(b"=")
        found[key] = value
        content = content[int(digits) :]
    return found


def _name(block: bytes) -> str:
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    whole = prefix + b"/" + name if prefix else name
    return whole.decode("utf-8", "surrogateescape")


def _size(block: bytes) -> int:
    raw = block[124:136]
    if raw[0] & 0x80:
        return int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
    digits = raw.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError as error:
        raise BadArchive(f"a size is no number: {digits!r}") from error
