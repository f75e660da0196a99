"""A D-Bus connection of one's own, and the GLib main loop. The only module with pydbus and gi.

    Bus          a private connection: call, read properties, subscribe, own a name, publish
    Mailbox      signals for the thread that opened it, in order, without a running loop
    Publication  an object that others call; an Invocation may be answered later, by any thread
    Client       one remote object, as a command wants it: call it, and wait for its signals
    Loop         the main loop: timers, work from other threads, process signals

Every call has a time limit, in seconds. What fails is a BusFailure, and nothing foreign leaves
this module. Callbacks run in the thread that runs the Loop, except where a Mailbox is open; one
that raises is reported on standard error and the loop goes on. A Bus and all it gives may be used
from any thread, except that callbacks come to the thread-default context of whoever subscribed.

Rejected: `pydbus.SystemBus()`. That connection is shared, and GLib ends the process by SIGTERM
when the bus goes away.
Rejected: `pydbus.Bus.publish()`. It lets any allowed peer take the name over without a word, and
a published method must have its answer before it returns.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gi
import pydbus
from gi.repository import Gio, GLib, GObject

from dockcfgd.model.errors import BusFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

__all__ = [
    "CALL_TIMEOUT",
    "DISCONNECTED",
    "NAME_TAKEN",
    "NO_REPLY",
    "OWNER_CHANGED",
    "PROMPT_SECONDS",
    "SERVICE_UNKNOWN",
    "TIMED_OUT",
    "Bus",
    "Client",
    "Invocation",
    "Loop",
    "Mailbox",
    "Match",
    "Publication",
    "Remote",
    "Signal",
    "Subscription",
    "Timer",
    "typed",
]

CALL_TIMEOUT = 25.0
PROMPT_SECONDS = 120.0
"""How long a person has to authorise a call."""

_ERROR = "org.freedesktop.DBus.Error."
DISCONNECTED = _ERROR + "Disconnected"
NAME_TAKEN = _ERROR + "AddressInUse"
NO_REPLY = _ERROR + "NoReply"
SERVICE_UNKNOWN = _ERROR + "ServiceUnknown"
TIMED_OUT = _ERROR + "Timeout"

OWNER_CHANGED = "NameOwnerChanged"

_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS_NAME = "org.freedesktop.DBus"
_BUS_PATH = "/org/freedesktop/DBus"
_DO_NOT_QUEUE = 4  # of RequestName; without the bits that allow or ask for replacement
_OWNER_REPLIES = {1, 4}  # became the owner; was it already
_ATTEND = 1.0
_LOOK = 0.5  # how long a Mailbox sleeps before it looks whether its connection still lives


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a method or property lives: bus name, object path and interface."""

    name: str
    path: str
    interface: str


