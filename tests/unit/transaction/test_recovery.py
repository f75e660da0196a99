"""dockcfgd-recover on real files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dockcfgd.adapters.files import HostFiles
from dockcfgd.migration import folders
from dockcfgd.model.deadline import Deadline
from dockcfgd.model.errors import FileFailure, SystemdFailure
from dockcfgd.model.files import ABSENT, Tag, digest_of
from dockcfgd.model.undo import Before, FileBack, FolderBack, WayBack
from dockcfgd.transaction.recovery import await_turn, recover
from dockcfgd.transaction.undo import Undo
from tests.fakes.clock import FakeClock
from tests.support.killing import killed_at_line

OLD, NEW = b'{"debug": true}', b'{"debug": false}'
SOURCES = Path(__file__).parents[3] / "src"


@dataclass(frozen=True)
class Engine:
    main_pid: int = 0
    invocation_id: str = "run-1"


@dataclass
class Manager:
    """systemd, of which only the engine's process and the reloads matter."""

    engine: Engine = Engine()
    reloads: int = 0
    fails: bool = False

    def unit(self, name: str, /) -> Engine:
        assert name == "docker.service"
        return self.engine

    def reload_units(self) -> None:
        if self.fails:
            raise SystemdFailure(what="run systemctl daemon-reload", name="", why="no answer")
        self.reloads += 1


@dataclass
class House:
    """A host's files below a folder, with a change half made."""

    top: Path
    manager: Manager = field(default_factory=Manager)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.json, self.drop_in = self.top / "etc/daemon.json", self.top / "etc/drop/zz.conf"
        self.root, self.aside = self.top / "docker", self.top / "docker/aside"
        self.state = str(self.top / "state")

    def change(self) -> None:
        """Do what a storage change does, up to the engine's next start."""
        for path in ("vfs/layer", "image/vfs/db", "overlay2/layer"):
            self._put(self.root / path, b"old")
        self._put(self.json, NEW)
        self._put(self.drop_in, b"[Service]\n")
        self.undo.store(self.way_back())
        folders.set_aside(str(self.root), "vfs", str(self.aside))
        self._put(self.root / "vfs/new-layer", b"new")

    @property
    def undo(self) -> Undo:
        return Undo(self.state)

    def way_back(self) -> WayBack:
        before = Before(OLD, os.getuid(), os.getgid(), 0o640, {"user.note": b"keep"})
        known = (_tag(self.json.read_bytes(), 0o644), _tag(OLD, 0o640))
        drop_in = (_tag(self.drop_in.read_bytes(), 0o644), ABSENT)
        return WayBack(
            transaction="t1",
            pid=42,
            files=(
                FileBack(str(self.json), before, known),
                FileBack(str(self.drop_in), None, drop_in),
            ),
            folders=(FolderBack(str(self.root), "vfs", str(self.aside)),),
            reload_units=True,
        )

    def recover(self, clock: FakeClock | None = None) -> None:
        undo, clock = self.undo, clock or FakeClock(now=100.0)
        try:
            recover(undo, HostFiles(), self.manager, clock=clock, say=self.said.append)
        finally:
            undo.close()

    def is_old(self) -> bool:
        layers = sorted(path.name for path in (self.root / "vfs").iterdir())
        return (self.json.read_bytes(), self.drop_in.exists(), layers) == (OLD, False, ["layer"])

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)


def _tag(content: bytes, mode: int) -> Tag:
    return Tag(digest_of(content), os.getuid(), os.getgid(), mode)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.change()
    return made


def test_files_and_folders_are_put_back(house: House) -> None:
    house.recover()
    assert house.is_old()
    assert (house.root / "image/vfs/db").read_bytes() == b"old"
    assert house.manager.reloads == 1
    assert not house.undo.stored
    note = house.undo.note("t1")
    assert note is not None
    assert (note.at, note.invocation, note.kept) == (100.0, "run-1", ())
    assert house.said[-1] == "change t1 is taken back; dockcfgd finishes the rest"


def test_again_nothing_changes(house: House) -> None:
    house.recover()
    said = list(house.said)
    house.json.write_bytes(NEW)
    house.recover()
    assert house.json.read_bytes() == NEW
    assert (house.said, house.manager.reloads) == (said, 1)


def test_a_file_that_was_removed_comes_back_with_owner_mode_and_attributes(house: House) -> None:
    undo = house.undo
    way_back = house.way_back()
    json_back = replace(way_back.files[0], known=(*way_back.files[0].known, ABSENT))
    undo.store(replace(way_back, files=(json_back, way_back.files[1])))
    house.json.unlink()
    house.recover()
    assert house.json.read_bytes() == OLD
    assert house.json.stat().st_mode & 0o777 == 0o640
    assert os.getxattr(house.json, "user.note") == b"keep"


def test_an_edit_of_somebody_else_is_kept_and_named(house: House) -> None:
    house.json.write_bytes(b'{"debug": 1}')
    house.recover()
    assert house.json.read_bytes() == b'{"debug": 1}'
    assert not house.drop_in.exists()
    note = house.undo.note("t1")
    assert note is not None
    assert note.kept == (str(house.json),)
    assert f"left {house.json} as it is: somebody else has changed it since" in house.said
    assert not house.undo.stored


def test_dockcfgd_at_work_is_left_alone(house: House) -> None:
    daemon = house.undo
    assert daemon.lock()
    house.recover()
    assert house.json.read_bytes() == NEW
    assert house.said == ["left the change in progress alone: dockcfgd is at work on it"]
    daemon.close()
    house.recover()
    assert house.is_old()


