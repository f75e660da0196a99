"""How many files the layers of an image have."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from dockcfgd.migration.file_counts import file_counts
from dockcfgd.migration.inventory import Image

LOW, HIGH = (f"sha256:{letter * 64}" for letter in "ab")


def chain(*layers: str) -> str:
    low, high = layers
    return "sha256:" + hashlib.sha256(f"{low} {high}".encode()).hexdigest()


def put(root: Path, name: str, entries: int) -> None:
    folder = root / "image/overlay2/layerdb/sha256" / name.removeprefix("sha256:")
    folder.mkdir(parents=True)
    with gzip.open(folder / "tar-split.json.gz", "wt") as file:
        for number in range(entries):
            print(json.dumps({"type": 2, "payload": "aGVhZA=="}, separators=(",", ":")), file=file)
            head = {"type": 1, "name": f"file {number}", "size": 1}
            print(json.dumps(head, separators=(",", ":")), file=file)


def test_each_layer_is_found_by_all_that_is_below_it(tmp_path: Path) -> None:
    put(tmp_path, LOW, 7)
    put(tmp_path, chain(LOW, HIGH), 3)
    put(tmp_path, HIGH, 2)
    images = [Image(id="one", layers=(LOW, HIGH)), Image(id="two", layers=(HIGH,))]
    assert file_counts(str(tmp_path), "overlay2", images) == {"one": (7, 3), "two": (2,)}


def test_what_cannot_be_read_counts_nothing(tmp_path: Path) -> None:
    put(tmp_path, LOW, 1)
    where = next(tmp_path.rglob("tar-split.json.gz"))
    where.write_bytes(where.read_bytes()[:20])
    images = [Image(id="one", layers=(LOW, HIGH))]
    assert file_counts(str(tmp_path), "overlay2", images) == {"one": (0, 0)}
