"""The containers that a re-created container may refer to, and what they are called now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, tables, text
from dockcfgd.migration.inventory import container_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Others"]


class Others:
    """Containers by the IDs and names that other containers' configurations know them by.

    `documents` are inspect documents from before; `now` gives the present ID for an ID from before
    and lacks those that are not there (yet).
    """

    def __init__(self, documents: Iterable[Document], now: Mapping[str, str]) -> None:
        self._documents = {text(document, "Id"): document for document in documents}
        self._names = {container_name(document): key for key, document in self._documents.items()}
        self._now = now

    def before(self, token: str) -> str | None:
        """Give the ID from before that a name, an ID or the beginning of one stands for."""
        name = token.removeprefix("/")
        if name in self._names:
            return self._names[name]
        found = [key for key in self._documents if name and key.startswith(name)]
        return found[0] if len(found) == 1 else None

    def present(self, token: str) -> str | None:
        """Give what to call it now: a name stays one, an ID becomes the present one; None: gone."""
        before = self.before(token)
        if before is None or before not in self._now:
            return None
        return token if token.removeprefix("/") in self._names else self._now[before]

    def mounts(self, token: str) -> list[Document]:
        """Give the mounts that it had."""
        before = self.before(token)
        return tables(self._documents[before], "Mounts") if before is not None else []
