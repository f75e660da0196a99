"""How many files the layers of an image have, from what the engine keeps of each beside them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockcfgd.migration.inventory import Image

__all__ = ["file_counts"]

# One line of JSON for each head of the layer's archive, and one for each piece between them.
_HEAD = b'"type":1'


def file_counts(root: str, driver: str, images: Iterable[Image]) -> dict[str, tuple[int, ...]]:
    """Give the number of files in each layer of each image, from the lowest, by the image's ID.

    A layer of which nothing can be read counts as empty. The engine may run.
    """
    known: dict[str, int] = {}
    counts = {}
    for image in images:
        chains = list(_chains(image.layers))
        for chain in chains:
            if chain not in known:
                known[chain] = _files_of(root, driver, chain)
        counts[image.id] = tuple(known[chain] for chain in chains)
    return counts


def _chains(layers: Iterable[str]) -> Iterator[str]:
    """Give the ID of each layer and all below it, as the engine makes it."""
    chain = ""
    for layer in layers:
        together = f"{chain} {layer}".encode()
        chain = f"sha256:{hashlib.sha256(together).hexdigest()}" if chain else layer
        yield chain


def _files_of(root: str, driver: str, chain: str) -> int:
    kind, _, digest = chain.partition(":")
    where = Path(root, "image", driver, "layerdb", kind, digest, "tar-split.json.gz")
    try:
        with gzip.open(where) as lines:
            return sum(_HEAD in line for line in lines)
    except (OSError, EOFError, zlib.error):
        return 0
