"""From the archive of an image to one that holds only the top layer's content.

The lower layers stay in the archive's own lists, and `docker load` takes them from the image that
is there already. Two ways of storing layers are known, one by name and one by content:

    blobs/sha256/DIFFID       engines from 25 on
    ANY-ID/layer.tar          before; what it is shows only when it has been read

The second kind is written as a zstd frame of its own and cut off again where it is a lower layer.
An archive of another kind passes whole, which loads just as well.
"""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING

import zstandard

from dockcfgd.migration.tar_members import Member, Source, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["keep_top_layer"]

_END = bytes(1024)
_BLOBS = "blobs/sha256/"
_OLD_LAYER = "/layer.tar"


def keep_top_layer(
    chunks: Iterable[bytes],
    file: IO[bytes],
    *,
    compressor: zstandard.ZstdCompressor,
    layers: Sequence[str],
) -> None:
    """Copy an archive to `file`, compressed, without the content of all but the last of `layers`.

    Raises BadArchive where it is no tar archive.
    """
    lower = {layer.removeprefix("sha256:") for layer in layers[:-1]} - {
        layer.removeprefix("sha256:") for layer in layers[-1:]
    }
    source = Source(chunks)
    output = _Frames(file, compressor)
    for member in members(source):
        if member.regular and member.name.removeprefix(_BLOBS) in lower:
            _skip(source, member)
        elif member.regular and member.name.endswith(_OLD_LAYER):
            _copy_unless(source, member, output, lower)
        else:
            output.write(member.head)
            for piece in source.pieces(member.padded):
                output.write(piece)
    output.write(_END)
    output.end_frame()
    for _ in source.rest():
        pass


def _skip(source: Source, member: Member) -> None:
    for _ in source.pieces(member.padded):
        pass


def _copy_unless(source: Source, member: Member, output: _Frames, lower: set[str]) -> None:
    output.end_frame()
    before = output.tell()
    digest = hashlib.sha256()
    output.write(member.head)
    for piece in source.pieces(member.size):
        digest.update(piece)
        output.write(piece)
    for piece in source.pieces(member.padded - member.size):
        output.write(piece)
    output.end_frame()
    if digest.hexdigest() in lower:
        output.cut(before)


class _Frames:
    """A file of zstd frames, one after the other."""

    def __init__(self, file: IO[bytes], compressor: zstandard.ZstdCompressor) -> None:
        self._file = file
        self._compressor = compressor
        self._frame: zstandard.ZstdCompressionWriter | None = None

    def write(self, data: bytes | memoryview) -> None:
        if self._frame is None:
            self._frame = self._compressor.stream_writer(self._file, closefd=False)
        self._frame.write(data)

    def end_frame(self) -> None:
        if self._frame is not None:
            self._frame.flush(zstandard.FLUSH_FRAME)
            self._frame = None

    def tell(self) -> int:
        return self._file.tell()

    def cut(self, position: int) -> None:
        self._file.seek(position)
        self._file.truncate()
