"""What is wrong with files as a desired state, before anything of the host is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.desired.load import Text, load
from dockcfgd.desired.parse import parse
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import InvalidDesiredState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.ports import Files
    from dockcfgd.settings import Settings

__all__ = ["complaint"]

_MOST = 5


def complaint(
    texts: Sequence[tuple[str, str]], *, files: Files, settings: Settings, version: str
) -> str:
    """Say what is wrong with `texts` (name, text) beside the files that lie here.

    Empty where together they are a desired state for an engine of `version` (empty: not known).
    """
    folder = settings.config_dirs[-1]
    extra = tuple(Text(name=name, shown=f"{folder}/{name}", text=text) for name, text in texts)
    loaded = load(
        files, config_file=settings.config_file, folders=settings.config_dirs, extra=extra
    )
    try:
        parse(loaded, version=EngineVersion.parse_or_none(version))
    except InvalidDesiredState as refusal:
        found = [finding.text() for finding in refusal.findings]
        more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
        return "; ".join([*found[:_MOST], *more])
    return ""
