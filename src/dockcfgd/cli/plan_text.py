"""The plan document as a person reads it."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from dockcfgd.cli.text import clock_time, difference, finding, plain, printable, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["checks_not_run", "render", "stops", "unseen"]

_NAMES = 10
_IMPACTS = ("migrate", "restart", "reload", "none")


def _uncoloured(text: str, _colour: str) -> str:
    return text


def render(
    document: dict[str, Any],
    *,
    width: int = 80,
    paint: Callable[[str, str], str] = _uncoloured,
) -> str:
    """Give the whole text; `paint` gives a line its colour (red, green, cyan, bold, yellow)."""
    return "".join(
        f"{paint(line, colour) if colour and line else line}\n"
        for text, colour in _lines(document)
        for line in _fitted(text, width)
    )


def stops(document: dict[str, Any]) -> list[str]:
    """Give the names of the containers that will stop."""
    disturbed = document.get("disturbed") or {}
    names = [plain(name) for key in ("stopped", "recreated") for name in disturbed.get(key) or ()]
    return [*dict.fromkeys(names)]


def unseen(document: dict[str, Any]) -> bool:
    """Whether the host could not be looked at, so that nobody knows what would be done."""
    return not document.get("id") and bool(checks_not_run(document))


def checks_not_run(document: dict[str, Any]) -> list[str]:
    """Give a line for each reason why this host does not allow some checks."""
    names: dict[str, list[str]] = {}
    for check in document.get("checks") or ():
        if not check.get("run"):
            reason = plain(check.get("reason") or "no reason given")
            names.setdefault(reason, []).append(plain(check.get("name", "")))
    return [f"Not checked: {', '.join(checks)} ({reason})" for reason, checks in names.items()]


def _fitted(text: str, width: int) -> list[str]:
    indent = len(text) - len(text.lstrip()) + 2
    return wrapped(text, width=width, indent=indent) if text else [""]


def _lines(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give each line with its colour, empty for none."""
    refusals = document.get("refusals") or []
    yield _headline(document), "red" if refusals else "bold"
    yield from _differences(document)
    for line in () if refusals else _steps(document.get("steps") or []):
        yield line, ""
    for line in _consequences(document):
        yield line, ""
    for line in _titled("Refused:", [finding(refusal) for refusal in refusals]):
        yield line, "red" if line.startswith(" ") else ""
    for line in checks_not_run(document):
        yield line, "yellow"


def _headline(document: dict[str, Any]) -> str:
    impact = document.get("impact", "none")
    if document.get("refusals"):
        heavier = "" if impact == "none" else f" (it would take: {impact})"
        return f"refused, nothing will be touched{heavier}"
    if unseen(document):
        return "what would be done cannot be told: this host cannot be looked at"
    if not document.get("steps"):
        return "nothing to do"
    return f"to do: {impact} (plan {plain(document.get('id', ''))})"


