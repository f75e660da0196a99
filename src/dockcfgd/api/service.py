"""The interface's methods and properties, between the bus and the reconciler.

Reading gives the newest snapshot; everything else goes into the reconciler's inbox. Nothing blocks.
"""

from __future__ import annotations

import json
import queue
import secrets
from functools import partial
from typing import TYPE_CHECKING

from dockcfgd.api import contract
from dockcfgd.reconcile.requests import Apply, PlanRequest, Request, Rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.api.wire import AskUid, Invocation, Value
    from dockcfgd.model.status import Status

__all__ = ["Service", "property_values"]


class _BadArgumentsError(Exception):
    """What a caller sent breaks the contract; ends in an error reply."""


def _new_transaction() -> str:
    return secrets.token_hex(8)


class Service:
    """Answers calls; `handle` and `properties` are for the bus's thread.

    `enqueue` may raise queue.Full, which callers see as Busy.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Status],
        enqueue: Callable[[Request], None],
        sender_uid: AskUid,
        new_transaction: Callable[[], str] = _new_transaction,
    ) -> None:
        self._snapshot = snapshot
        self._enqueue = enqueue
        self._sender_uid = sender_uid
        self._new_transaction = new_transaction

    def handle(self, invocation: Invocation) -> None:
        """Answer a method call, now or as soon as the bus has said who asks."""
        if invocation.method == "GetStatus":
            invocation.reply(json.dumps(self._snapshot().document()))
            return
        if invocation.method not in {"Plan", "Apply", "Rollback"}:
            why = f"cannot call {invocation.method}: there is no such method"
            invocation.fail(contract.UNKNOWN_METHOD, why)
            return
        self._sender_uid(invocation.sender, partial(self._authorised, invocation))

    def properties(self) -> dict[str, Value]:
        """Give all properties by name."""
        return property_values(self._snapshot())

    def _authorised(self, invocation: Invocation, uid: int | None) -> None:
        what = invocation.method.lower()
        if uid != 0:
            who = "the bus does not say who asks" if uid is None else f"user {uid} is not root"
            invocation.fail(contract.NOT_AUTHORIZED, f"cannot {what}: {who}")
            return
        try:
            self._accept(invocation)
        except _BadArgumentsError as error:
            invocation.fail(contract.INVALID_ARGUMENTS, str(error))
        except queue.Full:
            invocation.fail(contract.BUSY, f"cannot {what}: too much is waiting already")

    def _accept(self, invocation: Invocation) -> None:
        arguments = invocation.arguments
        if invocation.method == "Plan":
            self._enqueue(PlanRequest(files=_files(arguments[0]), reply=invocation.reply))
            return
        comment = _comment(arguments[1])
        transaction = self._new_transaction()
        if invocation.method == "Apply":
            files = _files(arguments[0])
            self._enqueue(
                Apply(transaction=transaction, files=files, comment=comment, actor="root")
            )
        else:
            generation = _generation(arguments[0])
            self._enqueue(
                Rollback(
                    transaction=transaction, generation=generation, comment=comment, actor="root"
                )
            )
        invocation.reply(transaction)


def property_values(status: Status) -> dict[str, Value]:
    """Give the interface's properties as they stand in a snapshot."""
    return {
        "Version": status.version,
        "Phase": str(status.phase),
        "Condition": str(status.condition),
        "Generation": status.generation,
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


def _comment(argument: object) -> str:
    options: Mapping[object, object] = argument if isinstance(argument, dict) else {}
    for name in options:
        if name != "comment":
            raise _BadArgumentsError(f"cannot take the option {name}: known is comment")
    comment = options.get("comment", "")
    if not isinstance(comment, str) or len(comment) > contract.MAX_COMMENT:
        limit = contract.MAX_COMMENT
        raise _BadArgumentsError(f"cannot take the comment: a text of at most {limit} characters")
    return comment
