"""Folders as archives by the real tar, run by a plain process instead of a service."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dockcfgd.adapters.containerd import Containerd
from dockcfgd.adapters.folder_archives import UnitFolderArchives
from dockcfgd.adapters.systemd import ProgramEnd
from dockcfgd.layers import Place
from dockcfgd.model.errors import FileFailure
from dockcfgd.model.systemd import JournalLine
from tests.support.layer_store import LayerStore, btrfs_folder, nested

ROOT = os.geteuid() == 0


class Processes:
    """Runs programs as processes; keeps what each unit said."""

    def __init__(self) -> None:
        self.ran: list[Sequence[str]] = []
        self._lines: dict[str, list[str]] = {}

    def run_program(
        self, unit: str, arguments: Sequence[str], *, what: str, timeout: float, output: str = ""
    ) -> ProgramEnd:
        assert what
        assert not output
        self.ran.append(arguments)
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=min(timeout, 10.0), check=False
        )
        self._lines[unit] = done.stderr.splitlines()
        return ProgramEnd("success" if done.returncode == 0 else "exit-code", done.returncode)

    def lines(self, unit: str, *, since: float, most: int) -> tuple[JournalLine, ...]:
        return tuple(JournalLine(since, "", line) for line in self._lines[unit][-most:])


@pytest.fixture
def archives(tmp_path: Path) -> Iterator[UnitFolderArchives]:
    runtime = tmp_path / "run"
    runtime.mkdir()
    nobody = Containerd(lambda: "/nonexistent", attend=lambda: None)
    yield UnitFolderArchives(Processes(), nobody, str(runtime))
    assert list(runtime.iterdir()) == []


def fill(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o2750)
    (folder / "plain").write_bytes(b"plain" * 1000)
    (folder / "plain").chmod(0o4711)
    os.link(folder / "plain", folder / "hard")
    (folder / "link").symlink_to("/nowhere at all")
    (folder / "täglich\n").write_bytes(b"")
    with (folder / "sparse").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
        file.seek(32 * 1024 * 1024)
        file.write(b"island")
    os.mkfifo(folder / "pipe")
    inner = folder / "inner"
    inner.mkdir(mode=0o1777)
    (inner / "dated").write_bytes(b"1")
    os.utime(inner / "dated", ns=(1, 1_234_567_890_123_456_789))
    if ROOT:
        os.mknod(folder / "device", stat.S_IFCHR | 0o620, os.makedev(1, 3))
        os.chown(inner / "dated", 123456, 4242)
        os.setxattr(folder / "plain", "trusted.mine", b"\x00value")
        os.setxattr(folder / "plain", "user.yours", b"value")


def seen(folder: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        facts = path.lstat()
        attributes = tuple(
            (name, os.getxattr(path, name, follow_symlinks=False))
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        )
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        target = str(path.readlink()) if path.is_symlink() else ""
        found[str(path.relative_to(folder))] = (
            facts.st_mode,
            facts.st_uid,
            facts.st_gid,
            facts.st_nlink,
            facts.st_rdev,
            0 if path == folder else facts.st_mtime_ns,
            attributes,
            content,
            target,
        )
    return found


def test_a_folder_there_and_back(archives: UnitFolderArchives, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    fill(source)
    target.mkdir()
    with archives.pack(str(source)) as packed:
        chunks = list(packed.chunks())
        assert packed.steady()
    archives.unpack(str(target), iter(chunks))
    assert seen(target) == seen(source)
    # Holes stay holes, on the way too.
    assert sum(map(len, chunks)) < 1024 * 1024
    assert (target / "sparse").stat().st_blocks * 512 < 1024 * 1024
    assert not (tmp_path / "target.dockcfgd-new").exists()


def test_names_are_the_same_whatever_the_hosts_language(
    archives: UnitFolderArchives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    latin = tmp_path / "de_DE.ISO-8859-1"
    making = f"localedef --inputfile=de_DE --charmap=ISO-8859-1 {latin}"
    subprocess.run(["/bin/sh", "-c", making], check=False)
    if not latin.exists():
        pytest.skip("no such locale can be made here")
    source.mkdir()
    target.mkdir()
    names = [b"\xc3\xbc", b"\xfc"]
    for name in names:
        (source / os.fsdecode(name)).touch()
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", latin.name)
    with archives.pack(str(source)) as packed:
        content = list(packed.chunks())
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    archives.unpack(str(target), content)
    assert sorted(os.fsencode(one.name) for one in target.iterdir()) == names


@pytest.mark.skipif(not ROOT, reason="only root can mount")
def test_subvolumes_come_along_and_mounts_do_not(
    archives: UnitFolderArchives, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with btrfs_folder(tmp_path) as folder:
        mounted = folder / "mounted [a] \\ b*"
        beside = folder / "mounted a"
        subprocess.run(["btrfs", "subvolume", "create", folder / "inner"], check=True)
        for place in (mounted, beside):
            place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=True)
        try:
            for place in (mounted, beside, folder / "inner"):
                (place / "file").touch()
            (mounted / "large").write_bytes(bytes(4 << 20))
            assert archives.size(str(folder)) < 1 << 20
            with archives.pack(str(folder)) as packed:
                archives.unpack(str(target), packed.chunks())
        finally:
            subprocess.run(["umount", mounted], check=True)
    names = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
    assert names == ["inner", "inner/file", "mounted [a] \\ b*", "mounted a", "mounted a/file"]


def test_plain_tar_reads_it(archives: UnitFolderArchives, tmp_path: Path) -> None:
    source = tmp_path / "source"
    fill(source)
    with archives.pack(str(source)) as packed:
        (tmp_path / "it.tar").write_bytes(b"".join(packed.chunks()))
    with tarfile.open(tmp_path / "it.tar") as opened:
        names = {os.path.normpath(member.name) for member in opened}
    assert names == {*seen(source)}


def test_its_size_is_what_it_takes(archives: UnitFolderArchives, tmp_path: Path) -> None:
    source = tmp_path / "source"
    fill(source)
    assert 5000 <= archives.size(str(source)) < 1024 * 1024
    assert archives.size(str(tmp_path / "none")) == 0


def test_what_has_many_names_is_measured_once(archives: UnitFolderArchives, tmp_path: Path) -> None:
    """As in a folder of daily copies that share what has not changed."""
    for day in range(10):
        (tmp_path / f"{day}").mkdir()
    (tmp_path / "0" / "file").write_bytes(bytes(range(256)) * 4096)
    for day in range(1, 10):
        os.link(tmp_path / "0" / "file", tmp_path / f"{day}" / "file")
    assert 1024 * 1024 - 1024 <= archives.size(str(tmp_path)) < 2 * 1024 * 1024


def test_folders_in_each_other_are_measured_however_many(
    archives: UnitFolderArchives, tmp_path: Path
) -> None:
    with nested(tmp_path, b"d", 1500) as deepest:
        file = os.open(b"file", os.O_WRONLY | os.O_CREAT, dir_fd=deepest)
        os.write(file, b"content")
        os.close(file)
        assert archives.size(str(tmp_path / "d")) > 0


def test_folders_nested_deeper_than_tar_puts_back_are_told(
    archives: UnitFolderArchives, tmp_path: Path
) -> None:
    with nested(tmp_path, b"d" * 100, 60), pytest.raises(FileFailure, match="File name too long"):
        archives.size(str(tmp_path))


def test_one_that_cannot_be_read_is_told(archives: UnitFolderArchives, tmp_path: Path) -> None:
    with (
        pytest.raises(FileFailure, match=r"cannot read .*/none: .*No such file"),
        archives.pack(str(tmp_path / "none")) as packed,
    ):
        list(packed.chunks())


def test_one_left_early_ends(archives: UnitFolderArchives, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(4 * 1024 * 1024))
    with archives.pack(str(source)) as packed:
        next(packed.chunks())
    with archives.pack(str(source)):
        pass


def test_an_archive_that_breaks_off_leaves_nothing(
    archives: UnitFolderArchives, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    fill(source)
    target.mkdir()
    with archives.pack(str(source)) as packed:
        whole = b"".join(packed.chunks())

    def broken() -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        raise FileFailure(what="use", path="it", errno=0, why="its checksum is wrong")

    with pytest.raises(FileFailure, match="checksum"):
        archives.unpack(str(target), broken())
    with pytest.raises(FileFailure, match="cannot fill"):
        archives.unpack(str(target), iter([whole[: whole.index(b"plain" * 100) + 600]]))
    assert [path.name for path in tmp_path.iterdir() if "target" in path.name] == ["target"]
    assert list(target.iterdir()) == []


def test_what_is_there_is_not_overwritten(archives: UnitFolderArchives, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    fill(source)
    target.mkdir()
    (target / "mine").write_bytes(b"mine")
    with archives.pack(str(source)) as packed:
        whole = b"".join(packed.chunks())
    with pytest.raises(FileFailure, match="not empty"):
        archives.unpack(str(target), iter([whole]))
    assert [path.name for path in target.iterdir()] == ["mine"]
    assert not (tmp_path / "target.dockcfgd-new").exists()


def test_what_a_filesystem_does_not_take_is_told(
    archives: UnitFolderArchives, tmp_path: Path
) -> None:
    output, target = io.BytesIO(), tmp_path / "target"
    target.mkdir()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("btrfs.compression", "user.large"):
            member = tarfile.TarInfo(name)
            member.pax_headers = {f"SCHILY.xattr.{name}": "x" * 70_000}
            archive.addfile(member)
    (line,) = archives.unpack(str(target), iter([output.getvalue()]))
    assert line.startswith("Cannot set 'user.large' extended attribute for file 'user.large': ")
    assert len(list(target.iterdir())) == 2


def test_one_that_was_cut_off_when_it_took_its_place_can_be_done_again(
    archives: UnitFolderArchives, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    fill(source)
    (tmp_path / "target.dockcfgd-new").mkdir()
    with archives.pack(str(source)) as packed:
        archives.unpack(str(target), packed.chunks())
    assert seen(target) == seen(source)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LayerStore]:
    """Layers of an image with one folder."""
    base = tmp_path / "base"
    base.mkdir()
    store = LayerStore(tmp_path / "root", base)
    store.root.mkdir()
    yield store
    store.close()


def layer_of(
    archives: UnitFolderArchives, place: Place, image: bytes
) -> tuple[str, dict[str, bytes], tuple[str, ...]]:
    """Give the ID of the image in a layer's archive, what is in the archive, and what is not."""
    identity = hashlib.sha256(image).hexdigest()
    folder = Path(place.root, "image", place.driver, "imagedb/content/sha256")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / identity).write_bytes(image)
    (mount,) = Path(place.root, "image", place.driver, "layerdb/mounts").iterdir()
    with archives.pack_layer(
        place.root, driver=place.driver, container=mount.name, image=f"sha256:{identity}"
    ) as packed:
        content = b"".join(packed.chunks())
        if not content:
            return "", {}, packed.left_out()
        with tarfile.open(fileobj=io.BytesIO(content)) as opened:
            files = [(member.name, opened.extractfile(member)) for member in opened]
        contents = {name: file.read() for name, file in files if file}
        return packed.image().image, contents, packed.left_out()


