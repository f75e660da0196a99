"""An assessment as the plan document (schema 1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from dockcfgd.desired.load import Text, load
from dockcfgd.engine_keys.secrets import redact_pair
from dockcfgd.model.desired import Json, dotted
from dockcfgd.model.host import EngineDown
from dockcfgd.model.impact import Impact
from dockcfgd.model.plan import Plan
from dockcfgd.observe import with_settings
from dockcfgd.planning.described import supposed
from dockcfgd.planning.outage import PastTransaction, last_outage
from dockcfgd.planning.reach import asks_containers, asks_networks, reach_of
from dockcfgd.planning.secrecy import redacted
from dockcfgd.planning.target import Applied
from dockcfgd.planning.wording import step_name
from dockcfgd.reconcile.assess import Assessment, assess_on_paper, assess_supposing
from dockcfgd.reconcile.check import Check
from dockcfgd.reconcile.shown_files import file_views, write_detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.errors import Finding
    from dockcfgd.model.host import HostState
    from dockcfgd.model.plan import Drift, Outage, Reach
    from dockcfgd.model.steps import Step
    from dockcfgd.ports import Files
    from dockcfgd.settings import Settings

__all__ = ["Preview", "assess_to_show", "drift_document", "preview", "preview_on_paper"]

_NO_FILE = "/nonexistent"


class Preview:
    """What would be done now. `past` are applied transactions, newest first."""

    def __init__(self, assessment: Assessment, past: Sequence[PastTransaction] = ()) -> None:
        self._seen = assessment
        self._past = past

    @property
    def refused(self) -> bool:
        """Whether nothing would be touched."""
        return bool(self._seen.findings)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.refused and (self._seen.plan is None or not self._seen.plan.steps)

    def document(self) -> dict[str, Any]:
        """Give the plan document; no secret is in it."""
        return cast("dict[str, Any]", redacted(self._document(), self._seen.secrets))

    def _document(self) -> dict[str, Any]:
        plan = self._seen.plan or _NOTHING
        if self.refused:
            plan = replace(plan, steps=(), reach=(), irreversible=())
        return {
            "schema": 1,
            "id": self._seen.plan.id if self._seen.plan else "",
            "impact": plan.impact.word,
            "drifts": [drift_document(drift) for drift in plan.drifts],
            "files": self._files(),
            "steps": [self._step(step) for step in plan.steps],
            "disturbed": _disturbed(plan) if self._known else {},
            "reach": [_reach(reach) for reach in plan.reach],
            "irreversible": list(plan.irreversible),
            "outage": _outage(last_outage(plan.steps, self._past)),
            "notes": list(plan.notes),
            "refusals": [_refusal(finding) for finding in self._seen.findings],
            "checks": [
                {"name": check.name, "run": check.run, "reason": check.reason}
                for check in self._seen.checks
            ],
        }

    def _step(self, step: Step) -> dict[str, str]:
        target, host = self._seen.target, self._seen.host
        detail = write_detail(step, target, host) if target and host else ""
        return {"name": step_name(step), "detail": detail}

    @property
    def _known(self) -> bool:
        """Whether the containers that notice are."""
        return self._seen.plan is not None and not self._seen.paper

    def _files(self) -> list[dict[str, Json]]:
        seen = self._seen
        if seen.target is None or seen.host is None:
            return []
        return file_views(seen.target, seen.host)


_NOTHING = Plan(impact=Impact.NONE)


def _disturbed(plan: Plan) -> dict[str, list[str]]:
    return {
        "stopped": list(plan.disturbed.stopped),
        "bridged": list(plan.disturbed.bridged),
        "recreated": list(plan.disturbed.recreated),
    }


def _reach(reach: Reach) -> dict[str, Any]:
    return {
        "key": reach.key,
        "applies": reach.applies,
        "keep": list(reach.keep),
        "count": reach.count,
        "asked": reach.asked,
    }


def _outage(outage: Outage | None) -> dict[str, Any] | None:
    if outage is None:
        return None
    return {
        "seconds": outage.seconds,
        "of": outage.of,
        "what": outage.what,
        "at": outage.at,
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
    """Give a drift as documents have it; a secret is shown to differ, not what it is."""
    desired, actual = redact_pair(drift.path, drift.desired, drift.actual)
    return {
        "where": drift.where,
        "key": dotted(drift.path),
        "desired": desired,
        "actual": actual,
        "impact": drift.impact.word,
    }


def assess_to_show(
    effects: Effects, settings: Settings, applied: Applied, *, extra: tuple[Text, ...]
) -> Assessment:
    """Assess for somebody who reads the plan: who keeps an old value is asked too.

    An engine that runs and cannot be asked is taken to run on its files; the plan says so.
    """
    silent: list[str] = []

    def suppose(host: HostState) -> HostState:
        likely = supposed(host)
        if likely is not host and isinstance(host.engine, EngineDown):
            silent.append(host.engine.reason)
        return likely

    seen = assess_supposing(effects, settings, applied, suppose, extra=extra)
    return _unasked(seen, silent[0]) if silent else _detailed(effects, seen)


def _unasked(seen: Assessment, why: str) -> Assessment:
    checks = (*seen.checks, Check("the running engine and its containers", run=False, reason=why))
    if seen.plan is None:
        return replace(seen, checks=checks, paper=True)
    note = "the engine runs and cannot be asked: it is taken to run on its files"
    reach = tuple(replace(one, asked=False) for one in seen.plan.reach)
    plan = replace(seen.plan, notes=(*seen.plan.notes, note), reach=reach)
    return replace(seen, checks=checks, plan=plan, paper=True)


def _detailed(effects: Effects, seen: Assessment) -> Assessment:
    """Ask containers and networks which of them keep an old value, where the plan raises that."""
    plan, host = seen.plan, seen.host
    if plan is None or host is None or not plan.steps or not plan.reach:
        return seen
    if not asks_containers(plan.drifts) and not asks_networks(plan.drifts):
        return seen
    asked = with_settings(effects, host)
    reach = reach_of(plan.drifts, asked, plan.impact, plan.disturbed)
    return replace(seen, host=asked, plan=replace(plan, reach=reach))


def preview(
    files: tuple[tuple[str, str], ...],
    *,
    effects: Effects,
    settings: Settings,
    applied: Applied,
    folder: str = "",
    past: Sequence[PastTransaction] = (),
) -> Preview:
    """Assess with `files` (name, text) as if they lay in conf.d.

    `folder` is where messages say they are.
    """
    seen = assess_to_show(effects, settings, applied, extra=_texts(files, folder))
    return Preview(seen, past)


def preview_on_paper(
    files: tuple[tuple[str, str], ...],
    *,
    host: HostState,
    reader: Files,
    settings: Settings,
    folder: str = "",
) -> Preview:
    """Assess for a described host: `files` alone, or without any the desired state that lies here.

    Nothing but that is looked at.
    """
    alone = bool(files)
    loaded = load(
        reader,
        config_file=_NO_FILE if alone else settings.config_file,
        folders=() if alone else settings.config_dirs,
        extra=_texts(files, folder),
    )
    return Preview(assess_on_paper(host, loaded, settings))


def _texts(files: tuple[tuple[str, str], ...], folder: str) -> tuple[Text, ...]:
    return tuple(Text(name=name, shown=f"{folder}{name}", text=text) for name, text in files)
