"""Is the engine there, does it run, and is what runs what is installed? The same for dockcfgd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import error, fine, note, unseen, warning
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.host import EngineDown
from dockcfgd.planning.launch import launch_in_force

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding

__all__ = ["CHECKS"]

_OLDEST, _NEWEST = EngineVersion(20, 10), EngineVersion(29, 9, 999)
_RESTART = "systemctl restart docker, when it suits"
_STATUS = "dockcfgctl status says more"


def unit(case: Case) -> Iterator[Finding]:
    """Judge docker.service."""
    seen = case.host.unit
    if not seen.load_state:
        why = case.unread.get("systemd", "systemd cannot be asked")
        yield unseen("docker.service", why, root=case.root)
        return
    if seen.load_state == "masked":
        why = "no engine can be started"
        yield error("docker.service is masked", why, "systemctl unmask docker.service")
        return
    if seen.load_state != "loaded":
        why = f"systemd says {seen.load_state}; dockcfgd manages an engine that this unit runs"
        yield error("there is no docker.service", why, "install docker.io or docker-ce")
        return
    if seen.need_daemon_reload:
        what = "unit files of docker.service changed, and systemd did not read them yet"
        yield warning(what, "its next start would use the old ones", "systemctl daemon-reload")
    if seen.restarts:
        what = f"systemd had to start the engine again {_times(seen.restarts)} by itself"
        yield warning(what, "it crashed or was killed", "journalctl -u docker.service -b")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def engine(case: Case) -> Iterator[Finding]:
    """Judge whether the engine runs, and its release."""
    seen, state = case.host.unit, case.host.engine
    if isinstance(state, EngineDown):
        if seen.load_state != "loaded":
            return
        if seen.running:
            if case.root:
                why = state.reason
                yield error(
                    "the engine runs and does not answer", why, "journalctl -u docker -n 50"
                )
            else:
                yield unseen("the running engine", state.reason, root=False)
        elif "failed" in {seen.active_state, seen.sub_state} or seen.sub_state == "auto-restart":
            why = f"its last run ended with {seen.result} (status {seen.exec_status})"
            remedy = "journalctl -u docker.service -n 50 says why"
            yield error("the engine failed", why, remedy)
        else:
            remedy = "systemctl start docker.service"
            yield warning("the engine does not run", state.reason, remedy)
    yield from _release(case)


def _release(case: Case) -> Iterator[Finding]:
    text = case.host.version
    if not text:
        return
    version = EngineVersion.parse_or_none(text)
    state = case.engine
    runs = f"engine {text} runs, API {state.api_version}" if state else f"engine {text} is there"
    if version is None:
        why = "its rules are taken to be those of the newest release"
        yield note(f"{runs}, a release that dockcfgd cannot read", why)
    elif version < _OLDEST:
        why = f"dockcfgd knows engines from {_OLDEST.short} on"
        yield error(f"{runs}, which is too old", why, "install a newer one")
    elif version > _NEWEST:
        why = "keys that it has and this dockcfgd does not know can go into [engine-extra]"
        yield note(f"{runs}, which is newer than this dockcfgd knows", why)
    else:
        yield fine(runs)
    if state is not None and case.installed and case.installed != text:
        what = f"engine {text} runs, {case.installed} is installed"
        yield warning(what, "it was upgraded and not started again since", _RESTART)


def command(case: Case) -> Iterator[Finding]:
    """Compare the running command with that of the next start."""
    if not case.host.command or not case.host.unit_files:
        return
    planned = launch_in_force(case.host).arguments
    if tuple(case.host.command[1:]) != planned:
        what = "the engine runs with other flags than docker.service has now"
        why = "its next start will use: " + (" ".join(planned) or "no flags")
        yield note(what, why, _RESTART)
    else:
        yield fine("the engine runs with the flags that docker.service has")


def dockcfgd(case: Case) -> Iterator[Finding]:
    """Judge dockcfgd itself by what it publishes."""
    own, status = case.dockcfgd.version, case.dockcfgd.status
    daemon = status.get("daemon") if status is not None else None
    if status is None or not isinstance(daemon, dict):
        what = f"dockcfgd does not run (this command is of {own})"
        yield note(what, "nothing is watched or put back", "systemctl enable --now dockcfgd")
        return
    version = str(daemon.get("version"))
    if version != own:
        what = f"dockcfgd {version} runs, {own} is installed"
        remedy = "systemctl restart dockcfgd; it leaves the engine alone"
        yield warning(what, "it was upgraded and not started again since", remedy)
    condition, reason = str(status.get("condition")), str(status.get("reason") or "")
    runs = f"dockcfgd {version} runs: {condition}"
    match condition:
        case "degraded":
            why = "the host cannot be brought to, or kept at, the state in force"
            yield error(runs, reason or why, _STATUS)
        case "rejected" | "drifted":
            yield warning(runs, reason or "the desired state is not in force", _STATUS)
        case "pending":
            yield note(runs, reason, _STATUS)
        case _:
            yield fine(runs, reason)
    if status.get("phase") == "paused":
        yield note("dockcfgd is paused", "nothing is done by itself", "dockcfgctl resume")


CHECKS = (unit, engine, command, dockcfgd)
