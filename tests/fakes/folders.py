"""Folders' contents as tar archives: of those that the simulated engine keeps for its volumes."""

from __future__ import annotations

import contextlib
import errno
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dockcfgd.model.errors import FileFailure
from dockcfgd.model.images import MadeImage
from tests.fakes.containers import Container, Volume
from tests.fakes.cuts import Cuts
from tests.fakes.dockerd import SNAPSHOTTER, Dockerd
from tests.fakes.files import FakeFiles
from tests.fakes.images import Manifested

__all__ = ["FakeFolders"]

_CHUNK = 512
_WHITEOUT = "/.wh."


class FakeFolders:
    """ports.FolderArchives. What a folder has is seen in the simulated files too.

    `writers` are called while a folder is read; where one is true, something wrote to it meanwhile.
    `not_taken` is what no folder takes of what is put into it.
    """

    def __init__(self, dockerd: Dockerd, files: FakeFiles, cuts: Cuts) -> None:
        self._dockerd, self._files, self._cuts = dockerd, files, cuts
        self.writers: list[Callable[[str], bool]] = []
        self.not_taken: list[str] = []

    def size(self, folder: str) -> int:
        return sum(len(content) for content in self._volume(folder, "measure").content.values())

    @contextlib.contextmanager
    def pack(self, folder: str) -> Iterator[_Packed]:
        self._cuts.at(f"while reading {folder}")
        volume = self._volume(folder, "read")
        changed = [writer(volume.name) for writer in self.writers]
        yield _Packed(_archive(volume.content), steady=not any(changed))

    @contextlib.contextmanager
    def pack_layer(
        self, root: str, *, driver: str, container: str, image: str, name: str = ""
    ) -> Iterator[_PackedLayer]:
        self._cuts.at(f"while reading the layer of {container}")
        number = self._number(root, driver)
        store, layer = self._dockerd.stores[number], self._container(container).layers[number]
        if not layer:
            yield _PackedLayer(b"", MadeImage("", ""), [])
            return
        # What the engine has stays as it is, also where it has an image of the same content.
        aside = type(store)()
        aside.images, aside.layers = {image: store.images[image]}, dict(store.layers)
        settings = aside.images[image].document["config"]
        left_out = [path for path in layer if _WHITEOUT in path]
        layer = {path: data for path, data in layer.items() if path not in left_out}
        made = aside.build([layer], config=settings, base=image, tag=name)
        archive = aside.save([name or made], oci=False)
        built = aside.images[made]
        in_store = driver == SNAPSHOTTER
        config = built.config_id if isinstance(built, Manifested) else made
        yield _PackedLayer(archive, MadeImage(config, made if in_store else ""), left_out)

    def _number(self, root: str, driver: str) -> int:
        process = self._dockerd.process
        if driver == SNAPSHOTTER:
            return self._dockerd.stores.index(self._dockerd.containerd)
        if process is not None and (process.root.path, process.driver) == (root, driver):
            return process.store
        return int(Path(root, driver, ".store").read_text())

    def _container(self, identity: str) -> Container:
        for root in self._dockerd.roots.values():
            if identity in root.containers:
                return root.containers[identity]
        raise FileFailure(what="read", path=identity, errno=0, why="there is no such folder")

    def unpack(self, folder: str, archive: Iterable[bytes]) -> tuple[str, ...]:
        content = b"".join(archive)
        self._cuts.at(f"before: fill {folder}")
        volume = self._volume(folder, "fill")
        if volume.content:
            raise FileFailure(
                what="fill", path=folder, errno=errno.ENOTEMPTY, why="Directory not empty"
            )
        self.fill(volume.name, _files(content))
        self._cuts.at(f"after: fill {folder}")
        return tuple(self.not_taken)

    # What others do

    def fill(self, volume: str, content: Mapping[str, bytes]) -> None:
        place, found = self._named(volume)
        found.content.update(content)
        for path, data in content.items():
            self._files.put(f"{place}/{path}", data)

    def content(self, volume: str) -> dict[str, bytes]:
        return dict(self._named(volume)[1].content)

    def remove(self, volume: str) -> None:
        place, _ = self._named(volume)
        self._files.delete(place)
        for root in self._dockerd.roots.values():
            root.volumes.pop(volume, None)

    def _named(self, name: str) -> tuple[str, Volume]:
        for place, volume in self._all():
            if volume.name == name:
                return place, volume
        raise KeyError(name)

    def _volume(self, folder: str, what: str) -> Volume:
        for place, volume in self._all():
            if place == folder:
                return volume
        raise FileFailure(what=what, path=folder, errno=errno.ENOENT, why="No such file or folder")

    def _all(self) -> Iterator[tuple[str, Volume]]:
        for root in self._dockerd.roots.values():
            for name, volume in root.volumes.items():
                yield f"{root.path}/volumes/{name}/_data", volume


class _Packed:
    def __init__(self, content: bytes, *, steady: bool) -> None:
        self._content, self._steady = content, steady

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), _CHUNK):
            yield self._content[start : start + _CHUNK]

    def steady(self) -> bool:
        return self._steady


class _PackedLayer(_Packed):
    def __init__(self, content: bytes, image: MadeImage, left_out: Sequence[str]) -> None:
        super().__init__(content, steady=True)
        self._image, self._left_out = image, left_out

    def left_out(self) -> tuple[str, ...]:
        return tuple(f"{path}: it is read as a deletion" for path in self._left_out)

    def image(self) -> MadeImage:
        return self._image


def _archive(content: Mapping[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(content.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return output.getvalue()


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
        found = {member.name: opened.extractfile(member) for member in opened}
        return {name: file.read() for name, file in found.items() if file is not None}
