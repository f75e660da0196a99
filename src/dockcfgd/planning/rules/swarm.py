"""What a swarm node cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.planning.rules.breach import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES"]


def live_restore(scene: Scene) -> Iterator[Breach]:
    """Refuse live-restore on a node: a reload takes it, and the next start fails."""
    on_a_node = scene.engine is not None and scene.engine.swarm_active
    if scene.switch("live-restore") and on_a_node:
        why = "this host is a swarm node, where the engine does not start with live-restore"
        yield refuse("live-restore", why, "leave live-restore out, or leave the swarm first")


RULES = (live_restore,)
