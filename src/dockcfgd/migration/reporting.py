"""Telling how far a stream is while it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from dockcfgd.ports import Progressing

__all__ = ["reported"]


def reported(
    chunks: Iterable[bytes], *, item: str, total: int, progress: Progressing
) -> Generator[bytes]:
    """Pass a stream on; `total` is how many bytes it is thought to have."""
    done = 0
    progress(item=item, done=0, total=total, unit="bytes")
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        progress(item=item, done=done, total=max(total, done), unit="bytes")
