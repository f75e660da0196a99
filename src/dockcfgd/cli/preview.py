"""What verbs need of a preview. `reconcile.preview` makes one here, a running daemon another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.model.host import HostState

__all__ = ["MakePaperPreview", "MakePreview", "NamedFiles", "PlanOfDaemon", "Preview"]

NamedFiles: TypeAlias = tuple[tuple[str, str], ...]


class Preview(Protocol):
    """What would be done now, worked out without the daemon."""

    @property
    def refused(self) -> bool:
        """Whether nothing would be touched."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""

    def document(self) -> dict[str, Any]:
        """Give the plan document."""


class PlanOfDaemon:
    """What the daemon says would be done now, as a Preview."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    @property
    def refused(self) -> bool:
        """Whether nothing would be touched."""
        return bool(self._document.get("refusals"))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.refused and not self._document.get("steps")

    def document(self) -> dict[str, Any]:
        """Give the plan document."""
        return self._document


MakePreview: TypeAlias = "Callable[[NamedFiles, str], Preview]"
"""Preview with these files as if they lay in conf.d; the text is the folder where they do lie."""

MakePaperPreview: TypeAlias = "Callable[[NamedFiles, str, HostState], Preview]"
"""The same for a host that somebody described, of which nothing is looked at."""
