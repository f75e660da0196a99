"""The Debian package as tests need it: built once a run, also where several processes test."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["build", "built_package"]

_TREE = Path(__file__).parents[2]


def built_package(release: str, factory: pytest.TempPathFactory) -> Path:
    """Give the package for a release: trixie, bookworm or noble; forky's is that of trixie."""
    release = "trixie" if release == "forky" else release
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker has a folder of its own in that of the run
    output = folder / f"package-{release}"
    with (folder / f"package-{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            made = output.with_suffix(".new")
            build(release, made)
            made.rename(output)
    (package,) = output.glob("*.deb")
    return package


def build(release: str, folder: Path) -> Path:
    """Build the package for a release into a folder."""
    command = [str(_TREE / "packaging/build-deb"), release, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (package,) = folder.glob("*.deb")
    return package
