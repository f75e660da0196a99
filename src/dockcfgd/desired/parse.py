"""A loaded document to a checked DesiredState, or to every reason why not."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from dockcfgd.desired.schema import Root
from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.finding import KeyFinding, shown_path
from dockcfgd.model.desired import DesiredState, KeyPath, Service, dotted
from dockcfgd.model.errors import Finding, InvalidDesiredState
from dockcfgd.model.policy import Backup, Policy, Storage, Verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from dockcfgd.desired.load import Loaded
    from dockcfgd.engine_keys.version import EngineVersion

__all__ = ["parse"]

_SECTION_LENGTH = len(("service", "unit", "Service"))

_PLAIN = {
    "bool_type": "must be true or false",
    "string_type": 'must be text in quotes ("…")',
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list ([…])",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def parse(loaded: Loaded, *, version: EngineVersion | None) -> DesiredState | None:
    """Give the desired state, None where there is no file at all.

    `version` is the installed engine's, None if unknown: then rules of single releases are left
    out. Raises InvalidDesiredState with every finding, those of the files themselves included.
    """
    findings = list(loaded.findings)
    if not (loaded.files or loaded.extra or findings):
        return None
    root = None
    try:
        root = Root.model_validate(loaded.document)
    except ValidationError as error:
        findings += _findings(loaded, error.errors())
    engine = loaded.document.get("engine", {})
    extra = loaded.document.get("engine-extra", {})
    if isinstance(engine, dict):
        findings += [
            _placed(loaded, ("engine", *found.path), _without_key(found), found.hint)
            for found in check(engine, version)
        ]
    for name, table in (("engine", engine), ("engine-extra", extra)):
        findings += [
            _placed(loaded, path, "JSON has no such value", "use text, a number, true or false")
            for path in _beyond_json(table, (name,))
            if dotted(path) not in {finding.key for finding in findings}
        ]
    if isinstance(engine, dict) and isinstance(extra, dict):
        findings += [
            _placed(loaded, ("engine-extra", name), "stands in [engine] too", "keep one of the two")
            for name in extra
            if name in engine
        ]
    if findings or root is None:
        raise InvalidDesiredState(findings)
    return _state(loaded, root)


def _beyond_json(value: object, path: KeyPath) -> Iterator[KeyPath]:
    """Find dates, times, nan and inf: TOML has them, daemon.json cannot."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _beyond_json(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _beyond_json(inner, path)
    elif not isinstance(value, str | int) and not (
        isinstance(value, float) and math.isfinite(value)
    ):
        yield path


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
        engine={**root.engine, **root.engine_extra},
        service=service,
        policy=Policy(
            max_impact=root.policy.max_impact,
            on_drift=root.policy.on_drift,
            drift_max_impact=root.policy.drift_max_impact,
            restart=root.policy.restart,
            unmanaged_keys=root.policy.unmanaged_keys,
        ),
        verify=Verify(
            timeout=root.verify.timeout,
            settle=root.verify.settle,
            containers=root.verify.containers,
        ),
        backup=Backup(directory=root.backup.directory, keep=root.backup.keep),
        storage=Storage(migrate_containers=root.storage.migrate_containers),
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


def _placed(loaded: Loaded, path: KeyPath, message: str, hint: str) -> Finding:
    source = None
    for length in range(len(path), 0, -1):
        source = loaded.sources.get(path[:length])
        if source is not None:
            break
    return Finding(
        message=message,
        file=None if source is None else source.file,
        line=None if source is None else source.line,
        key=dotted(path),
        hint=hint,
    )


def _findings(loaded: Loaded, errors: list[ErrorDetails]) -> list[Finding]:
    """Give one finding a key: pydantic has an error for each member of a union."""
    by_key: dict[str | None, Finding] = {}
    for details in sorted(errors, key=lambda details: details["type"] in _PLAIN):
        finding = _finding(loaded, details)
        by_key.setdefault(finding.key, finding)
    return sorted(by_key.values(), key=lambda finding: (finding.file or "", finding.line or 0))


def _finding(loaded: Loaded, details: ErrorDetails) -> Finding:
    path = _path(loaded.document, details["loc"])
    kind = details["type"]
    if kind == "extra_forbidden":
        return _placed(loaded, path, "no such key", _nearest(path))
    if kind == "literal_error" and path[:2] == ("service", "unit"):
        return _placed(loaded, path, "no such section", "Unit, Service or Install")
    if kind == "literal_error":
        return _placed(
            loaded, path, f"must be {details.get('ctx', {}).get('expected', 'another value')}", ""
        )
    message = _PLAIN.get(kind) or details["msg"].removeprefix("Value error, ")
    if kind in _PLAIN and path[:2] == ("service", "unit") and len(path) > _SECTION_LENGTH:
        message = "must be text, a whole number, true, false, or a list of these"
    return _placed(loaded, path, message.replace("Input should be", "must be"), "")


def _without_key(found: KeyFinding) -> str:
    return found.message.removeprefix(f"cannot use {shown_path(found.path)}: ")


def _path(document: Any, location: tuple[int | str, ...]) -> KeyPath:  # noqa: ANN401 -- any TOML value
    """Keep of pydantic's location what is in the document.

    It names union members and list indexes too.
    """
    path: list[str] = []
    value = document
    for part in location:
        if isinstance(value, dict) and part in value:
            path.append(str(part))
            value = value[part]
    return tuple(path)


def _nearest(path: KeyPath) -> str:
    model: type[BaseModel] | None = Root
    for part in path[:-1]:
        fields: dict[str, Any] = (
            {}
            if model is None
            else {field.alias or name: field for name, field in model.model_fields.items()}
        )
        inner = fields[part].annotation if part in fields else None
        model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    if model is None:
        return ""
    names = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(path[-1], names, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}"