@dataclass(frozen=True, slots=True)
class Match:
    """Which signals are wanted; None stands for any.

    `sender` is a bus name, `argument` the first string argument.
    """

    sender: str
    interface: str
    member: str | None = None
    path: str | None = None
    argument: str | None = None

    @classmethod
    def owner_of(cls, name: str) -> Match:
        """Match OWNER_CHANGED: arguments (name, old owner, new owner), empty for nobody."""
        return cls(_BUS_NAME, _BUS_NAME, OWNER_CHANGED, _BUS_PATH, name)


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that arrived, its arguments as plain values."""

    path: str
    interface: str
    member: str
    arguments: tuple[Any, ...]


_DAEMON = Remote(_BUS_NAME, _BUS_PATH, _BUS_NAME)


class Bus:
    """A private connection to a message bus.

    Raises BusFailure where there is none. `address` defaults to DBUS_SYSTEM_BUS_ADDRESS, else to
    the system bus.
    """

    def __init__(self, address: str | None = None) -> None:
        with _own_errors("connect to the bus"):
            where = address or Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
            self._bus = pydbus.connect(where)
        self._connection = self._bus.con
        _keep(self._connection)
        self._proxies: dict[tuple[str, str], Any] = {}

    @property
    def closed(self) -> bool:
        """Whether the connection is gone. It never comes back; open a new Bus."""
        return bool(self._connection.is_closed())

    def on_closed(self, callback: Callable[[str], None]) -> None:
        """Call `callback` with the reason, from the loop, when the connection is lost or closed."""

        def closed(_connection: Any, _vanished: Any, error: Any) -> None:
            callback(error.message if error else "closed")

        self._connection.connect("closed", closed)

    def close(self) -> None:
        """Send what is queued and close the connection. Doing it twice is fine."""
        if not self.closed:
            try:
                self._connection.flush_sync(None)
                self._connection.close_sync(None)
            except GLib.Error as error:
                if not self.closed:
                    raise _failure("close the connection to the bus", error) from error

    def call(
        self, remote: Remote, member: str, *arguments: Any, timeout: float = CALL_TIMEOUT
    ) -> Any:
        """Call a method and give its result: None, the one value, or a tuple of values.

        The argument types are those that the remote object's introspection names; a dict is sent
        as `a{sv}` and holds bool, int, float, str and lists of str.
        """
        with _own_errors(f"call {member} of {remote.name}"):
            method = self._method(remote, member, timeout=timeout)
            return method(*(_argument(value) for value in arguments), timeout=_positive(timeout))

    def call_attending(
        self, remote: Remote, member: str, *, timeout: float, attend: Callable[[], None]
    ) -> None:
        """Call a method without arguments or result; `attend` is called each second meanwhile."""
        context = GLib.MainContext.new()
        ends: list[Exception | None] = []

        def done(connection: Any, result: Any) -> None:
            try:
                connection.call_finish(result)
            except GLib.Error as error:
                ends.append(error)
            else:
                ends.append(None)

        context.push_thread_default()
        try:
            self._connection.call(
                remote.name, remote.path, remote.interface, member,
                None, None, Gio.DBusCallFlags.NONE, int(_positive(timeout) * 1000), None, done,
            )  # fmt: skip
            while not ends:
                _iterate(context, seconds=_ATTEND)
                attend()
        finally:
            context.pop_thread_default()
        if ends[0] is not None:
            raise _failure(f"call {member} of {remote.name}", ends[0]) from ends[0]

    def call_patiently(self, remote: Remote, member: str, arguments: Any, *, timeout: float) -> Any:
        """Call a method that somebody may have to authorise first, as part of `timeout`.

        `arguments` is a tuple made by `typed`. Gives its result as `call` does. Ctrl-C ends the
        waiting at once, as KeyboardInterrupt; what was asked for may be done all the same.
        """
        context, giving_up = GLib.MainContext.new(), Gio.Cancellable()
        ends: list[Any] = []

        def done(connection: Any, result: Any) -> None:
            try:
                ends.append(connection.call_finish(result).unpack())
            except GLib.Error as error:
                ends.append(_failure(f"call {member} of {remote.name}", error))

        context.push_thread_default()
        try:
            with _interruptions(giving_up.cancel):
                self._connection.call(
                    remote.name, remote.path, remote.interface, member, arguments, None,
                    Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION,
                    int(_positive(timeout) * 1000), giving_up, done,
                )  # fmt: skip
                while not ends:
                    _iterate(context, seconds=_ATTEND)
        finally:
            context.pop_thread_default()
        if isinstance(ends[0], BusFailure):
            raise ends[0]
        return ends[0][0] if len(ends[0]) == 1 else ends[0] or None

    def send(
        self, remote: Remote, member: str, done: Callable[[], None], *, timeout: float = 5.0
    ) -> None:
        """Call a method without arguments and go on; `done` is called from the loop at its end.

        Whether it ended well is not told.
        """
        self._connection.call(
            remote.name, remote.path, remote.interface, member,
            None, None, Gio.DBusCallFlags.NO_AUTO_START, int(timeout * 1000), None,
            lambda *_: done(),
        )  # fmt: skip

    def properties(self, remote: Remote, *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Read all properties of an interface at once, as plain values."""
        what = f"read {remote.interface} of {remote.path}"
        values = self._raw(remote, _PROPERTIES, "GetAll", "(s)", remote.interface, what, timeout)
        return dict(values)

    def property(self, remote: Remote, name: str, *, timeout: float = CALL_TIMEOUT) -> Any:
        """Read one property as a plain value."""
        what = f"read {name} of {remote.path}"
        arguments = (remote.interface, name)
        return self._raw(remote, _PROPERTIES, "Get", "(ss)", arguments, what, timeout)

    def subscribe(self, match: Match, callback: Callable[[Signal], None]) -> Subscription:
        """Call `callback` from the loop for every signal that matches, until `cancel()`.

        In force when this returns. It survives the restart of a sender that was named by its
        well-known name.
        """

        def fired(_sender: str, path: str, interface: str, member: str, arguments: Any) -> None:
            callback(Signal(path, interface, member, tuple(arguments)))

        subscription = self._bus.subscribe(
            sender=match.sender,
            iface=match.interface,
            signal=match.member,
            object=match.path,
            arg0=match.argument,
            signal_fired=fired,
        )
        # GLib sends its request and goes on; the bus answers in order.
        self._raw(_DAEMON, _DAEMON.interface, "GetId", "()", (), "subscribe", CALL_TIMEOUT)
        return Subscription(subscription.unsubscribe)

    def mailbox(self, *matches: Match) -> Mailbox:
        """Give a Mailbox for these signals; it collects from the moment that it is entered."""
        return Mailbox(self, matches)

    def watch_name(self, name: str, callback: Callable[[str], None]) -> Subscription:
        """Call `callback` from the loop with a name's owner (or ""), now and at each change."""
        return Subscription(
            self._bus.watch_name(
                name, name_appeared=callback, name_vanished=lambda: callback("")
            ).unwatch
        )

    def request_name(self, name: str, *, timeout: float = CALL_TIMEOUT) -> None:
        """Own `name` until the connection closes; nobody can take it over.

        BusFailure NAME_TAKEN where another process has it, AccessDenied where the bus policy
        forbids it.
        """
        what = f"own the bus name {name}"
        reply = self._raw(
            _DAEMON, _BUS_NAME, "RequestName", "(su)", (name, _DO_NOT_QUEUE), what, timeout
        )
        if reply not in _OWNER_REPLIES:
            raise BusFailure(what=what, name=NAME_TAKEN, text="another process owns it")

    def sender_uid(
        self, sender: str, answer: Callable[[int | None], None], *, timeout: float = 5.0
    ) -> None:
        """Find out whose process `sender` is, without blocking.

        `answer` is called from the loop with the uid, or None where it cannot be known in time.
        """

        def known(result: tuple[Any, ...] | BusFailure) -> None:
            answer(None if isinstance(result, BusFailure) else int(result[0]))

        self.ask(_DAEMON, "GetConnectionUnixUser", typed("(s)", (sender,)), known, timeout=timeout)

    def ask(
        self,
        remote: Remote,
        member: str,
        arguments: Any,
        answer: Callable[[tuple[Any, ...] | BusFailure], None],
        *,
        timeout: float,
    ) -> None:
        """Call a method and go on; `answer` is called from the loop with its results, or why not.

        `arguments` is a tuple made by `typed`.
        """

        def done(connection: Any, result: Any) -> None:
            try:
                values = connection.call_finish(result).unpack()
            except GLib.Error as error:
                answer(_failure(f"call {member} of {remote.name}", error))
            else:
                answer(tuple(values))

        self._connection.call(
            remote.name, remote.path, remote.interface, member, arguments, None,
            Gio.DBusCallFlags.NONE, int(_positive(timeout) * 1000), None, done,
        )  # fmt: skip

    def publish(
        self,
        path: str,
        xml: str,
        *,
        handle: Callable[[Invocation], None],
        read: Callable[[], Mapping[str, Any]] = dict,
    ) -> Publication:
        """Offer the one interface of `xml` at `path`.

        `handle` is called from the loop for each method call whose arguments have the right types;
        it must return at once, and answer the Invocation then or later. `read` gives the value of
        every property, from the loop too. Publish before `request_name`: with the name come calls.
        """
        (interface,) = Gio.DBusNodeInfo.new_for_xml(xml).interfaces
        publication = Publication(self._connection, path, interface, handle=handle, read=read)
        # The older function is deprecated from GLib 2.84 on, where the newer one appears.
        register = getattr(self._connection, "register_object_with_closures2", None)
        with _own_errors(f"publish {path}"):
            number = (register or self._connection.register_object)(
                path, interface, publication.called, None, None
            )
        publication.undo = lambda: self._connection.unregister_object(number)
        return publication

    def _method(self, remote: Remote, member: str, *, timeout: float) -> Any:
        # A proxy costs an Introspect call and classes, and stays right when the remote restarts.
        key = (remote.name, remote.path)
        try:
            if key not in self._proxies:
                self._proxies[key] = self._bus.get(*key, timeout=_positive(timeout))
            interface = self._proxies[key][remote.interface]
        except KeyError as error:
            raise BusFailure(
                what=f"call {member} of {remote.name}",
                name=_ERROR + "UnknownInterface",
                text=f"{remote.path} has no interface {remote.interface}",
            ) from error
        method = getattr(interface, member, None)
        if method is None:
            raise BusFailure(
                what=f"call {member} of {remote.name}",
                name=_ERROR + "UnknownMethod",
                text=f"{remote.interface} has no such method",
            )
        return method

    def _raw(
        self,
        remote: Remote,
        interface: str,
        member: str,
        signature: str,
        arguments: Any,
        what: str,
        timeout: float,
    ) -> Any:
        values = arguments if isinstance(arguments, tuple) else (arguments,)
        with _own_errors(what):
            (value,) = self._connection.call_sync(
                remote.name, remote.path, interface, member,
                GLib.Variant(signature, values), None,
                Gio.DBusCallFlags.NONE, int(_positive(timeout) * 1000), None,
            ).unpack()  # fmt: skip
        return value


