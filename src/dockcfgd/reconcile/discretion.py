"""An assessment that quotes no secret of the files and the host that it was made from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.secrets import redact_text
from dockcfgd.planning.secrecy import secrets_of_host

if TYPE_CHECKING:
    from dockcfgd.reconcile.assess import Assessment

__all__ = ["discreet"]


def discreet(seen: Assessment, secrets: frozenset[str]) -> Assessment:
    """Take `secrets` and those of the host out of what was found, and remember them."""
    known = secrets | (frozenset() if seen.host is None else secrets_of_host(seen.host))
    findings = tuple(
        replace(
            found,
            message=redact_text(found.message, known),
            hint=redact_text(found.hint, known),
        )
        for found in seen.findings
    )
    return replace(seen, secrets=known, findings=findings, unseen=redact_text(seen.unseen, known))
