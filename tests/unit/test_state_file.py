"""The state file on a real disk: made whole, migrated, and set aside where it is damaged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockcfgd.model.errors import StateFileDamaged, StateFileFailure
from dockcfgd.state_file import SET_ASIDE, StateFile, read_only
from dockcfgd.state_schema import MIGRATIONS
from dockcfgd.state_set_aside import set_aside
from tests.contract.rigs import HostTree, mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounting and changing the user need root")
_PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@contextmanager
def opened(path: Path) -> Iterator[StateFile]:
    state = StateFile(str(path))
    try:
        yield state
    finally:
        state.close()


def filled(path: Path) -> None:
    """Make one with some pages of history and no log."""
    with opened(path) as state:
        state.remember("kept", "yes")
        for number in range(40):
            with state.write() as connection:
                connection.execute(
                    "INSERT INTO generations (created, digest, origin, comment, actor, daemon_json)"
                    " VALUES (1, ?, 'desired', '', '', ?)",
                    (f"digest-{number}", bytes(2000)),
                )


def overwrite(path: Path, at: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(what)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE generations (x)")
        connection.execute("PRAGMA user_version = 2")
    connection.close()


def orphaned(path: Path) -> None:
    path.rename(path.with_name("state.db-wal"))


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE step_log")
    connection.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "header": lambda path: overwrite(path, 0, b"no database here"),
    "page size": lambda path: overwrite(path, 16, b"\xff\xff"),
    "schema page": lambda path: overwrite(path, 100, bytes(_PAGE - 100)),
    "middle page": lambda path: overwrite(
        path, path.stat().st_size // 2 // _PAGE * _PAGE, b"\xa5" * _PAGE
    ),
    "last page": lambda path: overwrite(path, path.stat().st_size - _PAGE, b"\xa5" * _PAGE),
    "everything": lambda path: path.write_bytes(b"\xa5" * 9000),
    "empty": lambda path: os.truncate(path, 0),
    "one byte": lambda path: os.truncate(path, 1),
    "first page only": lambda path: os.truncate(path, _PAGE),
    "half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "gone, its log left": orphaned,
    "another program's": foreign,
    "without a table": without_a_table,
}


def asides(path: Path) -> list[Path]:
    return sorted(path.parent.glob("state.db.damaged-*"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_set_aside_whole(path: Path, damage: str) -> None:
    filled(path)
    DAMAGES[damage](path)
    bytes_then = (path if path.exists() else path.with_name("state.db-wal")).read_bytes()
    with opened(path) as state:
        told = state.fact(SET_ASIDE)
        assert state.fact("kept") == ""
        assert state.rows("SELECT * FROM generations") == []
    aside = asides(path)[0]
    assert aside.read_bytes() == bytes_then
    assert aside.stat().st_mode & 0o077 == 0
    assert str(aside).removesuffix("-wal") in told
    assert "dockcfgctl apply" in told
    count = len(asides(path))
    with opened(path) as state:
        assert state.fact(SET_ASIDE) == told
        state.remember("new", "one")
    with opened(path) as state:
        assert state.fact("new") == "one"
    assert len(asides(path)) == count


def test_an_older_one_keeps_all_that_it_had(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(MIGRATIONS[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute(
        "INSERT INTO generations (number, created, digest, origin, comment, actor, verdict)"
        " VALUES (3, 1, 'd', 'desired', 'why', 'root', 'applied')"
    )
    connection.close()
    with opened(path) as state:
        row = state.rows("SELECT * FROM generations")[0]
        assert (row["number"], row["comment"], row["uid"]) == (3, "why", None)
        assert state.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
        assert state.fact(SET_ASIDE) == ""
    assert asides(path) == []


def test_a_newer_one_is_refused_and_left_alone(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with opened(path) as state, pytest.raises(StateFileFailure, match="newer dockcfgd") as refused:
        state.fact("kept")
    assert not isinstance(refused.value, StateFileDamaged)
    assert path.read_bytes() == before
    assert asides(path) == []


def test_a_folder_of_that_name_is_left_alone(path: Path) -> None:
    path.mkdir(parents=True)
    with opened(path) as state:
        with pytest.raises(StateFileFailure, match="no file; move it away"):
            state.fact("kept")
        path.rmdir()
        assert state.fact("kept") == ""


@root_only
def test_no_permission(path: Path) -> None:
    path.parent.parent.chmod(0o755)
    filled(path)
    path.parent.chmod(0o755)
    with opened(path) as state:
        os.seteuid(65534)
        try:
            with pytest.raises(StateFileFailure, match="Permission denied"):
                state.fact("kept")
        finally:
            os.seteuid(0)
        assert state.fact("kept") == "yes"
    assert asides(path) == []


@root_only
@pytest.mark.parametrize("damaged", ["whole", "damaged"])
def test_a_read_only_filesystem(tmp_path: Path, damaged: str) -> None:
    with mounted("tmpfs", tmp_path) as place:
        path = place / "state" / "state.db"
        filled(path)
        if damaged == "damaged":
            overwrite(path, 0, b"no database here")
        HostTree(place, mounted_at=place).forbid_writing()
        with opened(path) as state:
            with pytest.raises(StateFileFailure, match="Read-only file system"):
                state.fact("kept")
            assert asides(path) == []
            if damaged == "whole":
                with read_only(str(path)) as connection:
                    rows = connection.execute("SELECT number FROM generations").fetchall()
                assert len(rows) == 40
            subprocess.run(["mount", "-o", "remount,rw", place], check=True)
            assert state.fact("kept") == ("yes" if damaged == "whole" else "")


@root_only
def test_a_full_filesystem(tmp_path: Path) -> None:
    with mounted("tmpfs", tmp_path) as place:
        path, filler = place / "state" / "state.db", place / "filler"
        with opened(path) as state:
            state.remember("kept", "yes")
            HostTree(place).fill()
            with pytest.raises(StateFileFailure):
                state.remember("big", "x" * 3_000_000)
            filler.unlink()
            assert state.fact("kept") == "yes"
            state.remember("later", "yes")


@root_only
def test_no_space_to_set_it_aside(tmp_path: Path) -> None:
    with mounted("tmpfs", tmp_path) as place:
        path, filler = place / "state" / "state.db", place / "filler"
        filled(path)
        overwrite(path, 0, b"no database here")
        HostTree(place).fill()
        with opened(path) as state:
            with pytest.raises(StateFileFailure):
                state.fact("kept")
            assert path.read_bytes().startswith(b"no database here")
            filler.unlink()
            assert state.fact(SET_ASIDE)


def test_damage_that_shows_while_it_is_open(path: Path) -> None:
    with opened(path) as state:
        with state.write() as connection:
            connection.executemany(
                "INSERT INTO evidence (txn, moment, at, document) VALUES ('t', ?, 0, ?)",
                ((str(number), "x" * 50_000) for number in range(200)),
            )
        state.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size
        overwrite(path, 10 * _PAGE, b"\xa5" * (size - 10 * _PAGE))
        with pytest.raises(StateFileDamaged):
            state.rows("SELECT sum(length(document)) FROM evidence")
        assert "set" not in state.fact("kept")
        assert state.fact(SET_ASIDE)
    assert asides(path)


class Cut(Exception):
    """The power goes."""


def test_a_crash_while_it_is_set_aside_is_no_first_start(path: Path) -> None:
    filled(path)
    overwrite(path, 0, b"no database here")

    def cut(_aside: str) -> None:
        raise Cut

    with pytest.raises(Cut):
        set_aside(path, make=cut)
    path.with_name("state.db.new").write_bytes(b"half")
    with opened(path) as state:
        assert state.fact(SET_ASIDE)
    assert not path.with_name("state.db.new").exists()


def test_of_those_set_aside_the_newest_are_kept(path: Path) -> None:
    for number in range(8):
        filled(path)
        overwrite(path, 0, b"no database %3d" % number)
        with opened(path) as state:
            assert state.fact(SET_ASIDE)
    assert len(asides(path)) == 5


def cut_short(state: StateFile) -> None:
    with state.write() as connection:
        connection.execute("REPLACE INTO facts VALUES ('half', 'done')")
        raise Cut


def test_a_commit_that_fails_leaves_nothing(path: Path) -> None:
    with opened(path) as state:
        with pytest.raises(Cut):
            cut_short(state)
        assert state.fact("half") == ""


def test_what_cannot_be_read_beside_the_daemon_is_named(path: Path) -> None:
    with pytest.raises(StateFileFailure, match="No such file"), read_only(str(path)):
        pass
