from __future__ import annotations

import json
import queue
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.api.service import Service
from dockcfgd.model.policy import Consistency
from dockcfgd.model.status import Condition, Phase, Status, Task
from dockcfgd.reconcile.requests import (
    Apply,
    Cancel,
    Confirm,
    CreateBackup,
    Pause,
    PlanRequest,
    PruneBackups,
    Request,
    Restore,
    Resume,
    Rollback,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = Status(
    version="0.1.0", pid=7, since=1.0, phase=Phase.IDLE, condition=Condition.IN_SYNC, generation=3
)


@dataclass
class Call:
    """An invocation that notes its answers."""

    method: str
    arguments: tuple[Any, ...] = ()
    sender: str = ":1.5"
    answers: list[tuple[str, ...]] = field(default_factory=list)

    def reply(self, *values: str) -> None:
        self.answers.append(("reply", *values))

    def fail(self, name: str, message: str) -> None:
        self.answers.append(("fail", name, message))


class Users:
    """A bus that tells uids when asked to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, Callable[[int | None], None]]] = []

    def ask(self, sender: str, answer: Callable[[int | None], None]) -> None:
        self.waiting.append((sender, answer))

    def answer(self, uid: int | None) -> None:
        _, answer = self.waiting.pop()
        answer(uid)


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
def inbox() -> queue.Queue[Request]:
    return queue.Queue(maxsize=1)


@pytest.fixture
def service(users: Users, inbox: queue.Queue[Request]) -> Service:
    return Service(
        snapshot=lambda: STATUS,
        enqueue=inbox.put_nowait,
        sender_uid=users.ask,
        new_transaction=lambda: "t1",
    )


def test_anyone_reads_the_status_at_once(service: Service, users: Users) -> None:
    call = Call("GetStatus")
    service.handle(call)
    assert users.waiting == []
    ((kind, text),) = call.answers
    assert kind == "reply"
    assert json.loads(text) == STATUS.document()


def test_properties_are_those_of_the_snapshot(service: Service) -> None:
    assert service.properties() == {
        "Version": "0.1.0",
        "Phase": "idle",
        "Condition": "in-sync",
        "Generation": 3,
        "ConfirmDeadline": 0,
        "AppliedGeneration": 0,
    }


def test_root_applies_and_gets_the_id_at_once(
    service: Service, users: Users, inbox: queue.Queue[Request]
) -> None:
    call = Call("Apply", ([("a.toml", "schema = 1\n")], {"comment": "why"}), sender=":1.9")
    service.handle(call)
    assert (call.answers, inbox.empty()) == ([], True)  # not before the bus has said who asks
    assert users.waiting[0][0] == ":1.9"
    users.answer(0)
    assert call.answers == [("reply", "t1")]
    assert inbox.get_nowait() == Apply(
        transaction="t1", files=(("a.toml", "schema = 1\n"),), comment="why", actor="root", uid=0
    )


@pytest.mark.parametrize(("number", "wanted"), [(2**32 - 1, None), (2, 2), (0, 0)])
def test_root_rolls_back(
    service: Service,
    users: Users,
    inbox: queue.Queue[Request],
    number: int,
    wanted: int | None,
) -> None:
    call = Call("Rollback", (number, {}))
    service.handle(call)
    users.answer(0)
    assert call.answers == [("reply", "t1")]
    assert inbox.get_nowait() == Rollback(transaction="t1", generation=wanted, actor="root", uid=0)


def test_a_plan_is_answered_by_the_reconciler(
    service: Service, users: Users, inbox: queue.Queue[Request]
) -> None:
    call = Call("Plan", ([("a.toml", "")],))
    service.handle(call)
    users.answer(0)
    request = inbox.get_nowait()
    assert isinstance(request, PlanRequest)
    assert (request.files, call.answers) == ((("a.toml", ""),), [])
    request.reply("{}")
    assert call.answers == [("reply", "{}")]


def test_a_plan_that_cannot_be_made_is_answered_too(
    service: Service, users: Users, inbox: queue.Queue[Request]
) -> None:
    call = Call("Plan", ([],))
    service.handle(call)
    users.answer(0)
    request = inbox.get_nowait()
    assert isinstance(request, PlanRequest)
    request.fail("cannot plan: the disk is full")
    name = "org.dockcfgd1.Error.NotNow"
    assert call.answers == [("fail", name, "cannot plan: the disk is full")]


@pytest.mark.parametrize(
    ("uid", "why"), [(1000, "user 1000 is not root"), (None, "the bus does not say who asks")]
)
@pytest.mark.parametrize(
    "call",
    [
        ("Plan", ([],)),
        ("Apply", ([], {})),
        ("Rollback", (1, {})),
        ("Confirm", ("",)),
        ("Cancel", ("",)),
        ("Pause", ("",)),
        ("Resume", ()),
    ],
)
def test_nobody_else_changes_anything(
    service: Service,
    users: Users,
    inbox: queue.Queue[Request],
    uid: int | None,
    why: str,
    call: tuple[str, tuple[Any, ...]],
) -> None:
    asked = Call(*call)
    service.handle(asked)
    users.answer(uid)
    name = "org.dockcfgd1.Error.NotAuthorized"
    assert asked.answers == [("fail", name, f"cannot {call[0].lower()}: {why}")]
    assert inbox.empty()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (([("../a.toml", "")], {}), "cannot take a file named '../a.toml'"),
        (([], {"confrim": 2}), "cannot take the option confrim: known is comment and confirm"),
        (([], {"confirm": -1}), "cannot take confirm: a number of 0 to 604800 seconds"),
        (([], {"confirm": "2m"}), "cannot take confirm"),
        (([], {"comment": 2}), "cannot take the comment"),
        (([], {"comment": "x" * 1001}), "cannot take the comment"),
    ],
)
def test_bad_arguments_are_named(
    service: Service,
    users: Users,
    inbox: queue.Queue[Request],
    arguments: tuple[Any, ...],
    why: str,
) -> None:
    call = Call("Apply", arguments)
    service.handle(call)
    users.answer(0)
    ((kind, name, message),) = call.answers
    assert (kind, name) == ("fail", "org.dockcfgd1.Error.InvalidArguments")
    assert message.startswith(why)
    assert inbox.empty()


def test_a_full_inbox_is_busy(service: Service, users: Users, inbox: queue.Queue[Request]) -> None:
    inbox.put_nowait(Apply(transaction="t0"))
    call = Call("Apply", ([], {}))
    service.handle(call)
    users.answer(0)
    ((_, name, _),) = call.answers
    assert name == "org.dockcfgd1.Error.Busy"


def test_unknown_methods_fail(service: Service) -> None:
    call = Call("Destroy", ("t1",))
    service.handle(call)
    ((_, name, _),) = call.answers
    assert name == "org.freedesktop.DBus.Error.UnknownMethod"


@pytest.mark.parametrize(
    ("method", "arguments", "kind"),
    [
        ("Confirm", ("t1",), Confirm),
        ("Cancel", ("",), Cancel),
        ("Pause", ("by hand",), Pause),
        ("Resume", (), Resume),
    ],
)
def test_a_word_is_answered_by_the_reconciler(
    service: Service,
    users: Users,
    inbox: queue.Queue[Request],
    method: str,
    arguments: tuple[str, ...],
    kind: type[Confirm | Cancel | Pause | Resume],
) -> None:
    done, refused = Call(method, arguments), Call(method, arguments)
    for call, why in ((done, ""), (refused, "there is none")):
        service.handle(call)
        users.answer(0)
        assert call.answers == []
        word = inbox.get_nowait()
        assert isinstance(word, kind)
        word.answer(why)
    assert done.answers == [("reply",)]
    name = "org.dockcfgd1.Error.NotNow"
    assert refused.answers == [("fail", name, f"cannot {method.lower()}: there is none")]


@pytest.mark.parametrize("call", [("Apply", ([], {})), ("Rollback", (1, {}))])
def test_while_a_change_awaits_its_word_there_is_no_other(
    users: Users, inbox: queue.Queue[Request], call: tuple[str, tuple[Any, ...]]
) -> None:
    waiting = replace(STATUS, phase=Phase.AWAITING_CONFIRMATION, confirm_deadline=9.5)
    service = Service(snapshot=lambda: waiting, enqueue=inbox.put_nowait, sender_uid=users.ask)
    asked = Call(*call)
    service.handle(asked)
    users.answer(0)
    ((_, name, message),) = asked.answers
    assert (name, inbox.empty()) == ("org.dockcfgd1.Error.Busy", True)
    assert message.endswith("dockcfgctl confirm or dockcfgctl cancel first")
    assert service.properties()["ConfirmDeadline"] == 9


def test_backups_are_asked_for_with_options(
    service: Service, users: Users, inbox: queue.Queue[Request]
) -> None:
    options = {"names": ["web"], "volumes": True, "consistency": "stop", "comment": "why"}
    for call, request in (
        (
            Call("CreateBackup", (options,)),
            CreateBackup("t1", ("web",), True, Consistency.STOP, "why", "root", 0),  # noqa: FBT003 -- as options has it
        ),
        (Call("CreateBackup", ({},)), CreateBackup("t1", actor="root", uid=0)),
        (Call("Restore", ("b1", {"names": ["db"]})), Restore("t1", "b1", ("db",), "root")),
    ):
        service.handle(call)
        users.answer(0)
        assert call.answers == [("reply", "t1")]
        assert inbox.get_nowait() == request
    prune = Call("PruneBackups", ({"backups": ["b1"], "keep": 2},))
    service.handle(prune)
    users.answer(0)
    asked = inbox.get_nowait()
    assert isinstance(asked, PruneBackups)
    assert (asked.backups, asked.keep, prune.answers) == (("b1",), 2, [])
    asked.fail("cannot remove: no")
    assert prune.answers == [("fail", "org.dockcfgd1.Error.NotNow", "cannot remove: no")]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("CreateBackup", ({"names": "web"},)),
        ("CreateBackup", ({"volumes": "yes"},)),
        ("CreateBackup", ({"consistency": "freeze"},)),
        ("CreateBackup", ({"keep": 1},)),
        ("Restore", ("b1", {"names": [1]})),
        ("PruneBackups", ({"keep": -1},)),
        ("PruneBackups", ({"keep": True},)),
    ],
)
def test_bad_options_of_backups_are_named(
    service: Service,
    users: Users,
    inbox: queue.Queue[Request],
    method: str,
    arguments: tuple[Any, ...],
) -> None:
    call = Call(method, arguments)
    service.handle(call)
    users.answer(0)
    ((kind, name, message),) = call.answers
    assert (kind, name) == ("fail", "org.dockcfgd1.Error.InvalidArguments")
    assert message.startswith("cannot take")
    assert inbox.empty()


@pytest.mark.parametrize("method", ["CreateBackup", "Restore"])
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (replace(STATUS, phase=Phase.APPLYING), "a change is under way"),
        (
            replace(STATUS, task=Task("t0", "backup", "t0", None, None, 1.0, None)),
            "a backup is under way; `dockcfgctl cancel` ends it",
        ),
        (replace(STATUS, confirm_deadline=5.0), "a change awaits confirmation"),
    ],
)
def test_one_thing_at_a_time(users: Users, method: str, status: Status, why: str) -> None:
    inbox: queue.Queue[Request] = queue.Queue()
    busy = Service(snapshot=lambda: status, enqueue=inbox.put_nowait, sender_uid=users.ask)
    call = Call(method, ({},) if method == "CreateBackup" else ("b1", {}))
    busy.handle(call)
    users.answer(0)
    ((kind, name, message),) = call.answers
    assert (kind, name) == ("fail", "org.dockcfgd1.Error.Busy")
    assert why in message
    assert inbox.empty()
