"""Hand edits as a desired state: worked out and checked, not yet written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.desired.adopt import ADOPTED, adopted_text, obstacle, taken_away, told
from dockcfgd.desired.json_places import key_places
from dockcfgd.desired.load import Text, load
from dockcfgd.model.desired import dotted
from dockcfgd.model.files import FileState, Tag
from dockcfgd.planning import leaves
from dockcfgd.planning.hand_edits import hand_edits
from dockcfgd.reconcile.assess import Assessment, assess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import KeyPath
    from dockcfgd.model.errors import Finding
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.target import Applied
    from dockcfgd.ports import Files
    from dockcfgd.settings import Settings

__all__ = ["WriteBack", "write_back"]

_READABLE = 0o644


@dataclass(frozen=True, slots=True)
class WriteBack:
    """The file to write, the desired state that it makes, and what the history says of it.

    `invocation` is that of the engine that ran when the edits were seen.
    """

    file: FileState
    content: bytes
    mode: int
    digest: str
    comment: str
    invocation: str

    def put(self, files: Files) -> None:
        """Write the file; doing it again is fine. Raises FileFailure or StaleFile."""
        fresh = Tag(digest="", mode=self.mode)
        files.replace(self.file.path, self.content, expected=(self.file.tag,), fresh=fresh)


def write_back(
    effects: Effects, settings: Settings, applied: Applied, seen: Assessment
) -> WriteBack | str:
    """Work out how the hand edits on this host become the desired state, or why they do not."""
    host, desired, target = seen.host, seen.desired, seen.target
    if host is None or desired is None or target is None:
        return "there is nothing to adopt them into"
    edits = hand_edits(target, host)
    why = obstacle(edits, host, desired)
    if why:
        return why
    path = f"{settings.config_dirs[-1]}/{ADOPTED}"
    text = adopted_text(_text(effects.files, settings), edits, desired)
    extra = (Text(name=ADOPTED, shown=path, text=text),)
    then = assess(effects, settings, applied, extra=extra, edited=True)
    if then.findings:
        return _finding(then.findings[0], host)
    lost = [
        edit.path
        for edit in edits
        if then.target is None or leaves.get(then.target.document or {}, edit.path) != edit.value
    ]
    if lost or then.digest == seen.digest:
        names = ", ".join(dotted(path) for path in lost) or told(edits)
        why = _taken_away(effects.files, settings, lost)
        return why or f"{names} would not be what {path} says"
    return WriteBack(
        file=effects.files.read(path),
        content=text.encode(),
        # What may hold a password is readable for nobody who cannot read it in daemon.json.
        mode=host.daemon_json.tag.mode & _READABLE | 0o600,
        digest=then.digest,
        comment=told(edits),
        invocation=host.unit.invocation_id,
    )


def _taken_away(files: Files, settings: Settings, lost: Sequence[KeyPath]) -> str:
    loaded = load(files, config_file=settings.config_file, folders=settings.config_dirs)
    return next(filter(None, (taken_away(path, loaded.unset) for path in lost)), "")


def _text(files: Files, settings: Settings) -> str:
    """Give the text of the file as it counts now: one in /run is hidden by one in /etc."""
    for folder in reversed(settings.config_dirs):
        state = files.read(f"{folder}/{ADOPTED}")
        if state.present:
            return state.content.decode(errors="replace")
    return ""


def _finding(finding: Finding, host: HostState) -> str:
    """Name the place of the edit, not that of the file which will not be written."""
    path = host.daemon_json.path
    key = (finding.key or "").removeprefix("engine-extra.").removeprefix("engine.")
    lines = key_places(host.daemon_json.content.decode("utf-8-sig", errors="replace")).lines
    line = next((line for place, line in lines.items() if dotted(place) == key), None)
    where = f"{path}:{line}" if line else path
    hint = f" ({finding.hint})" if finding.hint else ""
    what = f"{key}: {finding.message}" if key else finding.message
    return f"{where}: {what}{hint}"
