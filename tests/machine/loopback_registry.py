"""A registry in a machine, on its loopback, and what was pulled from it."""

from __future__ import annotations

from images import make_image
from machine import Machine, wait_for

__all__ = ["BY_DIGEST", "expect_digests", "make_pulled", "run_by_digest", "serve_registry"]

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
    _push(machine, f"{_PLACE}/tagged:1", megabytes=0.5)
    run_by_digest(machine, "untagged", container=BY_DIGEST)


def run_by_digest(machine: Machine, name: str, *, container: str) -> None:
    """Push an image, have it by its digest alone, and a container of that."""
    docker, image = machine.docker, f"{_PLACE}/{name}:1"
    _push(machine, image, megabytes=0.25)
    digest = _digest(machine, image)
    docker("rmi", image)
    docker("pull", "--quiet", digest)
    docker("run", "--detach", "--init", "--stop-timeout=3", f"--name={container}", digest,
           "sleep", "1000000")  # fmt: skip


def _push(machine: Machine, image: str, *, megabytes: float) -> None:
    make_image(machine, image, layers_mb=[megabytes])
    machine.docker("push", "--quiet", image)


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
