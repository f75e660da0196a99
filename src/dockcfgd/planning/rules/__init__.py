"""The engine's own rules that no check of its file tells: one small function for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.planning.rules import (
    address_pools,
    builder,
    image_store,
    logging,
    network,
    places,
    runtimes,
    security,
    storage,
    swarm,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES", "breaches_of"]

RULES: tuple[Callable[[Scene], Iterable[Breach]], ...] = (
    *storage.RULES,
    *image_store.RULES,
    *logging.RULES,
    *network.RULES,
    *address_pools.RULES,
    *runtimes.RULES,
    *builder.RULES,
    *security.RULES,
    *swarm.RULES,
    *places.RULES,
)


def breaches_of(scene: Scene) -> tuple[Breach, ...]:
    """Give all that the rules find."""
    return tuple(breach for rule in RULES for breach in rule(scene))
