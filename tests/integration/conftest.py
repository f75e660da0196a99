from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def house() -> Iterator[House]:
    # A socket's path has room for some hundred bytes only, too few for a test's own folder.
    with tempfile.TemporaryDirectory(prefix="house-") as folder, House(Path(folder)) as house:
        yield house
