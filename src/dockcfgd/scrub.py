"""Texts without the secrets of this host: by their form, and by the values met so far."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dockcfgd.engine_keys.secrets import redact_text
from dockcfgd.planning.secrecy import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockcfgd.model.desired import Json
    from dockcfgd.model.status import LastTransaction, Status

__all__ = ["Scrubber"]


class Scrubber:
    """Remembers secret values and takes them out of texts; usable from every thread.

    One value serves the daemon for its life: a text may quote what was in force before.
    """

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()

    def learn(self, values: Iterable[str]) -> None:
        """Look for these values too from now on."""
        self._known |= frozenset(values)

    def text(self, text: str) -> str:
        """Give the text as it may be shown."""
        return redact_text(text, self._known)

    def status(self, status: Status) -> Status:
        """Give the status as it may be published."""
        last = status.last
        return replace(
            status,
            reason=self._maybe(status.reason),
            errors=tuple(
                replace(
                    error,
                    key=self._maybe(error.key),
                    message=self.text(error.message),
                    hint=self.text(error.hint),
                )
                for error in status.errors
            ),
            last=None if last is None else self._last(last),
            drifts=tuple(
                cast("dict[str, Json]", redacted(drift, self._known)) for drift in status.drifts
            ),
        )

    def _last(self, last: LastTransaction) -> LastTransaction:
        told = tuple(self.text(sentence) for sentence in last.irreversible)
        return replace(last, reason=self._maybe(last.reason), irreversible=told)

    def _maybe(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)
