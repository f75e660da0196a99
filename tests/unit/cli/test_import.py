"""import with what the composition root gives it."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

import pytest

from dockcfgd.cli.errors import UsageError
from dockcfgd.cli.verbs import import_host
from dockcfgd.desired.import_host import Imported
from dockcfgd.model.errors import FileFailure, Finding
from tests.unit.cli.surroundings import Console

if TYPE_CHECKING:
    from pathlib import Path

_PLAIN = Imported("schema = 1\n")
_SECRET = Imported(
    'schema = 1\n[engine.proxies]\nhttp-proxy = "http://me:hidden@proxy:3128"\n',
    (Finding("not taken over: no", "/etc/docker/daemon.json", 3, "debug"),),
)


def _parsed(*arguments: str) -> Namespace:
    parser = ArgumentParser(allow_abbrev=False)
    import_host.add_arguments(parser)
    return parser.parse_args(arguments)


def _run(console: Console, imported: Imported, *arguments: str) -> int:
    return import_host.run(_parsed(*arguments), look=lambda: imported, screen=console.screen)


def test_a_pipe_gets_all_and_notes_are_told_beside_it() -> None:
    console = Console()
    assert _run(console, _SECRET) == 0
    assert console.out == _SECRET.toml
    assert console.err == "dockcfgctl: /etc/docker/daemon.json:3: debug: not taken over: no\n"


def test_a_terminal_does_not_show_passwords() -> None:
    console = Console(terminal=True)
    assert _run(console, _SECRET) == 0
    assert "hidden" not in console.out + console.err
    assert "http://***@proxy:3128" in console.out
    assert "--output" in console.err


def test_the_document() -> None:
    console = Console()
    assert _run(console, _SECRET, "--json") == 0
    assert console.document["schema"] == 1
    assert console.document["toml"] == _SECRET.toml
    (note,) = console.document["notes"]
    assert (note["file"], note["line"], note["key"]) == ("/etc/docker/daemon.json", 3, "debug")


@pytest.mark.parametrize(("imported", "mode"), [(_PLAIN, 0o644), (_SECRET, 0o600)])
def test_a_file_is_written_and_who_may_read_it(
    tmp_path: Path, imported: Imported, mode: int
) -> None:
    path, console = tmp_path / "10-host.toml", Console()
    assert _run(console, imported, "--output", str(path)) == 0
    assert path.read_text() == imported.toml
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == mode & ~mask
    assert console.out == ""
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "conf.toml"
    path.write_text("mine")
    with pytest.raises(FileFailure, match="it is there already; --force replaces it"):
        _run(Console(), _PLAIN, "-o", str(path))
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_force_replaces_it_also_behind_a_link_and_takes_rights_away(tmp_path: Path) -> None:
    path, link = tmp_path / "conf.toml", tmp_path / "link.toml"
    path.write_text("mine")
    path.chmod(0o644)
    link.symlink_to(path)
    assert _run(Console(), _SECRET, "-o", str(link), "--force") == 0
    assert link.is_symlink()
    assert path.read_text() == _SECRET.toml
    assert path.stat().st_mode & 0o777 == 0o600


def test_force_replaces_a_link_that_leads_round(tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(link)
    assert _run(Console(), _PLAIN, "-o", str(link), "--force") == 0
    assert link.read_text() == _PLAIN.toml


@pytest.mark.parametrize("name", [".", "none/conf.toml"])
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileFailure, match="cannot write"):
        _run(Console(), _PLAIN, "--force", "-o", f"{tmp_path}/{name}")


def test_force_without_a_file_is_no_sense() -> None:
    with pytest.raises(UsageError, match="--output"):
        _run(Console(), _PLAIN, "--force")
