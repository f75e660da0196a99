"""OCI runtimes, the cgroup driver, and programs that the engine runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockcfgd.model.facts import Program
from dockcfgd.planning.rules.breach import misleads, note, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES", "programs"]

_BUILT_IN = {"runc", "io.containerd.runc.v2"}
_SHIM = re.compile(r"io\.containerd\.([\w-]+)\.(v\d+)", re.ASCII)
_LIMITS = {
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
    *("rss", "rtprio", "rttime", "sigpending", "stack"),
}
_CGROUP_DRIVER = "native.cgroupdriver"


def _shim(runtime: str) -> str:
    """Give the program of containerd that runs a runtime type; empty for what is no such type."""
    if runtime.startswith("/"):
        return runtime
    match = _SHIM.fullmatch(runtime)
    return f"containerd-shim-{match[1]}-{match[2]}" if match else ""


def _wanted(scene: Scene) -> Iterator[tuple[tuple[str, str], str]]:
    """Give each runtime's path in the configuration, and the program that it needs."""
    for name, runtime in scene.table("runtimes").items():
        if not isinstance(runtime, dict):
            continue
        path, kind = runtime.get("path"), runtime.get("runtimeType")
        if isinstance(path, str) and path:
            yield ("runtimes", name), path
        elif isinstance(kind, str) and _shim(kind):
            yield ("runtimes", name), _shim(kind)


def _default_shim(scene: Scene) -> str:
    name = scene.text("default-runtime")
    defined = name in scene.table("runtimes") or name in _BUILT_IN
    return "" if defined or not scene.from_release("23.0") else _shim(name)


def programs(scene: Scene) -> frozenset[str]:
    """Give the programs, by name or path, that must be there."""
    found = {program for _, program in _wanted(scene)} | {_default_shim(scene)}
    if scene.switch("init"):
        found.add(scene.text("init-path"))
    if scene.switch("userland-proxy") is not False:
        found.add(scene.text("userland-proxy-path"))
    return frozenset(found - {""})


def installed(scene: Scene) -> Iterator[Breach]:
    """Refuse a runtime whose program cannot be run: the engine finds that with a container only."""
    for path, program in _wanted(scene):
        seen = scene.facts.programs.get(program)
        if seen is Program.MISSING:
            yield misleads(path, f"there is no program {program}", "install it first")
        elif seen is Program.NOT_EXECUTABLE:
            yield misleads(path, f"{program} cannot be executed", "name the runtime's program")


def reserved(scene: Scene) -> Iterator[Breach]:
    """Refuse a runtime called as the engine's own."""
    if "runc" in scene.table("runtimes") and scene.from_release("25.0"):
        yield refuse(("runtimes", "runc"), "the name runc is reserved", "take another name")


def default(scene: Scene) -> Iterator[Breach]:
    """Refuse a default that nobody defines."""
    name = scene.text("default-runtime")
    if not name or name in _BUILT_IN:
        return
    if name in scene.table("runtimes"):
        in_file = "runtimes" not in scene.by_flag or "default-runtime" in scene.by_flag
        if not in_file and not scene.from_release("23.0"):
            why = f"before engine 23.0 a flag's runtime, as {name}, cannot be the default of a file"
            yield refuse("default-runtime", why, "add it to runtimes", also=("runtimes",))
        return
    shim = _default_shim(scene)
    if not shim:
        why = f"no runtime {name} is defined"
        yield refuse("default-runtime", why, "add it to runtimes", also=("runtimes",))
    elif scene.facts.programs.get(shim) is Program.MISSING:
        why = f"there is no program {shim}, so no container would start"
        yield misleads("default-runtime", why, "install it first", also=("runtimes",))


def _cgroup_driver(scene: Scene) -> str:
    named = [
        option.partition("=")[2]
        for option in scene.texts("exec-opts")
        if option.partition("=")[0].strip().lower() == _CGROUP_DRIVER
    ]
    if named:
        return named[-1]
    version = scene.engine.info.get("CgroupVersion") if scene.engine else "2"
    return "systemd" if version == "2" else "cgroupfs"


