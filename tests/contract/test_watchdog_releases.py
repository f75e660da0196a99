"""The watch on the releases of watchdog that Debian has, besides the one that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_WATCH = Path(__file__).with_name("test_file_watch.py")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("release", ["2.2.1", "6.0.0"])  # of Debian 12 and 13
def test_all_of_the_watch(release: str, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, f"--target={tmp_path}", f"watchdog=={release}"], check=True)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    used = "import sys, watchdog.version as of; sys.exit(of.VERSION_STRING)"
    said = subprocess.run(
        [sys.executable, "-c", used], check=False, env=environment, capture_output=True, text=True
    )
    assert said.stderr.strip() == release
    trial = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_WATCH)]
    subprocess.run(trial, check=True, env=environment)
