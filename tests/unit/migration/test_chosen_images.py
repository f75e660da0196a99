"""Images of a backup, brought to an engine that has others."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from dockcfgd.migration import archive
from dockcfgd.migration.chosen_images import load_chosen
from dockcfgd.migration.documents import Document
from dockcfgd.migration.image_filter import packed
from dockcfgd.migration.inventory import Image
from dockcfgd.model.errors import EngineFailure

CONFIG = b'{"os": "linux"}'
DIGEST = hashlib.sha256(CONFIG).hexdigest()


class Engine:
    """Images by configuration and name, as a graph driver has them."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def configs(self) -> dict[str, str]:
        return {}

    def inspect(self, name: str) -> dict[str, Any]:
        if name not in self.names:
            raise EngineFailure(what=f"inspect image {name}", status=404, why="no such image")
        return {"Id": self.names[name]}

    def load(self, chunks: Iterable[bytes]) -> None:
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as opened:
            listed = opened.extractfile("manifest.json")
            assert listed is not None
            for entry in json.load(listed):
                identity = "sha256:" + entry["Config"].removesuffix(".json")
                self.names |= dict.fromkeys((identity, *entry["RepoTags"]), identity)


def test_two_images_of_one_configuration_keep_their_names(tmp_path: Path) -> None:
    """As two builds of the same have in containerd's store, each with a manifest of its own."""
    images = [
        Image(id="sha256:" + letter * 64, tags=(f"app:{letter}",), config=f"sha256:{DIGEST}")
        for letter in "ab"
    ]
    folder = str(tmp_path / "backup")
    archive.open_folder(folder)
    entry = {"Config": f"{DIGEST}.json", "RepoTags": ["app:a", "app:b"], "Layers": []}
    members = (
        packed(f"{DIGEST}.json", CONFIG),
        packed("manifest.json", json.dumps([entry]).encode()),
    )
    saved = archive.write_archive(folder, "images.tar.zst", [*members, bytes(1024)])
    document: Document = {"path": saved.path, "size": saved.size, "sha256": saved.sha256}
    listed = [image.to_json() for image in images]
    archive.write_document(folder, "images.json", {"images": [*listed], "archives": [document]})
    engine = Engine()
    load_chosen(cast("Any", engine), images, folder=folder, progress=_untold)
    assert engine.names.keys() == {f"sha256:{DIGEST}", "app:a", "app:b"}


def _untold(*, item: str, done: int, total: int, unit: str) -> None:
    """Tell nobody."""
