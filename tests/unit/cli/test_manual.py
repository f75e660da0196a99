"""The man pages say what the program does: no verb, option, key or code is missing or wrong."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from dockcfgd.api import contract
from dockcfgd.cli import published
from dockcfgd.cli.command_line import actions_of, parser_of
from dockcfgd.cli.follow import EXIT_INTERRUPTED
from dockcfgd.cli.main import EXIT_USAGE, VERBS
from dockcfgd.cli.verbs.wait import EXIT_TIMEOUT
from dockcfgd.desired.json_schema import document_schema
from dockcfgd.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = Path(__file__).parents[3]
MAN = TREE / "packaging/man"
_EVERYWHERE = {"--help", "-h", "--json", "--quiet", "-q", "--no-pager"}


def source(name: str) -> str:
    """Give the page as words: macros, fonts and escapes taken out, a blank line before each tag."""
    lines = []
    for line in (MAN / name).read_text().splitlines():
        macro, _, rest = line.partition(" ")
        text = rest if macro.startswith(".") else line
        if macro in {".TP", ".SS", ".SH", ".PP"}:
            lines.append("")
        alternating = re.fullmatch(r"\.(BR|RB|BI|IR|RI)", macro)
        words = [quoted or bare for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|(\S+)', text)]
        shown = ("" if alternating else " ").join(words) if macro.startswith(".") else line
        lines.append(shown if macro != ".TH" else "")
    text = "\n".join(lines).replace(r"\-", "-").replace(r"\(dq", '"')
    return re.sub(r"\\f.|\\ ", lambda found: " " if found[0] == r"\ " else "", text)


def entries(name: str) -> dict[str, str]:
    """Give what a page says under each tag, by the tag's first words."""
    blocks = [block.strip("\n") for block in source(name).split("\n\n")]
    return {block.split("\n")[0].strip(): block for block in blocks if block}


def parsers() -> Iterator[tuple[str, ArgumentParser]]:
    for verb in VERBS:
        parser = parser_of(verb)
        below = [
            action.choices for action in actions_of(parser) if isinstance(action.choices, dict)
        ]
        if below:
            yield from ((f"{verb} {name}", inner) for name, inner in below[0].items())
        else:
            yield verb, parser


def options(parser: ArgumentParser) -> set[str]:
    return {name for action in actions_of(parser) for name in action.option_strings}


def entry_of(verb: str) -> str:
    found = [
        text
        for tag, text in entries("dockcfgctl.1").items()
        if re.match(rf"{re.escape(verb)}(?=$| \[| [A-Z-]|-| )", tag) and len(text.split("\n")) > 1
    ]
    assert found, f"dockcfgctl(1) does not tell of {verb}"
    return found[0]


@pytest.mark.parametrize(("verb", "parser"), list(parsers()))
def test_each_verb_is_told_with_its_options(verb: str, parser: ArgumentParser) -> None:
    entry = entry_of(verb)
    of_hosts = {"--engine-version", "--daemon-json", "--unit", "--drop-in"}
    known = _EVERYWHERE | (of_hosts if verb in {"plan", "validate"} else set())
    missing = {name for name in options(parser) - known if not re.search(rf"{name}\b", entry)}
    assert missing == set()
    tag = entry.split("\n")[0]  # man(7) takes one line for it
    assert ("--json" in options(parser)) == ("--json" in tag)
    assert tag.count("[") == tag.count("]")
    for action in actions_of(parser):
        if not action.option_strings and action.choices is None:
            assert re.search(rf"\b{action.metavar}\b", tag), action.dest


def test_no_option_is_told_that_there_is_not() -> None:
    known = {name for _, parser in parsers() for name in options(parser)} | {"--version"}
    page = source("dockcfgctl.1")
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page))
    assert told == {name for name in known if name.startswith("--")}


def test_every_exit_code_is_told() -> None:
    section = source("dockcfgctl.1").partition("EXIT STATUS")[2].partition("ENVIRONMENT")[0]
    codes = {
        0,
        published.EXIT_FAILED,
        EXIT_USAGE,
        published.EXIT_STOPPED,
        published.EXIT_NOT_YET,
        EXIT_TIMEOUT,
        EXIT_INTERRUPTED,
    }
    assert {int(code) for code in re.findall(r"^(\d+)$", section, re.MULTILINE)} == codes


def tables() -> dict[str, dict[str, Any]]:
    schema = document_schema()
    found = {}
    for name, table in schema["properties"].items():
        named = schema["$defs"][table["$ref"].rpartition("/")[2]] if "$ref" in table else table
        found[name] = named.get("properties", {})
    return found


@pytest.mark.parametrize("table", ["service", "policy", "verify", "backup", "storage"])
def test_each_key_is_told_with_its_default(table: str) -> None:
    keys = tables()[table]
    section = source("dockcfgd.toml.5").partition(f"\n[{table}]\n")[2]
    section = re.split(r"\n\n\[[a-z-]+\]\n|\n\nEXAMPLE\n", section)[0]
    told = dict(re.findall(r"^([a-z-]+) += +(.+)$", section, re.MULTILINE))
    assert set(told) == set(keys)
    for key, about in keys.items():
        if table != "service":  # those are empty, and told by their form
            assert told[key] == json.dumps(about["default"]), key


def test_every_table_is_told() -> None:
    told = set(re.findall(r"^\[([a-z-]+)\]$", source("dockcfgd.toml.5"), re.MULTILINE))
    above = {"schema", "unset"}
    assert told >= set(tables()) - above
    assert told - set(tables()) == {"package"}
    for key in above:
        assert re.search(rf"^{key} = ", source("dockcfgd.toml.5"), re.MULTILINE)


def test_the_daemons_page_has_the_names_of_bus_and_environment() -> None:
    page = source("dockcfgd.8")
    tree = ET.fromstring(contract.interface_xml())  # noqa: S314 -- our own file
    names = {
        node.get("name") for kind in ("method", "signal", "property") for node in tree.iter(kind)
    }
    assert {name for name in names if not re.search(rf"\b{name}\b", page)} == set()
    errors = [
        value.removeprefix(contract.ERROR_PREFIX)
        for name, value in vars(contract).items()
        if name.isupper()
        and str(value).startswith(contract.ERROR_PREFIX)
        and name != "ERROR_PREFIX"
    ]
    assert [error for error in errors if error not in page] == []
    named = set(re.findall(r"org\.dockcfgd1\.[a-z]+", page)) - {"org.dockcfgd1.xml"}
    assert named == set(contract.actions().values())
    fields = {f"DOCKCFGD_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert set(re.findall(r"DOCKCFGD_[A-Z_]+", page)) == fields
    for path in ("daemon_json", "drop_in_dir", "runtime_dir", "state_dir", "config_file"):
        assert str(getattr(Settings(), path)) in page
