"""What is known of an image."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MadeImage"]


class MadeImage(NamedTuple):
    """The IDs of an image in an archive.

    `image` is the one on a graph driver, `manifest` the one in containerd's store; empty where the
    archive is for none.
    """

    image: str
    manifest: str
