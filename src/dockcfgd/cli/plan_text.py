"""The plan document as a person reads it."""

from __future__ import annotations

from typing import Any

from dockcfgd.cli.text import difference, finding, plain, wrapped

__all__ = ["checks_not_run", "render", "stops", "unseen"]


def render(document: dict[str, Any], *, width: int = 80) -> str:
    """Give the whole text."""
    lines: list[str] = []
    refusals = document.get("refusals") or []
    for text in (
        *_headline(document),
        *_drifts(document.get("drifts") or []),
        *([] if refusals else _steps(document.get("steps") or [])),
        *_disturbed(document),
        *(plain(note) for note in document.get("notes") or ()),
        *_titled("Refused:", [finding(refusal) for refusal in refusals]),
        *checks_not_run(document),
    ):
        indent = len(text) - len(text.lstrip()) + 2
        lines.extend(wrapped(text, width=width, indent=indent) if text else [""])
    return "\n".join(lines) + "\n"


def stops(document: dict[str, Any]) -> list[str]:
    """Give the names of the containers that will stop."""
    disturbed = document.get("disturbed") or {}
    return [plain(name) for key in ("stopped", "recreated") for name in disturbed.get(key) or ()]


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


def _headline(document: dict[str, Any]) -> list[str]:
    impact = document.get("impact", "none")
    if document.get("refusals"):
        heavier = "" if impact == "none" else f" (it would take: {impact})"
        return [f"refused, nothing will be touched{heavier}"]
    if unseen(document):
        return ["what would be done cannot be told: this host cannot be looked at"]
    if not document.get("steps"):
        return ["nothing to do"]
    return [f"to do: {impact} (plan {plain(document.get('id', ''))})"]


def _drifts(drifts: list[dict[str, Any]]) -> list[str]:
    return _titled("Differences:", [line for drift in drifts for line in difference(drift)])


def _steps(steps: list[Any]) -> list[str]:
    names = [plain(step.get("name", "") if isinstance(step, dict) else step) for step in steps]
    return _titled("Steps:", [f"{number}. {name}" for number, name in enumerate(names, 1)])


def _disturbed(document: dict[str, Any]) -> list[str]:
    if not document.get("steps") or document.get("refusals"):
        return []
    disturbed = document.get("disturbed") or {}
    words = {
        "stopped": "Containers that stop and come back:",
        "recreated": "Containers that are made anew under their names:",
        "bridged": "Containers that run on:",
    }
    lines = [
        f"{title} {', '.join(plain(name) for name in disturbed[key])}"
        for key, title in words.items()
        if disturbed.get(key)
    ]
    return ["", *(lines or ["No container is disturbed."])]


def _titled(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []
