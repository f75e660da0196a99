"""ports.Files: the same behaviour in memory and on real filesystems."""

from __future__ import annotations

import errno
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockcfgd.adapters.files import HostFiles
from dockcfgd.layers.contents import share_content
from dockcfgd.model.errors import FileFailure, StaleFile
from dockcfgd.model.files import ABSENT, FileKind, Tag, digest_of
from tests.contract.rigs import FakeTree, HostTree, Tree, mounted
from tests.fakes import FakeFiles

FRESH = Tag(digest="", uid=0, gid=0, mode=0o640)


@pytest.fixture(params=["fake", "tmpfs", "ext4", "btrfs"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tree]:
    if request.param == "fake":
        yield FakeTree()
        return
    with mounted(request.param, tmp_path) as place:
        top = place / "tree"
        top.mkdir()
        yield HostTree(top, mounted_at=place)


@pytest.fixture
def path(tree: Tree) -> str:
    return f"{tree.top}/etc/docker/daemon.json"


class TestRead:
    def test_absent(self, tree: Tree, path: str) -> None:
        state = tree.files.read(path)
        assert (state.kind, state.tag, state.content) == (FileKind.ABSENT, ABSENT, b"")
        assert not state.present

    def test_regular(self, tree: Tree, path: str) -> None:
        tree.put(path, b"{}", mode=0o600, owner=7)
        state = tree.files.read(path)
        assert state.tag == Tag(digest=digest_of(b"{}"), uid=7, gid=7, mode=0o600)
        assert state.content == b"{}"
        assert state.present
        assert state.inode > 0

    def test_links_are_followed(self, tree: Tree) -> None:
        tree.put(f"{tree.top}/real", b"1")
        tree.link(f"{tree.top}/one", "real")
        tree.link(f"{tree.top}/two", f"{tree.top}/one")
        assert tree.files.read(f"{tree.top}/two").content == b"1"

    @pytest.mark.parametrize("target", ["missing", "link", "missing/deeper"])
    def test_links_to_nowhere_and_in_a_circle(self, tree: Tree, target: str) -> None:
        tree.link(f"{tree.top}/link", target)
        assert tree.files.read(f"{tree.top}/link").kind is FileKind.DANGLING

    def test_folders_and_special_files_are_not_read(self, tree: Tree) -> None:
        tree.special(f"{tree.top}/fifo")
        assert tree.files.read(f"{tree.top}/fifo").kind is FileKind.SPECIAL
        assert tree.files.read(tree.top).kind is FileKind.DIRECTORY

    def test_limit(self, tree: Tree, path: str) -> None:
        tree.put(path, b"12345")
        assert tree.files.read(path, limit=5).content == b"12345"
        with pytest.raises(FileFailure) as failure:
            tree.files.read(path, limit=4)
        assert failure.value.errno == errno.EFBIG


@pytest.mark.parametrize("path", ["/srv/a\0b", "/srv/\ud800"])
def test_a_path_that_no_file_can_have(path: str) -> None:
    files = HostFiles()
    with pytest.raises(FileFailure, match=r"cannot read .*: no file can have this name"):
        files.read(path)
    with pytest.raises(FileFailure, match=r"cannot list .*: no file can have this name"):
        files.names(path)


class TestReplace:
    def test_new_file_in_new_folders(self, tree: Tree, path: str) -> None:
        tag = tree.files.replace(path, b"{}", expected=[ABSENT], fresh=FRESH)
        assert tag == Tag(digest=digest_of(b"{}"), mode=0o640)
        assert tree.files.read(path).tag == tag

    def test_owner_mode_and_attributes_stay(self, tree: Tree, path: str) -> None:
        tree.put(path, b"old", mode=0o604, owner=7)
        tree.attribute(path, "user.note", b"keep")
        tree.attribute(path, "security.note", b"keep too")
        seen = tree.files.read(path)
        tag = tree.files.replace(path, b"new", expected=[seen.tag], fresh=FRESH)
        assert tag == Tag(digest=digest_of(b"new"), uid=7, gid=7, mode=0o604)
        assert tree.files.read(path).tag == tag
        assert tree.attribute(path, "user.note") == b"keep"
        assert tree.attribute(path, "security.note") == b"keep too"

    def test_a_new_file_gets_the_attributes(self, tree: Tree, path: str) -> None:
        given = {"user.note": b"keep", "security.note": b"too"}
        tree.files.replace(path, b"{}", expected=[ABSENT], fresh=FRESH, attributes=given)
        assert tree.files.attributes(path) == given

    def test_a_file_that_is_there_keeps_its_own(self, tree: Tree, path: str) -> None:
        tree.put(path, b"old")
        tree.attribute(path, "security.note", b"its own")
        seen, given = tree.files.read(path), {"security.note": b"given"}
        tree.files.replace(path, b"new", expected=[seen.tag], fresh=FRESH, attributes=given)
        assert tree.files.attributes(path) == {"security.note": b"its own"}

    def test_nothing_has_no_attributes(self, tree: Tree, path: str) -> None:
        assert tree.files.attributes(path) == {}

    def test_any_expected_tag_will_do(self, tree: Tree, path: str) -> None:
        tree.put(path, b"old")
        seen = tree.files.read(path).tag
        tree.files.replace(path, b"new", expected=[ABSENT, seen], fresh=FRESH)
        assert tree.files.read(path).content == b"new"

    def test_the_same_content_is_not_written(self, tree: Tree, path: str) -> None:
        tree.put(path, b"same", mode=0o600)
        before = tree.files.read(path)
        tag = tree.files.replace(path, b"same", expected=[ABSENT], fresh=FRESH)
        after = tree.files.read(path)
        assert tag == before.tag
        assert (after.inode, after.mtime_ns) == (before.inode, before.mtime_ns)

    @pytest.mark.parametrize("edit", ["content", "mode", "owner", "gone", "there"])
    def test_an_edit_since_the_look_is_left_alone(self, tree: Tree, path: str, edit: str) -> None:
        if edit != "there":
            tree.put(path, b"old")
        seen = tree.files.read(path).tag
        if edit == "gone":
            tree.delete(path)
        else:
            content = b"theirs" if edit in {"content", "there"} else b"old"
            mode = 0o600 if edit == "mode" else 0o644
            tree.put(path, content, mode=mode, owner=9 if edit == "owner" else 0)
        theirs = tree.files.read(path)
        with pytest.raises(StaleFile):
            tree.files.replace(path, b"ours", expected=[seen], fresh=FRESH)
        assert tree.files.read(path) == theirs

    def test_a_link_stays_and_its_target_is_replaced(self, tree: Tree, path: str) -> None:
        target = f"{tree.top}/srv/daemon.json"
        tree.put(target, b"old", mode=0o600)
        tree.put(f"{tree.top}/etc/docker/other", b"")
        tree.link(path, "../../srv/daemon.json")
        seen = tree.files.read(path).tag
        tree.files.replace(path, b"new", expected=[seen], fresh=FRESH)
        assert tree.is_link(path)
        assert tree.files.read(target).content == b"new"
        assert tree.files.names(f"{tree.top}/srv") == ("daemon.json",)

    def test_a_dangling_link_gets_its_target(self, tree: Tree) -> None:
        tree.link(f"{tree.top}/link", "made/later")
        tree.files.replace(f"{tree.top}/link", b"1", expected=[ABSENT], fresh=FRESH)
        assert tree.is_link(f"{tree.top}/link")
        assert tree.files.read(f"{tree.top}/made/later").content == b"1"

    @pytest.mark.parametrize(
        ("kind", "number"), [("fifo", errno.ENXIO), ("folder", errno.EISDIR), ("loop", errno.ELOOP)]
    )
    def test_what_is_no_file_is_refused(self, tree: Tree, kind: str, number: int) -> None:
        path = f"{tree.top}/{kind}"
        if kind == "fifo":
            tree.special(path)
        elif kind == "folder":
            tree.folder(path)
        else:
            tree.link(path, kind)
        with pytest.raises(FileFailure) as failure:
            tree.files.replace(path, b"1", expected=[ABSENT], fresh=FRESH)
        assert failure.value.errno == number
        assert path in str(failure.value)

    @pytest.mark.parametrize("there", [True, False])
    def test_without_space_nothing_changes(self, tree: Tree, path: str, *, there: bool) -> None:
        tree.put(f"{tree.top}/etc/docker/other", b"")
        if there:
            tree.put(path, b"old")
        before = tree.files.read(path)
        tree.fill()
        with pytest.raises(FileFailure) as failure:
            tree.files.replace(path, bytes(200_000), expected=[before.tag], fresh=FRESH)
        assert failure.value.errno == errno.ENOSPC
        assert tree.files.read(path) == before
        assert set(tree.files.names(f"{tree.top}/etc/docker")) <= {"daemon.json", "other"}

    def test_on_a_read_only_filesystem_nothing_changes(self, tree: Tree, path: str) -> None:
        tree.put(path, b"old")
        before = tree.files.read(path)
        tree.forbid_writing()
        with pytest.raises(FileFailure) as failure:
            tree.files.replace(path, b"new", expected=[before.tag], fresh=FRESH)
        assert failure.value.errno == errno.EROFS
        with pytest.raises(FileFailure) as failure:
            tree.files.remove(path, expected=[before.tag])
        assert failure.value.errno == errno.EROFS
        assert tree.files.read(path) == before


class TestRemove:
    def test_removed(self, tree: Tree, path: str) -> None:
        tree.put(path, b"old")
        tree.files.remove(path, expected=[tree.files.read(path).tag])
        assert tree.files.read(path).kind is FileKind.ABSENT
        assert tree.files.names(f"{tree.top}/etc/docker") == ()

    def test_nothing_there_is_fine(self, tree: Tree, path: str) -> None:
        tree.files.remove(path, expected=[])

    def test_an_edit_since_the_look_is_left_alone(self, tree: Tree, path: str) -> None:
        tree.put(path, b"old")
        seen = tree.files.read(path).tag
        tree.put(path, b"theirs")
        with pytest.raises(StaleFile):
            tree.files.remove(path, expected=[seen])
        assert tree.files.read(path).content == b"theirs"

    def test_a_link_stays(self, tree: Tree) -> None:
        tree.put(f"{tree.top}/real", b"1")
        tree.link(f"{tree.top}/link", "real")
        tree.files.remove(f"{tree.top}/link", expected=[tree.files.read(f"{tree.top}/link").tag])
        assert tree.files.read(f"{tree.top}/link").kind is FileKind.DANGLING

    def test_a_folder_is_refused(self, tree: Tree) -> None:
        tree.folder(f"{tree.top}/folder")
        with pytest.raises(FileFailure) as failure:
            tree.files.remove(f"{tree.top}/folder", expected=[ABSENT])
        assert failure.value.errno == errno.EISDIR


class TestFolders:
    def test_names(self, tree: Tree) -> None:
        tree.put(f"{tree.top}/d/b", b"")
        tree.put(f"{tree.top}/d/a", b"")
        tree.put(f"{tree.top}/d/sub/c", b"")
        assert tree.files.names(f"{tree.top}/d") == ("a", "b", "sub")
        assert tree.files.names(f"{tree.top}/missing") == ()

    def test_a_file_has_no_names(self, tree: Tree, path: str) -> None:
        tree.put(path, b"")
        with pytest.raises(FileFailure) as failure:
            tree.files.names(path)
        assert failure.value.errno == errno.ENOTDIR

    def test_free_bytes_of_a_folder_to_be(self, tree: Tree) -> None:
        assert tree.files.free_bytes(f"{tree.top}/missing/deeper") > 100_000

    def test_free_inodes_of_a_folder_to_be(self, tree: Tree) -> None:
        free = tree.files.free_inodes(f"{tree.top}/missing/deeper")
        assert free is None or free > 100


def test_whether_blocks_are_shared_is_tried_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "one").touch()
    with (tmp_path / "one").open("rb") as one, (tmp_path / "two").open("wb") as two:
        expected = share_content(one.fileno(), two.fileno())
    before = folder.stat()
    assert HostFiles().shares_blocks(str(folder)) is expected
    assert folder.stat() == before
    assert not HostFiles().shares_blocks(f"{folder}/missing")


