from __future__ import annotations

import pytest

from dockcfgd.adapters.mount_view import MountView
from dockcfgd.roots.mounts import Mount, parse

FOLDERS = ("/var/lib/dockcfgd",)
# As systemd makes it of ProtectSystem=strict and ReadWritePaths=/var/lib, in a root of one disk.
TABLE = """\
29 1 254:0 / / ro,relatime shared:1 - ext4 /dev/vda {filesystem}
55 29 254:0 /var/lib /var/lib {mount} master:1 - ext4 /dev/vda {filesystem}
56 55 254:0 /var/lib/dockcfgd /var/lib/dockcfgd {mount} master:1 - ext4 /dev/vda {filesystem}
60 29 0:44 / /var/lib2 rw - tmpfs tmpfs rw
"""


class Table:
    """What is mounted, by now."""

    def __init__(self, *, mount: str, filesystem: str) -> None:
        self.be(mount=mount, filesystem=filesystem)

    def be(self, *, mount: str, filesystem: str) -> None:
        self._text = TABLE.format(mount=mount, filesystem=filesystem)

    def __call__(self) -> tuple[Mount, ...]:
        return parse(self._text)


def test_a_disk_that_was_writable_at_the_start_is_not_looked_at_again() -> None:
    table = Table(mount="rw", filesystem="rw")
    view = MountView(FOLDERS, table)
    table.be(mount="ro", filesystem="rw")
    assert not view.closed
    assert not view.outdated()


def test_a_disk_that_is_read_only_still_is_no_reason() -> None:
    view = MountView(FOLDERS, Table(mount="ro", filesystem="ro"))
    assert view.closed
    assert not view.outdated()


@pytest.mark.parametrize(("mount", "outdated"), [("ro", "/var/lib/dockcfgd"), ("rw", "")])
def test_once_it_can_be_written_the_mount_of_the_start_is_in_the_way(
    mount: str, outdated: str
) -> None:
    table = Table(mount=mount, filesystem="ro")
    view = MountView(FOLDERS, table)
    table.be(mount=mount, filesystem="rw")
    assert view.outdated() == outdated


def test_a_mount_that_somebody_keeps_read_only_for_us_is_theirs() -> None:
    """It would be no other in a new process."""
    assert not MountView(FOLDERS, Table(mount="ro", filesystem="rw")).closed
