"""The status document as a person reads it: one screen, most important first.

Pure, and imports nothing heavy: the daemon publishes what this gives, `status` prints it.
"""

from __future__ import annotations

import json
import time

from dockcfgd.cli.measures import amount, span, speed
from dockcfgd.cli.published import BUSY, NOT_LOOKED_AT, undecided

TYPE_CHECKING = False  # see published.py
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "clock_time",
    "difference",
    "finding",
    "headline",
    "plain",
    "printable",
    "progress_line",
    "render",
    "step_line",
    "word",
    "wrapped",
]

_LABEL = 11
_NARROW = 50
_FEW = 2
_START = "systemctl start dockcfgd"
_DEFAULT_REASON = {
    "unmanaged": "there is no desired state, Docker is left alone",
    "drifted": "the host differs from the desired state, which is only reported",
    "pending": "accepted, not done yet",
    "rejected": "the newest desired state is not in force",
    "degraded": "the host cannot be brought to, or kept at, the state in force",
}
_CUT_OFF = {"state": "cut off"}
"""What a step is that was under way when its change ended, as by a crash."""
_OWN_WORD = ("awaiting-confirmation", "paused")
_NEXT = {
    "unmanaged": "put a TOML file into /etc/dockcfgd/conf.d; try it with dockcfgctl plan FILE",
    "pending": "dockcfgctl plan shows what is held, dockcfgctl apply does it now",
    "drifted": "dockcfgctl plan shows what differs, dockcfgctl apply brings it back",
    "rejected": "correct the files (dockcfgctl validate), or dockcfgctl apply to try them again",
    "degraded": "journalctl -u dockcfgd -u docker; when mended, dockcfgctl apply",
}


def plain(text: object) -> str:
    """Give foreign text without what could steer a terminal; line breaks become spaces."""
    return printable(str(text).strip())


def printable(text: str) -> str:
    """Give what `plain` gives, blanks around it kept."""
    return "".join(
        letter if letter.isprintable() else " " if letter in "\n\t" else "?" for letter in text
    )


def word(document: dict[str, Any]) -> str:
    """Give the one word that the text begins with."""
    if document.get("daemon") is None:
        return "stopped"
    if document.get("phase") in (*BUSY, *_OWN_WORD) or undecided(document):
        return str(document["phase"])
    return str(document.get("condition"))


def render(document: dict[str, Any], *, width: int = 80, height: int = 23) -> str:
    """Give the whole text; at 80 columns it is never longer than `height` lines."""
    limits = {"errors": 8, "steps": 12, "drifts": 12, "rows": 3}
    while True:
        lines = _lines(document, width=width, limits=limits)
        less = _less_of(limits, width=width)
        if len(lines) <= height or limits[less] == 1:
            return "\n".join(lines) + "\n"
        limits[less] -= 1


def _less_of(limits: dict[str, int], *, width: int) -> str:
    """Say of what there shall be less: of a reason's lines late, and never of narrow ones."""
    longest = max(("errors", "steps", "drifts"), key=lambda name: limits[name])
    reasons = limits[longest] <= _FEW and limits["rows"] > 1 and width >= _NARROW
    return "rows" if reasons else longest


def _lines(document: dict[str, Any], *, width: int, limits: dict[str, int]) -> list[str]:
    rows = limits["rows"]
    lines = _cut(wrapped(headline(document), width=width, indent=2), rows + 1)
    desired = document.get("desired") or {}
    blocks = [
        ("Applied", _applied(document)),
        ("Desired", _desired(desired)),
        ("Errors", _errors(document, limits["errors"])),
        ("Progress", _progress(document.get("progress"))),
        ("Last", _last(document, limits["steps"])),
        (_task_label(document.get("task")), _task(document.get("task"))),
        ("Drifts", _drifts(document.get("drifts") or [], limits["drifts"])),
        ("Engine", _engine(document.get("engine"))),
        ("Kept", _kept(document.get("kept"))),
        ("Backups", [str(document["backups"])] if document.get("backups") else []),
        ("Daemon", _daemon(document.get("daemon"))),
        ("Next", [_next(document)] if _next(document) else []),
    ]
    filled = [(label, values) for label, values in blocks if values]
    if filled:
        lines.append("")
    for label, values in filled:
        lines.extend(_block(label, values, width=width, rows=rows))
    return lines


