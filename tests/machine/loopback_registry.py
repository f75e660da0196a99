"""A registry in a machine, on its loopback, and what was pulled from it."""

from __future__ import annotations

from images import make_image
from machine import Machine, wait_for

__all__ = ["BY_DIGEST", "expect_digests", "make_pulled", "serve_registry"]

BY_DIGEST = "by-digest"
_PLACE = "localhost:5000"
# Debian's own asks for a password.
_CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:5000"}
"""
_UP = "busybox wget -q -O /dev/null http://127.0.0.1:5000/v2/"


def serve_registry(machine: Machine) -> None:
    """Start it; it ends with the machine."""
    machine.write("/etc/loopback-registry.yml", _CONFIG)
    machine.run(
        "systemd-run --quiet --unit=loopback-registry"
        " docker-registry serve /etc/loopback-registry.yml"
    )
    wait_for(lambda: machine.run(_UP, check=False).returncode == 0, 20.0, what="the registry")


def make_pulled(machine: Machine) -> None:
    """Push images; have one by tag and digest, one by digest alone, and a container of that."""
    docker = machine.docker
    for name, size in (("tagged", 0.5), ("untagged", 0.25)):
        make_image(machine, f"{_PLACE}/{name}:1", layers_mb=[size])
        docker("push", "--quiet", f"{_PLACE}/{name}:1")
    digest = _digest(machine, f"{_PLACE}/untagged:1")
    docker("rmi", f"{_PLACE}/untagged:1")
    docker("pull", "--quiet", digest)
    docker("run", "--detach", "--init", "--stop-timeout=3", f"--name={BY_DIGEST}", digest,
           "sleep", "1000000")  # fmt: skip


def expect_digests(machine: Machine) -> None:
    """Expect that what was pulled counts as pulled, and what was pushed as pushed."""
    docker = machine.docker
    by_digest = docker("inspect", "--format={{.Config.Image}}", BY_DIGEST)
    assert "@sha256:" in by_digest
    assert docker("run", "--rm", by_digest, "echo", "by its digest") == "by its digest"
    for name in (by_digest, f"{_PLACE}/tagged:1", _digest(machine, f"{_PLACE}/tagged:1")):
        assert "Image is up to date" in docker("pull", name)
    assert "Layer already exists" in docker("push", f"{_PLACE}/tagged:1")


def _digest(machine: Machine, name: str) -> str:
    return machine.docker("inspect", "--format={{index .RepoDigests 0}}", name)
