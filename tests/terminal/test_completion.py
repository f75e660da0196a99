"""Completion in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dockcfgd.cli.shells import SHELLS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with files to complete, and dockcfgctl and each shell's script beside it."""
    program = tmp_path / "bin/dockcfgctl"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nfrom dockcfgd.cli.main import main\nraise SystemExit(main())\n"
    )
    program.chmod(0o755)
    for name, text in SHELLS.items():
        (tmp_path / f"completion.{name}").write_text(text)
    (tmp_path / "work/sub folder").mkdir(parents=True)
    for name in ("one.toml", "two words.toml", "other.txt"):
        (tmp_path / "work" / name).write_text("")
    return tmp_path


def run(folder: Path, shell: str, *arguments: str) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    environment = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "dumb",
        "DOCKCFGD_STATE_DIR": f"{folder}/state",
    }
    done = subprocess.run(
        [shell, *arguments],
        cwd=folder / "work",
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


_ASK_BASH = """
source ../completion.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_dockcfgctl "$1" "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        (["valid"], ["validate"]),
        (["plan", "--eng"], ["--engine-version"]),
        (["apply", ""], ["sub folder", "one.toml", "two words.toml"]),
        (["apply", "t"], ["two words.toml"]),
        (["plan", "--unit", "ot"], ["other.txt"]),
        (["backup", "list", "--directory", ""], ["sub folder"]),
        (["apply", "--confirm", "=", "5"], ["5m"]),
        (["diff", ""], ["disk"]),
        (["nonsense", ""], [""]),
    ],
)
def test_bash(folder: Path, words: list[str], candidates: list[str]) -> None:
    found = run(folder, "bash", "--norc", "-c", _ASK_BASH, "bash", "dockcfgctl", *words)
    assert sorted(found) == sorted(candidates)


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("valid", ["validate"]),
        ("plan --eng", ["--engine-version"]),
        ("apply t", ["two words.toml"]),
        ("backup list --directory ''", ["sub folder/"]),
        ("apply --confirm=5", ["--confirm=5m"]),
        ("diff ", ["disk"]),
    ],
)
def test_fish(folder: Path, line: str, candidates: list[str]) -> None:
    script = 'source ../completion.fish; complete --do-complete "dockcfgctl $argv"'
    found = run(folder, "fish", "--no-config", "-c", script, line)
    assert [one.partition("\t")[0] for one in found] == candidates


# A zsh of its own in a pseudo terminal; what it completes the line to is read from its prompt.
_ASK_ZSH = r"""
zmodload zsh/zpty || exit 9
zpty -b shell zsh -f -i
zpty -w shell "PS1='> '; autoload -Uz compinit; compinit -D -u; source ../completion.zsh"
zpty -w shell 'print -r -- rea''dy'
zpty -r -m shell heard '*ready*> *' || exit 8
zpty -n -w shell "dockcfgctl $1"$'\t'
# What a line was completed to is printed instead of being run.
zpty -n -w shell $'\C-a: <\C-e>; print -r -- do''ne\n'
zpty -r -m shell heard '*done*' || exit 7
zpty -d shell
print -r -- "$heard"
"""


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("valid", "dockcfgctl validate"),
        ("plan --eng", "dockcfgctl plan --engine-version"),
        ("apply t", "dockcfgctl apply two\\ words.toml"),
        ("apply --confirm=5", "dockcfgctl apply --confirm=5m"),
        ("diff d", "dockcfgctl diff disk"),
    ],
)
def test_zsh(folder: Path, line: str, completed: str) -> None:
    heard = "".join(run(folder, "zsh", "-f", "-c", _ASK_ZSH, "zsh", line))
    assert completed in heard
