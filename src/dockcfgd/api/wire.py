"""What the interface needs of the bus, on either side. `adapters.bus` has the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

__all__ = ["Connection", "Invocation", "Publisher", "Signals", "Value"]

Value: TypeAlias = "str | int"
"""What signals carry and properties hold; the interface file says of which D-Bus type."""


class Invocation(Protocol):
    """A method call that waits for its answer: `reply` or `fail`, once, from any thread."""

    @property
    def sender(self) -> str:
        """The caller's unique bus name."""

    def reply(self, text: str) -> None:
        """Answer; all methods of the interface answer with one string."""

    def fail(self, name: str, message: str) -> None:
        """Answer with the D-Bus error `name`."""


class Publisher(Protocol):
    """The published object. All methods return at once and may be called from any thread."""

    def sender_uid(self, sender: str, answer: Callable[[int | None], None]) -> None:
        """Ask the bus for the user behind `sender`.

        `answer` gets the uid, or None when the bus does not say in time.
        """

    def emit(self, signal: str, arguments: tuple[Value, ...]) -> None:
        """Emit a signal of the interface."""

    def properties_changed(self, changed: Mapping[str, Value]) -> None:
        """Emit PropertiesChanged."""


class Signals(Protocol):
    """The signals of the daemon's object, in order, from the moment of subscription on."""

    def next(self, *, timeout: float) -> tuple[str, tuple[object, ...]] | None:
        """Wait for one signal, give name and arguments, or None after `timeout` seconds."""


class Connection(Protocol):
    """A client's way to the daemon."""

    def call(self, method: str, arguments: tuple[object, ...], *, timeout: float) -> str:
        """Call a method of the interface, give its answer. Raises BusFailure.

        Arguments are plain values; those of an a{sv} are texts.
        """

    def signals(self) -> AbstractContextManager[Signals]:
        """Subscribe; in force when the context is entered. Raises BusFailure."""
