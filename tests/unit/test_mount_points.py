"""Where something is mounted, under whatever name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dockcfgd
from dockcfgd.mount_points import mount_points, parse

_SOURCES = str(Path(dockcfgd.__file__).parents[1])
_MOUNTED = r"""
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from dockcfgd.layers import free
from dockcfgd.migration.folders import discard
top = os.fsencode(sys.argv[2])
for name in (b"with a space", b"\xff", b"line\x0bbreak"):
    os.makedirs(top + b"/" + name + b"/in")
    subprocess.run(["mount", "-t", "tmpfs", "none", top + b"/" + name + b"/in"], check=True)
    open(top + b"/" + name + b"/in/kept", "w").close()
for name in (b"with a space", b"\xff", b"line\x0bbreak"):
    path = os.fsdecode(top + b"/" + name)
    discard(path)
    assert os.path.exists(path + "/in/kept"), path
    assert free.main([path]) == 1, path
    assert os.path.exists(path + "/in/kept"), path
"""


def test_paths_may_be_of_any_bytes() -> None:
    content = (
        b"36 35 98:0 / /srv/a\\040b\\134c rw,noatime master:1 - ext4 /dev/root rw\n"
        b"37 35 98:0 /x /\xff/\x0b rw - tmpfs none rw\n"
    )
    assert parse(content) == (("/srv/a b\\c", "ext4"), (os.fsdecode(b"/\xff/\x0b"), "tmpfs"))


def test_those_of_this_process_are_read() -> None:
    assert dict(mount_points())["/proc"] == "proc"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_what_has_something_mounted_in_it_is_not_deleted(tmp_path: Path) -> None:
    command = ["unshare", "--mount", sys.executable, "-c", _MOUNTED, _SOURCES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
