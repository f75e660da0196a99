"""The interface's methods and properties, between the bus and the reconciler.

Reading gives the newest snapshot; everything else goes into the reconciler's inbox. Nothing blocks.
"""

from __future__ import annotations

import json
import queue
import secrets
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from dockcfgd.api import contract
from dockcfgd.model.policy import Consistency
from dockcfgd.model.status import Phase
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
    StoragePrune,
    StorageRollback,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.api.wire import AskUid, Authority, Invocation, Value
    from dockcfgd.model.status import Status

    Files: TypeAlias = "tuple[tuple[str, str], ...]"

__all__ = ["Service", "property_values"]


_BACKUPS = {"CreateBackup", "Restore", "StoragePrune", "StorageRollback"}
_AT_WORK = {Phase.PLANNING, Phase.APPLYING, Phase.VERIFYING, Phase.ROLLING_BACK}

_PROMPTS_A_USER = 2
_PROMPTS = 8

_WORDS = {
    "CreateBackup": "create a backup",
    "Restore": "restore",
    "StoragePrune": "free anything",
    "StorageRollback": "go back",
}


class _BadArgumentsError(Exception):
    """What a caller sent breaks the contract; ends in an error reply."""


def _new_transaction() -> str:
    return secrets.token_hex(8)


class Service:
    """Answers calls; `handle` and `properties` are for the bus's thread.

    `enqueue` may raise queue.Full, which callers see as Busy. `complaint` says what is wrong with
    files as a desired state, nothing where they are one; `aside` runs it where it holds nobody up.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Status],
        enqueue: Callable[[Request], None],
        sender_uid: AskUid,
        authority: Authority,
        complaint: Callable[[Files], str],
        aside: Callable[[Callable[[], None]], object],
        new_transaction: Callable[[], str] = _new_transaction,
    ) -> None:
        self._snapshot = snapshot
        self._enqueue = enqueue
        self._sender_uid = sender_uid
        self._authority = authority
        self._complaint, self._aside = complaint, aside
        self._new_transaction = new_transaction
        self._asked: Counter[int] = Counter()

    def handle(self, invocation: Invocation) -> None:
        """Answer a method call, now or as soon as the bus has said who asks."""
        if invocation.method == "GetStatus":
            invocation.reply(json.dumps(self._snapshot().document()))
            return
        if invocation.method not in contract.actions():
            why = f"cannot call {invocation.method}: there is no such method"
            invocation.fail(contract.UNKNOWN_METHOD, why)
            return
        self._sender_uid(invocation.sender, partial(self._known, invocation))

    def properties(self) -> dict[str, Value]:
        """Give all properties by name."""
        return property_values(self._snapshot())

    def _known(self, invocation: Invocation, uid: int | None) -> None:
        """Go on with a call whose sender's user is known."""
        what = invocation.method.lower()
        if uid is None:
            why = f"cannot {what}: the bus does not say who asks"
            invocation.fail(contract.NOT_AUTHORIZED, why)
        elif uid == 0:
            self._authorised(invocation, uid)
        elif self._asked[uid] >= _PROMPTS_A_USER or self._asked.total() >= _PROMPTS:
            why = f"cannot {what}: too many calls wait for authorisation already"
            invocation.fail(contract.BUSY, why)
        else:
            # Each keeps its arguments in memory for as long as somebody thinks about it.
            self._asked[uid] += 1
            self._authority.check(
                invocation.sender,
                contract.actions()[invocation.method],
                may_prompt=invocation.may_prompt,
                answer=partial(self._judged, invocation, uid),
            )

    def _judged(self, invocation: Invocation, uid: int, why: str) -> None:
        self._asked[uid] -= 1
        if why:
            what = invocation.method.lower()
            invocation.fail(contract.NOT_AUTHORIZED, f"cannot {what}: {why}")
        else:
            self._authorised(invocation, uid)

    def _authorised(self, invocation: Invocation, uid: int) -> None:
        try:
            self._accept(invocation, uid)
        except _BadArgumentsError as error:
            invocation.fail(contract.INVALID_ARGUMENTS, str(error))
        except queue.Full:
            what = invocation.method.lower()
            invocation.fail(contract.BUSY, f"cannot {what}: too much is waiting already")

    def _accept(self, invocation: Invocation, uid: int) -> None:
        arguments = invocation.arguments
        if invocation.method == "Plan":
            fail = partial(invocation.fail, contract.NOT_NOW)
            files = _files(arguments[0])
            self._enqueue(PlanRequest(files=files, reply=invocation.reply, fail=fail))
            return
        if invocation.method in {"Confirm", "Cancel", "Pause", "Resume"}:
            self._enqueue(_word(invocation, uid))
            return
        if invocation.method == "PruneBackups":
            self._enqueue(_prune(invocation))
            return
        waiting = self._snapshot().confirm_deadline
        if waiting is not None:
            why = "a change awaits confirmation: dockcfgctl confirm or dockcfgctl cancel first"
            invocation.fail(contract.BUSY, f"cannot {invocation.method.lower()}: {why}")
            return
        if invocation.method in _BACKUPS:
            why = self._busy()
            if why:
                invocation.fail(contract.BUSY, f"cannot {_WORDS[invocation.method]}: {why}")
                return
        transaction = self._new_transaction()
        if invocation.method == "Apply":
            self._accept_apply(invocation, _apply(transaction, arguments, uid))
            return
        self._enqueue(_LASTING[invocation.method](transaction, arguments, uid))
        invocation.reply(transaction)

    def _accept_apply(self, invocation: Invocation, request: Apply) -> None:
        if request.plan and self._snapshot().phase in _AT_WORK:
            why = "a change is under way, and the plan will be another one after it"
            invocation.fail(contract.BUSY, f"cannot apply: {why}")
        elif request.files:
            self._aside(partial(self._read, invocation, request))
        else:
            self._begin(invocation, request)

    def _read(self, invocation: Invocation, request: Apply) -> None:
        """Take files that are a desired state."""
        try:
            wrong = self._complaint(request.files)
            if wrong:
                why = f"cannot apply: {wrong}"
                invocation.fail(contract.INVALID_DESIRED_STATE, why)
            else:
                self._begin(invocation, request)
        except queue.Full:
            invocation.fail(contract.BUSY, "cannot apply: too much is waiting already")
        except BaseException as error:
            invocation.fail(contract.NOT_NOW, f"cannot apply: {error!r}")
            raise

    def _begin(self, invocation: Invocation, request: Apply) -> None:
        if not request.plan:
            self._enqueue(request)
            invocation.reply(request.transaction)
            return

        def answer(why: str) -> None:
            if why:
                invocation.fail(contract.PLAN_CHANGED, f"cannot apply: {why}")
            else:
                invocation.reply(request.transaction)

        self._enqueue(replace(request, agreed=answer))

    def _busy(self) -> str:
        """Say what keeps a backup from beginning now; empty where nothing does."""
        status = self._snapshot()
        if status.task is not None and status.task.under_way:
            return f"a {status.task.kind} is under way; `dockcfgctl cancel` ends it"
        return "a change is under way; `dockcfgctl wait` first" if status.phase in _AT_WORK else ""


