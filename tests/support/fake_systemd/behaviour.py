"""What the fake does when it is asked, as far as a test decides it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Rules:
    """How the next calls and jobs go. Every field may be changed while the fake runs.

    result          result word by verb ("RestartUnit") or for all ("*"); without one, what the hook
                    says, else done
    delay           seconds from the queueing of a job to its end
    removed         JobRemoved comes "before" the reply to the call, "after" it, or "never"
    noise           so many JobRemoved of other jobs come before it
    repeat          so many times it comes
    errors          D-Bus error name by method
    mute            methods that are never answered
    limited         so many calls of Reload are refused by a rate limit
    reload          "answer"; "drop": the connection goes away instead of an answer; "lose": that,
                    and nothing is read
    after           properties of the unit that a job sets at its end, by verb
    system_state    the manager's SystemState
    aliases         names of units that have another one
    processes       control group, number and command of each process of the host
    start_limit     starts that are granted within `start_interval` seconds; 0 for no limit
    """

    result: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    removed: str = "after"
    noise: int = 0
    repeat: int = 1
    errors: dict[str, str] = field(default_factory=dict)
    mute: list[str] = field(default_factory=list)
    limited: int = 0
    reload: str = "answer"
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    system_state: str = "running"
    processes: list[tuple[str, int, str]] = field(default_factory=list)
    start_limit: int = 3
    start_interval: float = 60.0
    aliases: dict[str, str] = field(default_factory=dict)

    def change(self, values: dict[str, Any]) -> None:
        """Set fields by name."""
        for name, value in values.items():
            if name not in self.__dataclass_fields__:
                raise AttributeError(f"no such rule: {name}")
            setattr(self, name, value)

    def word(self, verb: str) -> str | None:
        """Give the result word that a test wants for a job of this verb."""
        return self.result.get(verb, self.result.get("*"))
