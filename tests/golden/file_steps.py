"""The steps of a plan that touch the managed files, carried out on a tree in memory."""

from __future__ import annotations

from dockcfgd.model import steps as do
from dockcfgd.model.files import Tag
from dockcfgd.model.host import HostState
from tests.fakes.files import FakeFiles

__all__ = ["carry_out", "files_of"]


def files_of(host: HostState) -> FakeFiles:
    """Give a tree that holds the host's managed files."""
    files = FakeFiles()
    for state in (host.daemon_json, host.drop_in):
        if state.present:
            files.put(state.path, state.content)
    return files


def carry_out(step: do.Step, files: FakeFiles) -> None:
    """Do a step if it writes or removes a file; StaleFile where it did not expect what is there."""
    match step:
        case do.WriteFile():
            fresh = Tag(digest="", uid=step.uid, gid=step.gid, mode=step.mode)
            attributes = {one.name: one.content for one in step.attributes}
            files.replace(
                step.path,
                step.content,
                expected=step.expected,
                fresh=fresh,
                attributes=attributes,
                exact=step.exact,
            )
        case do.RemoveFile():
            files.remove(step.path, expected=step.expected)
        case _:
            pass
