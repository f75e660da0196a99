"""What purging does where an administrator has laid things out in another way."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for mounts of its own")

_OWN_VIEW = """\
set -e
mount -t tmpfs own /var/lib
mount -t tmpfs own /run
mount -t tmpfs own /etc
mkdir -p /var/lib/dockcfgd/backups /etc/systemd/system/docker.service.d
>/etc/systemd/system/docker.service.d/zz-dockcfgd.conf
"""
_LEFT = "find /etc /var/lib -not -type d"


def purged(tree: Path, arranged: str) -> subprocess.CompletedProcess[str]:
    """Purge in a view of the host of its own; give what files are left."""
    script = f"{_OWN_VIEW}{arranged}\nsh {tree}/packaging/debian/dockcfgd.postrm purge\n{_LEFT}"
    own = ["unshare", "--mount", "sh", "-c", script]
    return subprocess.run(own, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arranged",
    [
        "mount -t tmpfs own /var/lib/dockcfgd; touch /var/lib/dockcfgd/state.db",
        "mount -t tmpfs own /var/lib/dockcfgd/backups",
        "mkdir /etc/dockcfgd; mount -t tmpfs own /etc/dockcfgd; touch /etc/dockcfgd/conf.toml",
        "cd /etc/systemd/system; mv docker.service.d d; ln -s d docker.service.d; cd /",
    ],
    ids=["the-state-is-a-mount", "backups-are-a-mount", "files-are-a-mount", "drop-ins-are-linked"],
)
def test_ends_well_and_leaves_no_file(tree: Path, arranged: str) -> None:
    done = purged(tree, arranged)
    assert done.returncode == 0, done.stderr
    left = [line for line in done.stdout.splitlines() if not line.endswith("docker.service.d")]
    assert left == []


def test_a_dangling_drop_in_goes_too(tree: Path) -> None:
    done = purged(tree, "ln -sf gone /etc/systemd/system/docker.service.d/zz-dockcfgd.conf")
    assert (done.returncode, done.stdout) == (0, "")