def _block(label: str, values: list[str], *, width: int, rows: int) -> list[str]:
    """Give values below each other, each in `rows` lines at most, narrow ones in one more."""
    if width < _NARROW:
        values = [f"{label}: {values[0]}", *(f"  {value}" for value in values[1:])]
        cut = (_cut(wrapped(value, width=width, indent=4), rows + 1) for value in values)
        return [line for lines in cut for line in lines]
    indent = _LABEL + 2
    lines: list[str] = []
    for value in values:
        first, *more = _cut(wrapped(value, width=width - indent, indent=2), rows)
        head = " " * indent if lines else f"  {label:<{_LABEL}}"
        lines.append(head + first)
        lines.extend(" " * indent + line for line in more)
    return lines


def _cut(lines: list[str], limit: int) -> list[str]:
    return lines if len(lines) <= limit else [*lines[: limit - 1], f"{lines[limit - 1][:-3]}..."]


def wrapped(text: str, *, width: int, indent: int) -> list[str]:
    """Break at blanks, inside a word only where it is longer than a line; indent later lines."""
    width = max(width, 16)
    lines: list[str] = []
    body = text.lstrip(" ")
    line = " " * (len(text) - len(body))
    for part in body.split(" "):
        rest = part
        if line.strip() and len(line) + 1 + len(rest) > width:
            lines.append(line)
            line = " " * indent
        elif line.strip():
            line += " "
        while len(line) + len(rest) > width:
            room = width - len(line)
            lines.append(line + rest[:room])
            rest = rest[room:]
            line = " " * indent
        line += rest
    lines.append(line)
    return [line.rstrip() for line in lines]


def clock_time(seconds: object) -> str:
    """Give a time of day in the local zone."""
    if not isinstance(seconds, (int, float)):
        return "an unknown time"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def finding(error: dict[str, Any]) -> str:
    """Give a reason for a refusal as one line: `FILE:LINE: key: message (hint)`."""
    file, line = error.get("file"), error.get("line")
    where = "" if not file else f"{file}:{line}: " if line else f"{file}: "
    key = f"{error['key']}: " if error.get("key") else ""
    hint = f" ({error['hint']})" if error.get("hint") else ""
    return plain(f"{where}{key}{error.get('message', '')}{hint}")


def step_line(step: dict[str, Any]) -> str:
    """Give a step with its state and time."""
    state = plain(step.get("state", ""))
    return f"{state:<8}{step.get('seconds') or 0:6.1f} s  {plain(step.get('name', ''))}"


def difference(drift: dict[str, Any]) -> list[str]:
    """Give a drift as a diff towards the desired state: what is goes, what is wanted comes."""
    where, key = plain(drift.get("where", "")), plain(drift.get("key", ""))
    name = where if where == key else f"{where}: {key}"
    sides = drift.get("actual"), drift.get("desired")
    text = any(isinstance(side, str) and "\n" in side.rstrip("\n") for side in sides)
    actual, desired = (_lines_of(side) if text else _setting(side) for side in sides)
    gone = [f"- {name} {value}" for value in actual if value not in desired]
    come = [f"+ {name} {value}" for value in desired if value not in actual]
    return [*gone, *come] or [f"  {name}"]


def _setting(value: object) -> list[str]:
    return [] if value is None else [f"= {plain(json.dumps(value))}"]


