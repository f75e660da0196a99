"""Which mounts in a data-root are the engine's own."""

from __future__ import annotations

import pytest

from dockcfgd.roots.mounts import below, below_apart, engines_own, mount_of, parse

ROOT = "/var/lib/docker"
TABLE = parse("""\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:1 /var/lib/docker /var/lib/docker rw,relatime shared:1 - ext4 /dev/sda1 rw
31 30 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw,lowerdir=x
32 30 8:1 /var/lib/docker/btrfs /var/lib/docker/btrfs rw - ext4 /dev/sda1 rw
33 30 8:1 /var/lib/docker/overlay2 /var/lib/docker/overlay2 rw - ext4 /dev/sda1 rw
34 30 0:51 / /var/lib/docker/containers/c1/mounts/shm rw - tmpfs shm rw
35 30 8:2 / /var/lib/docker/volumes rw - ext4 /dev/sdb1 rw
36 35 0:52 / /var/lib/docker/volumes/own/_data rw - nfs4 nas:/x rw
37 22 8:3 / /srv/with\\040blank rw,noexec - xfs /dev/sdc1 rw,prjquota
38 30 0:53 / /var/lib/docker/1000.1000/overlay2/abc/merged rw - overlay overlay rw
""")


def test_it_tells_the_engines_from_others() -> None:
    others = [one.point for one in below(ROOT, TABLE) if not engines_own(ROOT, one, TABLE)]
    assert others == ["/var/lib/docker/volumes", "/var/lib/docker/volumes/own/_data"]


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/var/lib/docker", "/"),
        ("/var/lib/docker/image", "/"),
        ("/var/lib/docker/volumes/x", "/var/lib/docker/volumes"),
        ("/srv/with blank/docker", "/srv/with blank"),
        ("/srv/without", "/"),
    ],
)
def test_a_root_mounted_on_itself_is_no_mount_of_its_own(path: str, point: str) -> None:
    assert mount_of(path, TABLE).point == point


def test_options_of_mount_and_filesystem() -> None:
    assert {"noexec", "prjquota"} <= mount_of("/srv/with blank", TABLE).options


def test_mounts_of_a_data_root_that_lies_in_another_are_its_own() -> None:
    inner = f"{ROOT}/1000.1000"
    both = {one.point for one in below(ROOT, TABLE)}
    apart = {one.point for one in below_apart(ROOT, inner, TABLE)}
    assert both - apart == {f"{inner}/overlay2/abc/merged"}
    assert below_apart(inner, ROOT, TABLE) == below(inner, TABLE) != []


@pytest.mark.parametrize(
    "name", ["a\rb", "a\x0cb", "a\x1cb", "a\x85b", "a\u2028b", "d\u00f6n\udcff"]
)
def test_a_path_may_have_any_line_break_but_the_escaped_one(name: str) -> None:
    line = f"39 22 0:54 / /home/u/{name}\\012 rw - fuse.x x rw"
    one, other = parse(f"{line}\n{line}\n")
    assert one == other
    assert one.point == f"/home/u/{name}\n"
