"""The secret values that a host and its desired state hold, wherever they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.engine_keys.secrets import (
    redact_environment,
    redact_text,
    secret_values,
    secrets_in_text,
)
from dockcfgd.planning.foreign_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.target import Applied

__all__ = ["redacted", "secrets_of_applied", "secrets_of_desired", "secrets_of_host"]

_PLACES = {"file", "path"}
"""Fields of documents that name files, which others look up."""


def secrets_of_desired(document: dict[str, Any]) -> frozenset[str]:
    """Give the secrets of the merged TOML, be it valid or not."""
    found: set[str] = set()
    for name, value in document.items():
        if name in {"engine", "engine-extra"} and isinstance(value, dict):
            found |= secret_values((), value)
        else:
            found |= secret_values((name,), value)
    return frozenset(found)


def secrets_of_host(host: HostState) -> frozenset[str]:
    """Give the secrets of the managed files, the unit's files, its environment and command."""
    return frozenset().union(
        _of_json(host.daemon_json.content.decode("utf-8-sig", errors="replace")),
        secrets_in_text(host.drop_in.content.decode(errors="replace")),
        *(secrets_in_text(one.text) for one in (*host.unit_files, *host.environment_files)),
        _of_environment(host.unit.environment),
        secret_values((), list(host.unit.exec_start)),
    )


def secrets_of_applied(applied: Applied) -> frozenset[str]:
    """Give the secrets of a generation."""
    drop_in = (applied.drop_in or b"").decode(errors="replace")
    return secret_values((), dict(applied.document)) | secrets_in_text(drop_in)


def redacted(document: Json, known: Iterable[str]) -> Json:
    """Give a document with every text in it as it may be shown; names of files stay."""
    return _redacted(document, tuple(known), "")


def _redacted(value: Json, known: tuple[str, ...], name: str) -> Json:
    if isinstance(value, dict):
        return {inner: _redacted(one, known, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [_redacted(one, known, name) for one in value]
    if isinstance(value, str) and name not in _PLACES:
        return redact_text(value, known)
    return value


def _of_json(text: str) -> frozenset[str]:
    try:
        document = read_json(text)
    except ValueError:
        return secrets_in_text(text)
    return secret_values((), document)


def _of_environment(assignments: Iterable[str]) -> frozenset[str]:
    return frozenset(_assigned(assignments))


def _assigned(assignments: Iterable[str]) -> Iterator[str]:
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if redact_environment(name, value) != value:
            yield from secret_values((name,), value)
