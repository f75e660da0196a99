"""A host as options describe it, for a plan without root, systemd or Docker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.cli.errors import UsageError
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.files import ABSENT, FileKind, FileState, Tag, digest_of
from dockcfgd.model.host import HostState, UnitFile, UnitState
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.planning.described import described_engine
from dockcfgd.planning.foreign_json import read_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from dockcfgd.model.desired import Json

__all__ = ["add_arguments", "described_host", "is_asked"]

_DAEMON_JSON = "/etc/docker/daemon.json"
_DROP_IN = "/etc/systemd/system/docker.service.d/zz-dockcfgd.conf"
_UNIT = "/usr/lib/systemd/system/docker.service"
_EXEC_START = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
_MOST_BYTES = 16 * 1024 * 1024


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options. Any of them makes the plan one for a described host."""
    group = parser.add_argument_group(
        "another host",
        "With any of these nothing of this host is looked at but the files named: neither root nor"
        " Docker is needed. With FILEs those alone are the desired state.",
    )
    group.add_argument("--engine-version", metavar="VERSION", help="of the engine there, as 26.1.5")
    group.add_argument("--daemon-json", metavar="PATH", help="a copy of its daemon.json")
    group.add_argument(
        "--unit",
        metavar="PATH",
        action="append",
        help="a copy of its docker.service; again for each drop-in but dockcfgd's own, in order",
    )
    group.add_argument("--drop-in", metavar="PATH", help="a copy of its zz-dockcfgd.conf")


def is_asked(arguments: Namespace) -> bool:
    """Whether the host is described."""
    return any(
        getattr(arguments, name) for name in ("engine_version", "daemon_json", "unit", "drop_in")
    )


def described_host(arguments: Namespace) -> HostState:
    """Give the host: its engine serves what its daemon.json says, images are there.

    Containers are not known. Raises UsageError for what cannot be used, FileFailure on reading.
    """
    text = arguments.engine_version or ""
    if text and EngineVersion.parse_or_none(text) is None:
        raise UsageError(f"cannot read {text!r} as an engine's version: write it as 26.1.5")
    content = _bytes(arguments.daemon_json) if arguments.daemon_json else None
    paths = arguments.unit or []
    units = [UnitFile(path, _bytes(path).decode(errors="replace")) for path in paths]
    ours = _bytes(arguments.drop_in) if arguments.drop_in else None
    document = _document(arguments.daemon_json, content)
    return HostState(
        daemon_json=_file(_DAEMON_JSON, content),
        drop_in=_file(_DROP_IN, ours),
        unit=UnitState(
            name=DOCKER_SERVICE,
            load_state="loaded",
            active_state="active",
            sub_state="running",
            main_pid=1,
            fragment_path=paths[0] if paths else _UNIT,
            drop_in_paths=() if ours is None else (_DROP_IN,),
        ),
        engine=described_engine(text, document),
        notes=() if units else (f"docker.service is taken to run {_EXEC_START}",),
        unit_files=tuple(units) or (UnitFile(_UNIT, f"[Service]\nExecStart={_EXEC_START}\n"),),
    )


def _bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="read", path=path, errno=error.errno or 0, why=why) from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"cannot use {path}: it has more than {_MOST_BYTES} bytes")
    return content


def _document(path: str | None, content: bytes | None) -> dict[str, Json]:
    text = (content or b"").decode("utf-8-sig", errors="replace")
    if not text.strip():
        return {}
    try:
        document = read_json(text)
    except ValueError as error:
        raise UsageError(f"cannot use {path}: it is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"cannot use {path}: it is not a JSON object")
    return document


def _file(path: str, content: bytes | None) -> FileState:
    if content is None:
        return FileState(path=path, kind=FileKind.ABSENT, tag=ABSENT)
    tag = Tag(digest=digest_of(content), mode=0o644)
    return FileState(path=path, kind=FileKind.REGULAR, tag=tag, content=content)
