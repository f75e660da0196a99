"""Whether a container got another name, settings or networks since its files were kept.

What the way back undoes by giving it those files again, and who looks at its layer does not see:
`docker rename`, `docker update`, `docker network connect` and `disconnect`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.migration.documents import Document, table, telling, text, texts

if TYPE_CHECKING:
    from dockcfgd.model.kept import KeptStorage

__all__ = ["settings_changed"]

_SHORT = 12
_ENDPOINT = ("IPAMConfig", "Links", "DriverOpts", "GwPriority")
# What the engine calls it until the container is started, and from then on.
_DEFAULT, _BRIDGE = "default", "bridge"


def settings_changed(kept: KeptStorage, container: str) -> bool | None:
    """Tell whether a container has others than then; None where its files cannot be read.

    What the engine changes by itself, as state and addresses, counts as nothing.
    """
    then, now = Path(kept.folder, "configs"), Path(kept.root, "containers", container)
    host_then, host_now = then / f"{container}.host", now / "hostconfig.json"
    try:
        same = _named(then / f"{container}.json") == _named(now / "config.v2.json")
        if same and host_then.exists():
            same = _settings(host_then) == _settings(host_now)
    except (OSError, ValueError):
        return None
    return not same


def _named(where: Path) -> tuple[str, Document]:
    """Give name and networks."""
    config = _document(where)
    networks = table(config, "NetworkSettings", "Networks")
    return text(config, "Name"), {
        _BRIDGE if name == _DEFAULT else name: _endpoint(config, table(networks, name))
        for name in networks
    }


def _endpoint(config: Document, endpoint: Document) -> Document:
    engines = {text(config, "ID")[:_SHORT], text(config, "Config", "Hostname")}
    aliases = sorted(set(texts(endpoint, "Aliases")) - engines)
    return telling({key: endpoint.get(key) for key in _ENDPOINT}) | {"Aliases": list(aliases)}


def _settings(where: Path) -> Document:
    host = _document(where)
    if host.get("NetworkMode") == _DEFAULT:
        host["NetworkMode"] = _BRIDGE
    if text(host, "RestartPolicy", "Name") == "no":
        host["RestartPolicy"] = None
    return telling(host)


def _document(where: Path) -> Document:
    document = json.loads(where.read_bytes())
    if not isinstance(document, dict):
        raise ValueError(f"{where} has no object")  # noqa: TRY004 -- as where it is no JSON
    return document
