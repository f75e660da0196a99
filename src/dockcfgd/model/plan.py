"""A plan: what differs, what will be done about it, who notices, and the way back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockcfgd.model.impact import Impact
from dockcfgd.model.steps import Step, from_json, to_json

if TYPE_CHECKING:
    from dockcfgd.model.desired import Json, KeyPath
    from dockcfgd.model.errors import Finding

__all__ = [
    "BackStep",
    "Disturbed",
    "Drift",
    "Outage",
    "Plan",
    "Reach",
    "way_back_from_json",
    "way_back_to_json",
]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between what is wanted and what is.

    `where` is `daemon.json`, `drop-in` or `engine` (the file is right, the running engine is not).
    None stands for absent.
    """

    where: str
    path: KeyPath
    desired: Json
    actual: Json
    impact: Impact


@dataclass(frozen=True, slots=True)
class BackStep:
    """A step of the way back, needed once the forward step `needed_from` (from 0) has begun.

    `needed_before`: no longer needed once that forward step has begun, for a heavier way back
    covers it (None: always).
    """

    step: Step
    needed_from: int
    needed_before: int | None = None

    def needed(self, begun: int) -> bool:
        """Whether it is needed when forward step `begun` is the last that has begun (-1: none)."""
        return self.needed_from <= begun and (
            self.needed_before is None or begun < self.needed_before
        )


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Names of the containers that notice.

    Those that stop and come back, those that run on, those re-created.
    """

    stopped: tuple[str, ...] = ()
    bridged: tuple[str, ...] = ()
    recreated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """A changed key whose new value does not reach everything that is there.

    `applies` says what it reaches: `new containers`, `container start`, `new networks`, `next
    pull`. `keep` names what there is and keeps the value it has, `count` is how many those are
    (names may not be known); `asked` tells whether each was asked for its own value: else some of
    them may never have had the old one.
    """

    key: str
    applies: str
    keep: tuple[str, ...] = ()
    count: int = 0
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Outage:
    """How long the last comparable action took: `what` (containers or engine) was away that long.

    `of` is the transaction's id, `at` when it ended.
    """

    seconds: float
    of: str
    what: str
    at: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done. A plan without steps and refusals means that the host is as wanted.

    `impact` is what the change takes, also when it is refused. `irreversible` says what does not
    come back, whichever way the change ends.

    `id` is a digest of what differs, what is done about it and what bars it: the same change to the
    same host has the same id, whatever `name` (the transaction's, in the names of folders) is.
    """

    impact: Impact
    drifts: tuple[Drift, ...] = ()
    steps: tuple[Step, ...] = ()
    way_back: tuple[BackStep, ...] = ()
    refusals: tuple[Finding, ...] = ()
    disturbed: Disturbed = Disturbed()
    notes: tuple[str, ...] = ()
    reach: tuple[Reach, ...] = ()
    irreversible: tuple[str, ...] = ()
    name: str = ""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the id."""
        content = json.dumps(
            [
                self.impact.word,
                [
                    [drift.where, list(drift.path), drift.desired, drift.actual]
                    for drift in self.drifts
                ],
                [_nameless(to_json(step), self.name) for step in self.steps],
                [refusal.text() for refusal in self.refusals],
            ],
            sort_keys=True,
        )
        object.__setattr__(self, "id", hashlib.sha256(content.encode()).hexdigest()[:16])


def _nameless(step: dict[str, Json], name: str) -> dict[str, Json]:
    return {
        field: value.replace(name, "")
        if name and field in {"backup", "folder", "kept", "staging"} and isinstance(value, str)
        else value
        for field, value in step.items()
    }


def way_back_to_json(way_back: tuple[BackStep, ...]) -> list[Json]:
    """Give a way back as JSON for the journal."""
    return [
        {"from": back.needed_from, "before": back.needed_before, "step": to_json(back.step)}
        for back in way_back
    ]


def way_back_from_json(document: list[dict[str, Json]]) -> tuple[BackStep, ...]:
    """Give the way back that `way_back_to_json` wrote."""
    steps = []
    for item in document:
        step, first, before = item["step"], item["from"], item["before"]
        if not isinstance(step, dict) or not isinstance(first, int):
            raise TypeError(f"not a step of a way back: {item!r}")
        last = before if isinstance(before, int) else None
        steps.append(BackStep(step=from_json(step), needed_from=first, needed_before=last))
    return tuple(steps)