def test_an_edit_in_the_very_moment_of_writing_survives(tmp_path: Path) -> None:
    """A writer that renames over the file while it is being replaced never loses an edit."""
    path = tmp_path / "daemon.json"
    path.write_bytes(b"ours")
    files = HostFiles()
    seen_by_us: set[bytes] = set()
    lost: list[bytes] = []
    done = threading.Event()

    def edit() -> None:
        pause = random.Random(1)  # noqa: S311  # to be repeatable is the point
        for number in range(150):
            token = b"theirs %d" % number
            aside = tmp_path / "aside"
            aside.write_bytes(token)
            time.sleep(pause.random() / 1000)
            aside.replace(path)
            deadline = time.monotonic() + 5
            while token not in seen_by_us and time.monotonic() < deadline:
                time.sleep(0.0002)
            if token not in seen_by_us:
                lost.append(token)
        done.set()

    editor = threading.Thread(target=edit)
    editor.start()
    stale = 0
    while not done.is_set():
        state = files.read(str(path))
        seen_by_us.add(state.content)
        try:
            content = b"ours %d" % time.monotonic_ns()
            files.replace(str(path), content, expected=[state.tag], fresh=FRESH)
        except StaleFile:
            stale += 1
    editor.join()
    assert lost == []
    assert stale > 0, "no edit ever met a write, so nothing was shown"


