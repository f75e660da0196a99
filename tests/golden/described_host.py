"""A host as one small JSON file describes it: only what differs from a plain Debian host.

Keys: `version`, `daemon.json` (an object, a text, or null for none), `drop-in`, `exec-start`,
`unit` (fields of UnitState), `other-drop-ins` and `environment-files` (path to text), `info` (over
the defaults below), `containers`, `images`, `volumes`, `networks`, `network-names`,
`prior-drivers`, `engine` ("down"), `command` (the running one), `survey` (of the places of a
data-root) with `left` (places left before), `facts` (`folders`, `programs`,
`devices`, `files`, `filesystems`, `routes`, `plugins`), and `applied` with `document`, `managed`
(lists of key parts), `drop-in`, `invocation`. `kept` is what is kept of the storage, to go back to;
`recorded` is that where it is not gone back to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockcfgd.model.facts import Facts, Folder, Program, Route
from dockcfgd.model.files import ABSENT, FileKind, FileState, Tag, digest_of
from dockcfgd.model.host import (
    Container,
    EngineDown,
    EngineState,
    HostState,
    UnitFile,
    UnitState,
)
from dockcfgd.model.roots import LeftBehind, RootSurvey
from dockcfgd.planning.target import Applied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json

__all__ = ["DAEMON_JSON", "DROP_IN", "applied_of", "facts_from", "host_of"]

DAEMON_JSON = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"
UNIT = "/usr/lib/systemd/system/docker.service"
EXEC_START = "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"

_INFO: dict[str, Json] = {
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "DockerRootDir": "/var/lib/docker",
    "LoggingDriver": "json-file",
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "LiveRestoreEnabled": False,
    "Debug": False,
    "Labels": [],
    "DefaultRuntime": "runc",
    "ExperimentalBuild": False,
    "Runtimes": {"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}},
    "Swarm": {"LocalNodeState": "inactive"},
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True}},
        "Mirrors": [],
    },
}


def host_of(described: Mapping[str, Any]) -> HostState:
    """Make the host."""
    daemon_json, drop_in = described.get("daemon.json"), described.get("drop-in")
    down = described.get("engine") == "down"
    others: dict[str, str] = described.get("other-drop-ins", {})
    loaded = [*others, *([DROP_IN] if drop_in is not None else [])]
    command = described.get("exec-start", EXEC_START)
    return HostState(
        daemon_json=_file(DAEMON_JSON, _content(daemon_json)),
        drop_in=_file(DROP_IN, None if drop_in is None else drop_in.encode()),
        unit=UnitState(
            **{
                "name": "docker.service",
                "load_state": "loaded",
                "active_state": "inactive" if down else "active",
                "sub_state": "dead" if down else "running",
                "fragment_path": UNIT,
                "main_pid": 0 if down else 700,
                "drop_in_paths": tuple(loaded),
                **described.get("unit", {}),
            }
        ),
        engine=EngineDown("docker.service is inactive (dead)") if down else _engine(described),
        unit_files=(
            UnitFile(UNIT, f"[Service]\nType=notify\nExecStart={command}\n"),
            *(UnitFile(path, text) for path, text in others.items()),
        ),
        environment_files=tuple(
            UnitFile(path, text) for path, text in described.get("environment-files", {}).items()
        ),
        binary_version=described.get("version", "26.1.5"),
        dockerd="/usr/sbin/dockerd",
        command=tuple(described.get("command", ())),
        facts=facts_from(described["facts"]) if "facts" in described else None,
        survey=_survey(described["survey"]) if "survey" in described else None,
        left=tuple(
            LeftBehind(path, "/elsewhere", "T0", 1.0, "1.1") for path in described.get("left", ())
        ),
    )


def facts_from(told: Mapping[str, Any]) -> Facts:
    """Make the facts that a file tells; what it leaves out was not asked."""
    kernel, routes, plugins = told.get("filesystems"), told.get("routes"), told.get("plugins")
    return Facts(
        folders={
            path: Folder(**{**one, "options": frozenset(one.get("options", ()))})
            for path, one in told.get("folders", {}).items()
        },
        files=told.get("files", {}),
        programs={name: Program(word) for name, word in told.get("programs", {}).items()},
        devices=told.get("devices", {}),
        accounts={
            ("group" if kind == "group" else "user", name): there
            for kind, name, there in told.get("accounts", ())
        },
        filesystems=None if kernel is None else frozenset(kernel),
        routes=None if routes is None else tuple(Route(*one) for one in routes),
        plugins=None
        if plugins is None
        else {name: frozenset(kinds) for name, kinds in plugins.items()},
    )


def applied_of(described: Mapping[str, Any]) -> Applied:
    """Make what the generation in force left there."""
    before: dict[str, Any] = described.get("applied", {})
    drop_in = before.get("drop-in")
    return Applied(
        document=before.get("document", {}),
        managed=frozenset(tuple(path) for path in before.get("managed", ())),
        drop_in=None if drop_in is None else drop_in.encode(),
        owns_drop_in=drop_in is not None,
        invocation=before.get("invocation", ""),
    )


def _survey(told: Mapping[str, Any]) -> RootSurvey:
    given = {key: tuple(one) if isinstance(one, list) else one for key, one in told.items()}
    plain: dict[str, Any] = {"source": "/var/lib/docker", "filesystem": "ext4", "stamp": "1.1"}
    return RootSurvey(**{**plain, **given})


def _content(value: object) -> bytes | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, indent=2) + "\n"
    return text.encode()


def _file(path: str, content: bytes | None) -> FileState:
    if content is None:
        return FileState(path=path, kind=FileKind.ABSENT, tag=ABSENT)
    tag = Tag(digest=digest_of(content), mode=0o644)
    return FileState(path=path, kind=FileKind.REGULAR, tag=tag, content=content)


def _engine(described: Mapping[str, Any]) -> EngineState:
    version = described.get("version", "26.1.5")
    return EngineState(
        version=version,
        api_version="1.45",
        info={**_INFO, "ServerVersion": version, **described.get("info", {})},
        containers=tuple(
            Container(**{"id": one["name"] * 8, "image": "debian", "state": "running", **one})
            for one in described.get("containers", ())
        ),
        images=described.get("images", 1),
        volumes=described.get("volumes", 0),
        networks=described.get("networks", 0),
        network_names=_names(described.get("network-names")),
        prior_drivers=tuple(described.get("prior-drivers", ["overlay2"])),
        unmovable=described.get("unmovable"),
    )


def _names(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
