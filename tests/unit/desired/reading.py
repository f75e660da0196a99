"""Desired state from a tree of files in memory."""

from __future__ import annotations

from dockcfgd.desired.load import Loaded, load
from dockcfgd.desired.parse import parse
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import DesiredState
from dockcfgd.model.errors import InvalidDesiredState
from tests.fakes.files import FakeFiles

__all__ = ["CONF", "ETC", "RUN", "USR", "loaded_from", "refused", "wanted"]

CONF = "/etc/dockcfgd/conf.toml"
USR, RUN, ETC = (f"/{top}/dockcfgd/conf.d" for top in ("usr/lib", "run", "etc"))


def loaded_from(files: FakeFiles) -> Loaded:
    """Load as the daemon does."""
    return load(files, config_file=CONF, folders=(USR, RUN, ETC))


def wanted(text: str, *, version: str | None = "26.1.5") -> DesiredState:
    """Give the desired state of one file."""
    files = FakeFiles()
    files.put(CONF, text)
    known = None if version is None else EngineVersion.parse(version)
    desired = parse(loaded_from(files), version=known)
    assert desired is not None
    return desired


def refused(text: str | bytes) -> list[str]:
    """Give what is wrong with one file, the path left out."""
    files = FakeFiles()
    files.put(CONF, text)
    try:
        parse(loaded_from(files), version=EngineVersion(26, 1, 5))
    except InvalidDesiredState as invalid:
        return [finding.text().removeprefix(f"{CONF}:") for finding in invalid.findings]
    return []
