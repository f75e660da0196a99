"""What the engine shows of the configuration in force: the reload event and /info."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dockcfgd.engine_keys.registries import masked
from dockcfgd.engine_keys.version import EngineVersion

__all__ = ["SIGHUP_KEEPS", "SIGHUP_RESETS", "info_document", "reload_attributes"]

# Keys that a reload takes. Once dropped from the file the first ones keep their old value.
SIGHUP_KEEPS = (
    "debug",
    "labels",
    "insecure-registries",
    "registry-mirrors",
    "live-restore",
    "shutdown-timeout",
    "runtimes",
    "default-runtime",
    "default-shm-size",
    "default-cgroupns-mode",
    "default-ipc-mode",
)
SIGHUP_RESETS = (
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "features",
    "network-diagnostic-port",
    # authorization-plugins too, but /info goes on showing those of the start.
)

_UNITS = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_STOCK_RUNTIMES = ("runc", "io.containerd.runc.v2")


def reload_attributes(config: Mapping[str, Any], release: EngineVersion) -> dict[str, str]:
    """Give the attributes of the `reload` event."""
    runtimes = [f"{name}:{value.get('path', '')}" for name, value in _runtimes(config).items()]
    features = [
        f"{name}:{_bool(on)}" for name, on in sorted((config.get("features") or {}).items())
    ]
    attributes = {
        "debug": _bool(config.get("debug")),
        "default-cgroupns-mode": str(config.get("default-cgroupns-mode") or "private"),
        "default-ipc-mode": str(config.get("default-ipc-mode") or "private"),
        "default-runtime": str(config.get("default-runtime") or "runc"),
        "default-shm-size": str(_size(config.get("default-shm-size") or "64M")),
        "features": f"map[{' '.join(features)}]",
        "insecure-registries": json.dumps(config.get("insecure-registries") or []),
        "labels": json.dumps(config.get("labels") or [], separators=(",", ":")),
        "live-restore": _bool(config.get("live-restore")),
        "max-concurrent-downloads": str(config.get("max-concurrent-downloads") or 3),
        "max-concurrent-uploads": str(config.get("max-concurrent-uploads") or 5),
        "max-download-attempts": str(config.get("max-download-attempts") or 5),
        "name": "machine",
        "registry-mirrors": json.dumps(config.get("registry-mirrors") or []),
        "runtimes": " ".join(runtimes),
        "shutdown-timeout": str(config.get("shutdown-timeout") or 15),
    }
    if release < EngineVersion(23, 0):
        attributes["runtimes"] = " ".join([*runtimes, "runc:runc"])
        attributes |= {"cluster-advertise": "", "cluster-store": "", "cluster-store-opts": "null"}
    if release < EngineVersion(28, 1):
        attributes["allow-nondistributable-artifacts"] = "[]"
    return attributes


def info_document(
    config: Mapping[str, Any],
    *,
    version: str,
    driver: str,
    root: str,
    states: list[str],
    own_runtimes: bool = True,
) -> dict[str, Any]:
    """Give the /info document. Without `own_runtimes` only runc is there beside the file's."""
    names = _STOCK_RUNTIMES if own_runtimes else ("runc",)
    stock: dict[str, Any] = {name: {"path": "runc"} for name in names}
    release = EngineVersion.parse(version)
    running = sum(state in {"running", "restarting"} for state in states)
    paused = states.count("paused")
    return {
        "ID": "d27c8342-2594-46ab-9439-a6856acec3a7",
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": 0,
        "Driver": driver,
        "DriverStatus": _driver_status(driver),
        "Plugins": {"Authorization": config.get("authorization-plugins")},
        "Debug": bool(config.get("debug")),
        "LoggingDriver": config.get("log-driver") or "json-file",
        "CgroupDriver": "systemd",
        "CgroupVersion": "2",
        "KernelVersion": "6.12.0",
        "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
        "OSType": "linux",
        "Architecture": "x86_64",
        "RegistryConfig": _registries(config),
        "GenericResources": None,
        "DockerRootDir": root,
        "HttpProxy": masked(config.get("http-proxy") or ""),
        "HttpsProxy": masked(config.get("https-proxy") or ""),
        "NoProxy": config.get("no-proxy") or "",
        "Name": "machine",
        "Labels": config.get("labels") or [],
        "ExperimentalBuild": bool(config.get("experimental")),
        "ServerVersion": version,
        "Runtimes": {**stock, **_runtimes(config)},
        "DefaultRuntime": config.get("default-runtime") or "runc",
        "Swarm": {"NodeID": "", "LocalNodeState": "inactive", "ControlAvailable": False},
        "LiveRestoreEnabled": bool(config.get("live-restore")),
        "InitBinary": config.get("init-path") or "docker-init",
        "SecurityOptions": _security(config, release),
        "Warnings": None,
    }


def _bool(value: object) -> str:
    return "true" if value else "false"


def _size(text: str) -> int:
    digits = text.rstrip("bBkKmMgGtTiI")
    unit = text[len(digits) :][:1].lower() or "b"
    return int(float(digits) * _UNITS[unit])


def _runtimes(config: Mapping[str, Any]) -> dict[str, Any]:
    return dict(config.get("runtimes") or {})


def _driver_status(driver: str) -> list[list[str]]:
    if driver == "overlayfs":
        return [["driver-type", "io.containerd.snapshotter.v1"]]
    return [["Backing Filesystem", "extfs"]] if driver != "vfs" else []


def _registries(config: Mapping[str, Any]) -> dict[str, Any]:
    hub = {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}
    insecure = config.get("insecure-registries") or []
    return {
        "InsecureRegistryCIDRs": [*(name for name in insecure if "/" in name), "127.0.0.0/8"],
        "IndexConfigs": {
            "docker.io": hub,
            **{
                name: {"Name": name, "Mirrors": [], "Secure": False, "Official": False}
                for name in insecure
                if "/" not in name
            },
        },
        "Mirrors": [mirror.rstrip("/") + "/" for mirror in config.get("registry-mirrors") or []],
    }


def _security(config: Mapping[str, Any], release: EngineVersion) -> list[str]:
    profile = config.get("seccomp-profile") or (
        "builtin" if release >= EngineVersion(23, 0) else "default"
    )
    options = [f"name=seccomp,profile={profile}"]
    if config.get("userns-remap"):
        options.append("name=userns")
    if (config.get("default-cgroupns-mode") or "private") == "private":
        options.append("name=cgroupns")
    if config.get("no-new-privileges"):
        options.append("name=no-new-privileges")
    return options
