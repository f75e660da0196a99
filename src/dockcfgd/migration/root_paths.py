"""What containers' files say of the data-root that they lie in, when that has another path.

The engine notes absolute paths of its own files and of volumes in the containers' files, and users
have it mount folders of data-root into containers. Standard library only, for dockcfgd-recover.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dockcfgd.model.errors import FileFailure

__all__ = ["containers_of", "mend", "names_folder_of"]

_OWN_PATHS = ("LogPath", "HostnamePath", "HostsPath", "ResolvConfPath", "ShmPath")
_REMAPPED = re.compile(r"\d+\.\d+")
_CONFIG, _HOST_CONFIG = "config.v2.json", "hostconfig.json"

_Change = Callable[[str], str]


def mend(root: str, *, before: str, after: str) -> None:
    """Let the containers in `root` name `after` wherever they name the data-root `before`.

    Doing it again changes nothing. A damaged file, as a power cut leaves it, stays as it is: its
    container is none of the engine's any more. FileFailure where one cannot be read or written.
    """

    def changed(path: str) -> str:
        inside = f"{path}/".startswith(f"{before}/")
        # One of the two may lie in the other.
        done = after.startswith(f"{before}/") and f"{path}/".startswith(f"{after}/")
        return after + path[len(before) :] if inside and not done else path

    nested = f"{after}/".startswith(f"{before}/") or f"{before}/".startswith(f"{after}/")
    for folder in _own(root) if nested else containers_of(root):
        _rewrite(folder / _CONFIG, lambda document: _config(document, changed))
        _rewrite(folder / _HOST_CONFIG, lambda document: _host_config(document, changed))


def containers_of(root: str) -> Iterator[Path]:
    """Give the folders of all containers in a data-root, those with remapped users too."""
    tops = [Path(root), *(one for one in _listed(Path(root)) if _REMAPPED.fullmatch(one.name))]
    for top in tops:
        yield from (one for one in _listed(top / "containers") if (one / _CONFIG).is_file())


def _own(root: str) -> Iterator[Path]:
    yield from (one for one in _listed(Path(root, "containers")) if (one / _CONFIG).is_file())


def names_folder_of(root: str, container: Path) -> str:
    """Give the container's name if its user has a folder of data-root in it by path, else ""."""
    found: list[str] = []

    def seen(path: str) -> str:
        if path == root or path.startswith(f"{root}/"):
            found.append(path)
        return path

    try:
        _host_config(json.loads((container / _HOST_CONFIG).read_bytes()), seen)
        config = json.loads((container / _CONFIG).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(config.get("Name", "")).removeprefix("/") if found else ""


def _config(document: dict[str, Any], changed: _Change) -> None:
    for key in _OWN_PATHS:
        _put(document, key, changed)
    points = document.get("MountPoints")
    for point in points.values() if isinstance(points, dict) else ():
        if isinstance(point, dict):
            _put(point, "Source", changed)
            if isinstance(point.get("Spec"), dict):
                _put(point["Spec"], "Source", changed)


def _host_config(document: dict[str, Any], changed: _Change) -> None:
    binds = document.get("Binds")
    if isinstance(binds, list):
        document["Binds"] = [_bind(one, changed) for one in binds]
    mounts = document.get("Mounts")
    for mount in mounts if isinstance(mounts, list) else ():
        if isinstance(mount, dict) and mount.get("Type") == "bind":
            _put(mount, "Source", changed)


def _bind(bind: Any, changed: _Change) -> Any:  # noqa: ANN401 -- as it stands in the file
    if not isinstance(bind, str):
        return bind
    source, colon, rest = bind.partition(":")
    return f"{changed(source)}{colon}{rest}"


def _put(document: dict[str, Any], key: str, changed: _Change) -> None:
    if isinstance(document.get(key), str):
        document[key] = changed(document[key])


def _rewrite(where: Path, change: Callable[[dict[str, Any]], None]) -> None:
    try:
        document = json.loads(where.read_bytes())
        if not isinstance(document, dict):
            return
        unchanged = json.dumps(document)
        change(document)
        if json.dumps(document) != unchanged:
            _write(where, json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    except (FileNotFoundError, ValueError):
        return
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="mend", path=str(where), errno=error.errno or 0, why=why) from error


def _write(where: Path, text: str) -> None:
    part = where.with_name(f"{where.name}.part")
    seen = where.stat()
    with part.open("wb") as file:
        os.fchown(file.fileno(), seen.st_uid, seen.st_gid)
        os.fchmod(file.fileno(), seen.st_mode & 0o7777)
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        os.fsync(file.fileno())
    part.replace(where)
    opened = os.open(where.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
