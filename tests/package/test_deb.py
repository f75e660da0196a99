"""What is in the packages, read without installing them."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockcfgd.cli.shells import SHELLS

PRIVATE = "usr/lib/dockcfgd/python"
BUNDLING = [("bookworm", "3.11", "3.12"), ("noble", "3.12", "3.13")]
RELEASES = ["trixie", *(release for release, _, _ in BUNDLING)]


@dataclass(frozen=True)
class Deb:
    path: Path
    files: Path

    def field(self, name: str) -> str:
        command = ["dpkg-deb", "--field", str(self.path), name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def script(self, name: str) -> str:
        return (self.files / "DEBIAN" / name).read_text()


@pytest.fixture(scope="session")
def unpack(
    build_deb: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Deb]:
    def unpacked(release: str) -> Deb:
        path = build_deb(release)
        files = tmp_path_factory.mktemp("unpacked")
        subprocess.run(["dpkg-deb", "--raw-extract", str(path), str(files)], check=True)
        return Deb(path=path, files=files)

    return functools.cache(unpacked)


@pytest.fixture(params=RELEASES)
def deb(request: pytest.FixtureRequest, unpack: Callable[[str], Deb]) -> Deb:
    return unpack(request.param)


def modules(folder: Path) -> set[str]:
    kinds = {".py", ".json", ".xml", ".typed"}
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in kinds}


def test_holds_the_whole_program_and_nothing_compiled(deb: Deb, tree: Path) -> None:
    assert modules(deb.files / PRIVATE / "dockcfgd") == modules(tree / "src/dockcfgd")
    assert not list(deb.files.rglob("__pycache__"))


def test_files_lie_where_the_system_looks(deb: Deb) -> None:
    assert (deb.files / "usr/lib/systemd/system/dockcfgd.service").is_file()
    assert (deb.files / "usr/share/dbus-1/system.d/org.dockcfgd1.conf").is_file()
    assert (deb.files / "usr/share/dbus-1/interfaces/org.dockcfgd1.xml").is_file()
    assert (deb.files / "usr/share/polkit-1/actions/org.dockcfgd1.policy").is_file()
    assert not (deb.files / "usr/share/dbus-1/system-services").exists()
    assert not (deb.files / "lib").exists()


def test_manuals_and_completions_are_there(deb: Deb, tree: Path) -> None:
    share = deb.files / "usr/share"
    manuals = {path.name.removesuffix(".gz") for path in (share / "man").rglob("*.gz")}
    assert manuals == {path.name for path in (tree / "packaging/man").iterdir()}
    for shell, path in (
        ("bash", "bash-completion/completions/dockcfgctl"),
        ("zsh", "zsh/vendor-completions/_dockcfgctl"),
        ("fish", "fish/vendor_completions.d/dockcfgctl.fish"),
    ):
        assert (share / path).read_text() == SHELLS[shell]


def test_the_schema_is_the_one_of_the_tree(deb: Deb, tree: Path) -> None:
    packed = deb.files / "usr/share/dockcfgd/dockcfgd.schema.json"
    assert packed.read_bytes() == (tree / "packaging/dockcfgd.schema.json").read_bytes()


def test_brings_no_configuration_but_the_folders_for_it(deb: Deb) -> None:
    found = [str(path.relative_to(deb.files)) for path in (deb.files / "etc").rglob("*")]
    assert sorted(found) == ["etc/dockcfgd", "etc/dockcfgd/conf.d"]
    assert {(deb.files / path).stat().st_mode & 0o777 for path in found} == {0o755}


def test_example_is_the_one_of_the_tree(deb: Deb, tree: Path) -> None:
    # debhelper compresses what is larger than 4 KiB.
    folder = deb.files / "usr/share/doc/dockcfgd/examples"
    packed = {path.name.removesuffix(".gz") for path in folder.glob("*")}
    assert packed == {path.name for path in tree.glob("conf.example.toml")}


def test_service_is_enabled_started_and_restarted(deb: Deb) -> None:
    postinst = deb.script("postinst")
    assert "deb-systemd-helper enable 'dockcfgd.service'" in postinst
    assert "_dh_action=restart" in postinst
    assert "deb-systemd-invoke $_dh_action 'dockcfgd.service'" in postinst
    assert "deb-systemd-invoke stop 'dockcfgd.service'" in deb.script("prerm")


def test_recovery_comes_before_every_start_of_the_engine(deb: Deb) -> None:
    assert "deb-systemd-helper enable 'dockcfgd-recover.service'" in deb.script("postinst")
    started = "deb-systemd-invoke $_dh_action 'dockcfgd-recover.service'"
    assert started not in deb.script("postinst")
    assert "dockcfgd-recover.service" not in deb.script("prerm")
    assert (
        "systemctl --system daemon-reload" in deb.script("postinst").split("enable 'dockcfgd-r")[1]
    )


def test_recovery_is_one_program_that_needs_no_other_file(deb: Deb, tmp_path: Path) -> None:
    path = deb.files / "usr/lib/dockcfgd/dockcfgd-recover"
    assert path.read_bytes().startswith(b"#!/usr/bin/python3 -IS\n")
    assert path.stat().st_mode & 0o777 == 0o755
    unit = (deb.files / "usr/lib/systemd/system/dockcfgd-recover.service").read_text()
    assert f"ExecStart=/{path.relative_to(deb.files)}\n" in unit
    alone = tmp_path / "recover"
    alone.write_bytes(path.read_bytes())
    environment = {"DOCKCFGD_STATE_DIR": str(tmp_path / "state")}
    subprocess.run([sys.executable, "-IS", alone], env=environment, check=True)


def test_removal_goes_back_once_dockcfgd_is_stopped(deb: Deb) -> None:
    prerm = deb.script("prerm")
    assert prerm.index("stop 'dockcfgd.service'") < prerm.index(
        "/usr/lib/dockcfgd/dockcfgd-recover"
    )


def test_modules_are_compiled_at_installation(deb: Deb) -> None:
    assert f"/{PRIVATE}" in deb.script("postinst")
    assert "py3clean" in deb.script("prerm")


@pytest.mark.parametrize("program", ["usr/bin/dockcfgctl", "usr/sbin/dockcfgd"])
def test_programs_run_the_distributions_python_apart(deb: Deb, program: str) -> None:
    path = deb.files / program
    assert path.read_text().startswith("#!/usr/bin/python3 -IS\n")
    assert path.stat().st_mode & 0o777 == 0o755


def test_engine_is_recommended_not_required(deb: Deb) -> None:
    assert "docker" not in deb.field("Depends")
    assert deb.field("Recommends") == "docker.io | docker-ce"


def test_new_releases_get_everything_from_the_distribution(unpack: Callable[[str], Deb]) -> None:
    deb = unpack("trixie")
    assert deb.field("Architecture") == "all"
    assert "python3-pydantic (>= 2)" in deb.field("Depends")
    assert [path.name for path in (deb.files / PRIVATE).iterdir()] == ["dockcfgd"]


@pytest.mark.parametrize(("release", "python", "too_new"), BUNDLING)
def test_old_releases_get_their_own_pydantic(
    unpack: Callable[[str], Deb], release: str, python: str, too_new: str
) -> None:
    deb = unpack(release)
    assert deb.field("Architecture") == "amd64"
    assert deb.field("Version").endswith(f"~{release}")
    depends = deb.field("Depends")
    assert f"python3 (>= {python})" in depends
    assert f"python3 (<< {too_new})" in depends
    assert "pydantic" not in depends
    private = deb.files / PRIVATE
    [compiled] = private.rglob("*.so")
    assert f"cpython-{python.replace('.', '')}-x86_64" in compiled.name
    assert (private / "pydantic/__init__.py").is_file()
    assert (private / "typing_extensions.py").is_file()


def test_same_tree_gives_the_same_bytes(
    build_deb: Callable[[str], Path], tree: Path, tmp_path: Path
) -> None:
    first = build_deb("trixie")
    subprocess.run([tree / "packaging/build-deb", "trixie", tmp_path], check=True)
    assert (tmp_path / first.name).read_bytes() == first.read_bytes()
