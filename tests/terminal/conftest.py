from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """Give a running dockcfgd with two containers, for all tests of a file, in their order."""
    with (
        tempfile.TemporaryDirectory(prefix="house-") as folder,
        House(Path(folder), containers=2) as house,
    ):
        house.start()
        yield house
