"""conf.example.toml is what the key table says, and a desired state that manages nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.example import example_text, setting
from dockcfgd.engine_keys.key import FileRule, Key
from dockcfgd.engine_keys.table import table
from dockcfgd.engine_keys.version import EngineVersion

EXAMPLE = Path(__file__).parents[3] / "conf.example.toml"
KEYS = [key for key in table().keys.values() if key.file is FileRule.READ]


def uncommented() -> str:
    """Give the file with every setting switched on; prose has a blank after `#`."""
    lines = EXAMPLE.read_text("utf-8").splitlines()
    return "\n".join(line[1:] if line[:1] == "#" and line[1:2].strip() else line for line in lines)


def test_the_file_is_up_to_date() -> None:
    assert EXAMPLE.read_text("utf-8") == example_text(), (
        "run python -m dockcfgd.engine_keys.example"
    )


def test_the_file_manages_nothing() -> None:
    document = tomllib.loads(EXAMPLE.read_text("utf-8"))
    assert document.pop("schema") == 1
    assert document.pop("service") == {"unit": {"Service": {}}}
    assert not any(document.values())


def test_every_setting_is_valid_toml_in_its_table() -> None:
    document = tomllib.loads(uncommented())
    assert set(document) == {
        "schema",
        "unset",
        "engine",
        "engine-extra",
        "service",
        "policy",
        "verify",
        "backup",
        "storage",
    }
    assert all(document.values())


def test_every_key_is_shown() -> None:
    engine = tomllib.loads(uncommented())["engine"]
    for key in KEYS:
        place: object = engine
        for name in key.path:
            assert isinstance(place, dict)
            assert name in place, key.name
            place = place[name]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_shown_setting_is_accepted_by_a_release_that_has_it(key: Key) -> None:
    old = key.removed is not None or key.ignored_from is not None
    release = EngineVersion(20, 10, 24) if old else EngineVersion(29, 7, 2)
    assert check(tomllib.loads(setting(key)), release) == ()


def test_no_line_is_too_long_to_read() -> None:
    assert max(map(len, EXAMPLE.read_text("utf-8").splitlines())) <= 100


def test_the_module_writes_the_file() -> None:
    command = [sys.executable, "-m", "dockcfgd.engine_keys.example"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == example_text()
