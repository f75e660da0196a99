"""What the builder keeps, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.sizes import read_duration
from dockcfgd.planning.rules.breach import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES"]

_POLICY = ("builder", "gc", "policy")
_AGES = {"unused-for", "until"}


def ages(scene: Scene) -> Iterator[Breach]:
    """Refuse an age that the engine cannot read: it starts everything else and then ends."""
    gc = scene.table("builder").get("gc")
    if not isinstance(gc, dict) or gc.get("enabled") is not True:
        return
    policy = gc.get("policy")
    for number, rule in enumerate(policy if isinstance(policy, list) else (), start=1):
        filters = rule.get("filter") if isinstance(rule, dict) else None
        for text in filters if isinstance(filters, list) else ():
            name, _, value = str(text).partition("=")
            if name in _AGES and not _is_age(value):
                why = f"filter {name} of rule {number} is no duration"
                yield refuse(_POLICY, why, f"write it as {name}=48h")


def _is_age(text: str) -> bool:
    if text[:4].isdecimal() and "-" in text:
        # The engine takes a date as well.
        return True
    try:
        read_duration(text)
    except ValueError:
        return False
    return True


RULES = (ages,)
