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
    may_prompt: bool = False
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


@dataclass
class Polkit:
    """An authority that is told what to answer."""

    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    waiting: list[Callable[[str], None]] = field(default_factory=list)

    def check(
        self, sender: str, action: str, *, may_prompt: bool, answer: Callable[[str], None]
    ) -> None:
        self.asked.append((sender, action, may_prompt))
        self.waiting.append(answer)

    def answer(self, why: str) -> None:
        self.waiting.pop()(why)


def complaint(files: tuple[tuple[str, str], ...]) -> str:
    return "a.toml:1: it is broken" if any("broken" in text for _, text in files) else ""


def at_once(work: Callable[[], None]) -> None:
    work()


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
def polkit() -> Polkit:
    return Polkit()


@pytest.fixture
def inbox() -> queue.Queue[Request]:
    return queue.Queue(maxsize=1)


@pytest.fixture
def service(users: Users, polkit: Polkit, inbox: queue.Queue[Request]) -> Service:
    return serving(STATUS, users, polkit, inbox)


def serving(status: Status, users: Users, polkit: Polkit, inbox: queue.Queue[Request]) -> Service:
    return Service(
        snapshot=lambda: status,
        enqueue=inbox.put_nowait,
        sender_uid=users.ask,
        authority=polkit,
        complaint=complaint,
        aside=at_once,
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


CHANGES: list[tuple[str, tuple[Any, ...], str]] = [
    ("Plan", ([],), "apply"),
    ("Apply", ([], {}), "apply"),
    ("Rollback", (1, {}), "rollback"),
    ("Confirm", ("",), "confirm"),
    ("Cancel", ("",), "confirm"),
    ("Pause", ("",), "pause"),
    ("Resume", (), "pause"),
    ("CreateBackup", ({},), "backup"),
    ("PruneBackups", ({},), "backup"),
    ("Restore", ("b", {}), "restore"),
]


@pytest.mark.parametrize(("method", "arguments", "action"), CHANGES)
def test_what_others_than_root_may_do_is_for_polkit_to_say(
    service: Service,
    users: Users,
    polkit: Polkit,
    inbox: queue.Queue[Request],
    method: str,
    arguments: tuple[Any, ...],
    action: str,
) -> None:
    asked = Call(method, arguments, sender=":1.7", may_prompt=True)
    service.handle(asked)
    users.answer(1000)
    assert polkit.asked == [(":1.7", f"org.dockcfgd1.{action}", True)]
    assert (asked.answers, inbox.empty()) == ([], True)
    polkit.answer("polkit forbids it")
    name = "org.dockcfgd1.Error.NotAuthorized"
    assert asked.answers == [("fail", name, f"cannot {method.lower()}: polkit forbids it")]
    assert inbox.empty()
    again = Call(method, arguments, sender=":1.7")
    service.handle(again)
    users.answer(1000)
    assert polkit.asked[1:] == [(":1.7", f"org.dockcfgd1.{action}", False)]
    polkit.answer("")
    assert getattr(inbox.get_nowait(), "actor", "uid 1000") == "uid 1000"


@pytest.mark.parametrize(("method", "arguments", "action"), CHANGES)
def test_who_is_not_known_may_not_change_anything(
    service: Service,
    users: Users,
    polkit: Polkit,
    inbox: queue.Queue[Request],
    method: str,
    arguments: tuple[Any, ...],
    action: str,
) -> None:
    asked = Call(method, arguments)
    service.handle(asked)
    users.answer(None)
    name = "org.dockcfgd1.Error.NotAuthorized"
    why = f"cannot {method.lower()}: the bus does not say who asks"
    assert asked.answers == [("fail", name, why)]
    assert (inbox.empty(), polkit.asked, action != "") == (True, [], True)


def test_few_calls_wait_for_a_prompt(
    service: Service, users: Users, polkit: Polkit, inbox: queue.Queue[Request]
) -> None:
    name = "org.dockcfgd1.Error.Busy"
    for uid in (1, 1, 2, 2, 3, 3, 4, 4):
        service.handle(Call("Resume"))
        users.answer(uid)
    for uid in (1, 5):
        late = Call("Resume")
        service.handle(late)
        users.answer(uid)
        ((kind, error, why),) = late.answers
        assert (kind, error) == ("fail", name)
        assert "too many calls wait for authorisation" in why
    polkit.answer("no")
    again = Call("Resume")
    service.handle(again)
    users.answer(5)
    assert again.answers == []
    root = Call("Resume")
    service.handle(root)
    users.answer(0)
    assert isinstance(inbox.get_nowait(), Resume)


def test_files_that_are_no_desired_state_are_refused_by_name(
    service: Service, users: Users, inbox: queue.Queue[Request]
) -> None:
    call = Call("Apply", ([("a.toml", "broken")], {}))
    service.handle(call)
    users.answer(0)
    name = "org.dockcfgd1.Error.InvalidDesiredState"
    assert call.answers == [("fail", name, "cannot apply: a.toml:1: it is broken")]
    assert inbox.empty()


def test_an_agreed_plan_is_answered_when_it_is_known(
    service: Service, users: Users, inbox: queue.Queue[Request]
) -> None:
    for why, answer in (
        ("", ("reply", "t1")),
        (
            "it is another",
            ("fail", "org.dockcfgd1.Error.PlanChanged", "cannot apply: it is another"),
        ),
    ):
        call = Call("Apply", ([], {"plan": "0123"}))
        service.handle(call)
        users.answer(0)
        request = inbox.get_nowait()
        assert isinstance(request, Apply)
        assert (request.plan, call.answers) == ("0123", [])
        request.agreed(why)
        assert call.answers == [answer]


def test_nobody_can_have_agreed_to_what_follows_a_change_under_way(
    users: Users, polkit: Polkit, inbox: queue.Queue[Request]
) -> None:
    service = serving(replace(STATUS, phase=Phase.APPLYING), users, polkit, inbox)
    call = Call("Apply", ([], {"plan": "0123"}))
    service.handle(call)
    users.answer(0)
    ((kind, name, why),) = call.answers
    assert (kind, name) == ("fail", "org.dockcfgd1.Error.Busy")
    assert "a change is under way" in why
    assert inbox.empty()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (([("../a.toml", "")], {}), "cannot take a file named '../a.toml'"),
        (([], {"confrim": 2}), "cannot take the option confrim: known is comment, confirm, plan"),
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
    users: Users, polkit: Polkit, inbox: queue.Queue[Request], call: tuple[str, tuple[Any, ...]]
) -> None:
    waiting = replace(STATUS, phase=Phase.AWAITING_CONFIRMATION, confirm_deadline=9.5)
    service = serving(waiting, users, polkit, inbox)
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
def test_one_thing_at_a_time(
    users: Users, polkit: Polkit, method: str, status: Status, why: str
) -> None:
    inbox: queue.Queue[Request] = queue.Queue()
    busy = serving(status, users, polkit, inbox)
    call = Call(method, ({},) if method == "CreateBackup" else ("b1", {}))
    busy.handle(call)
    users.answer(0)
    ((kind, name, message),) = call.answers
    assert (kind, name) == ("fail", "org.dockcfgd1.Error.Busy")
    assert why in message
    assert inbox.empty()