def _actor(uid: int) -> str:
    """Give who asks without asking a directory of accounts, which may take its time."""
    return "root" if uid == 0 else f"uid {uid}"


def _word(invocation: Invocation, uid: int) -> Confirm | Cancel | Pause | Resume:
    def answer(why: str) -> None:
        if why:
            what = invocation.method.lower()
            invocation.fail(contract.NOT_NOW, f"cannot {what}: {why}")
        else:
            invocation.reply()

    match invocation.method:
        case "Confirm":
            return Confirm(str(invocation.arguments[0]), answer)
        case "Cancel":
            return Cancel(str(invocation.arguments[0]), _actor(uid), answer)
        case "Pause":
            return Pause(_text(invocation.arguments[0], "reason"), _actor(uid), answer)
        case _:
            return Resume(answer)


def _apply(transaction: str, arguments: tuple[object, ...], uid: int) -> Apply:
    options = _options(arguments[1], known={"comment", "confirm", "plan"})
    return Apply(
        transaction=transaction,
        files=_files(arguments[0]),
        comment=_text(options.get("comment", ""), "comment"),
        actor=_actor(uid),
        uid=uid,
        confirm=_confirm(options.get("confirm")),
        plan=_text(options.get("plan", ""), "plan"),
    )


def _rollback(transaction: str, arguments: tuple[object, ...], uid: int) -> Rollback:
    options = _options(arguments[1], known={"comment"})
    return Rollback(
        transaction=transaction,
        generation=_generation(arguments[0]),
        comment=_text(options.get("comment", ""), "comment"),
        actor=_actor(uid),
        uid=uid,
    )


def _storage_rollback(transaction: str, arguments: tuple[object, ...], uid: int) -> StorageRollback:
    options = _options(arguments[0], known={"backup", "comment"})
    back_up = options.get("backup", True)
    if not isinstance(back_up, bool):
        raise _BadArgumentsError("cannot take backup: true or false is expected")
    return StorageRollback(
        transaction=transaction,
        back_up=back_up,
        comment=_text(options.get("comment", ""), "comment"),
        actor=_actor(uid),
        uid=uid,
    )


def _create_backup(transaction: str, arguments: tuple[object, ...], uid: int) -> CreateBackup:
    options = _options(arguments[0], known={"names", "volumes", "consistency", "comment"})
    volumes = options.get("volumes")
    if volumes is not None and not isinstance(volumes, bool):
        raise _BadArgumentsError("cannot take volumes: true or false is expected")
    consistency = options.get("consistency")
    if consistency is not None and consistency not in list(Consistency):
        words = ", ".join(Consistency)
        raise _BadArgumentsError(f"cannot take the consistency {consistency!r}: one of {words}")
    return CreateBackup(
        transaction=transaction,
        names=_names(options.get("names", ())),
        volumes=volumes,
        consistency=None if consistency is None else Consistency(str(consistency)),
        comment=_text(options.get("comment", ""), "comment"),
        actor=_actor(uid),
        uid=uid,
    )


def _restore(transaction: str, arguments: tuple[object, ...], uid: int) -> Restore:
    options = _options(arguments[1], known={"names"})
    names = _names(options.get("names", ()))
    return Restore(transaction, _text(arguments[0], "backup"), names, _actor(uid))


def _storage_prune(transaction: str, arguments: tuple[object, ...], uid: int) -> StoragePrune:
    _options(arguments[0], known=set())
    return StoragePrune(transaction, _actor(uid))


_LASTING: Mapping[str, Callable[[str, tuple[object, ...], int], Request]] = {
    "Rollback": _rollback,
    "CreateBackup": _create_backup,
    "Restore": _restore,
    "StorageRollback": _storage_rollback,
    "StoragePrune": _storage_prune,
}


def _prune(invocation: Invocation) -> PruneBackups:
    options = _options(invocation.arguments[0], known={"backups", "keep"})
    keep = options.get("keep")
    if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 0):
        raise _BadArgumentsError("cannot take keep: a number from 0 on is expected")
    return PruneBackups(
        backups=_names(options.get("backups", ())),
        keep=keep,
        reply=invocation.reply,
        fail=partial(invocation.fail, contract.NOT_NOW),
    )


def _names(argument: object) -> tuple[str, ...]:
    known = isinstance(argument, (list, tuple)) and all(isinstance(one, str) for one in argument)
    if not known or len(argument) > contract.MAX_FILES:  # type: ignore[arg-type]  # known says so
        limit = contract.MAX_FILES
        raise _BadArgumentsError(f"cannot take the names: at most {limit} texts are expected")
    return tuple(argument)  # type: ignore[arg-type]  # as above


def property_values(status: Status) -> dict[str, Value]:
    """Give the interface's properties as they stand in a snapshot."""
    return {
        "Version": status.version,
        "Phase": str(status.phase),
        "Condition": str(status.condition),
        "Generation": status.generation,
        "ConfirmDeadline": int(status.confirm_deadline or 0),
        "AppliedGeneration": status.applied_generation,
    }


def _files(argument: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(argument, (list, tuple)):
        raise _BadArgumentsError("cannot read the files: an array of (name, text) is expected")
    files = tuple((str(name), str(text)) for name, text in argument)
    for why in contract.complaints(files):
        raise _BadArgumentsError(why)
    return files


def _generation(argument: object) -> int | None:
    if not isinstance(argument, int):
        raise _BadArgumentsError("cannot read the generation: a number is expected")
    return None if argument == contract.PREVIOUS_GENERATION else argument


def _options(argument: object, *, known: set[str]) -> Mapping[str, object]:
    options: Mapping[str, object] = argument if isinstance(argument, dict) else {}
    for name in options:
        if name not in known:
            words = ", ".join(sorted(known))
            raise _BadArgumentsError(f"cannot take the option {name}: known is {words}")
    return options


def _text(argument: object, what: str) -> str:
    if not isinstance(argument, str) or len(argument) > contract.MAX_COMMENT:
        limit = contract.MAX_COMMENT
        raise _BadArgumentsError(f"cannot take the {what}: a text of at most {limit} characters")
    return argument


def _confirm(argument: object) -> float | None:
    if argument is None:
        return None
    limit = contract.MAX_CONFIRM_SECONDS
    if not isinstance(argument, float | int) or not 0 <= argument <= limit:
        raise _BadArgumentsError(
            f"cannot take confirm: a number of 0 to {limit} seconds is expected"
        )
    return float(argument)
