"""What the interface needs of the bus, on either side. `adapters.bus` has the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

__all__ = [
    "AskUid",
    "Authority",
    "Connection",
    "Invocation",
    "Publisher",
    "Signal",
    "Signals",
    "Value",
]

Value: TypeAlias = "str | int"
"""What signals carry and properties hold; the interface file says of which D-Bus type."""

AskUid: TypeAlias = "Callable[[str, Callable[[int | None], None]], None]"
"""Ask who is behind a unique bus name, without waiting: the uid, None when the bus does not say."""


class Authority(Protocol):
    """Who says what users other than root may do. `adapters.polkit` has the real one."""

    def check(
        self, sender: str, action: str, *, may_prompt: bool, answer: Callable[[str], None]
    ) -> None:
        """Find out, without waiting, whether `sender` may do `action`.

        A person may be asked where that is allowed. `answer` is called once: with "" where it may,
        else with the reason why not.
        """


class Invocation(Protocol):
    """A method call that waits for its answer: `reply` or `fail`, once, from any thread."""

    @property
    def method(self) -> str:
        """The method's name."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Its arguments as plain values, of the types that the interface file declares."""

    @property
    def sender(self) -> str:
        """The caller's unique bus name."""

    @property
    def may_prompt(self) -> bool:
        """Whether the caller would wait for a person to authorise it."""

    def reply(self, *values: str) -> None:
        """Answer, with one string where the interface declares one."""

    def fail(self, name: str, message: str) -> None:
        """Answer with the D-Bus error `name`."""


class Publisher(Protocol):
    """The published object. Its methods return at once, on any thread."""

    def emit(self, member: str, *values: Value) -> None:
        """Emit a signal of the interface."""

    def changed(self, values: Mapping[str, Value]) -> None:
        """Emit PropertiesChanged."""


class Signal(Protocol):
    """A signal that arrived."""

    @property
    def member(self) -> str:
        """The signal's name."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Its arguments as plain values."""


class Signals(Protocol):
    """Signals of the daemon's object in order, from the moment of subscription on."""

    def next(self, *, timeout: float) -> Signal | None:
        """Wait for one, None after `timeout` seconds. Others than those asked for may come too."""


class Connection(Protocol):
    """A client's way to the daemon. Raises BusFailure."""

    def call(self, member: str, *arguments: Any, timeout: float) -> Any:  # noqa: ANN401 -- D-Bus
        """Call a method of the interface, give its answer as a plain value."""

    def listen(self, *members: str) -> AbstractContextManager[Signals]:
        """Subscribe to signals; in force when the context is entered."""