def _differences(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    files, drifts = document.get("files") or [], document.get("drifts") or []
    for view in files:
        yield "", ""
        yield from _diff(view)
    # What no diff of a file shows: the file is right, and what was made of it is not.
    hidden = [drift for drift in drifts if not files or drift.get("where") == "engine"]
    for line in _titled("Differences:", [line for one in hidden for line in difference(one)]):
        yield line, _side(line.strip()[:1])
    for line in _titled("Each key takes:", _impacts(drifts) if files else []):
        yield line, ""


def _diff(view: dict[str, Any]) -> Iterator[tuple[str, str]]:
    path = plain(view.get("path", ""))
    before, after = view.get("before"), view.get("after")
    one, two = (str(text or "").splitlines() for text in (before, after))
    names = ["(none)" if text is None else path for text in (before, after)]
    for line in unified_diff(one, two, names[0], names[1], lineterm=""):
        head = line[:3] in {"---", "+++"}
        shown = f"{line} {'now' if line[0] == '-' else 'planned'}" if head else line
        yield printable(shown), "bold" if head else _side(line[:1])


def _side(sign: str) -> str:
    return {"-": "red", "+": "green", "@": "cyan"}.get(sign, "")


def _impacts(drifts: list[dict[str, Any]]) -> list[str]:
    by_impact: dict[str, list[str]] = {}
    for drift in drifts:
        by_impact.setdefault(str(drift.get("impact")), []).append(plain(drift.get("key", "")))
    known = [impact for impact in _IMPACTS if impact in by_impact]
    others = [impact for impact in by_impact if impact not in _IMPACTS]
    return [f"{plain(impact)}: {', '.join(by_impact[impact])}" for impact in (*known, *others)]


def _steps(steps: list[Any]) -> list[str]:
    return _titled("Steps:", [f"{number}. {_step(step)}" for number, step in enumerate(steps, 1)])


def _step(step: Any) -> str:  # noqa: ANN401 -- of a document
    if not isinstance(step, dict):
        return plain(step)
    detail = plain(step.get("detail") or "")
    return plain(step.get("name", "")) + (f", {detail}" if detail else "")


def _consequences(document: dict[str, Any]) -> list[str]:
    """Say who notices, what keeps an old value, what is lost, and how long it took last time."""
    notes = [plain(note) for note in document.get("notes") or ()]
    if not document.get("steps") or document.get("refusals"):
        return notes
    lines = ["", *_disturbed(document.get("disturbed"))]
    lines += _outage(document.get("outage"))
    lines += notes
    lines += _titled("Old values:", _reach(document.get("reach") or []))
    lost = [plain(sentence) for sentence in document.get("irreversible") or ()]
    return [*lines, *_titled("Cannot be undone:", lost)]


def _disturbed(disturbed: dict[str, Any] | None) -> list[str]:
    if not disturbed:
        return ["Which containers there are is not known."]
    words = {
        "stopped": "Containers that stop and come back:",
        "recreated": "Containers that are made anew under their names:",
        "bridged": "Containers that run on:",
    }
    lines = [f"{words[key]} {_listed(disturbed[key])}" for key in words if disturbed.get(key)]
    return lines or ["No container is disturbed."]


def _listed(names: list[str]) -> str:
    """Name them, all of them where they are few."""
    few = names if len(names) <= _NAMES + 2 else names[:_NAMES]
    more = f" and {len(names) - len(few)} more" if len(few) < len(names) else ""
    return ", ".join(plain(name) for name in few) + more


def _outage(outage: dict[str, Any] | None) -> list[str]:
    if not outage:
        return []
    who = "the containers were" if outage.get("what") == "containers" else "the engine was"
    when = clock_time(outage.get("at"))
    return [f"The last time {who} away for {outage.get('seconds')} s ({when})."]


def _reach(reaches: list[dict[str, Any]]) -> list[str]:
    """Say what keeps an old value, keys of the same fate in one line."""
    keys: dict[str, list[str]] = {}
    for reach in reaches:
        sentence = _kept(reach)
        if sentence:
            keys.setdefault(sentence, []).append(plain(reach.get("key", "")))
    return [f"{', '.join(names)}: {sentence}" for sentence, names in keys.items()]


def _kept(reach: dict[str, Any]) -> str:
    applies, names, count = reach.get("applies"), reach.get("keep") or [], reach.get("count") or 0
    if applies == "container start":
        return f"kept until their next start by {_listed(names)}" if names else ""
    if applies == "next pull":
        return "used from the next pull on"
    if not count:
        return f"only {plain(applies)} get the new one" if not reach.get("asked") else ""
    if reach.get("asked"):
        return f"kept by the containers {_listed(names)}"
    who = "networks" if applies == "new networks" else "containers"
    there = _listed(names) if names and count <= _NAMES + 2 else f"{count} {who} that are there"
    return f"only {plain(applies)} get the new one, not {there}"


def _titled(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []
