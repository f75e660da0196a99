"""A whole plan as text, nothing left out that a change could break."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from dockcfgd.model import steps as do
from dockcfgd.model.desired import dotted
from dockcfgd.model.files import ABSENT, Tag
from dockcfgd.planning.wording import step_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.model.desired import Json
    from dockcfgd.model.plan import BackStep, Plan, Reach

__all__ = ["plan_text"]


def plan_text(plan: Plan) -> str:
    """Give impact, drifts, steps, way back, refusals, notes and who is disturbed."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"impact: {plan.impact.word}"
    yield from _titled(
        "drifts:",
        [
            f"{one.where} {dotted(one.path)}: {_value(one.actual)} -> {_value(one.desired)}"
            f" ({one.impact.word})"
            for one in plan.drifts
        ],
    )
    yield from _titled("steps:", [_step(step, f"{at}. ") for at, step in enumerate(plan.steps)])
    yield from _titled("way back:", [_step(back.step, _when(back)) for back in plan.way_back])
    groups = dataclasses.asdict(plan.disturbed)
    yield from _titled(
        "disturbed:", [f"{kind}: {', '.join(names)}" for kind, names in groups.items() if names]
    )
    yield from _titled("reach:", [_reach(one) for one in plan.reach])
    yield from _titled("irreversible:", list(plan.irreversible))
    yield from _titled("refused:", [finding.text() for finding in plan.refusals])
    yield from _titled("notes:", list(plan.notes))


def _reach(reach: Reach) -> str:
    kind = "asked" if reach.asked else "not asked"
    return f"{reach.key}: {reach.applies}; kept by {reach.count}: {', '.join(reach.keep)} ({kind})"


def _titled(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield title
        for item in items:
            yield from ("  " + line for line in item.splitlines())


def _when(back: BackStep) -> str:
    until = "" if back.needed_before is None else f" until {back.needed_before}"
    return f"[from {back.needed_from}{until}] "


def _value(value: Json) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)


def _step(step: do.Step, label: str) -> str:
    return "\n".join([label + step_name(step), *("      " + line for line in _details(step))])


def _details(step: do.Step) -> Iterator[str]:
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if field.name == "content":
            yield from value.decode().splitlines()
        elif field.name == "expect":
            shown = [f"{dotted(one.path)} = {_value(one.value)}" for one in value]
            yield f"expect: {'; '.join(shown) or 'nothing that it shows'}"
        elif field.name == "expected":
            yield f"if it is one of: {', '.join(map(_tag, value))}"
        elif field.name in {"timeout", "settle", "containers"}:
            yield f"{field.name}: {value}"
        elif field.name == "folder":
            yield f"folder: {value}"


def _tag(tag: Tag) -> str:
    return "absent" if tag == ABSENT else tag.digest[:8]
