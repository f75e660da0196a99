"""Real inotify, real editors' ways of saving. Runs with whatever watchdog is installed."""

from __future__ import annotations

import gc
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockcfgd.adapters.file_watch import FileWatch

# Well under the second that a dropped file may take to show.
PROMPT = 0.6
QUIET = 0.4
RENAMES = 200


class Watched:
    """A running watch of one folder, and the hints that it gave."""

    def __init__(self, folders: set[str]) -> None:
        self.hints: queue.Queue[str] = queue.Queue()
        self.unwatched: list[set[str]] = []
        self.watch = FileWatch(lambda: folders, self.hints.put, unwatched=self.unwatched.append)
        self.watch.start()

    def hinted(self) -> bool:
        """Tell whether a hint comes promptly, and forget those that come with it."""
        try:
            self.hints.get(timeout=PROMPT)
        except queue.Empty:
            return False
        self.settle()
        return True

    def settle(self) -> None:
        """Wait until no more hints come."""
        try:
            while True:
                self.hints.get(timeout=QUIET)
        except queue.Empty:
            return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "conf.d"
    made.mkdir()
    return made


Watching = Callable[..., Watched]


@pytest.fixture
def watching() -> Iterator[Watching]:
    made: list[Watched] = []

    def watch(*folders: Path) -> Watched:
        made.append(Watched({str(folder) for folder in folders}))
        return made[-1]

    yield watch
    for one in made:
        one.watch.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "file-watch"]


def elsewhere(tmp_path: Path) -> Path:
    """Make a file for a link to lead to, in a folder of its own."""
    target = tmp_path / "srv" / "daemon.json"
    target.parent.mkdir()
    target.write_text("old")
    return target


def write_anew(path: Path) -> None:
    path.write_text("new")


def write_in_place(path: Path) -> None:
    with path.open("r+") as file:
        file.write("x")


def rename_over(path: Path) -> None:
    aside = path.with_name(".new")
    aside.write_text("new")
    aside.replace(path)


