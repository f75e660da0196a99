"""Both managed files as a plan shows them: what stands there now, and what shall.

daemon.json is shown as it would be written, so that a difference is one of meaning and not of
layout; secrets are left out of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.secrets import redact_pair, redact_texts
from dockcfgd.planning.target import UnreadableFile, daemon_json, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.target import Target

__all__ = ["file_views"]


def file_views(target: Target, host: HostState) -> list[dict[str, Json]]:
    """Give `path`, `before` and `after` of each file that changes; None stands for no file."""
    views = [_daemon_json(target, host)]
    if target.owns_drop_in:
        views.append(_drop_in(target, host))
    return [view for view in views if view["before"] != view["after"]]


def _daemon_json(target: Target, host: HostState) -> dict[str, Json]:
    try:
        now = daemon_json(host) if host.daemon_json.present else None
    except UnreadableFile:
        now = {}
    wanted = target.document
    after, before = redact_pair((), wanted or {}, now or {})
    return {
        "path": host.daemon_json.path,
        "before": None if now is None else _text(before),
        "after": None if wanted is None else _text(after),
    }


def _text(document: Json) -> str:
    shown: Mapping[str, Json] = document if isinstance(document, dict) else {}
    return render(shown).decode()


def _drop_in(target: Target, host: HostState) -> dict[str, Json]:
    now = host.drop_in.content.decode(errors="replace") if host.drop_in.present else None
    wanted = None if target.drop_in is None else target.drop_in.decode()
    after, before = redact_texts(wanted or "", now or "")
    return {
        "path": host.drop_in.path,
        "before": None if now is None else before,
        "after": None if wanted is None else after,
    }
