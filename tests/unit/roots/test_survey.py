"""A look at a data-root and at the place that it is to be moved to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dockcfgd.model.roots import RootSurvey
from dockcfgd.roots.marks import Begun, write_begun
from dockcfgd.roots.survey import survey


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "docker"
    for path in ("containers", "overlay2/l", "volumes/v/_data", "plugins/storage"):
        (top / path).mkdir(parents=True)
    return top


def container(root: Path, name: str, **host: Any) -> None:
    folder = root / "containers" / name
    folder.mkdir()
    config = {"Name": f"/{name}", "Config": {"Domainname": host.pop("Domainname", "")}}
    (folder / "config.v2.json").write_text(json.dumps(config))
    (folder / "hostconfig.json").write_text(json.dumps(host))


def look(root: Path, target: Path, *, remapping: bool = False) -> RootSurvey:
    seen = json.loads(json.dumps(survey(str(root), str(target), remapping=remapping)))
    given: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one for key, one in seen.items()
    }
    return RootSurvey(**given)


def test_a_place_beside_it_on_the_same_filesystem(root: Path) -> None:
    seen = look(root, root.parent / "deep" / "other")
    assert seen.renamable
    assert not seen.there
    assert (seen.holds, seen.copied_from, seen.blocked_by, seen.nested) == ((), "", "", "")
    assert seen.free_bytes > 0
    assert seen.target == str(root.parent / "deep" / "other")


def test_a_place_on_another_filesystem(root: Path) -> None:
    for other in ("/dev/shm", "/run"):
        if Path(other).stat().st_dev != root.stat().st_dev:
            seen = look(root, Path(other) / "nowhere")
            assert not seen.renamable
            assert seen.filesystem
            return
    pytest.skip("there is one filesystem only")


def test_folders_that_hold_nothing_do_not_count(root: Path) -> None:
    target = root.parent / "other"
    (target / "containers" / "deep").mkdir(parents=True)
    (target / "lost+found").mkdir()
    assert look(root, target).holds == ()
    (target / "image").write_text("x")
    seen = look(root, target)
    assert seen.holds == ("image",)
    assert not seen.renamable
    assert seen.stamp


def test_a_copy_that_was_begun_is_known(root: Path) -> None:
    target = root.parent / "other"
    target.mkdir()
    write_begun(str(target), Begun(str(root), "T1"))
    assert look(root, target).copied_from == str(root)


def test_a_file_in_the_way(root: Path) -> None:
    (root.parent / "file").write_text("x")
    seen = look(root, root.parent / "file" / "docker")
    assert seen.blocked_by == str(root.parent / "file")


def test_links_are_followed(root: Path) -> None:
    (root.parent / "link").symlink_to(root.parent / "real")
    assert look(root, root.parent / "link" / "docker").target == str(root.parent / "real/docker")


def test_who_names_the_data_root(root: Path) -> None:
    container(root, "logs", Binds=[f"{root}/containers:/logs:ro"])
    container(root, "mounts", Mounts=[{"Type": "bind", "Source": str(root), "Target": "/d"}])
    container(root, "beside", Binds=[f"{root}-beside:/x", "v:/v"])
    (root / "volumes/v/opts.json").write_text(json.dumps({"MountDevice": f"{root}/image"}))
    seen = look(root, root.parent / "other")
    assert seen.binding == ("logs", "mounts")
    assert seen.linked == ("v",)


def test_which_volumes_name_the_data_root_in_any_way(root: Path) -> None:
    root.with_name("soft").symlink_to(root)
    layers = f"lowerdir=/srv/a:{root}/volumes/v/_data,upperdir=/srv/b,workdir=/srv/c"
    options = {
        "beside": {"MountDevice": f"{root}-beside", "MountOpts": "bind"},
        "by-link": {"MountDevice": f"{root.with_name('soft')}/image"},
        "layered": {"MountType": "overlay", "MountDevice": "overlay", "MountOpts": layers},
        "limited": {"Quota": {"Size": 1}},
    }
    for name, document in options.items():
        (root / "volumes" / name).mkdir()
        (root / "volumes" / name / "opts.json").write_text(json.dumps(document))
    assert look(root, root.parent / "other").linked == ("by-link", "layered")


def test_what_is_more_than_files(root: Path) -> None:
    (root / "btrfs/subvolumes/abc").mkdir(parents=True)
    assert look(root, root.parent / "other").nested == f"{root}/btrfs/subvolumes"


def test_what_lies_in_the_folder_of_remapped_users_comes_along(root: Path) -> None:
    inner = root / "100000.100000"
    (inner / "btrfs/subvolumes/abc").mkdir(parents=True)
    (inner / "volumes/v").mkdir(parents=True)
    (inner / "volumes/v/opts.json").write_text(json.dumps({"MountDevice": f"{inner}/image"}))
    (inner / "plugins/abc").mkdir(parents=True)
    seen = look(root, root.parent / "other")
    assert seen.nested == f"{inner}/btrfs/subvolumes"
    assert seen.linked == ("v",)
    assert seen.plugins
    seen = look(root, root / "200000.200000", remapping=True)
    assert (seen.nested, seen.linked, seen.plugins) == ("", (), False)


def test_who_needs_the_users_of_the_host(root: Path) -> None:
    container(root, "fine", NetworkMode="bridge", Binds=["/srv/x:/x"])
    container(root, "all", Privileged=True)
    container(root, "all-asked", Privileged=True, UsernsMode="host")
    container(root, "net", NetworkMode="host")
    container(root, "pid", PidMode="host")
    container(root, "ipc", IpcMode="host")
    container(root, "domain", Domainname="example.org")
    device = {"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine"}
    container(root, "device", Devices=[device])
    seen = look(root, root / "100000.100000", remapping=True)
    assert seen.outside == (
        "all (privileged)",
        "device (a device under another path)",
        "domain (a domain name)",
        "ipc (IPC of the host)",
        "net (network of the host)",
        "pid (processes of the host)",
    )
    assert seen.bound == ("fine (/srv/x)",)
    assert not seen.renamable
    assert not seen.plugins


def test_other_users_folders_do_not_count(root: Path) -> None:
    inner = root / "100000.100000"
    (inner / "image").mkdir(parents=True)
    (inner / "image" / "x").write_text("x")
    assert look(inner, root, remapping=True).holds == ()
    (root / "image").write_text("x")
    assert look(inner, root, remapping=True).holds == ("image",)


def test_folders_that_others_cannot_go_through(root: Path) -> None:
    closed = root.parent / "closed"
    closed.mkdir(mode=0o700)
    root.rename(closed / "docker")
    seen = look(closed / "docker", closed / "docker" / "1.1", remapping=True)
    assert seen.closed in {str(one) for one in (closed / "docker").parents}
    assert seen.closed
