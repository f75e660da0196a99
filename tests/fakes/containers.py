"""Containers, volumes and networks of a simulated engine, and the documents that show them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.fakes.images import Layer

__all__ = ["ALIVE", "Container", "Network", "Volume", "timestamp"]

ALIVE = frozenset({"running", "paused", "restarting"})
NEVER = "0001-01-01T00:00:00Z"
_SHORT = 12

_CONFIG: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": {},
}
_HOST: dict[str, Any] = {
    "Binds": None,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "default",
    "PortBindings": {},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "ConsoleSize": [0, 0],
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "private",
    "Dns": [],
    "DnsOptions": [],
    "DnsSearch": [],
    "ExtraHosts": None,
    "GroupAdd": None,
    "IpcMode": "private",
    "Links": None,
    "PidMode": "",
    "Privileged": False,
    "ReadonlyRootfs": False,
    "SecurityOpt": None,
    "UTSMode": "",
    "UsernsMode": "",
    "ShmSize": 67108864,
    "Runtime": "runc",
    "Memory": 0,
    "NanoCpus": 0,
    "Ulimits": [],
}
_ENDPOINT: dict[str, Any] = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "MacAddress": "",
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "DriverOpts": None,
}


@dataclass
class Volume:
    """A volume and its files."""

    name: str
    created: str
    anonymous: bool = False
    driver: str = "local"
    labels: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    content: dict[str, bytes] = field(default_factory=dict)

    def document(self, root: str) -> dict[str, Any]:
        return {
            "CreatedAt": self.created,
            "Driver": self.driver,
            "Labels": self.labels,
            "Mountpoint": f"{root}/volumes/{self.name}/_data",
            "Name": self.name,
            "Options": self.options,
            "Scope": "local",
        }


@dataclass
class Network:
    """A network as the API shows it."""

    id: str
    body: dict[str, Any]
    created: str

    @property
    def name(self) -> str:
        return str(self.body["Name"])

    def document(self) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Id": self.id,
            "Created": self.created,
            "Scope": "local",
            "Driver": self.body.get("Driver") or "bridge",
            "EnableIPv6": bool(self.body.get("EnableIPv6")),
            "IPAM": self.body.get("IPAM") or {"Driver": "default", "Options": None, "Config": []},
            "Internal": bool(self.body.get("Internal")),
            "Attachable": bool(self.body.get("Attachable")),
            "Ingress": False,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": False,
            "Containers": {},
            "Options": self.body.get("Options") or {},
            "Labels": self.body.get("Labels") or {},
        }


@dataclass
class Container:
    """A container: what its files on disk say, and its process where it has one.

    `pid` and `started` change whenever it is started, so equal ones prove that it ran on. `layers`
    are its writable layers by the store that they lie in. `store` and `driver` say which is in use.
    """

    id: str
    name: str
    image: str
    config: dict[str, Any]
    host: dict[str, Any]
    endpoints: dict[str, dict[str, Any]]
    mounts: list[dict[str, Any]]
    created: str
    driver: str
    store: int
    state: str = "created"
    pid: int = 0
    exit_code: int = 0
    started: str = NEVER
    finished: str = NEVER
    stopped_by_hand: bool = False
    layers: dict[int, Layer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layers.setdefault(self.store, {})

    @property
    def layer(self) -> Layer:
        return self.layers[self.store]

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def auto_remove(self) -> bool:
        return bool(self.host.get("AutoRemove"))

    @property
    def comes_back(self) -> bool:
        """Whether its restart policy starts it when the engine starts."""
        policy = str((self.host.get("RestartPolicy") or {}).get("Name", ""))
        if self.started == NEVER:
            return False
        return (
            policy == "always"
            or (policy == "unless-stopped" and not self.stopped_by_hand)
            or (policy == "on-failure" and self.exit_code != 0 and not self.stopped_by_hand)
        )

    def end(self, *, exit_code: int, moment: str) -> None:
        """End the process."""
        self.state, self.pid, self.exit_code, self.finished = "exited", 0, exit_code, moment

    def published(self) -> list[dict[str, Any]]:
        """Give the ports that it publishes while it runs."""
        return [
            {
                "IP": binding.get("HostIp") or address,
                "PrivatePort": int(port.partition("/")[0]),
                "PublicPort": int(binding["HostPort"]),
                "Type": port.partition("/")[2] or "tcp",
            }
            for port, bindings in (self.host.get("PortBindings") or {}).items()
            for binding in bindings
            for address in ((binding["HostIp"],) if binding.get("HostIp") else ("0.0.0.0", "::"))  # noqa: S104 -- as the engine shows it
            if self.alive
        ]

    def summary(self, health: str = "") -> dict[str, Any]:
        """Give the entry of `GET /containers/json`."""
        said = {"starting": " (health: starting)", "": ""}.get(health, f" ({health})")
        return {
            "Id": self.id,
            "Names": [f"/{self.name}"],
            "Image": self.config["Image"],
            "ImageID": self.image,
            "Command": " ".join(self.command),
            "Created": int(dt.datetime.fromisoformat(self.created).timestamp()),
            "Ports": self.published(),
            "Labels": self.config.get("Labels") or {},
            "State": self.state,
            "Status": f"Up 1 second{said}" if self.alive else "Exited",
            "HostConfig": {"NetworkMode": self.host["NetworkMode"]},
            "NetworkSettings": {"Networks": _copy(self.endpoints)},
            "Mounts": _copy(self.mounts),
        }

    def document(self, root: str) -> dict[str, Any]:
        """Give the inspect document."""
        command = self.command
        return {
            "Id": self.id,
            "Created": self.created,
            "Path": command[0] if command else "",
            "Args": command[1:],
            "State": {
                "Status": self.state,
                "Running": self.alive,
                "Paused": self.state == "paused",
                "Restarting": self.state == "restarting",
                "OOMKilled": False,
                "Dead": False,
                "Pid": self.pid,
                "ExitCode": self.exit_code,
                "Error": "",
                "StartedAt": self.started,
                "FinishedAt": self.finished,
            },
            "Image": self.image,
            "LogPath": f"{root}/containers/{self.id}/{self.id}-json.log",
            "Name": f"/{self.name}",
            "RestartCount": 0,
            "Driver": self.driver,
            "Platform": "linux",
            "ExecIDs": None,
            "HostConfig": _copy(self.host),
            "GraphDriver": {"Data": None, "Name": self.driver},
            "Mounts": _copy(self.mounts),
            "Config": _copy(self.config),
            "NetworkSettings": {"Ports": {}, "Networks": _copy(self.endpoints)},
        }

    @property
    def command(self) -> list[str]:
        return [*(self.config.get("Entrypoint") or []), *(self.config.get("Cmd") or [])]


_Shown = TypeVar("_Shown", dict[str, Any], list[dict[str, Any]])


def _copy(value: _Shown) -> _Shown:
    """Copy what the API shows, several times as fast as copy.deepcopy."""
    copied: _Shown = json.loads(json.dumps(value))
    return copied


def full_config(body: Mapping[str, Any], image: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """Give a container's Config: what was asked for, else what the image says, else defaults."""
    config = _copy(_CONFIG)
    config |= {key: value for key, value in image.items() if value is not None and key in config}
    asked = {
        key: value
        for key, value in body.items()
        if key not in {"HostConfig", "NetworkingConfig"} and value is not None
    }
    merged: dict[str, Any] = {
        key: {**(config.get(key) or {}), **asked[key]}
        for key in ("Labels", "Volumes", "ExposedPorts")
        if key in asked
    }
    if config["Env"] and asked.get("Env"):
        names = {entry.partition("=")[0] for entry in asked["Env"]}
        kept = [entry for entry in config["Env"] if entry.partition("=")[0] not in names]
        merged["Env"] = [*asked["Env"], *kept]
    if asked.get("Entrypoint") and not asked.get("Cmd"):
        config["Cmd"] = None
    config |= asked | merged
    if config["Entrypoint"] == [""]:
        config["Entrypoint"] = None
    config["Hostname"] = config["Hostname"] or identity[:_SHORT]
    return config


def full_host_config(body: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Give a container's HostConfig: what was asked for, else the engine's defaults."""
    asked = {key: value for key, value in (body.get("HostConfig") or {}).items() if value}
    host = _copy(_HOST) | _copy(dict(defaults)) | _copy(asked)
    if not host["LogConfig"].get("Type"):
        host["LogConfig"] = _copy(defaults["LogConfig"])
    if not host["RestartPolicy"].get("Name"):
        host["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
    return host


def endpoint(body: Mapping[str, Any] | None, network: Network | None) -> dict[str, Any]:
    """Give an endpoint as inspect shows it."""
    asked = {key: value for key, value in (body or {}).items() if value}
    return _copy(_ENDPOINT) | _copy(asked) | {"NetworkID": network.id if network else ""}


def timestamp(seconds: float) -> str:
    """Give a moment as the API writes it."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
