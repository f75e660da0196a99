"""Why a writable layer cannot be copied."""

from __future__ import annotations

from dockcfgd.model.errors import DockcfgdError

__all__ = ["LayerRefused", "UnknownFormat"]


class UnknownFormat(DockcfgdError):
    """The engine's files of a container are not laid out as known; nothing was touched."""

    def __init__(self, *, container: str, path: str, why: str) -> None:
        super().__init__(
            f"cannot find the writable layer of container {container}: {path}: {why}; "
            "re-create the container instead"
        )
        self.path = path


class LayerRefused(DockcfgdError):
    """A writable layer holds what cannot be carried over; `path` is the file's in the container."""

    def __init__(self, *, what: str, path: str, why: str) -> None:
        super().__init__(f"cannot {what} {path}: {why}")
        self.path = path
