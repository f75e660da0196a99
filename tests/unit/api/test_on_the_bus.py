"""Service, announcer and client against each other over a real bus."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from dockcfgd.adapters.bus import SERVICE_UNKNOWN, Bus, Loop, Remote
from dockcfgd.adapters.bus import Client as BusClient
from dockcfgd.adapters.polkit import Polkit
from dockcfgd.api import contract
from dockcfgd.api.announcer import Announcer
from dockcfgd.api.client import Client
from dockcfgd.api.service import Service
from dockcfgd.model.errors import BusFailure
from dockcfgd.model.status import Progress, Status
from dockcfgd.reconcile.requests import Apply, PlanRequest, Request, Rollback
from tests.support.private_bus import PrivateBus

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.dbus

STATUS = Status(version="0.1.0", pid=7, since=1.0, generation=4_000_000_000)
REMOTE = Remote(contract.BUS_NAME, contract.OBJECT_PATH, contract.INTERFACE)


class Daemon:
    """A daemon without a reconciler: it notes requests and plans nothing."""

    def __init__(self, address: str) -> None:
        self.requests: list[Request] = []
        self._bus = Bus(address)
        self._loop = Loop()
        self._thread = threading.Thread(target=self._loop.run)
        service = Service(
            snapshot=lambda: STATUS,
            enqueue=self._take,
            sender_uid=self._bus.sender_uid,
            authority=Polkit(self._bus),
            complaint=lambda _files: "",
            aside=lambda work: work(),
            new_transaction=lambda: "t1",
        )
        publication = self._bus.publish(
            contract.OBJECT_PATH,
            contract.interface_xml(),
            handle=service.handle,
            read=service.properties,
        )
        self.announcer = Announcer(publication)
        self._bus.request_name(contract.BUS_NAME)
        self._thread.start()

    def _take(self, request: Request) -> None:
        self.requests.append(request)
        if isinstance(request, PlanRequest):
            request.reply(json.dumps({"schema": 1, "steps": [list(f) for f in request.files]}))

    def close(self) -> None:
        self._loop.quit()
        self._thread.join()
        self._bus.close()


@pytest.fixture
def address() -> Iterator[str]:
    with PrivateBus() as bus:
        yield bus.address


@pytest.fixture
def daemon(address: str) -> Iterator[Daemon]:
    daemon = Daemon(address)
    yield daemon
    daemon.close()


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    bus = Bus(address)
    yield Client(BusClient(bus, REMOTE, contract.interface_xml()))
    bus.close()


def test_every_method_passes_its_types(daemon: Daemon, client: Client) -> None:
    assert client.status() == STATUS.document()
    assert client.plan([("a.toml", "x = 1\n")])["steps"] == [["a.toml", "x = 1\n"]]
    assert client.apply([("a.toml", "ü")], comment="why") == "t1"
    assert client.apply() == "t1"
    assert client.rollback(3_000_000_000) == "t1"
    assert client.rollback(comment="back") == "t1"
    assert client.rollback(0) == "t1"
    assert daemon.requests[1:] == [
        Apply(transaction="t1", files=(("a.toml", "ü"),), comment="why", actor="root", uid=0),
        Apply(transaction="t1", actor="root", uid=0),
        Rollback(transaction="t1", generation=3_000_000_000, actor="root", uid=0),
        Rollback(transaction="t1", comment="back", actor="root", uid=0),
        Rollback(transaction="t1", generation=0, actor="root", uid=0),
    ]


def test_refusals_keep_their_names(daemon: Daemon, client: Client) -> None:
    with pytest.raises(BusFailure) as refused:
        client.apply([("a.conf", "")])
    assert refused.value.name == contract.INVALID_ARGUMENTS
    assert refused.value.text.startswith("cannot take a file named 'a.conf'")
    assert daemon.requests == []


def test_signals_arrive_in_order_with_their_types(daemon: Daemon, client: Client) -> None:
    progress = Progress(step="load", item="layer", done=2**40, total=2**41, unit="bytes")
    with client.signals() as signals:
        client.status()  # the bus takes a connection's messages in order: now it knows the match
        daemon.announcer.status(STATUS)
        daemon.announcer.status(
            Status(version="0.1.0", pid=7, since=1.0, generation=1, progress=progress)
        )
        daemon.announcer.finished("t1", "applied")
        heard = []
        while (signal := signals.next(timeout=5)) is not None:
            heard.append((signal.member, signal.arguments))
            if signal.member == "TransactionFinished":
                break
    assert [member for member, _ in heard] == [
        "StatusChanged",
        "StatusChanged",
        "Progress",
        "TransactionFinished",
    ]
    assert json.loads(heard[0][1][0]) == STATUS.document()
    assert heard[2][1] == ("load", "layer", 2**40, 2**41, "bytes")


def test_without_a_daemon_the_error_says_so(client: Client) -> None:
    with pytest.raises(BusFailure) as absent:
        client.status()
    assert absent.value.name == SERVICE_UNKNOWN
