"""Carrying writable layers, by a program in a unit of its own: this daemon may not make devices."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockcfgd.adapters.own_units import CARRY, FIRST_COPY, UNHURRIED, end_leftover
from dockcfgd.adapters.told_program import follow_program
from dockcfgd.layers import carry as program
from dockcfgd.layers import first_copy
from dockcfgd.layers.errors import UnknownFormat
from dockcfgd.layers.place import SNAPSHOTTERS, place_of
from dockcfgd.migration.inventory import KEPT
from dockcfgd.migration.room import same_filesystem
from dockcfgd.model.errors import EngineFailure, FileFailure, HostChanged, SystemdFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.adapters.containerd import Containerd
    from dockcfgd.adapters.systemd import SystemdBus
    from dockcfgd.model.cargo import Cargo, FirstCopy
    from dockcfgd.ports import Progressing

__all__ = ["UnitCarrier"]

_SECONDS = 12 * 3600.0


class UnitCarrier:
    """ports.Carrier by systemd's transient units. `runtime_dir` is only root's to write to."""

    def __init__(self, systemd: SystemdBus, containerd: Containerd, runtime_dir: str) -> None:
        self._systemd, self._containerd = systemd, containerd
        self._folder = Path(runtime_dir)

    def obstacle(self, root: str, driver: str, containers: Sequence[str]) -> str:
        """Say why the writable layers of containers cannot be read there; empty where they can."""
        for identity in containers:
            try:
                if driver in SNAPSHOTTERS:
                    self._containerd.place(driver, identity)
                else:
                    place_of(root, driver, identity)
            except (UnknownFormat, OSError, EngineFailure) as error:
                return str(error)
        return ""

    def copy_ahead(self, copy: FirstCopy, *, progress: Progressing) -> None:
        """Copy what has been written so far."""
        if copy.target in SNAPSHOTTERS and not same_filesystem(
            copy.staging, self._containerd.root(copy.target)
        ):
            return  # what is copied to the one cannot be moved to the other
        sources: dict[str, dict[str, Any]] = {}
        for container in self._layers(copy.driver):
            with contextlib.suppress(EngineFailure):  # it was removed meanwhile
                sources |= self._places(copy.driver, [container])
        end_leftover(self._systemd, FIRST_COPY)
        asked = self._folder / "first-copy.json"
        told = _Told(progress)
        try:
            _write(asked, json.dumps(asdict(copy) | {"sources": sources}))
            end = follow_program(
                self._systemd,
                FIRST_COPY,
                [sys.executable, "-I", "-S", str(first_copy.__file__), str(asked)],
                what="the first copy of writable layers",
                output=self._folder / "first-copy.txt",
                timeout=_SECONDS,
                tell=told.take,
                attend=told.again,
                properties=UNHURRIED,
            )
        finally:
            asked.unlink(missing_ok=True)
        if told.why:
            raise FileFailure(what="copy", path=told.path or copy.root, errno=0, why=told.why)
        if end.result != "success":
            raise SystemdFailure(what="copy the writable layers", name=end.result, why=end.result)

    def carry(self, cargo: Cargo, *, progress: Progressing) -> None:
        """Copy the layers and give each stand-in the container's ID."""
        total = len(cargo.containers)
        progress(item="", done=0, total=total, unit="containers")
        if cargo.driver in SNAPSHOTTERS:
            self._refuse_newcomers(cargo)
        containers = [one.container for one in cargo.containers]
        places = {
            "sources": self._places(cargo.driver, containers),
            "goals": self._places(cargo.target, containers),
        }
        answer = self._run(json.dumps(asdict(cargo) | places))
        why = answer.get("why")
        if answer.get("changed"):
            raise HostChanged(str(why))
        if why:
            raise FileFailure(
                what="carry", path=str(answer.get("path", cargo.root)), errno=0, why=str(why)
            )
        progress(item="", done=total, total=total, unit="containers")

    def _refuse_newcomers(self, cargo: Cargo) -> None:
        """Raise HostChanged where containerd has an image that is not part of the cargo."""
        came = [
            name
            for name, digest in self._containerd.images().items()
            if digest not in cargo.images and KEPT not in name
        ]
        if came:
            raise HostChanged(f"an image was made or pulled meanwhile: {', '.join(sorted(came))}")

    def _layers(self, driver: str) -> list[str]:
        return self._containerd.layers(driver) if driver in SNAPSHOTTERS else []

    def _places(self, driver: str, containers: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Give where the containers' layers lie and what is below them, where containerd knows."""
        if driver not in SNAPSHOTTERS:
            return {}
        found = {}
        for container in containers:
            place, below = self._containerd.place(driver, container)
            found[container] = {"place": place.document(), "below": below}
        return found

    def _run(self, job: str) -> dict[str, object]:
        asked, output = self._folder / "carry.json", self._folder / "carry.txt"
        command = [sys.executable, "-I", "-S", str(program.__file__), str(asked)]
        end_leftover(self._systemd, CARRY)
        try:
            _write(asked, job)
            end = self._systemd.run_program(
                CARRY,
                command,
                what="the copy of writable layers",
                timeout=_SECONDS,
                output=str(output),
            )
            text = output.read_text("utf-8", "replace") if output.exists() else ""
        except OSError as error:
            why = error.strerror or str(error)
            where = error.filename or str(asked)
            raise FileFailure(what="use", path=where, errno=error.errno or 0, why=why) from error
        finally:
            asked.unlink(missing_ok=True)
            output.unlink(missing_ok=True)
        last = text.strip().rpartition("\n")[2]
        if end.result != "success":
            # A program that fails says why in its last line.
            try:
                answer = json.loads(last)
            except ValueError:
                answer = None
            if isinstance(answer, dict) and answer.get("why"):
                return answer
            raise SystemdFailure(
                what="copy the writable layers", name=end.result, why=last or end.result
            )
        return {}


class _Told:
    """What the first copy said so far."""

    def __init__(self, progress: Progressing) -> None:
        self._progress = progress
        self._item, self._done, self._total = "", 0, 0
        self.why = self.path = ""

    def take(self, said: dict[str, Any]) -> None:
        if "why" in said:
            self.why, self.path = str(said["why"]), str(said.get("path", ""))
            return
        self._item, self._done, self._total = str(said["item"]), said["done"], said["total"]
        self.again()

    def again(self) -> None:
        self._progress(item=self._item, done=self._done, total=self._total, unit="containers")


def _write(where: Path, text: str) -> None:
    try:
        descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:
            file.write(text)
    except OSError as error:
        why = error.strerror or str(error)
        raise FileFailure(what="write", path=str(where), errno=error.errno or 0, why=why) from error
