"""Tells which TCP endpoints of this host answer, as a program of its own.

    python3 -I -S dial.py '[["127.0.0.1", 80], ["::1", 80]]'

It writes the positions of those that answer as a JSON list. One answers that takes the connection
within a second and does not drop it at once, as the engine's proxy does in front of a container
where nobody listens. Without that proxy the engine itself listens and takes no connection: all are
meant to be led to the container before they come to it.
"""

import json
import select
import socket
import sys
import time

__all__ = ["answering"]

_AT_ONCE = 400
_CONNECT_SECONDS = 1.0
_DROP_SECONDS = 0.05
_CONNECTIONS = ("/proc/net/tcp", "/proc/net/tcp6")
_LOCAL, _REMOTE, _STATE, _INODE = 1, 2, 3, 9  # columns there
_ESTABLISHED = "01"
_Address = tuple[str, int]  # what else an IPv6 one has does not matter here


def answering(endpoints: list[tuple[str, int]]) -> list[int]:
    """Give the positions of the endpoints that answer."""
    found: list[int] = []
    for first in range(0, len(endpoints), _AT_ONCE):
        some = endpoints[first : first + _AT_ONCE]
        found += [first + position for position in _answering(some)]
    return found


def _answering(endpoints: list[tuple[str, int]]) -> list[int]:
    begun: dict[int, tuple[int, socket.socket]] = {}
    try:
        for position, endpoint in enumerate(endpoints):
            opened = _begin(*endpoint)
            if opened is not None:
                begun[opened.fileno()] = position, opened
        taken = {
            number
            for number in _ready(set(begun), select.POLLOUT, _CONNECT_SECONDS)
            if _taken(begun[number][1])
        }
        for number in _ready(taken, select.POLLIN, _DROP_SECONDS):
            if _dropped(begun[number][1]):
                taken.discard(number)
        ends = {number: _ends(begun[number][1]) for number in taken}
        there = {number: pair for number, pair in ends.items() if pair is not None}
        return sorted(begun[number][0] for number in there.keys() - _waiting(there))
    finally:
        for _, opened in begun.values():
            opened.close()


def _begin(address: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError:  # a kernel without IPv6
        return None
    try:
        opened.connect_ex((address, port))
    except OSError:  # no address of this family
        opened.close()
        return None
    return opened


def _taken(opened: socket.socket) -> bool:
    if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
        return False
    ends = _ends(opened)
    # Where nobody listens, a connection to the port that the kernel chose for our end is our own.
    return ends is not None and ends[0] != ends[1]


def _ends(opened: socket.socket) -> tuple[_Address, _Address] | None:
    """Give our end's address and the other's; None where the other was reset meanwhile."""
    try:
        return opened.getsockname(), opened.getpeername()
    except OSError:
        return None


def _ready(numbers: set[int], event: int, seconds: float) -> set[int]:
    """Give those for which the event comes in time, waiting for no longer than for all of them."""
    poll, left, ready = select.poll(), set(numbers), set[int]()
    for number in numbers:
        poll.register(number, event)
    deadline = time.monotonic() + seconds
    while left and (wait := deadline - time.monotonic()) > 0:
        for number, _ in poll.poll(wait * 1000):
            poll.unregister(number)
            left.discard(number)
            ready.add(number)
    return ready


def _dropped(opened: socket.socket) -> bool:
    try:
        return opened.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _waiting(connected: dict[int, tuple[_Address, _Address]]) -> set[int]:
    """Give those whose other end is on this host and not taken by any program: it has no inode."""
    ends = {(other[1], own[1]): number for number, (own, other) in connected.items()}
    waiting: set[int] = set()
    for path in _CONNECTIONS if ends else ():
        try:
            with open(path, encoding="ascii") as table:
                next(table)
                for line in table:
                    columns = line.split()
                    if columns[_STATE] == _ESTABLISHED and columns[_INODE] == "0":
                        pair = _port(columns[_LOCAL]), _port(columns[_REMOTE])
                        if pair in ends:
                            waiting.add(ends[pair])
        except FileNotFoundError:  # a kernel without IPv6
            continue
    return waiting


def _port(end: str) -> int:
    return int(end.rpartition(":")[2], 16)


if __name__ == "__main__":
    asked = [(str(address), int(port)) for address, port in json.loads(sys.argv[1])]
    sys.stdout.write(json.dumps(answering(asked)) + "\n")
