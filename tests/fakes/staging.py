"""A simulated staging engine, and the carrying of writable layers to what it made."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockcfgd.migration.access import Access
from dockcfgd.migration.folders import CARRIED
from dockcfgd.model.cargo import Cargo
from dockcfgd.model.errors import HostChanged, SystemdFailure
from dockcfgd.ports import Progressing
from tests.fakes.clock import FakeClock
from tests.fakes.configuration import Refused
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import Dockerd
from tests.fakes.engine import FakeContainers, FakeEngine, FakeImages, FakeNetworks
from tests.fakes.files import FakeFiles

__all__ = ["FakeCarrier", "FakeStaging"]

_CONFIG = "/run/dockcfgd/staging/daemon.json"


class FakeStaging:
    """ports.Staging. `running` are the folders of those that run; more than one never do."""

    def __init__(self, dockerd: Dockerd, files: FakeFiles, clock: FakeClock, cuts: Cuts) -> None:
        self._dockerd, self._files, self._clock, self._cuts = dockerd, files, clock, cuts
        self._engines: dict[str, Dockerd] = {}

    @contextlib.contextmanager
    def engine(self, folder: str, *, driver: str, options: Sequence[str]) -> Iterator[Access]:
        self._cuts.at("before: start the staging engine")
        dockerd = self._engines.setdefault(folder, self._dockerd.beside(folder))
        dockerd.process = None
        settings = {"storage-driver": driver, "storage-opts": list(options)}
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

    def remove(self, folder: str) -> None:
        self._cuts.at("before: remove the staging engine")
        self._engines.pop(folder, None)
        shutil.rmtree(folder, ignore_errors=True)
        self._cuts.at("after: remove the staging engine")

    @property
    def running(self) -> list[str]:
        return [folder for folder, one in self._engines.items() if one.process is not None]


class FakeCarrier:
    """ports.Carrier. `unreadable` is what `obstacle` answers."""

    def __init__(self, dockerd: Dockerd, cuts: Cuts) -> None:
        self._dockerd, self._cuts = dockerd, cuts
        self.unreadable = ""

    def obstacle(self, root: str, driver: str, containers: Sequence[str]) -> str:  # noqa: ARG002 -- the port's
        return self.unreadable

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
        for image in self._dockerd.stores[store].images.values():
            image.tags = list(self._dockerd.stores[old].images[image.id].tags)
        Path(cargo.staging, CARRIED).write_text(json.dumps({"containers": sorted(named)}))
        self._cuts.at("after: carry")

    @staticmethod
    def _store(root: str, driver: str) -> int:
        return int(Path(root, driver, ".store").read_text())
