"""The status document and the engine's /info as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockcfgd.model.host import driver_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["document", "render"]

_CONDITIONS = ("unmanaged", "in-sync", "pending", "drifted", "rejected", "degraded")
_PHASES = (
    "idle", "planning", "applying", "verifying", "awaiting-confirmation", "rolling-back", "paused",
    "stopped",
)  # fmt: skip
_VERDICTS = ("applied", "rolled-back", "refused", "degraded")
_STATES = {
    "running": "ContainersRunning",
    "paused": "ContainersPaused",
    "stopped": "ContainersStopped",
}


@dataclass(frozen=True, slots=True)
class _Sample:
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def render(status: Mapping[str, Any], info: Mapping[str, Any] | None) -> str:
    """Give the whole text. `info` is /info of the engine, None where it does not answer."""
    lines: list[str] = []
    for name, text, samples in _known(status, info):
        lines += [f"# HELP dockcfgd_{name} {text}", f"# TYPE dockcfgd_{name} gauge"]
        lines += [f"dockcfgd_{name}{_labels(one)} {_number(one.value)}" for one in samples]
    return "\n".join(lines) + "\n"


def document(status: Mapping[str, Any], info: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the same as a document."""
    metrics = [
        {"name": f"dockcfgd_{name}", "labels": dict(one.labels), "value": float(one.value)}
        for name, _, samples in _known(status, info)
        for one in samples
    ]
    return {"schema": 1, "metrics": metrics}


_Metric = tuple[str, str, list[_Sample]]


def _known(status: Mapping[str, Any], info: Mapping[str, Any] | None) -> Iterator[_Metric]:
    yield from (metric for metric in (*_of_status(status), *_of_engine(info)) if metric[2])


def _of_status(status: Mapping[str, Any]) -> Iterator[_Metric]:
    daemon = status.get("daemon") or {}
    desired, applied = status.get("desired") or {}, status.get("applied") or {}
    yield "up", "Whether dockcfgd runs.", [_Sample(bool(daemon))]
    if daemon:
        yield (
            "info",
            "The release of dockcfgd.",
            [_Sample(1, (("version", _text(daemon, "version")),))],
        )
        yield "start_time_seconds", "When it started.", _one(daemon.get("since"))
    condition, phase = status.get("condition"), status.get("phase")
    if condition:
        text = "How the host stands to its desired state: 1 for the one that holds."
        yield "condition", text, _states("condition", _CONDITIONS, condition)
    yield "phase", "What dockcfgd is doing.", _states("phase", _PHASES, phase)
    yield "desired_generation", "The newest generation.", _one(desired.get("generation"))
    yield "desired_errors", "Why it is refused.", [_Sample(len(desired.get("errors") or ()))]
    yield "applied_generation", "The generation in force.", _one(applied.get("generation"))
    yield "applied_time_seconds", "Since when it is.", _one(applied.get("at"))
    yield "drifts", "Where the host differs.", [_Sample(len(status.get("drifts") or ()))]
    yield "backups", "Complete backups.", _one(status.get("backups"))
    deadline = (status.get("confirm") or {}).get("deadline")
    yield "confirm_deadline_seconds", "When an unconfirmed change goes back.", _one(deadline)
    yield from _of_last(status.get("last") or {})


def _of_last(last: Mapping[str, Any]) -> Iterator[_Metric]:
    if not last:
        return
    verdict = last.get("verdict")
    text = "How the last transaction ended."
    yield (
        "last_transaction_verdict",
        text,
        _states("verdict", _VERDICTS, verdict) if verdict else [],
    )
    yield "last_transaction_start_time_seconds", "When it began.", _one(last.get("started"))
    started, finished = last.get("started"), last.get("finished")
    if isinstance(started, (int, float)) and isinstance(finished, (int, float)):
        yield "last_transaction_seconds", "How long it took.", [_Sample(finished - started)]


def _of_engine(info: Mapping[str, Any] | None) -> Iterator[_Metric]:
    yield "engine_up", "Whether the engine answers.", [_Sample(info is not None)]
    if info is None:
        return
    labels = (("version", _text(info, "ServerVersion")), ("storage", driver_of(info)))
    yield "engine_info", "The engine's release and storage driver.", [_Sample(1, labels)]
    counts = [
        _Sample(info[key], (("state", state),))
        for state, key in _STATES.items()
        if isinstance(info.get(key), int)
    ]
    yield "engine_containers", "Containers by state.", counts
    yield "engine_images", "Images.", _one(info.get("Images"))
    yield (
        "engine_live_restore",
        "Whether live-restore is on.",
        [_Sample(info.get("LiveRestoreEnabled") is True)],
    )


def _states(label: str, known: tuple[str, ...], now: object) -> list[_Sample]:
    names = (*known, str(now)) if now and now not in known else known
    return [_Sample(name == now, ((label, name),)) for name in names]


def _one(value: object) -> list[_Sample]:
    return [_Sample(value)] if isinstance(value, (int, float)) else []


def _text(document: Mapping[str, Any], key: str) -> str:
    return str(document.get(key) or "")


def _labels(sample: _Sample) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)) if value != int(value) else str(int(value))