def cgroup_driver(scene: Scene) -> Iterator[Breach]:
    """Refuse a cgroup driver that there is not; tell of options that nobody reads."""
    for option in scene.texts("exec-opts"):
        name, equals, value = option.partition("=")
        if name.strip().lower() == _CGROUP_DRIVER:
            if value not in {"systemd", "cgroupfs"}:
                yield refuse("exec-opts", f"there is no cgroup driver {value}", "use systemd")
        elif scene.from_release("28.0") and equals:
            why = f"the engine has no option {name}"
            yield refuse("exec-opts", why, f"it has {_CGROUP_DRIVER}")
        else:
            what = f"the engine ignores {name}"
            yield note("exec-opts", what, f"it has {_CGROUP_DRIVER}")


def cgroup_driver_change(scene: Scene) -> Iterator[Breach]:
    """Tell of containers that the engine can no longer handle cleanly."""
    engine = scene.engine
    if engine is None or not engine.running or "exec-opts" not in scene.settings:
        return
    now, then = engine.text("CgroupDriver"), _cgroup_driver(scene)
    if now and then != now and scene.switch("live-restore"):
        what = f"containers that run on were made with the cgroup driver {now}"
        yield note("exec-opts", what, "start them anew after the change", also=("live-restore",))


def cgroup_parent(scene: Scene) -> Iterator[Breach]:
    """Refuse a parent that systemd has no slice for."""
    parent = scene.text("cgroup-parent")
    if not parent or _cgroup_driver(scene) != "systemd":
        return
    if not parent.endswith(".slice") or "/" in parent or parent == ".slice":
        why = "with the cgroup driver systemd it must be the name of a slice"
        yield refuse("cgroup-parent", why, 'write it as "docker.slice"', also=("exec-opts",))


def realtime(scene: Scene) -> Iterator[Breach]:
    """Refuse shares of real time, which only cgroup v1 has for the engine."""
    version = scene.engine.text("CgroupVersion") if scene.engine else ""
    for key in ("cpu-rt-period", "cpu-rt-runtime"):
        if scene.settings.get(key) and version == "2" and scene.from_release("23.0"):
            yield refuse(key, "with cgroup v2 the engine does not start with it", "leave it out")


def ulimits(scene: Scene) -> Iterator[Breach]:
    """Refuse a limit that there is not: no container would start."""
    for name, limit in scene.table("default-ulimits").items():
        named = limit.get("Name", name) if isinstance(limit, dict) else name
        if named not in _LIMITS:
            why = f"there is no limit {named}, and no container would start with it"
            hint = f"there are {', '.join(sorted(_LIMITS))}"
            yield misleads(("default-ulimits", name), why, hint)


def init(scene: Scene) -> Iterator[Breach]:
    """Refuse an init that cannot be run."""
    path = scene.text("init-path")
    if not path or not scene.switch("init"):
        return
    if scene.facts.programs.get(path, Program.RUNNABLE) is not Program.RUNNABLE:
        why = f"there is no program {path}, so no container would start"
        yield misleads("init-path", why, "leave it out, or install it first", also=("init",))


def userland_proxy(scene: Scene) -> Iterator[Breach]:
    """Refuse a proxy that cannot be run."""
    path = scene.text("userland-proxy-path")
    if not path or scene.switch("userland-proxy") is False:
        return
    seen = scene.facts.programs.get(path, Program.RUNNABLE)
    if scene.from_release("25.0") and not path.startswith("/"):
        why = "it must be an absolute path"
        yield refuse("userland-proxy-path", why, "", also=("userland-proxy",))
    elif seen is not Program.RUNNABLE:
        why = f"{path} is {seen.value}"
        hint = "leave it out, or name the program docker-proxy"
        yield refuse("userland-proxy-path", why, hint, also=("userland-proxy",))


RULES = (
    installed,
    reserved,
    default,
    cgroup_driver,
    cgroup_driver_change,
    cgroup_parent,
    realtime,
    ulimits,
    init,
    userland_proxy,
)
