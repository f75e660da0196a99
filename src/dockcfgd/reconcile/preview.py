"""An assessment as the plan document (schema 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockcfgd.desired.load import Text
from dockcfgd.model.desired import Json, KeyPath, dotted
from dockcfgd.planning.target import Applied
from dockcfgd.planning.wording import step_name
from dockcfgd.reconcile.assess import Assessment, assess

if TYPE_CHECKING:
    from dockcfgd.effects import Effects
    from dockcfgd.model.errors import Finding
    from dockcfgd.model.plan import Drift
    from dockcfgd.settings import Settings

__all__ = ["Preview", "drift_document", "preview"]

_SECRET = "(not shown)"  # noqa: S105 -- stands for one


class Preview:
    """What would be done now."""

    def __init__(self, assessment: Assessment) -> None:
        self._seen = assessment

    @property
    def refused(self) -> bool:
        """Whether nothing would be touched."""
        return bool(self._seen.findings)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.refused and (self._seen.plan is None or not self._seen.plan.steps)

    def document(self) -> dict[str, Any]:
        """Give the plan document."""
        plan, seen = self._seen.plan, self._seen
        return {
            "schema": 1,
            "id": "" if plan is None else plan.id,
            "impact": "none" if plan is None else plan.impact.word,
            "drifts": [] if plan is None else [drift_document(drift) for drift in plan.drifts],
            "steps": []
            if plan is None or self.refused
            else [{"name": step_name(step)} for step in plan.steps],
            "disturbed": {}
            if plan is None
            else {
                "stopped": list(plan.disturbed.stopped),
                "bridged": list(plan.disturbed.bridged),
                "recreated": list(plan.disturbed.recreated),
            },
            "notes": [] if plan is None else list(plan.notes),
            "refusals": [_refusal(finding) for finding in seen.findings],
            "checks": [
                {"name": check.name, "run": check.run, "reason": check.reason}
                for check in seen.checks
            ],
        }


def _refusal(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "line": finding.line,
        "key": finding.key,
        "message": finding.message,
        "hint": finding.hint,
    }


def drift_document(drift: Drift) -> dict[str, Json]:
    """Give a drift as documents have it; values that may hold a password are left out."""
    return {
        "where": drift.where,
        "key": dotted(drift.path),
        "desired": _shown(drift.path, drift.desired),
        "actual": _shown(drift.path, drift.actual),
        "impact": drift.impact.word,
    }


def _shown(path: KeyPath, value: Json) -> Json:
    if path[0] == "proxies" and value is not None:
        return _SECRET
    if path == ("drop-in",) and isinstance(value, str):
        return "\n".join(_masked(line) for line in value.splitlines())
    return value


def _masked(line: str) -> str:
    """Take user and password out of a URL."""
    head, at, tail = line.partition("@")
    return f"{head.partition('://')[0]}://***@{tail}" if at and "://" in head else line


def preview(
    files: tuple[tuple[str, str], ...],
    *,
    effects: Effects,
    settings: Settings,
    applied: Applied,
    folder: str = "",
) -> Preview:
    """Assess with `files` (name, text) as if they lay in conf.d.

    `folder` is where messages say they are.
    """
    extra = tuple(Text(name=name, shown=f"{folder}{name}", text=text) for name, text in files)
    return Preview(assess(effects, settings, applied, extra=extra))