def test_what_awaits_confirmation_stays_until_its_deadline(house: House) -> None:
    clock = FakeClock(now=900.0)
    house.undo.await_confirmation(Deadline.after(100.0, clock))
    clock.advance(99.0)
    house.recover(clock)
    assert house.json.read_bytes() == NEW
    assert house.said == [
        "left change t1 in force: it awaits confirmation until 1970-01-01 00:16:40 UTC"
    ]
    clock.advance(1.0)
    house.recover(clock)
    assert house.is_old()


def test_a_clock_that_is_set_does_not_move_a_deadline(house: House) -> None:
    clock = FakeClock(now=900.0)
    house.undo.await_confirmation(Deadline.after(100.0, clock))
    clock.jump(7200.0)
    house.recover(clock)
    assert house.json.read_bytes() == NEW
    assert house.said[-1].endswith("until 1970-01-01 02:16:40 UTC"), "by the clock as it is now"
    clock.jump(-90_000.0)
    clock.advance(100.0)
    house.recover(clock)
    assert house.is_old()


def test_after_a_boot_the_time_of_day_counts(house: House) -> None:
    clock = FakeClock()
    house.undo.await_confirmation(Deadline.after(100.0, clock))
    clock.reboot(off=98.0)
    house.recover(clock)
    assert house.json.read_bytes() == NEW
    clock.reboot(off=3.0)
    house.recover(clock)
    assert house.is_old()


def test_folders_wait_for_an_engine_that_runs(house: House) -> None:
    house.manager.engine = Engine(main_pid=7)
    house.recover()
    assert house.json.read_bytes() == OLD
    assert (house.root / "vfs/new-layer").exists()
    assert house.undo.stored
    assert house.undo.note("t1") is None
    house.manager.engine = Engine()
    house.recover()
    assert house.is_old()


def test_what_fails_is_tried_again(house: House) -> None:
    house.manager.fails = True
    with pytest.raises(SystemdFailure):
        house.recover()
    assert house.is_old(), "the rest was put back all the same"
    assert house.undo.stored
    house.manager.fails = False
    house.recover()
    assert not house.undo.stored


def test_a_damaged_list_changes_nothing(house: House) -> None:
    (Path(house.state) / "undo/0-daemon.json").write_bytes(b"{}")
    with pytest.raises(FileFailure, match="damaged"):
        house.recover()
    assert house.json.read_bytes() == NEW
    assert house.drop_in.exists()


@pytest.mark.timeout(300)
def test_killed_at_any_line_it_finishes_the_next_time(tmp_path: Path) -> None:
    tried, line, every = 0, 0, 1 if os.environ.get("DOCKCFGD_PROOF") == "1" else 9
    while True:
        house = House(tmp_path / str(line))
        house.change()
        killed = killed_at_line(line, house.recover)
        house.recover()
        assert house.is_old(), f"killed before line {line}"
        assert not house.undo.stored
        assert house.undo.note("t1") is not None
        shutil.rmtree(house.top)
        if not killed:
            break
        line, tried = line + every, tried + 1
    assert line > 100
    print(f"recover: {tried} of {line} places to be killed at, 0 failed")


def test_dockcfgd_waits_for_its_turn_and_gives_up(house: House) -> None:
    other, undo = house.undo, house.undo
    assert other.lock()
    with pytest.raises(FileFailure, match="another dockcfgd or dockcfgd-recover is at work"):
        await_turn(undo, FakeClock())
    other.close()
    await_turn(undo, FakeClock())
    undo.close()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    target = tmp_path / "dockcfgd-recover"
    make = SOURCES.parent / "packaging/recover-zip"
    subprocess.run([sys.executable, "-I", make, SOURCES / "dockcfgd", target], check=True)
    return target


def test_its_one_file_needs_the_standard_library_only(program: Path, tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    house.change()
    house.undo.store(replace(house.way_back(), folders=(), reload_units=False))
    script = (
        "import json, runpy, sys\n"
        "try: runpy.run_path(sys.argv[1], run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "found = {n: getattr(m, '__file__', '') or '' for n, m in sys.modules.items()}\n"
        "print(json.dumps([code, found]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", script, program],
        env={"DOCKCFGD_STATE_DIR": house.state, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    _, found = json.loads(done.stdout)
    ours = {name: file for name, file in found.items() if name.startswith("dockcfgd")}
    assert ours
    assert all(file.startswith(str(program)) for file in ours.values())
    foreign = {name.partition(".")[0] for name in found} - {*sys.stdlib_module_names, "dockcfgd"}
    assert {name for name in foreign if not name.startswith("_")} <= {"__main__"}
    assert not {"sqlite3", "gi", "pydantic", "structlog"} & set(found)
    assert house.json.read_bytes() == OLD
    assert "taking change t1 back" in done.stderr


def test_it_imports_nothing_of_its_own_work_while_dockcfgd_lives(
    program: Path, house: House
) -> None:
    house.change()
    assert house.undo.lock()
    done = subprocess.run(
        [sys.executable, "-IS", "-X", "importtime", program],
        env={"DOCKCFGD_STATE_DIR": house.state},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "left the change in progress alone" in done.stderr
    imported = re.findall(r"\| +(dockcfgd\S*)", done.stderr)
    assert imported == ["dockcfgd", "dockcfgd.glance"]
    assert "dataclasses" not in done.stderr
    assert house.json.read_bytes() != OLD
