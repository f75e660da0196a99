"""Writable layers copied between real overlays, snapshots and plain trees: each shows the same."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from dockcfgd.layers import LayerRefused, Place, copy_layer, measure_layer, program, reset_layer
from dockcfgd.layers.archive import image_archive, left_out, write_archive
from dockcfgd.layers.digest import describe_tree, tree_digest
from dockcfgd.layers.overlay_reader import OverlayUpper
from dockcfgd.model.errors import FileFailure
from tests.support.layer_changes import CHANGES, PROTECTING, make_folder
from tests.support.layer_store import LayerStore, btrfs_folder, need_mounts

NEED_FUSE = pytest.mark.skipif(
    shutil.which("fuse-overlayfs") is None or not Path("/dev/fuse").exists(),
    reason="there is no fuse-overlayfs",
)
# What fuse-overlayfs itself cannot do or show.
NOT_ON_FUSE = frozenset(
    {
        "attribute of a symlink",
        "attribute of a fifo",
        "chattr of no danger",
        "deeper than a path",
        "hard link to a device",
        "longest name",
        "sparse",
    }
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_mounts()
    folder = tmp_path_factory.mktemp("image") / "base"
    folder.mkdir()
    for name in (*CHANGES, *PROTECTING):
        make_folder(folder_of(folder, name))
    return folder


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with btrfs_folder(tmp_path_factory.mktemp("disk")) as folder:
        yield folder


@pytest.fixture
def store(btrfs: Path, base: Path) -> Iterator[LayerStore]:
    """Layers on btrfs, which offers all drivers and shares blocks."""
    store = LayerStore(btrfs, base)
    yield store
    store.close()


@pytest.fixture
def plain(tmp_path: Path, base: Path) -> Iterator[LayerStore]:
    """Layers on the filesystem that the tests lie on."""
    store = LayerStore(tmp_path / "root", base)
    store.root.mkdir()
    yield store
    store.close()


@pytest.fixture
def small(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LayerStore]:
    """Layers of an image with one folder."""
    need_mounts()
    base = tmp_path_factory.mktemp("image") / "base"
    make_folder(base / "untouched")
    store = LayerStore(tmp_path / "root", base)
    store.root.mkdir()
    yield store
    store.close()


def folder_of(root: Path, name: str) -> Path:
    return root / name.replace(" ", "-")


def change(store: LayerStore, place: Place, *, without: Collection[str] = ()) -> None:
    with store.seen(place) as root:
        for name, action in CHANGES.items():
            if name not in without:
                action(folder_of(root, name))
        root.chmod(0o711)
        os.utime(root, ns=(5, 7_000_000_007))


def described(store: LayerStore, place: Place) -> dict[str, str]:
    with store.seen(place) as root:
        lines = (line.partition(" ")[::2] for line in describe_tree(str(root)))
        return dict(lines)


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [
        f"{name}: {one.get(name, '-')} is now {other.get(name, '-')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def go_around(store: LayerStore, *drivers: str) -> None:
    source = store.make(drivers[0])
    change(store, source)
    wanted = described(store, source)
    for driver in drivers[1:]:
        target = store.make(driver)
        assert copy_layer(source, target).files > 200
        assert differences(wanted, described(store, target)) == [], driver
        source = target


def test_around_on_btrfs(store: LayerStore) -> None:
    go_around(store, "overlay2", "vfs", "overlay2", "btrfs", "overlay2")


def test_around_on_another_filesystem(plain: LayerStore) -> None:
    go_around(plain, "overlay2", "vfs", "overlay2", "overlay2")


@pytest.mark.parametrize("driver", ["vfs", "btrfs"])
def test_from_a_whole_tree(store: LayerStore, driver: str) -> None:
    go_around(store, driver, "overlay2", driver)


@NEED_FUSE
def test_by_way_of_fuse_overlayfs(plain: LayerStore) -> None:
    source, fuse, back = (plain.make(one) for one in ("overlay2", "fuse-overlayfs", "overlay2"))
    change(plain, source)
    wanted = described(plain, source)
    copy_layer(source, fuse)
    copy_layer(fuse, back)
    assert differences(wanted, described(plain, back)) == []


@NEED_FUSE
def test_what_fuse_overlayfs_wrote_itself(plain: LayerStore) -> None:
    source, target = plain.make("fuse-overlayfs"), plain.make("vfs")
    change(plain, source, without=NOT_ON_FUSE)
    wanted = described(plain, source)
    copy_layer(source, target)
    assert differences(wanted, described(plain, target)) == []


def test_protected_files(plain: LayerStore) -> None:
    """They stay protected, and can be written over again all the same."""
    source = plain.make("overlay2")
    with plain.seen(source) as root:
        for name, action in PROTECTING.items():
            action(folder_of(root, name))
    wanted = described(plain, source)
    vfs, back = plain.make("vfs"), plain.make("overlay2")
    for _ in range(2):
        copy_layer(source, vfs)
        assert differences(wanted, described(plain, vfs)) == []
    with pytest.raises(PermissionError):
        (folder_of(Path(vfs.tree), "immutable") / "file").write_text("no")
    copy_layer(vfs, back)
    assert differences(wanted, described(plain, back)) == []


def test_nothing_written_is_nothing_copied(store: LayerStore) -> None:
    for driver in ("overlay2", "vfs", "btrfs"):
        assert measure_layer(store.make(driver)).files == 1, driver


def test_only_what_may_have_changed_is_read(small: LayerStore) -> None:
    """A file that was not touched since the layer was made is not opened."""
    place = small.make("vfs")
    path = folder_of(Path(place.tree), "untouched") / "file"
    before = path.stat()
    path.write_text("FROM THE IMAGE\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert measure_layer(place).bytes > 0
    time.sleep(0.1)  # the kernel's clock for files is a few milliseconds behind
    later = Place(place.driver, place.root, place.mount_id, place.init_id, time.time_ns())
    assert measure_layer(later).bytes == 0


@pytest.mark.parametrize("driver", ["overlay2", "vfs", "btrfs"])
def test_reset_leaves_what_the_engine_had_made(store: LayerStore, driver: str) -> None:
    place = store.make(driver)
    wanted = described(store, place)
    change(store, place)
    assert differences(wanted, described(store, place)) != []
    reset_layer(place)
    assert differences(wanted, described(store, place)) == []


@pytest.mark.parametrize("driver", ["overlay2", "vfs", "btrfs"])
def test_killed_and_done_again(store: LayerStore, tmp_path: Path, driver: str) -> None:
    source, target, whole = store.make("overlay2"), store.make(driver), store.make(driver)
    change(store, source)
    copy_layer(source, whole)
    job = tmp_path / "job"
    task = {"do": "copy", "item": "it", "source": source.document(), "target": target.document()}
    job.write_text(json.dumps({"tasks": [task]}))
    command = [sys.executable, "-I", "-S", program.__file__, str(job)]
    partly = 0
    for number in range(8):
        begun = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(0.06 + 0.015 * number)
        begun.kill()
        partly += begun.wait() != 0
    assert partly
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {"finished": True}
    assert differences(described(store, whole), described(store, target)) == []


def test_a_program_tells_why_it_failed(small: LayerStore, tmp_path: Path) -> None:
    source, target = small.make("overlay2"), small.make("vfs")
    os.setxattr(source.tree, "trusted.overlay.redirect", b"/x")
    job = tmp_path / "job"
    task = {"do": "copy", "item": "it", "source": source.document(), "target": target.document()}
    job.write_text(json.dumps({"tasks": [task]}))
    done = subprocess.run(
        [sys.executable, "-I", "-S", program.__file__, str(job)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert (error["item"], error["kind"]) == ("it", "LayerRefused")
    assert "redirect_dir" in error["message"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("trusted.overlay.redirect", b"/a", "redirect_dir.*cp -a"),
        ("trusted.overlay.metacopy", b"", "metacopy.*: >> FILE"),
        ("trusted.overlay.opaque", b"x", "opaque"),
    ],
)
def test_what_needs_the_layers_below_is_refused(
    small: LayerStore, key: str, value: bytes, said: str
) -> None:
    source = small.make("overlay2")
    (Path(source.tree) / "it").mkdir()
    os.setxattr(Path(source.tree) / "it", key, value)
    with pytest.raises(LayerRefused, match=f"/it: .*{said}"):
        measure_layer(source)


def test_what_the_refusals_advise_in_the_container_helps(tmp_path: Path) -> None:
    need_mounts()
    for name in ("lower/folder", "upper", "work", "merged"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lower/file").write_text("content")
    (tmp_path / "lower/folder/inside").write_text("inside")
    options = "lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=on,metacopy=on"
    mount = ["mount", "-t", "overlay", "none", "-o", options, "merged"]
    subprocess.run(mount, cwd=tmp_path, check=True)
    upper = OverlayUpper(str(tmp_path / "upper"))
    try:
        script = ["sh", "-ec", "chmod 600 file"]
        subprocess.run(script, cwd=tmp_path / "merged", check=True)
        with pytest.raises(LayerRefused, match="metacopy"):
            upper.measure()
        script = ["sh", "-ec", ": >> file; mv folder moved"]
        subprocess.run(script, cwd=tmp_path / "merged", check=True)
        with pytest.raises(LayerRefused, match="redirect_dir"):
            upper.measure()
        script = ["sh", "-ec", "cp -a moved copy; rm -r moved; mv copy moved"]
        subprocess.run(script, cwd=tmp_path / "merged", check=True)
        upper.measure()
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)
    assert (tmp_path / "upper/file").read_text() == "content"
    assert (tmp_path / "upper/moved/inside").read_text() == "inside"


def test_what_would_be_a_deletion_is_refused(small: LayerStore) -> None:
    source = small.make("vfs")
    os.mknod(Path(source.tree) / "node", 0o020666, os.makedev(0, 0))
    with pytest.raises(LayerRefused, match=r"/node: .*deletion"):
        copy_layer(source, small.make("overlay2"))
    copy_layer(source, small.make("vfs"))
    (Path(source.tree) / "node").unlink()
    (Path(source.tree) / ".wh.name").touch()
    copy_layer(source, small.make("overlay2"))
    with pytest.raises(LayerRefused, match=r"/\.wh\.name: .*deletion"):
        copy_layer(source, small.make("fuse-overlayfs"))


def test_a_deletion_of_what_an_archive_cannot_have_is_left_out(small: LayerStore) -> None:
    source = small.make("overlay2")
    os.mknod(Path(source.tree) / ".wh.gone", 0o020000, os.makedev(0, 0))
    written = io.BytesIO()
    assert write_archive(source, written) == 1
    (line,) = left_out(source)
    assert line.startswith("/.wh.gone: ")


def test_a_missing_layer_is_no_layer(small: LayerStore) -> None:
    place = Place("vfs", str(small.root), "none", "none-init")
    with pytest.raises(FileFailure, match="cannot read the layer"):
        measure_layer(place)


def test_a_link_in_the_target_is_not_followed(small: LayerStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    source, target = small.make("overlay2"), small.make("vfs")
    (Path(source.tree) / "untouched").mkdir()
    (Path(source.tree) / "untouched/file").write_text("in the container")
    shutil.rmtree(Path(target.tree) / "untouched")
    (Path(target.tree) / "untouched").symlink_to(outside)
    copy_layer(source, target)
    assert not list(outside.iterdir())
    assert (Path(target.tree) / "untouched/file").read_text() == "in the container"


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_an_archive_holds_the_same(plain: LayerStore, driver: str) -> None:
    source = plain.make(driver)
    # A tar archive has no sockets, and Python's reader no names that deep.
    with plain.seen(source) as root:
        for name in CHANGES.keys() - {"socket", "sparse", "deeper than a path"}:
            CHANGES[name](folder_of(root, name))
    first, second = io.BytesIO(), io.BytesIO()
    config = {"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}, "os": "linux"}
    below = {"config": {"mediaType": "application/x"}, "layers": [{"digest": "sha256:2"}]}
    made = image_archive(source, first, config=config, manifest=below)
    write_archive(source, second)
    with tarfile.open(fileobj=io.BytesIO(first.getvalue())) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        layer = archive.extractfile(manifest["Layers"][-1])
        assert layer is not None
        assert layer.read() == second.getvalue()
        assert manifest["Config"] == made.image.removeprefix("sha256:") + ".json"
        written = json.load(archive.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        assert len(written["rootfs"]["diff_ids"]) == 2
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
        assert [one["digest"] for one in index["manifests"]] == [made.manifest]
        stored = archive.extractfile("oci-manifest.json")
        assert stored is not None
        content = stored.read()
        assert made.manifest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        document = json.loads(content)
        assert document["config"]["digest"] == made.image
        assert [one["digest"] for one in document["layers"]] == [
            "sha256:2",
            written["rootfs"]["diff_ids"][1],
        ]
        assert document["layers"][1]["size"] == len(second.getvalue())
    with tarfile.open(fileobj=io.BytesIO(second.getvalue())) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        member = archive.getmember("user-attribute/file")
        assert member.pax_headers["SCHILY.xattr.user.colour"].startswith("blue\0")
        assert archive.getmember("great-owner/file").uid == 4_000_000_000
        assert archive.getmember("time-before-1970/file").mtime == pytest.approx(-0.123456789)
        assert "file-deleted/.wh.file" in names
        assert archive.getmember("hard-link-across-folders/other/new").islnk()


def test_an_archive_has_owners_as_the_container_sees_them(plain: LayerStore) -> None:
    source = plain.make("overlay2")
    with plain.seen(source) as root:
        changed = folder_of(root, "user attribute") / "file"
        changed.write_text("written")
        for path in (changed, changed.parent, Path(root)):
            os.chown(path, 100_007, 200_009)
    archive = io.BytesIO()
    write_archive(source, archive, root=(100_000, 200_000))
    archive.seek(0)
    with tarfile.open(fileobj=archive) as opened:
        member = opened.getmember("user-attribute/file")
    assert (member.uid, member.gid) == (7, 9)
    with pytest.raises(LayerRefused, match="none of the container's users"):
        write_archive(source, io.BytesIO(), root=(100_008, 0))


def test_an_archive_has_capabilities_as_the_container_sees_them(plain: LayerStore) -> None:
    """The kernel notes in a file whose root it was that gave it a capability, as host's user."""
    source = plain.make("overlay2")
    version_3 = struct.pack("<6I", 0x03000001, 1024, 0, 0, 0, 100_000)
    with plain.seen(source) as root:
        for name in ("own", "inner"):
            (Path(root) / name).touch()
            os.chown(Path(root) / name, 100_000, 100_000)
        os.chown(root, 100_000, 100_000)
        os.setxattr(Path(root) / "own", "security.capability", version_3)
        # That of a namespace within the container.
        inner = version_3[:20] + struct.pack("<I", 101_000)
        os.setxattr(Path(root) / "inner", "security.capability", inner)
    archive = io.BytesIO()
    write_archive(source, archive, root=(100_000, 100_000))
    archive.seek(0)
    with tarfile.open(fileobj=archive, errors="surrogateescape") as opened:
        found = {
            member.name: os.fsencode(member.pax_headers.get("SCHILY.xattr.security.capability", ""))
            for member in opened
        }
    assert found["own"] == struct.pack("<5I", 0x02000001, 1024, 0, 0, 0)
    assert found["inner"] == inner


def test_a_digest_tells_trees_apart(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(bytes(10_000) + b"x")
        os.utime(tmp_path / name / "file", ns=(1, 2))
        os.utime(tmp_path / name, ns=(1, 2))
    assert tree_digest(str(tmp_path / "one")) == tree_digest(str(tmp_path / "other"))
    os.utime(tmp_path / "other/file", ns=(1, 3))
    assert tree_digest(str(tmp_path / "one")) != tree_digest(str(tmp_path / "other"))
