"""Inspect documents for tests of what is pure."""

from __future__ import annotations

from typing import Any

from dockcfgd.migration.documents import Document

__all__ = ["container", "identity", "volume"]


def identity(name: str) -> str:
    """Give a container's ID, which begins with its name in hexadecimal."""
    return name.encode().hex().ljust(64, "0")


def container(
    name: str,
    *,
    config: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    networks: dict[str, Any] | None = None,
    mounts: list[Any] | None = None,
    **further: Any,
) -> Document:
    """Give the inspect document of a container."""
    return {
        "Id": identity(name),
        "Name": f"/{name}",
        "Created": "2026-01-01T00:00:00Z",
        "Image": "sha256:image",
        "State": {"Status": "running"},
        "Config": {"Image": "app:1", "Hostname": identity(name)[:12], "Cmd": ["run"]}
        | (config or {}),
        "HostConfig": {"NetworkMode": "bridge", "Binds": None} | (host or {}),
        "NetworkSettings": {"Networks": {"bridge": {}} if networks is None else networks},
        "Mounts": mounts or [],
    } | further


def volume(name: str, place: str, *, mode: str = "", writable: bool = True) -> Document:
    """Give a volume's entry among the mounts."""
    return {
        "Type": "volume",
        "Name": name,
        "Source": f"/volumes/{name}",
        "Destination": place,
        "Mode": mode,
        "RW": writable,
    }