def _lines_of(value: object) -> list[str]:
    """Give what stands in a file, a blank line being nothing."""
    lines = [] if value is None else str(value).splitlines()
    return [f"| {plain(line)}" for line in lines if line.strip()]


def headline(document: dict[str, Any]) -> str:
    """Give the first sentence: the one word, and why."""
    first = word(document)
    reason = plain(document.get("reason") or "")
    condition = str(document.get("condition"))
    desired = document.get("desired") or {}
    if first == "stopped" and not document.get("condition"):
        return f"stopped: dockcfgd is not running; start it: {_START}"
    if first == "stopped":
        known = f"; last known: {condition}" if document.get("condition") else ""
        return f"stopped: dockcfgd is not running{known}" + (f", {reason}" if reason else "")
    if first in BUSY:
        return f"{first}: generation {desired.get('generation')}" + (
            f", {reason}" if reason else ""
        )
    if first == "awaiting-confirmation":
        deadline = (document.get("confirm") or {}).get("deadline")
        return f"{first}: until {clock_time(deadline)}; {reason}"
    if first == "paused":
        return f"paused: {condition}, {reason}" if condition != "None" else f"paused: {reason}"
    if first == "planning":
        return "planning: what is to be done is being worked out"
    if condition == "in-sync":
        applied = document.get("applied") or {}
        text = f"generation {applied.get('generation')} is in force"
        return f"in-sync: {reason or text}"
    return f"{first}: {reason or _DEFAULT_REASON.get(condition, 'of unknown meaning')}"


def _applied(document: dict[str, Any]) -> list[str]:
    applied = document.get("applied") or {}
    if not applied.get("generation"):
        return ["nothing yet"] if document.get("condition") else []
    return [f"generation {applied['generation']} since {clock_time(applied.get('at'))}"]


def _desired(desired: dict[str, Any]) -> list[str]:
    files = [plain(file["path"]) for file in desired.get("files", ())]
    if not files:
        return []
    digest = plain(desired.get("digest") or "")[:8]
    digest = f" ({digest})" if digest.isalnum() else ""  # that of unusable files is none
    more = f" + {len(files) - 1}" if len(files) > 1 else ""
    return [f"generation {desired.get('generation')}{digest}, {files[-1]}{more}"]


def _errors(document: dict[str, Any], limit: int) -> list[str]:
    desired = document.get("desired") or {}
    lines = [finding(error) for error in desired.get("errors", ())]
    if lines == [plain(document.get("reason") or "")]:
        return []  # the first line says it
    left = len(lines) - limit
    return [*lines[:limit], f"({left} more: dockcfgctl status --json)"] if left > 0 else lines


def _progress(progress: dict[str, Any] | None) -> list[str]:
    return [progress_line(progress)] if progress else []


def progress_line(progress: dict[str, Any]) -> str:
    """Give how far a long step is."""
    done, total = progress.get("done") or 0, progress.get("total") or 0
    unit = plain(progress.get("unit") or "")
    share = f" ({100 * done // total} %)" if total else ""
    head = f"{plain(progress.get('step', ''))}: {amount(done, total, unit)}{share}"
    rate, left = progress.get("rate"), progress.get("left")
    pieces = (
        speed(rate) if rate and unit == "bytes" else "",
        f"{span(left)} left" if left is not None else "",
        plain(progress.get("item", "")),
    )
    return ", ".join(piece for piece in (head, *pieces) if piece)


def _last(document: dict[str, Any], limit: int) -> list[str]:
    last = document.get("last")
    if not last:
        return []
    verdict, started, finished = last.get("verdict"), last.get("started"), last.get("finished")
    took = f", {finished - started:.1f} s" if finished and started else ""
    head = f"{verdict or 'under way'} ({plain(last.get('impact', ''))}) {clock_time(started)}{took}"
    lines = [f"{head}, generation {last.get('generation')}"]
    if last.get("reason") and last["reason"] != document.get("reason"):
        lines.append(plain(last["reason"]))
    steps = last.get("steps") or []
    if verdict is not None:
        steps = [step | _CUT_OFF if step.get("state") == "running" else step for step in steps]
    return lines + _steps(steps, limit)