class Subscription:
    """Something that calls back until `cancel()`; cancelling twice is fine."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel: Callable[[], None] | None = cancel

    def cancel(self) -> None:
        """Call back no more."""
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()


class Mailbox:
    """Signals that match, kept in the order of their arrival for the thread that entered it.

    It has a GLib context of its own, so it needs no running loop and shares nothing with other
    threads. A signal that the bus delivered before the answer to a call is in the Mailbox when that
    call returns. While it is entered, what this thread subscribes to calls back only inside `next`
    and `until`.
    """

    def __init__(self, bus: Bus, matches: tuple[Match, ...]) -> None:
        self._bus = bus
        self._matches = matches
        self._context = GLib.MainContext.new()
        self._signals: deque[Signal] = deque()
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        """Subscribe; signals sent from now on are kept."""
        self._context.push_thread_default()
        self._cleanup.callback(self._context.pop_thread_default)
        # What GLib frees on unsubscribing, it frees in this context.
        self._cleanup.callback(self._drain)
        for match in self._matches:
            self._cleanup.callback(self._bus.subscribe(match, self._signals.append).cancel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unsubscribe."""
        self._cleanup.close()

    def next(self, *, timeout: float) -> Signal | None:
        """Give the next signal, or None when none came in time (0: when none is there yet).

        BusFailure DISCONNECTED when the connection is lost and all that came before is read.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._drain()
            if self._signals:
                return self._signals.popleft()
            if self._bus.closed:
                raise BusFailure(
                    what="wait for a signal", name=DISCONNECTED, text="the bus connection was lost"
                )
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._sleep(min(left, _LOOK))

    def until(self, wanted: Callable[[Signal], bool], *, timeout: float) -> Signal | None:
        """Give the first signal that is `wanted`, dropping others; None when none came in time."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.next(timeout=max(0.0, deadline - time.monotonic()))
            if found is None or wanted(found):
                return found

    def _drain(self) -> None:
        with _interruptions(_nothing):
            while self._context.iteration(False):  # noqa: FBT003 -- GLib's "may block"
                pass

    def _sleep(self, seconds: float) -> None:
        alarm = GLib.timeout_source_new(max(1, int(seconds * 1000)))
        alarm.set_callback(lambda *_: GLib.SOURCE_REMOVE)
        alarm.attach(self._context)
        with _interruptions(_nothing):
            self._context.iteration(True)  # noqa: FBT003 -- GLib's "may block"
        alarm.destroy()


