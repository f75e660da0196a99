"""cgroups, swap limit, clock, and what live-restore and swarm mean for this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import error, fine, note, unseen, warning
from dockcfgd.model.amounts import some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding

__all__ = ["CHECKS"]

_NATIVE = "native.cgroupdriver="
_MINUTE = 60


def cgroups(case: Case) -> Iterator[Finding]:
    """Judge the version and the driver."""
    version = case.engine.text("CgroupVersion") if case.engine else ""
    version = version or str(case.kernel.cgroups or "")
    if not version:
        yield unseen("cgroups", "/sys/fs/cgroup is not there", root=True)
        return
    driver = _driver(case)
    what = f"cgroup v{version}" + (f" with the driver {driver}" if driver else "")
    if version == "2" and driver == "cgroupfs" and case.kernel.systemd:
        why = "systemd and the engine both manage the one tree; limits of services do not hold"
        remedy = 'exec-opts = ["native.cgroupdriver=systemd"] in [engine]'
        yield warning(what, why, remedy)
    elif version == "1":
        why = "newer engines and systemd give it up, and some limits cannot be set"
        yield note(what, why, "boot without systemd.unified_cgroup_hierarchy=0")
    else:
        yield fine(what)


def _driver(case: Case) -> str:
    if case.engine is not None and case.engine.text("CgroupDriver"):
        return case.engine.text("CgroupDriver")
    options = case.settings.get("exec-opts")
    for option in options if isinstance(options, list) else ():
        if isinstance(option, str) and option.startswith(_NATIVE):
            return option.removeprefix(_NATIVE)
    return ""


def swap_limit(case: Case) -> Iterator[Finding]:
    """Judge whether containers' swap can be limited."""
    told = case.engine.info.get("SwapLimit") if case.engine else None
    limited = told if isinstance(told, bool) else case.kernel.swap_limit
    if limited is None:
        yield note("not checked: swap limit", "no cgroup here has a limit of memory")
    elif limited:
        yield fine("swap of containers can be limited")
    else:
        why = "--memory-swap is ignored: a container may use swap without end"
        remedy = "boot with cgroup_enable=memory swapaccount=1, or with cgroup v2"
        yield warning("swap of containers cannot be limited", why, remedy)


def clock(case: Case) -> Iterator[Finding]:
    """Judge the clock: certificates, tokens and logs depend on it."""
    newest = max(
        ((one.mtime, path) for path, one in case.owners.items() if one is not None),
        default=(0.0, ""),
    )
    if newest[0] > case.now + _MINUTE:
        why = f"{newest[1]} was changed {int(newest[0] - case.now)} s later than now"
        remedy = "set it (timedatectl), then look at what was scheduled meanwhile"
        yield error("the clock is behind", why, remedy)
    elif case.kernel.synchronized is None:
        yield note("not checked: clock", "the kernel does not say whether it follows a time server")
    elif case.kernel.synchronized:
        yield fine("the clock follows a time server")
    else:
        why = "a wrong time breaks pulls (certificates, tokens) and the order of logs"
        yield warning("the clock follows no time server", why, "timedatectl set-ntp true")


def live_restore(case: Case) -> Iterator[Finding]:
    """Tell what a stop of the engine does to containers."""
    wanted = case.settings.get("live-restore") is True
    if case.engine is not None and case.engine.swarm_active:
        if wanted or case.engine.live_restore:
            why = "a node of a swarm does not start with it"
            remedy = "set live-restore to false, or leave the swarm"
            yield error("live-restore is set on a swarm node", why, remedy)
        else:
            why = "live-restore and bridged restarts cannot be used: a restart stops containers"
            yield note("this host is a swarm node", why)
        return
    on = case.engine.live_restore if case.engine else wanted
    if on:
        yield fine("live-restore is on: containers run on while the engine is stopped")
        return
    running = len(case.engine.running) if case.engine else 0
    what = "live-restore is off" + (f", {some(running, 'container')} running" if running else "")
    why = "they stop with the engine, also when it is upgraded; dockcfgd's own restarts bridge that"
    yield note(what, why, "live-restore = true in [engine], if they should run on")


CHECKS = (cgroups, swap_limit, clock, live_restore)