def rename_into(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("new")
    outside.rename(path)


def delete(path: Path) -> None:
    path.unlink()


def vim(path: Path) -> None:
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text("new")
    backup.unlink()


def change_mode(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize(
    "edit", [write_anew, write_in_place, rename_over, rename_into, delete, vim, change_mode]
)
def test_every_way_of_saving_gives_a_hint(
    edit: Callable[[Path], None], folder: Path, watching: Watching
) -> None:
    file = folder / "10-a.toml"
    file.write_text("old")
    watched = watching(folder)
    edit(file)
    assert watched.hinted()


def test_a_new_file_gives_a_hint(folder: Path, watching: Watching) -> None:
    watched = watching(folder)
    (folder / "10-a.toml").write_text("new")
    assert watched.hinted()


def test_reading_gives_none(folder: Path, watching: Watching) -> None:
    file = folder / "10-a.toml"
    file.write_text("old")
    watched = watching(folder)
    watched.settle()
    file.read_text()
    list(folder.iterdir())
    assert not watched.hinted()


def test_a_folder_that_is_made_later_is_watched(tmp_path: Path, watching: Watching) -> None:
    folder = tmp_path / "etc" / "dockcfgd" / "conf.d"
    watched = watching(folder)
    folder.mkdir(parents=True)
    assert watched.hinted()
    (folder / "10-a.toml").write_text("new")
    assert watched.hinted()
    assert str(folder.resolve()) in watched.watch.watched


def test_neighbours_of_a_missing_folder_give_no_hint(tmp_path: Path, watching: Watching) -> None:
    watched = watching(tmp_path / "missing")
    (tmp_path / "other").write_text("new")
    assert not watched.hinted()


def test_a_folder_that_is_made_again_is_watched(folder: Path, watching: Watching) -> None:
    watched = watching(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    assert watched.hinted()
    (folder / "10-a.toml").write_text("new")
    assert watched.hinted()


def test_a_folder_that_was_exchanged_is_found_by_the_check(
    folder: Path, watching: Watching
) -> None:
    watched = watching(folder)
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    watched.watch.check()
    assert watched.hinted()
    (folder / "10-a.toml").write_text("new")
    assert watched.hinted()


def test_a_check_that_finds_nothing_gives_no_hint(folder: Path, watching: Watching) -> None:
    watched = watching(folder)
    watched.watch.check()
    assert not watched.hinted()


def test_the_target_of_a_linked_file_is_watched(
    folder: Path, tmp_path: Path, watching: Watching
) -> None:
    target = elsewhere(tmp_path)
    (folder / "daemon.json").symlink_to(target)
    watched = watching(folder)
    write_in_place(target)
    assert watched.hinted()
    rename_over(target)
    assert watched.hinted()
    target.with_name("neighbour").write_text("new")
    assert not watched.hinted()


def test_a_link_made_later_has_its_target_watched(
    folder: Path, tmp_path: Path, watching: Watching
) -> None:
    target = elsewhere(tmp_path)
    watched = watching(folder)
    (folder / "daemon.json").symlink_to(target)
    assert watched.hinted()
    write_in_place(target)
    assert watched.hinted()


def test_a_swapped_link_on_the_way_gives_a_hint(
    folder: Path, tmp_path: Path, watching: Watching
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.toml").write_text(name)
    data = tmp_path / "data"
    data.symlink_to("one")
    (folder / "a.toml").symlink_to(data / "a.toml")
    watched = watching(folder)
    fresh = tmp_path / "data.new"
    fresh.symlink_to("two")
    fresh.replace(data)
    assert watched.hinted()
    write_in_place(tmp_path / "two" / "a.toml")
    assert watched.hinted()


def test_a_linked_folder_is_watched(folder: Path, tmp_path: Path, watching: Watching) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    watched = watching(link)
    (folder / "a.toml").write_text("new")
    assert watched.hinted()


def test_links_in_a_circle_do_no_harm(folder: Path, watching: Watching) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    watched = watching(folder)
    (folder / "c").write_text("new")
    assert watched.hinted()


def test_what_is_renamed_is_not_remembered(
    folder: Path, tmp_path: Path, watching: Watching
) -> None:
    """Whoever renames files in a watched folder, for as long as the process lives."""
    target = elsewhere(tmp_path)
    (folder / "daemon.json").symlink_to(target)
    watched = watching(folder)
    neighbours = [target.with_name(f"neighbour-{number}") for number in range(2)]
    neighbours[0].write_text("new")
    for number in range(RENAMES):
        neighbours[number % 2].rename(neighbours[1 - number % 2])
        rename_over(folder / "10-a.toml")
    assert watched.hinted()
    # Some of them may still be on their way.
    end = time.monotonic() + 10
    while (kept := _renames_kept()) >= RENAMES / 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert kept < RENAMES / 2, kept


def _renames_kept() -> int:
    return sum(type(one).__name__ == "InotifyEvent" for one in gc.get_objects())


_FEW_WATCHES = """\
import os, sys, time
from pathlib import Path
from dockcfgd.adapters.file_watch import FileWatch

limit = Path("/proc/sys/user/max_inotify_watches")
opened = lambda: len(os.listdir("/proc/self/fd"))
until = lambda holds: any(holds() or time.sleep(0.02) for _ in range(200))
limit.write_text("2")
told = []
watch = FileWatch(lambda: set(sys.argv[1:]), lambda _: None, unwatched=told.append)
watch.start()
assert len(watch.watched) == 2, watch.watched
missed = set(sys.argv[1:]) - watch.watched
before = opened()
for _ in range(20):
    watch.check()
    time.sleep(0.02)
assert opened() == before, (opened(), before)
assert told == [missed], told
limit.write_text("100")
watch.check()
assert until(lambda: len(watch.watched) == 3), watch.watched
assert until(lambda: told == [missed, set()]), told
watch.stop()
"""


def test_too_few_watches_are_told_and_use_nothing_up(folder: Path, tmp_path: Path) -> None:
    own = ["unshare", "--user", "--map-root-user"]
    limited = [*own, "sh", "-c", "echo 2 >/proc/sys/user/max_inotify_watches"]
    if subprocess.run(limited, check=False, capture_output=True).returncode:
        pytest.skip("no user namespace with a limit of its own")
    others = [tmp_path.resolve() / name for name in ("docker", "drop-ins")]
    for other in others:
        other.mkdir()
    trial = [*own, sys.executable, "-c", _FEW_WATCHES, str(folder), *map(str, others)]
    done = subprocess.run(trial, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
