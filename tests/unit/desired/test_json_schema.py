"""The JSON Schema: true to its own standard, and never stricter than dockcfgd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dockcfgd.desired.json_schema import document_schema
from dockcfgd.desired.schema import Root
from dockcfgd.engine_keys.example import setting
from dockcfgd.engine_keys.key import FileRule, Key
from dockcfgd.engine_keys.table import table
from tests.unit.desired.reading import refused
from tests.unit.engine_keys.test_every_key import WRONG_FORMS, WRONG_TYPES
from tests.unit.engine_keys.test_example import uncommented

SCHEMA = document_schema()
KEYS = [key for key in table().keys.values() if key.file is FileRule.READ]


def faults(text: str) -> list[str]:
    document = tomllib.loads(text)
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def test_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_the_packaged_file_is_up_to_date() -> None:
    packaged = Path(__file__).parents[3] / "packaging/dockcfgd.schema.json"
    assert json.loads(packaged.read_text("utf-8")) == SCHEMA, "run dockcfgctl schema > " + str(
        packaged
    )


def test_takes_the_example_with_everything_on() -> None:
    assert faults(uncommented()) == []


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_takes_every_key_with_its_example(key: Key) -> None:
    assert faults(f"engine.{setting(key)}") == []


@pytest.mark.parametrize(
    "text",
    [
        'unset = ["engine.debug"]\nschema = 1',
        '[engine]\nlog-level = "WARN"\ndefault-shm-size = "1.5 GiB"\nbip = ""',
        '[engine.builder.history]\nmaxAge = "1h30m"',
        '[engine]\nhosts = ["fd://"]\nregistry-mirrors = ["HTTPS://m"]\ntlsverify = true',
        '[engine.runtimes.x]\nruntimeType = "y"\noptions = { any = [1] }',
        "[engine-extra]\nx = [1, { y = 2.5 }]",
        '[service]\nenvironment = { A = "b" }\narguments = ["--x=y"]',
        '[service.unit.Unit]\nAfter = ["a.service", "b.service"]\n[service.unit.Service]\nA = true',
        '[policy]\nmax-impact = "none"\non-drift = "adopt"\nconfirm-timeout = "0s"',
        '[verify]\ntimeout = "1h 30min"\nsettle = " 5 s "\ncommands = []',
        "[backup]\nkeep = 1\nvolumes = false",
    ],
)
def test_takes_what_dockcfgd_takes(text: str) -> None:
    assert refused(text) == []
    assert faults(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "schema = 2",
        "engin = {}",
        "[package]",
        "[engine]\ndebgu = true",
        "[engine]\nhost = ['fd://']",
        "[engine]\ntlsverify = false",
        "[engine]\nmtu = 0",
        "[engine]\nnetwork-diagnostic-port = 70000",
        "[engine]\nhosts = []",
        "[engine]\ndata-root = ''",
        "[engine]\nlog-format = 'xml'",
        "[engine]\nlog-level = 'loud'",
        "[engine.features]\nunheard = true",
        "[[engine.default-address-pools]]\nbase = '10.0.0.0/8'",
        "[engine.runtimes.x]\nPath = '/y'",
        "[service]\narguments = ['debug']",
        "[service.unit.Socket]\nA = 1",
        "[service.unit.Service]\nA = 1.5",
        "[policy]\nrestart = 'quick'",
        "[policy]\nmaintenance-windows = ['Sat 02:00']",
        "[verify]\nsettle = 5",
        "[verify]\nsettle = '5 parsecs'",
        "[backup]\nkeep = 0",
        "[backup]\ndirectory = 'x'",
        "unset = [1]",
        *WRONG_TYPES,
        *WRONG_FORMS,
    ],
)
def test_refuses_what_dockcfgd_refuses(text: str) -> None:
    assert refused(text)
    assert faults(text)


def test_every_setting_is_described_with_its_default() -> None:
    for name, field in Root.model_fields.items():
        place: dict[str, Any] = SCHEMA["properties"].get(field.alias or name, {})
        for setting_name, schema in place.get("properties", {}).items():
            assert schema.get("description"), setting_name
    policy = SCHEMA["properties"]["policy"]["properties"]
    assert refused(f'[policy]\nmax-impact = "{policy["max-impact"]["default"]}"') == []


def test_every_default_beside_the_engines_is_what_dockcfgd_takes() -> None:
    for table_name in ("service", "policy", "verify", "backup", "storage"):
        for name, schema in SCHEMA["properties"][table_name]["properties"].items():
            default = Draft202012Validator(schema)
            assert not list(default.iter_errors(schema["default"])), name


def test_needs_neither_root_nor_docker_nor_a_daemon(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dockcfgd.cli.main import main; main(['schema'])"],
        env={
            "PATH": "/nonexistent",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DOCKCFGD_BUS_ADDRESS": "unix:path=/nonexistent",
            "DOCKCFGD_STATE_DIR": str(tmp_path / "none"),
            "DOCKCFGD_RUNTIME_DIR": str(tmp_path / "none"),
        },
        user=65534 if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith('{\n  "$schema"'), done.stderr