class Invocation:
    """A method call that waits for its answer. Any thread may give it, once; others are ignored.

    `method` is the member's name, `sender` the caller's unique bus name. `may_prompt` says whether
    the caller would wait for a person to authorise it.
    """

    def __init__(self, invocation: Any, *, signature: str) -> None:
        self._invocation = invocation
        self._signature = signature
        self._lock = threading.Lock()
        self.method: str = invocation.get_method_name()
        self.sender: str = invocation.get_sender()
        flags = invocation.get_message().get_flags()
        self.may_prompt = bool(flags & Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
        self._parameters = invocation.get_parameters()

    @cached_property
    def arguments(self) -> tuple[Any, ...]:
        """Its arguments as plain values.

        As many as the bus lets through take half a minute to unpack: look at them once the caller
        may do what it asks.
        """
        return tuple(self._parameters.unpack())

    def reply(self, *values: Any) -> None:
        """Answer with one value for each result that the interface names."""
        answer = GLib.Variant(f"({self._signature})", values)
        self._once(lambda invocation: invocation.return_value(answer))

    def fail(self, name: str, message: str) -> None:
        """Answer with a D-Bus error; `name` has dots, as in `org.dockcfgd1.Error.Busy`."""
        self._once(lambda invocation: invocation.return_dbus_error(name, message))

    def _once(self, answer: Callable[[Any], None]) -> None:
        with self._lock:
            invocation, self._invocation = self._invocation, None
        if invocation is not None:
            # Only puts a message into the connection's queue, which GLib allows from every thread.
            answer(invocation)


class Publication:
    """A published object: emits its signals and tells of changed properties, from any thread."""

    def __init__(
        self,
        connection: Any,
        path: str,
        interface: Any,
        *,
        handle: Callable[[Invocation], None],
        read: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._connection = connection
        self._path = path
        self._interface = interface
        self._handle = handle
        self._read = read
        self.undo: Callable[[], None] = lambda: None

    def emit(self, member: str, *values: Any) -> None:
        """Send a signal of the interface to all who listen."""
        arguments = self._interface.lookup_signal(member).args
        signature = "".join(argument.signature for argument in arguments)
        self._send(self._interface.name, member, GLib.Variant(f"({signature})", values))

    def changed(self, values: Mapping[str, Any]) -> None:
        """Send PropertiesChanged with the new values of these properties."""
        body: Any = (self._interface.name, self._typed(values), [])
        self._send(_PROPERTIES, "PropertiesChanged", GLib.Variant("(sa{sv}as)", body))

    def unpublish(self) -> None:
        """Take the object off the bus; doing it twice is fine."""
        undo, self.undo = self.undo, lambda: None
        undo()

    def called(self, *call: Any) -> None:
        """Take a call from GLib; the Bus registers this."""
        interface, member, _, invocation = call[3:]
        _drop_surplus_reference(invocation)
        # GLib hands over calls of Properties too, since no getter is registered; it has checked
        # that the property exists and is writable where it is to be written.
        if interface == _PROPERTIES:
            self._answer_properties(
                Invocation(invocation, signature="v" if member == "Get" else "a{sv}")
            )
            return
        results = self._interface.lookup_method(member).out_args
        own = Invocation(invocation, signature="".join(result.signature for result in results))
        try:
            self._handle(own)
        except BaseException as error:
            own.fail(_ERROR + "Failed", f"cannot answer {member}: {error}")
            raise

    def _answer_properties(self, invocation: Invocation) -> None:
        values = self._typed(self._read())
        if invocation.method == "Get":
            invocation.reply(values[invocation.arguments[1]])
        elif invocation.method == "GetAll":
            invocation.reply(values)
        else:
            invocation.fail(_ERROR + "PropertyReadOnly", "cannot set a property: all are read-only")

    def _typed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        lookup = self._interface.lookup_property
        return {name: GLib.Variant(lookup(name).signature, value) for name, value in values.items()}

    def _send(self, interface: str, member: str, body: Any) -> None:
        with _own_errors(f"send {member}"):
            self._connection.emit_signal(None, self._path, interface, member, body)


class Client:
    """One remote object as a command uses it; needs no running loop.

    `xml` is its interface; `patience` is how much longer a call may take for a person to authorise
    it (PROMPT_SECONDS; for root, 0).

    with client.listen("TransactionFinished") as mailbox:
        transaction = client.call("Apply", files, {"comment": "x"}, timeout=30)
        end = mailbox.until(lambda signal: signal.arguments[0] == transaction, timeout=600)
    """

    def __init__(self, bus: Bus, remote: Remote, xml: str, *, patience: float = 0.0) -> None:
        self._bus = bus
        self._remote = remote
        self._patience = patience
        (self._interface,) = Gio.DBusNodeInfo.new_for_xml(xml).interfaces

    def call(self, member: str, *arguments: Any, timeout: float = CALL_TIMEOUT) -> Any:
        """Call a method as `Bus.call` does; BusFailure SERVICE_UNKNOWN where nobody is there."""
        wanted = self._interface.lookup_method(member).in_args
        signature = "".join(one.signature for one in wanted)
        values = typed(f"({signature})", tuple(_argument(value) for value in arguments))
        return self._bus.call_patiently(
            self._remote, member, values, timeout=timeout + self._patience
        )

    def properties(self, *, timeout: float = CALL_TIMEOUT) -> dict[str, Any]:
        """Read all properties at once."""
        return self._bus.properties(self._remote, timeout=timeout)

    def listen(self, *members: str) -> Mailbox:
        """Give a Mailbox for these signals of the object and for its OWNER_CHANGED."""
        remote = self._remote
        wanted = (Match(remote.name, remote.interface, member, remote.path) for member in members)
        return self._bus.mailbox(*wanted, Match.owner_of(remote.name))


class Timer:
    """A call that is yet to come."""

    def __init__(self, milliseconds: int, callback: Callable[[], None], *, repeat: bool) -> None:
        self._callback = callback
        self._repeat = repeat
        self._source: int | None = GLib.timeout_add(milliseconds, self._fire)

    def cancel(self) -> None:
        """Call no more; fine at any time, from the loop's thread."""
        source, self._source = self._source, None
        if source is not None:
            GLib.source_remove(source)

    def _fire(self) -> bool:
        if not self._repeat:
            self._source = None
        try:
            self._callback()
        finally:
            again = self._repeat and self._source is not None
        return again


class Loop:
    """The main loop of the thread that runs it, which must be the process's main thread."""

    def __init__(self) -> None:
        self._loop = GLib.MainLoop()

    def run(self) -> None:
        """Dispatch until `quit`."""
        self._loop.run()

    def quit(self) -> None:
        """End `run` after the callback in hand; from any thread. Does nothing before `run`."""
        self._loop.quit()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call once from the loop; from any thread, in the order of asking."""

        def once() -> bool:
            callback()
            return bool(GLib.SOURCE_REMOVE)

        GLib.idle_add(once, priority=GLib.PRIORITY_DEFAULT)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call once from the loop, `seconds` from now."""
        return Timer(max(0, int(seconds * 1000)), callback, repeat=False)

    def call_every(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call from the loop each `seconds`; the first time after one such interval."""
        return Timer(max(1, int(seconds * 1000)), callback, repeat=True)

    def on_signal(self, number: signal.Signals, callback: Callable[[], None]) -> None:
        """Call from the loop when the process gets this signal, in place of what it would do."""
        # GLib's own function for this moved between namespaces; PyGObject wakes a running loop
        # for handlers of Python's.
        signal.signal(number, lambda *_: self.call_soon(callback))


def typed(signature: str, value: Any) -> Any:
    """Give a value with its D-Bus type, as a method takes it that wants variants."""
    return GLib.Variant(signature, value)


def _keep(connection: Any) -> None:
    """Let the connection live as long as the process, closed or not.

    GLib frees a connection under a lock under which its own thread takes references to others.
    Where only Python has one, that waits for the interpreter's lock, which whoever frees has.
    """
    reference = GObject.Value(GObject.TYPE_OBJECT, connection)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(reference))


def _iterate(context: Any, *, seconds: float) -> None:
    """Let a context of one's own work until something happened in it, or for so long."""
    timer = GLib.timeout_source_new(int(seconds * 1000))
    timer.set_callback(lambda *_: False)
    timer.attach(context)
    context.iteration(True)  # noqa: FBT003 -- GLib's own argument: it may block
    timer.destroy()


@contextmanager
def _interruptions(give_up: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C call `give_up`, and raise KeyboardInterrupt at the end.

    Raised where it falls, inside a callback of GLib's, it would be lost.
    """
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)
        give_up()

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def _nothing() -> None:
    """Give nothing up."""


def _positive(timeout: float) -> float:
    return max(0.001, timeout)


def _argument(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _variant(item) for key, item in value.items()}
    return value


def _variant(value: Any) -> Any:
    signatures: dict[type, str] = {bool: "b", int: "x", float: "d", str: "s", list: "as"}
    return GLib.Variant(signatures[type(value)], value)


@contextmanager
def _own_errors(what: str) -> Iterator[None]:
    try:
        yield
    except GLib.Error as error:
        raise _failure(what, error) from error


def _failure(what: str, error: Any) -> BusFailure:
    name = Gio.DBusError.get_remote_error(error)
    if name:
        return BusFailure(
            what=what, name=name, text=error.message.removeprefix(f"GDBus.Error:{name}: ")
        )
    quark = Gio.io_error_quark()
    if error.matches(quark, Gio.IOErrorEnum.TIMED_OUT):
        return BusFailure(what=what, name=TIMED_OUT, text="no answer in time")
    if error.matches(quark, Gio.IOErrorEnum.CLOSED):
        return BusFailure(what=what, name=DISCONNECTED, text="the bus connection was lost")
    return BusFailure(what=what, name=_ERROR + "Failed", text=error.message)


if gi.version_info < (3, 50):
    # These bindings never release the reference that GLib hands over with a call: 2 KB and the
    # arguments stay with each. `hash` of a wrapper is the address of the object that it wraps.
    _unref = ctypes.CDLL("libgobject-2.0.so.0").g_object_unref
    _unref.argtypes = [ctypes.c_void_p]
    _unref.restype = None

    def _drop_surplus_reference(invocation: Any) -> None:
        _unref(hash(invocation))

else:

    def _drop_surplus_reference(invocation: Any) -> None:
        """From PyGObject 3.50 on nothing is left over."""
