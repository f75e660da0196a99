"""Shims, docker-proxies and other processes that belong to nobody any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import fine, note, warning
from dockcfgd.model.amounts import some
from dockcfgd.processes.roles import is_engine
from dockcfgd.processes.tree import Kind, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding
    from dockcfgd.processes.tree import Node

__all__ = ["CHECKS"]

_SHORT_ID = 12


def orphans(case: Case) -> Iterator[Finding]:
    """Find them in the tree."""
    nodes = [*_all(tree_of(case.scenery))]
    bad = [node for node in nodes if node.trouble]
    for node in bad:
        yield _orphan(node)
    shims = [node for node in nodes if node.kind is Kind.SHIM]
    runs = any(is_engine(one) for one in case.scenery.processes)
    if runs and not case.scenery.asked:
        why = "the engine could not be asked which containers it knows"
        yield note("not checked: shims of containers that the engine does not know", why)
    elif not runs and shims:
        yield _going_on(case, shims)
    elif not bad:
        yield fine("every shim and docker-proxy belongs to a container that runs")


def _going_on(case: Case, shims: Sequence[Node]) -> Finding:
    names = ", ".join(sorted(_name(node) for node in shims))
    what = f"the engine does not run, but {some(len(shims), 'container')}: {names}"
    if case.settings.get("live-restore") is True:
        return note(what, "live-restore is set, so the engine will take them up again", "")
    why = "live-restore is not set, so the engine will stop them when it starts"
    return warning(what, why, "set live-restore before it starts, or be ready for that")


def _orphan(node: Node) -> Finding:
    pid = node.process.pid
    match node.kind:
        case Kind.PROXY:
            port = node.mapping.text() if node.mapping else "a port"
            what = f"docker-proxy {pid} holds {port}: {node.trouble}"
            why = "a container that wants the port does not start: address already in use"
            return warning(what, why, f"kill {pid}")
        case Kind.SHIM:
            what = f"shim {pid} of {_name(node)}: {node.trouble}"
            why = "its processes run, hold memory and files, and docker does not show them"
            ctr, identity = "ctr --namespace moby", node.container
            kill = f"{ctr} task kill --all --signal SIGKILL {identity}"
            remedy = f"{kill}; {ctr} task delete {identity}; {ctr} container delete {identity}"
            return warning(what, why, remedy)
        case _:
            what = f"process {pid} ({node.process.name}): {node.trouble}"
            return warning(what, "it outlived what started it", f"kill {pid}, if nothing needs it")


def _name(node: Node) -> str:
    return node.known.name if node.known else node.container[:_SHORT_ID]


def _all(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _all(node.children)


CHECKS = (orphans,)
