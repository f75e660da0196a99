"""Who may import what: what decides knows no port, and each outside thing has one file."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dockcfgd

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(dockcfgd.__file__).parent
_FILES = sorted(path.relative_to(_ROOT).as_posix() for path in _ROOT.rglob("*.py"))
_OURS = "dockcfgd"


def _imports(path: str) -> Iterator[str]:
    """Give the dotted name of every module that a file imports, wherever in it."""
    package = [_OURS, *Path(path).parent.parts]
    for node in ast.walk(ast.parse((_ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{name.name}" for name in node.names)


def _in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _of(folder: str) -> list[str]:
    found = [path for path in _FILES if path.startswith(f"{folder}/")]
    assert found, f"there is no {folder} any more: mend this rule"
    return found


_LOOKS = {"doctor/look.py", "doctor/lenient.py", "doctor/leftovers.py"}
_DECIDES = [
    "reconcile/decide.py",
    "processes/roles.py",
    "processes/tree.py",
    *_of("planning"),
    *(path for path in _of("doctor") if path not in _LOOKS),
]


def _foreign(module: str) -> bool:
    return not _in(module, _OURS) and module.split(".", maxsplit=1)[0] not in {
        *sys.stdlib_module_names,
        "__future__",
    }


@pytest.mark.parametrize("path", _of("planning"))
def test_planning_knows_values_and_keys_only(path: str) -> None:
    allowed = ("dockcfgd.planning", "dockcfgd.model", "dockcfgd.engine_keys")
    ours = {module for module in _imports(path) if _in(module, _OURS)} - {_OURS}
    assert {module for module in ours if not _in(module, *allowed)} == set()
    assert {module for module in _imports(path) if _foreign(module)} == set()


@pytest.mark.parametrize("path", _of("engine_keys"))
def test_engine_keys_knows_values_only(path: str) -> None:
    allowed = ("dockcfgd.engine_keys", "dockcfgd.model")
    ours = {module for module in _imports(path) if _in(module, _OURS)} - {_OURS}
    assert {module for module in ours if not _in(module, *allowed)} == set()


@pytest.mark.parametrize("path", _of("model"))
def test_model_knows_the_standard_library_only(path: str) -> None:
    ours = {module for module in _imports(path) if _in(module, _OURS)} - {_OURS}
    assert {module for module in ours if not _in(module, "dockcfgd.model")} == set()
    assert {module for module in _imports(path) if _foreign(module)} == set()


@pytest.mark.parametrize("path", _of("layers"))
def test_layers_is_a_program_of_its_own(path: str) -> None:
    allowed = (
        "dockcfgd.layers",
        "dockcfgd.model.drivers",
        "dockcfgd.model.errors",
        "dockcfgd.model.images",
        "dockcfgd.mount_points",
        "dockcfgd.side_by_side",
    )
    ours = {module for module in _imports(path) if _in(module, _OURS)} - {_OURS}
    assert {module for module in ours if not _in(module, *allowed)} == set()
    assert {module for module in _imports(path) if _foreign(module)} == set()


@pytest.mark.parametrize("path", _of("roots"))
def test_roots_is_a_program_of_its_own(path: str) -> None:
    allowed = (
        "dockcfgd.roots",
        "dockcfgd.layers",
        "dockcfgd.migration.renamed_root",
        "dockcfgd.migration.root_paths",
        "dockcfgd.model.errors",
    )
    ours = {module for module in _imports(path) if _in(module, _OURS)} - {_OURS}
    assert {module for module in ours if not _in(module, *allowed)} == set()
    assert {module for module in _imports(path) if _foreign(module)} == set()


@pytest.mark.parametrize("path", _DECIDES)
def test_what_decides_imports_no_port(path: str) -> None:
    assert not any(_in(module, "dockcfgd.ports", "dockcfgd.effects") for module in _imports(path))


@pytest.mark.parametrize("path", [one for one in _FILES if not one.startswith("adapters/")])
def test_only_the_programs_wire_adapters(path: str) -> None:
    uses = {module for module in _imports(path) if _in(module, "dockcfgd.adapters")}
    assert not uses or path in {"daemon.py", "cli/main.py", "recover.py"}, uses


@pytest.mark.parametrize(
    ("file", "packages"),
    [
        ("adapters/bus.py", ("gi", "pydbus")),
        ("adapters/file_watch.py", ("watchdog",)),
    ],
)
def test_each_outside_library_is_in_one_file(file: str, packages: tuple[str, ...]) -> None:
    users = {path for path in _FILES if any(_in(module, *packages) for module in _imports(path))}
    assert users == {file}
