"""A staging engine: dockerd as a transient unit of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd.adapters.containerd import MOBY, Containerd, address_in
from dockcfgd.adapters.engine import (
    DockerContainers,
    DockerEngine,
    DockerImages,
    DockerNetworks,
)
from dockcfgd.adapters.engine_http import EngineConnections
from dockcfgd.adapters.grpc import Unreachable
from dockcfgd.layers.place import SNAPSHOTTERS
from dockcfgd.migration.access import Access
from dockcfgd.migration.folders import discard
from dockcfgd.model.amounts import some
from dockcfgd.model.drivers import engine_name, of_containerd
from dockcfgd.model.errors import EngineFailure, FileFailure, SystemdFailure
from dockcfgd.model.systemd import DOCKER_SERVICE, JobVerb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockcfgd.adapters.systemd import SystemdBus
    from dockcfgd.ports import Clock, Files

__all__ = ["UnitStaging"]

_UNIT = "dockcfgd-staging.service"
_SECONDS = 90.0
_FORGOTTEN = "not-found"
_FORGOTTEN_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_CONTAINERD = "--containerd"
_SPACE = "dockcfgd-staging"
# Without a bridge of its own a second engine takes away docker0; here it has a network namespace.
_QUIET = {
    "bridge": "none",
    "iptables": False,
    "ip6tables": False,
    "ip-forward": False,
    "ip-masq": False,
    "userland-proxy": False,
}


class UnitStaging:
    """ports.Staging by systemd's transient units. `runtime_dir` is only root's to write to."""

    def __init__(
        self,
        systemd: SystemdBus,
        files: Files,
        clock: Clock,
        *,
        containerd: Containerd,
        runtime_dir: str,
    ) -> None:
        self._systemd, self._files, self._clock = systemd, files, clock
        self._containerd = containerd
        self._here = Path(runtime_dir, "staging")

    def root(self, folder: str, *, driver: str) -> str:
        """Give the folder in which such an engine keeps its layers."""
        return self._containerd.root(driver) if driver in SNAPSHOTTERS else folder

    @contextlib.contextmanager
    def engine(self, folder: str, *, driver: str, options: Sequence[str]) -> Iterator[Access]:
        """Start it on a storage driver with `storage-opts`, and stop it when the context ends."""
        self._stop()
        if driver in SNAPSHOTTERS:
            self._take_store(_mark_of(folder), driver)
        self._settle(folder, driver=driver, options=options)
        self._systemd.start_service(
            _UNIT, self._command(folder, driver), what="the staging engine", timeout=_SECONDS
        )
        try:
            yield self._access()
        finally:
            self._stop()
        # Here, while the other engine serves: what is left unsynced lengthens the next sync, and
        # that may be one that containers wait for.
        self._sync()

    def _sync(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            synced = pool.submit(os.sync)
            while not synced.done():
                self._clock.sleep(_LOOK_SECONDS)

    def adopt(self, driver: str, containers: Mapping[str, str]) -> None:
        """Give each container a layer beside that of its stand-in."""
        for container, stand_in in containers.items() if driver in SNAPSHOTTERS else ():
            self._containerd.prepare(driver, container, like=stand_in)

    def remove(self, folder: str) -> None:
        """Stop it where it runs, and remove its folder. Nothing there is fine."""
        self._stop()
        for snapshotter, stand_in in _stand_ins(folder):
            self._containerd.forget(snapshotter, [stand_in])
        discard(folder)
        shutil.rmtree(self._here, ignore_errors=True)

    def take_back(self, folder: str, *, driver: str) -> None:
        """Do what `remove` does, and take what it has brought to containerd out of it."""
        begun = Path(folder).exists()
        self.remove(folder)
        mark = _mark_of(folder)
        try:
            marked = mark in self._containerd.marks()
        except Unreachable:
            if begun:
                raise
            return  # nothing could be brought to it
        if marked:
            self._containerd.clear(driver, mark=mark)

    def _take_store(self, mark: str, snapshotter: str) -> None:
        """Mark containerd's store as filled by this change, once, while it is empty.

        What is there from an earlier time cannot be moved aside, and is never mixed with.
        """
        self._containerd.root(snapshotter)
        if mark in self._containerd.marks():
            return
        images, layers = self._containerd.images(), self._containerd.layers(snapshotter)
        if images or layers:
            why = (
                f"it holds {some(len(images), 'name')} of images and"
                f" {some(len(layers), 'layer')} of containers from an earlier time;"
                " dockcfgctl storage prune frees what dockcfgd keeps, and what somebody else left"
                " is removed by docker (docker builder prune --all too) while the engine is on it"
            )
            raise EngineFailure(what="fill containerd's image store", status=0, why=why)
        self._containerd.mark(mark)

    def _stop(self) -> None:
        """Stop it where it runs, and wait until systemd has forgotten its unit."""
        if self._systemd.unit(_UNIT).load_state == _FORGOTTEN:
            return
        # Also where it does not run: a restart of dockcfgd has systemd start it again behind it.
        try:
            result = self._systemd.run_job(JobVerb.STOP, _UNIT, timeout=_SECONDS)
        except SystemdFailure as failure:
            if not failure.name.endswith(".NoSuchUnit"):
                raise
            return
        if not result.good:
            why = f"the job ended as {result}"
            raise SystemdFailure(what="stop the staging engine", name=result, why=why)
        # One that was killed, as when dockcfgd ends, counts as failed and is kept until then.
        self._systemd.reset_failed(_UNIT)
        give_up = self._clock.monotonic() + _FORGOTTEN_SECONDS
        while self._systemd.unit(_UNIT).load_state != _FORGOTTEN:
            if self._clock.monotonic() >= give_up:
                why = "systemd does not forget the unit of an earlier one"
                raise SystemdFailure(what="start the staging engine", name="", why=why)
            self._clock.sleep(_LOOK_SECONDS)

    def _settle(self, folder: str, *, driver: str, options: Sequence[str]) -> None:
        settings = {
            **_QUIET,
            "storage-driver": engine_name(driver),
            "storage-opts": list(options),
            "features": {"containerd-snapshotter": driver in SNAPSHOTTERS},
        }
        try:
            Path(folder).parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._here.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._here / "daemon.json").write_text(json.dumps(settings))
        except OSError as error:
            why = error.strerror or str(error)
            what = "make ready for the staging engine"
            raise FileFailure(what=what, path=folder, errno=error.errno or 0, why=why) from error

    def _command(self, folder: str, driver: str) -> list[str]:
        usual = self._systemd.unit(DOCKER_SERVICE).exec_start
        here = self._here
        return [
            usual[0] if usual else "/usr/sbin/dockerd",
            f"--config-file={here}/daemon.json",
            f"--data-root={folder}",
            f"--exec-root={here}/exec",
            f"--pidfile={here}/docker.pid",
            f"--host=unix://{here}/docker.sock",
            # What it brings there has to be where the engine will look for it.
            f"--containerd-namespace={MOBY if driver in SNAPSHOTTERS else _SPACE}",
            f"--containerd-plugins-namespace={_SPACE}-plugins",
            *_containerd(usual),
        ]

    def _access(self) -> Access:
        connections = EngineConnections(
            str(self._here / "docker.sock"), attend=lambda: self._clock.sleep(0)
        )
        return Access(
            engine=DockerEngine(connections),
            containers=DockerContainers(connections),
            images=DockerImages(connections, self._containerd),
            networks=DockerNetworks(connections),
            files=self._files,
            clock=self._clock,
        )


def _mark_of(folder: str) -> str:
    return f"dockcfgd-{Path(folder).name}"


def _stand_ins(folder: str) -> Iterator[tuple[str, str]]:
    """Give the containers of a staging engine that have a layer in containerd."""
    for config in sorted(Path(folder, "containers").glob("*/config.v2.json")):
        with contextlib.suppress(OSError, ValueError):
            document = json.loads(config.read_bytes())
            driver = of_containerd(str(document.get("Driver")))
            # Where a driver has the name too: one in the store has its image's manifest (moby,
            # daemon/create.go).
            if driver in SNAPSHOTTERS and document.get("ImageManifest"):
                yield driver, config.parent.name


def _containerd(command: Sequence[str]) -> Iterator[str]:
    """Give the flag that names containerd's socket, where the engine's own command has it."""
    if any(word.partition("=")[0] == _CONTAINERD for word in command):
        yield f"{_CONTAINERD}={address_in(command)}"