_REPLACER = """
import sys
from dockcfgd.adapters.files import HostFiles
from dockcfgd.layers.contents import share_content
from dockcfgd.model.files import Tag
path, files, number = sys.argv[1], HostFiles(), 0
tag = files.read(path).tag
print("ready", flush=True)
while True:
    number += 1
    content = b"%d " % number * 5000
    tag = files.replace(path, content, expected=[tag], fresh=Tag(digest=""))
"""


def test_a_killed_writer_leaves_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_bytes(b"0 " * 5000)
    pause = random.Random(2)  # noqa: S311  # to be repeatable is the point
    contents = set()
    for _ in range(12):
        command = [sys.executable, "-c", _REPLACER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause.random() / 10)
            process.send_signal(signal.SIGKILL)
        words = path.read_bytes().split()
        assert len(words) == 5000
        assert len(set(words)) == 1
        contents.add(words[0])
    assert len(contents) > 1, "no write was ever done, so nothing was shown"
    HostFiles().replace(str(path), b"last", expected=[HostFiles().read(str(path)).tag], fresh=FRESH)
    assert [entry.name for entry in tmp_path.iterdir()] == ["daemon.json"]


def test_what_was_not_synced_goes_with_the_power() -> None:
    """The fake's own: what a crash between write and sync leaves is either state, never a mix."""
    files = FakeFiles()
    files.put("/etc/a", "old")
    tag = files.replace("/etc/a", b"new", expected=[files.read("/etc/a").tag], fresh=FRESH)
    files.power_cut()
    assert files.read("/etc/a").tag == tag
