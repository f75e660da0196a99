"""Both managed files as a plan shows them: what stands there now, and what shall.

daemon.json is shown as it would be written, so that a difference is one of meaning and not of
layout; secrets are left out of both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.secrets import redact_pair, redact_texts, redact_value
from dockcfgd.model.desired import dotted
from dockcfgd.model.steps import WriteFile
from dockcfgd.planning import leaves
from dockcfgd.planning.foreign_json import read_json
from dockcfgd.planning.target import UnreadableFile, daemon_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.model.desired import Json
    from dockcfgd.model.host import HostState
    from dockcfgd.model.steps import Step
    from dockcfgd.planning.target import Target

__all__ = ["file_views", "write_detail"]


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


def write_detail(step: Step, target: Target, host: HostState) -> str:
    """Say in what a daemon.json that a step writes differs from the one to be; mostly nothing."""
    if not isinstance(step, WriteFile) or step.path != host.daemon_json.path:
        return ""
    was, shall = (leaves.flatten(one) for one in (_document(step.content), target.document or {}))
    parts = [
        f"{dotted(path)} = {json.dumps(redact_value(path, value), ensure_ascii=False)}"
        for path, value in was.items()
        if path not in shall or shall[path] != value
    ]
    parts += [f"no {dotted(path)}" for path in shall if path not in was]
    return f"for now with {', '.join(parts)}" if parts else ""


def _document(content: bytes) -> dict[str, Json]:
    try:
        document = read_json(content.decode("utf-8-sig"))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(document: Json) -> str:
    shown: Mapping[str, Json] = document if isinstance(document, dict) else {}
    return leaves.render(shown).decode()


def _drop_in(target: Target, host: HostState) -> dict[str, Json]:
    now = host.drop_in.content.decode(errors="replace") if host.drop_in.present else None
    wanted = None if target.drop_in is None else target.drop_in.decode()
    after, before = redact_texts(wanted or "", now or "")
    return {
        "path": host.drop_in.path,
        "before": None if now is None else before,
        "after": None if wanted is None else after,
    }
