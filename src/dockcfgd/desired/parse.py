"""A loaded document to a checked DesiredState, or to every reason why not."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dockcfgd.desired.findings import MOST_FINDINGS, known_names, misplaced, nearest, placed, worded
from dockcfgd.desired.schema import Root
from dockcfgd.desired.spans import split_window
from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.finding import KeyFinding, shown_path
from dockcfgd.engine_keys.nearest import suggest
from dockcfgd.engine_keys.table import is_table, lookup
from dockcfgd.model.desired import DesiredState, KeyPath, Service, dotted
from dockcfgd.model.errors import Finding, InvalidDesiredState
from dockcfgd.model.policy import Backup, Policy, Storage, Verify, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.desired.load import Loaded
    from dockcfgd.engine_keys.version import EngineVersion

__all__ = ["parse"]

_LONGEST = 1000

_TABLES = known_names() - {"schema", "package"}


def parse(loaded: Loaded, *, version: EngineVersion | None) -> DesiredState | None:
    """Give the desired state, None where there is no file at all.

    `version` is the installed engine's, None if unknown: then rules of single releases are left
    out. Raises InvalidDesiredState with every finding, those of the files themselves included; of
    very many the first.
    """
    findings = list(loaded.findings)
    if not (loaded.files or loaded.extra or findings):
        return None
    findings += islice(_wrong_unset(loaded), MOST_FINDINGS)
    root = None
    try:
        root = Root.model_validate(loaded.document)
    except ValidationError as error:
        findings += worded(loaded, error.errors(include_url=False))
    findings += islice(_wrong_engine(loaded, version), MOST_FINDINGS + 1)
    if findings or root is None:
        raise InvalidDesiredState(_first(findings))
    return _state(loaded, root)


def _first(findings: list[Finding]) -> list[Finding]:
    """Leave out what nobody would read."""
    first = [_short(finding) for finding in findings[:MOST_FINDINGS]]
    if len(findings) <= MOST_FINDINGS:
        return first
    more = f"there is more that is wrong; these are the first {MOST_FINDINGS} reasons"
    return [*first, Finding(message=more)]


def _short(finding: Finding) -> Finding:
    key = None if finding.key is None else _cut(finding.key)
    return replace(finding, message=_cut(finding.message), key=key, hint=_cut(finding.hint))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _wrong_unset(loaded: Loaded) -> Iterator[Finding]:
    """Find keys that no file can have: taking them away would do nothing, for a slip of the pen."""
    for unset in loaded.unset:
        hint = _unset_hint(unset.path)
        if hint:
            source, key = unset.source, dotted(unset.path)
            message = f"{key} is no key"
            yield Finding(message, file=source.file, line=source.line, key="unset", hint=hint)


def _unset_hint(path: KeyPath) -> str:
    """Say what `path` may mean, empty where a file can have it."""
    table, *below = path
    if table not in _TABLES:
        return nearest(path[:1])
    if not below or table == "engine-extra":
        return ""
    if table != "engine":
        return "" if below[0] in known_names(table) else nearest(path[:2])
    if lookup((*below,)) is not None or is_table((*below,)):
        return ""
    right = suggest((*below,))
    return f"did you mean engine.{right}?" if right else "leave it out"


def _wrong_engine(loaded: Loaded, version: EngineVersion | None) -> Iterator[Finding]:
    engine = loaded.document.get("engine", {})
    extra = loaded.document.get("engine-extra", {})
    seen: set[KeyPath] = set()
    if isinstance(engine, dict):
        for found in check(engine, version):
            path = ("engine", *found.path)
            seen.add(path)
            yield placed(loaded, path, _without_key(found), misplaced(path) or found.hint)
    for name, table in (("engine", engine), ("engine-extra", extra)):
        for path, why in _beyond_json(table, (name,)):
            if path not in seen:
                yield placed(loaded, path, why, "use text, a number, true or false")
    if isinstance(engine, dict) and isinstance(extra, dict):
        for path in _in_both(engine, extra, ()):
            where = ("engine-extra", *path)
            yield placed(loaded, where, "stands in [engine] too", "keep one of the two")


def _beyond_json(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Find what TOML has and daemon.json cannot: dates, times, nan and inf; and NUL in a text."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _beyond_json(name, (*path, name))
            yield from _beyond_json(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _beyond_json(inner, path)
    elif isinstance(value, str):
        if "\0" in value:
            yield path, "must not hold a NUL character"
    elif not isinstance(value, int) and not (isinstance(value, float) and math.isfinite(value)):
        yield path, "JSON has no such value"


def _in_both(one: dict[str, Any], other: dict[str, Any], path: KeyPath) -> Iterator[KeyPath]:
    """Find what both tables say; tables in both are looked into."""
    for name in one.keys() & other.keys():
        here = (*path, name)
        if isinstance(one[name], dict) and isinstance(other[name], dict):
            yield from _in_both(one[name], other[name], here)
        else:
            yield here


def _together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Give the two tables as one; they have nothing but tables in common."""
    both = {name: _together(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _state(loaded: Loaded, root: Root) -> DesiredState:
    service = Service(
        environment=dict(root.service.environment),
        arguments=tuple(root.service.arguments),
        unit={
            section: {name: _directive(value) for name, value in directives.items()}
            for section, directives in root.service.unit.items()
        },
    )
    return DesiredState(
        engine=_together(root.engine, root.engine_extra),
        service=service,
        policy=Policy(
            max_impact=root.policy.max_impact,
            on_drift=root.policy.on_drift,
            drift_max_impact=root.policy.drift_max_impact,
            restart=root.policy.restart,
            unmanaged_keys=root.policy.unmanaged_keys,
            confirm_timeout=root.policy.confirm_timeout,
            maintenance_windows=tuple(
                Window(text, *split_window(text)) for text in root.policy.maintenance_windows
            ),
        ),
        verify=Verify(
            timeout=root.verify.timeout,
            settle=root.verify.settle,
            containers=root.verify.containers,
            commands=tuple(root.verify.commands),
        ),
        backup=Backup(
            directory=root.backup.directory,
            keep=root.backup.keep,
            volumes=root.backup.volumes,
            consistency=root.backup.consistency,
            schedule=root.backup.schedule,
        ),
        storage=Storage(
            migrate_containers=root.storage.migrate_containers,
            keep_previous=root.storage.keep_previous,
        ),
        digest=_digest(loaded.document),
        files=tuple(loaded.files),
        sources=dict(loaded.sources),
    )


def _digest(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _directive(value: bool | int | str | list[bool | int | str]) -> tuple[str, ...]:  # noqa: FBT001 -- a TOML value
    if isinstance(value, list):
        return tuple(_word(item) for item in value)
    return (_word(value),)


def _word(value: bool | int | str) -> str:  # noqa: FBT001 -- a TOML value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _without_key(found: KeyFinding) -> str:
    return found.message.removeprefix(f"cannot use {shown_path(found.path)}: ")
