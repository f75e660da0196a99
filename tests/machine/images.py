"""Images for machines that no registry can be reached from.

They are written as archives for `docker load` and are the same, ID included, each time they are
made for the same release: the random bytes in them are seeded by the image's name.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from machine import Machine

__all__ = ["make_busybox", "make_image"]

_MB = 1 << 20
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TIME = 1_700_000_000
_FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}


def make_busybox(machine: Machine) -> str:
    """Load busybox:latest, a shell with its tools; return the image's ID."""
    return make_image(machine, "busybox:latest", layers_mb=[])


def make_image(machine: Machine, name: str, *, layers_mb: Sequence[float]) -> str:
    """Load an image named *name*: busybox and a layer of random bytes for each size in MiB.

    Layer N (from 1) holds one file, /layer-N, that does not compress. Returns the image's ID.
    """
    name = name if ":" in name else f"{name}:latest"
    with tempfile.TemporaryFile() as archive:
        _write_archive(archive, name=name, base=machine.base, layers_mb=layers_mb)
        archive.seek(0)
        machine.run_bytes(["docker", "load", "--quiet"], source=archive)
    return machine.docker("image", "inspect", "--format", "{{.Id}}", name)


def _write_archive(target: IO[bytes], *, name: str, base: Path, layers_mb: Sequence[float]) -> None:
    """Write the form of archive that every release of the engine loads."""
    with tarfile.open(fileobj=target, mode="w") as archive:
        digests = [_add_layer(archive, _busybox_layer(base))]
        for number, size in enumerate(layers_mb, 1):
            layer = _random_layer(number, size=int(size * _MB), seed=f"{name} {number}")
            digests.append(_add_layer(archive, layer))
        config = json.dumps(_config(digests)).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        _add(archive, config_name, config)
        layers = [f"{digest}/layer.tar" for digest in digests]
        manifest = [{"Config": config_name, "RepoTags": [name], "Layers": layers}]
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _config(digests: Sequence[str]) -> dict[str, object]:
    created = "2023-11-14T22:13:20Z"
    return {
        "architecture": _ARCHITECTURES[os.uname().machine],
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": created, "created_by": f"layer {digest}"} for digest in digests],
    }


def _add_layer(archive: tarfile.TarFile, layer: bytes) -> str:
    digest = hashlib.sha256(layer).hexdigest()
    _add(archive, f"{digest}/layer.tar", layer)
    return digest


def _random_layer(number: int, *, size: int, seed: str) -> bytes:
    source = random.Random(seed)  # noqa: S311  # to be repeatable is the point
    content = b"".join(source.randbytes(min(_MB, size - at)) for at in range(0, size, _MB))
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as layer:
            _add(layer, f"layer-{number}", content)
        return buffer.getvalue()


@functools.cache
def _busybox_layer(base: Path) -> bytes:
    program = base / "usr/bin/busybox"
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    applets = [name for name in listed.stdout.split() if name != "busybox"]
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as layer:
            for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
                _add_entry(layer, folder, kind=tarfile.DIRTYPE, mode=mode)
            _add(layer, "bin/busybox", program.read_bytes(), mode=0o755)
            for applet in applets:
                _add_entry(layer, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
            for name, content in _FILES.items():
                _add(layer, name, content)
        return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), mode, _TIME
    archive.addfile(entry, io.BytesIO(content))


def _add_entry(
    archive: tarfile.TarFile, name: str, *, kind: bytes, mode: int = 0o777, link: str = ""
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime, entry.linkname = kind, mode, _TIME, link
    archive.addfile(entry)
