"""An engine that cannot be asked is taken for what its file says."""

from __future__ import annotations

import pytest

from dockcfgd.model.desired import Json
from dockcfgd.model.host import on_containerd_store
from dockcfgd.planning.described import described_engine


@pytest.mark.parametrize(
    ("document", "driver", "stored"),
    [
        ({}, "", False),
        ({"storage-driver": "btrfs"}, "btrfs", False),
        ({"features": {"containerd-snapshotter": False}}, "", False),
        ({"features": {"containerd-snapshotter": True}}, "", True),
        (
            {"storage-driver": "btrfs", "features": {"containerd-snapshotter": True}},
            "containerd-btrfs",
            True,
        ),
    ],
)
def test_its_storage(document: dict[str, Json], driver: str, *, stored: bool) -> None:
    engine = described_engine("26.1.5", document)
    assert (engine.driver, on_containerd_store(engine.info)) == (driver, stored)
