"""Keys of one `[engine]` table that cannot stand together, whatever else daemon.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockcfgd.engine_keys import engines
from dockcfgd.engine_keys.finding import Code, KeyFinding, shown_path
from dockcfgd.engine_keys.version import EngineVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.model.desired import KeyPath

__all__ = ["together_findings"]

_STRICT_PROXY_PATH = EngineVersion(25, 0)
_ONE_GATEWAY_KEY = EngineVersion(28, 0)
_RESERVED_LABELS = ("com.docker.", "io.docker.", "org.dockerproject.")
_CONTAINERD_DEFAULT = EngineVersion(29, 0)


def together_findings(
    engine: Mapping[str, object], version: EngineVersion | None
) -> tuple[KeyFinding, ...]:
    """Give the contradictions of the table."""
    return (
        *_userland_proxy(engine, version),
        *_host_gateway(engine, version),
        *_image_store(engine, version),
        *_userns(engine, version),
        *_labels(engine),
    )


def _userland_proxy(
    engine: Mapping[str, object], version: EngineVersion | None
) -> Iterator[KeyFinding]:
    if not _from(_STRICT_PROXY_PATH, version):
        return
    if engine.get("userland-proxy") is True and "userland-proxy-path" not in engine:
        why = "without userland-proxy-path the engine refuses every reload"
        hint = "leave it out (true is the default), or set userland-proxy-path"
        yield _refuse(("userland-proxy",), why=why, hint=hint)


def _host_gateway(
    engine: Mapping[str, object], version: EngineVersion | None
) -> Iterator[KeyFinding]:
    if _from(_ONE_GATEWAY_KEY, version) and {"host-gateway-ip", "host-gateway-ips"} <= set(engine):
        why = "it cannot stand beside host-gateway-ips"
        yield _refuse(("host-gateway-ip",), why=why, hint="keep host-gateway-ips")


def _image_store(
    engine: Mapping[str, object], version: EngineVersion | None
) -> Iterator[KeyFinding]:
    """Find a driver that the image store in use does not have."""
    driver, wanted = engine.get("storage-driver"), _containerd_store(engine)
    if not isinstance(driver, str) or not driver:
        return
    own = driver in (*engines.storage_drivers(None), *engines.removed_storage_drivers(None))
    snapshotter = driver in engines.snapshotters()
    if wanted is True and own and not snapshotter:
        why = f"the containerd image store has no {driver}"
        hint = 'use "overlayfs", or set features.containerd-snapshotter = false'
        yield _refuse(("storage-driver",), why=why, hint=hint)
    if snapshotter and not own and _without_containerd(wanted, version):
        why = f"{driver} needs the containerd image store"
        hint = 'use "overlay2", or set features.containerd-snapshotter = true'
        yield _refuse(("storage-driver",), why=why, hint=hint)


def _without_containerd(wanted: object, version: EngineVersion | None) -> bool:
    if wanted is None:
        return version is not None and version < _CONTAINERD_DEFAULT
    return wanted is False


def _userns(engine: Mapping[str, object], version: EngineVersion | None) -> Iterator[KeyFinding]:
    if not _from(_CONTAINERD_DEFAULT, version):
        return
    if engine.get("userns-remap") and _containerd_store(engine) is True:
        why = "the containerd image store cannot be combined with it"
        hint = "leave features.containerd-snapshotter out"
        yield _refuse(("userns-remap",), why=why, hint=hint)


def _labels(engine: Mapping[str, object]) -> Iterator[KeyFinding]:
    labels = engine.get("labels")
    if not isinstance(labels, list):
        return
    seen: dict[str, str] = {}
    for label in labels:
        if not isinstance(label, str):
            continue
        name, _, value = label.partition("=")
        if name.lower().startswith(_RESERVED_LABELS):
            why = f"the label {name} is in a namespace of the engine's own"
            yield _refuse(("labels",), why=why, hint="take a name of your own domain")
        if seen.setdefault(name, value) != value:
            yield _refuse(("labels",), why=f"the label {name} has two values", hint="keep one")


def _containerd_store(engine: Mapping[str, object]) -> object:
    features = engine.get("features")
    return features.get("containerd-snapshotter") if isinstance(features, Mapping) else None


def _from(first: EngineVersion, version: EngineVersion | None) -> bool:
    return version is None or version >= first


def _refuse(path: KeyPath, *, why: str, hint: str) -> KeyFinding:
    return KeyFinding(path, Code.TOGETHER, f"cannot use {shown_path(path)}: {why}", hint)