ONE_LAYER = json.dumps(
    {"os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}
).encode()


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_of_a_container_that_changed_nothing_there_is_no_layer(
    archives: UnitFolderArchives, store: LayerStore, driver: str
) -> None:
    place = store.make(driver)
    assert layer_of(archives, place, ONE_LAYER) == ("", {}, ())
    Path(place.tree, "written").write_bytes(b"by the container")
    image, files, left_out = layer_of(archives, place, ONE_LAYER)
    assert image
    assert left_out == ()
    with tarfile.open(fileobj=io.BytesIO(files["layer/layer.tar"])) as layer:
        assert "written" in layer.getnames()


def test_what_an_archive_cannot_have_is_left_out_and_told(
    archives: UnitFolderArchives, store: LayerStore
) -> None:
    place = store.make("vfs")
    tree = Path(place.tree)
    (tree / ".wh.file").write_bytes(b"content")
    for name in ("other", "third"):
        os.link(tree / ".wh.file", tree / name)
    (tree / ".wh.folder/inner").mkdir(parents=True)
    (tree / ".wh.folder/inner/it").write_bytes(b"inside")
    if ROOT:
        os.mknod(tree / "device", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    _, files, left_out = layer_of(archives, place, ONE_LAYER)
    with tarfile.open(fileobj=io.BytesIO(files["layer/layer.tar"])) as layer:
        assert {member.name: member.linkname for member in layer} == {
            ".": "", "other": "", "third": "other"
        }  # fmt: skip
        file = layer.extractfile("third")
        assert file is not None
        assert file.read() == b"content"
    paths = [line.partition(": ")[0] for line in left_out]
    assert paths == ["/.wh.file", "/.wh.folder", *(["/device"] if ROOT else [])]
    assert all("is read as a deletion" in line for line in left_out)


@pytest.mark.skipif(not ROOT, reason="only root may give files away")
@pytest.mark.parametrize(
    ("name", "group", "owner"),
    [("100000.200000", 200_000, 7), ("100000.200000", 0, 7), ("20.10", 0, 100_007)],
)
def test_owners_are_the_containers_where_users_are_remapped(
    archives: UnitFolderArchives, tmp_path: Path, name: str, group: int, owner: int
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    store = LayerStore(tmp_path / name, base)
    store.root.mkdir()
    os.chown(store.root, 0, group)
    place = store.make("overlay2")
    Path(place.tree, "file").touch()
    for path in (place.tree, place.base, Path(place.tree, "file")):
        os.chown(path, 100_007, 200_009)
    _, files, _ = layer_of(archives, place, ONE_LAYER)
    with tarfile.open(fileobj=io.BytesIO(files["layer/layer.tar"])) as layer:
        assert {member.uid for member in layer} == {owner}


def test_what_is_nested_too_deep_for_an_engine_is_left_out(
    archives: UnitFolderArchives, store: LayerStore
) -> None:
    place = store.make("overlay2")
    Path(place.tree, "written").touch()
    with nested(Path(place.tree), b"d" * 99, 60):
        _, files, (line,) = layer_of(archives, place, ONE_LAYER)
    with tarfile.open(fileobj=io.BytesIO(files["layer/layer.tar"])) as layer:
        names = layer.getnames()
    assert max(map(len, names)) == 38 * 100 - 1
    assert names[-1] == "written"
    path, _, why = line.partition(": ")
    assert len(path) == 39 * 100
    assert why == "its path is longer than an engine can unpack"


def test_of_many_that_are_left_out_the_first_are_told(
    archives: UnitFolderArchives, store: LayerStore
) -> None:
    place = store.make("overlay2")
    for number in range(25):
        Path(place.tree, f".wh.{number:02}").touch()
    *told, more = layer_of(archives, place, ONE_LAYER)[2]
    assert [line.partition(": ")[0] for line in told] == [f"/.wh.{one:02}" for one in range(20)]
    assert more == "and 5 more"


@pytest.mark.parametrize("rootfs", [{}, {"diff_ids": None}, {"diff_ids": []}])
def test_an_image_without_layers_gets_its_first(
    archives: UnitFolderArchives, store: LayerStore, rootfs: dict[str, object]
) -> None:
    place = store.make("vfs")
    Path(place.tree, "written").touch()
    bare = json.dumps({"os": "linux", "rootfs": {"type": "layers", **rootfs}}).encode()
    image, files, _ = layer_of(archives, place, bare)
    (entry,) = json.loads(files["manifest.json"])
    assert entry["Layers"] == ["layer/layer.tar"]
    digest = hashlib.sha256(files["layer/layer.tar"]).hexdigest()
    config = json.loads(files[image.removeprefix("sha256:") + ".json"])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