def _kept(kept: dict[str, Any] | None) -> list[str]:
    """Name what is kept of the storage, and what must not be done meanwhile."""
    if not kept:
        return []
    if kept.get("freeing"):
        return [f"{plain(kept['driver'])}, being freed: dockcfgctl storage status"]
    return [
        f"{plain(kept['driver'])} as it was until {clock_time(kept.get('since'))}",
        "beware of docker volume prune, docker network prune: dockcfgctl storage status",
    ]


def _task_label(task: dict[str, Any] | None) -> str:
    return "Storage" if task and task.get("kind") == "storage prune" else "Backup"


def _task(task: dict[str, Any] | None) -> list[str]:
    """Give the newest backup or restore, as far as it is still of interest."""
    if not task:
        return []
    verdict, started, finished = task.get("verdict"), task.get("started"), task.get("finished")
    took = f", {finished - started:.1f} s" if finished and started else ""
    words = {None: "under way", "applied": "done", "degraded": "failed"}
    kind, backup = plain(task.get("kind", "")), plain(task.get("backup", ""))
    what = f"{kind} {backup}" if backup else kind
    head = f"{what} {words.get(verdict, verdict)} {clock_time(started)}{took}"
    return [head, plain(task["reason"])] if task.get("reason") else [head]


def _drifts(drifts: list[dict[str, Any]], limit: int) -> list[str]:
    """Give the first ones as a whole, as far as they have room; a long one alone is cut."""
    lines: list[str] = []
    left = len(drifts)
    for drift in drifts:
        more = difference(drift)
        if lines and len(lines) + len(more) > limit:
            break
        lines += more
        left -= 1
    rest = f"{left} more" if left else "the rest of it" if len(lines) > limit else ""
    return [*lines[:limit], *([f"and {rest}: dockcfgctl plan"] if rest else [])]


def _steps(steps: list[dict[str, Any]], limit: int) -> list[str]:
    """Keep those that failed and the last ones, which tell how it ended."""
    failed = [index for index, step in enumerate(steps) if step.get("state") == "failed"][:limit]
    others = [index for index in range(len(steps)) if index not in failed]
    room = limit - len(failed)
    kept = sorted([*failed, *(others[-room:] if room else [])])
    left = len(steps) - len(kept)
    lines = [step_line(steps[index]) for index in kept]
    return [f"({left} more: dockcfgctl status --json)", *lines] if left else lines


def _engine(engine: dict[str, Any] | None) -> list[str]:
    if not engine:
        return []
    if not engine.get("active"):
        version = plain(engine.get("version") or "")
        return [f"{version or 'Docker'}, does not run"]
    containers = engine.get("containers") or {}
    parts = (
        plain(engine.get("version", "")),
        plain(engine.get("storage", "")),
        f"live-restore {'on' if engine.get('live_restore') else 'off'}",
        f"{containers.get('running', 0)} of {containers.get('total', 0)} containers run",
    )
    return [", ".join(parts)]


def _daemon(daemon: dict[str, Any] | None) -> list[str]:
    if not daemon:
        return []
    version = plain(daemon.get("version", ""))
    return [f"dockcfgd {version}, pid {daemon.get('pid')}, since {clock_time(daemon.get('since'))}"]


def _next(document: dict[str, Any]) -> str:
    first = word(document)
    if first == "stopped":
        return _START if document.get("condition") else ""
    if document.get("next") and first in (document.get("condition"), *_OWN_WORD):
        return plain(document["next"])
    if first != document.get("condition"):
        return "dockcfgctl wait"
    if str(document.get("reason") or "").startswith(NOT_LOOKED_AT):
        return "dockcfgctl wait"
    return _NEXT.get(first, "")
