"""A simulated staging engine, and the carrying of writable layers to what it made."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dockcfgd.migration.access import Access
from dockcfgd.migration.folders import CARRIED
from dockcfgd.model.cargo import Cargo, FirstCopy, StandIn
from dockcfgd.model.errors import EngineFailure, HostChanged, SystemdFailure
from dockcfgd.ports import Progressing
from tests.fakes.clock import FakeClock
from tests.fakes.configuration import Refused
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import SNAPSHOTTER, Dockerd
from tests.fakes.engine import FakeContainers, FakeEngine, FakeImages, FakeNetworks
from tests.fakes.files import FakeFiles

__all__ = ["FakeCarrier", "FakeStaging"]

_CONFIG = "/run/dockcfgd/staging/daemon.json"


class FakeStaging:
    """ports.Staging. `running` are the folders of those that run; more than one never do."""

    def __init__(self, dockerd: Dockerd, files: FakeFiles, clock: FakeClock, cuts: Cuts) -> None:
        self._dockerd, self._files, self._clock, self._cuts = dockerd, files, clock, cuts
        self._engines: dict[str, Dockerd] = {}

    def root(self, folder: str, *, driver: str) -> str:
        return "/var/lib/containerd" if driver == SNAPSHOTTER else folder

    @contextlib.contextmanager
    def engine(self, folder: str, *, driver: str, options: Sequence[str]) -> Iterator[Access]:
        if driver == SNAPSHOTTER:
            self._take_store(folder)
        self._cuts.at("before: start the staging engine")
        dockerd = self._engines.setdefault(folder, self._dockerd.beside(folder))
        dockerd.process = None
        settings: dict[str, object] = {"storage-driver": driver, "storage-opts": list(options)}
        settings["features"] = {"containerd-snapshotter": driver == SNAPSHOTTER}
        self._files.put(_CONFIG, json.dumps(settings))
        try:
            dockerd.start([f"--config-file={_CONFIG}", f"--data-root={folder}"], {})
        except Refused as refused:
            what = "start the staging engine"
            raise SystemdFailure(what=what, name="failed", why=str(refused)) from refused
        self._cuts.at("after: start the staging engine")
        yield Access(
            engine=FakeEngine(dockerd, self._cuts),
            containers=FakeContainers(dockerd, self._cuts),
            images=FakeImages(dockerd, self._cuts),
            networks=FakeNetworks(dockerd, self._cuts),
            files=self._files,
            clock=self._clock,
        )
        dockerd.stop()
        self._cuts.at("after: stop the staging engine")

    def _take_store(self, folder: str) -> None:
        store = self._dockerd.containerd
        if folder in store.marks:
            return
        if store.images:
            why = "it holds images from an earlier time"
            raise EngineFailure(what="fill containerd's image store", status=0, why=why)
        store.marks.add(folder)
        self._cuts.at("after: mark containerd's store")

    def adopt(self, driver: str, containers: Mapping[str, str]) -> None:
        for container in containers if driver == SNAPSHOTTER else ():
            self._cuts.at(f"before: make a layer for {container[:12]}")

    def take_back(self, folder: str, *, driver: str) -> None:
        self.remove(folder)
        if folder in self._dockerd.containerd.marks:
            process = self._dockerd.process
            assert process is None or process.driver != driver, "the engine is on it"
            self._dockerd.containerd.clear()
            self._cuts.at("after: clear containerd's store")

    def remove(self, folder: str) -> None:
        self._cuts.at("before: remove the staging engine")
        self._engines.pop(folder, None)
        shutil.rmtree(folder, ignore_errors=True)
        self._cuts.at("after: remove the staging engine")

    @property
    def running(self) -> list[str]:
        return [folder for folder, one in self._engines.items() if one.process is not None]

    @property
    def stand_ins(self) -> set[str]:
        """The names of the containers of all of them, also of those that do not run."""
        roots = (root for one in self._engines.values() for root in one.roots.values())
        return {container.name for root in roots for container in root.containers.values()}


class FakeCarrier:
    """ports.Carrier. `unreadable` is what `obstacle` answers."""

    def __init__(self, dockerd: Dockerd, cuts: Cuts) -> None:
        self._dockerd, self._cuts = dockerd, cuts
        self.unreadable = ""

    def obstacle(self, root: str, driver: str, containers: Sequence[str]) -> str:  # noqa: ARG002 -- the port's
        return self.unreadable

    def copy_ahead(self, copy: FirstCopy, *, progress: Progressing) -> None:
        assert self._dockerd.process is not None, "layers are copied ahead while the engine serves"
        self._cuts.at("before: copy ahead")
        progress(item="", done=0, total=len(self._dockerd.roots[copy.root].containers),
                 unit="containers")  # fmt: skip
        self._cuts.at("after: copy ahead")

    def carry(self, cargo: Cargo, *, progress: Progressing) -> None:
        assert self._dockerd.process is None, "the engine runs while its layers are carried"
        self._cuts.at("before: carry")
        root = self._dockerd.roots[cargo.root]
        named = {one.container for one in cargo.containers}
        there = {
            path.parent.name
            for path in Path(cargo.root, "containers").glob("*/config.v2.json")
            if json.loads(path.read_text())["Driver"] == cargo.driver
        }
        if there != named:
            raise HostChanged("containers came or went")
        store = self._store(cargo.staging, cargo.target)
        old = self._store(cargo.root, cargo.driver)
        for number, one in enumerate(cargo.containers):
            progress(item=one.name, done=number, total=len(named), unit="containers")
            layers = root.containers[one.container].layers
            layers[store] = dict(layers[old])
            self._cuts.at("while carrying")
        carried: dict[str, object] = {"containers": sorted(named)}
        if SNAPSHOTTER in {cargo.driver, cargo.target}:
            carried["images"] = {one.container: _image(cargo, one) for one in cargo.containers}
        else:
            for image in self._dockerd.stores[store].images.values():
                image.tags = list(self._dockerd.stores[old].images[image.id].tags)
        Path(cargo.staging, CARRIED).write_text(json.dumps(carried))
        self._cuts.at("after: carry")

    def _store(self, root: str, driver: str) -> int:
        if driver == SNAPSHOTTER:
            return self._dockerd.stores.index(self._dockerd.containerd)
        return int(Path(root, driver, ".store").read_text())


def _image(cargo: Cargo, one: StandIn) -> dict[str, object]:
    file = Path(cargo.staging, "containers", one.stand_in, "config.v2.json")
    return {"Image": json.loads(file.read_text())["Image"], "ImageManifest": None}
