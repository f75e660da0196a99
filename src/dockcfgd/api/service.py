"""The interface's methods and signals, between the bus and the reconciler.

Reading gives the newest snapshot; everything else goes into the reconciler's inbox. Nothing blocks.
"""

from __future__ import annotations

import json
import queue
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from dockcfgd.api import contract
from dockcfgd.reconcile.requests import Apply, PlanRequest, Request, Rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockcfgd.api.wire import Invocation, Publisher, Value
    from dockcfgd.model.status import Status

__all__ = ["Service"]

_Arguments: TypeAlias = "tuple[object, ...]"


class _BadArgumentsError(Exception):
    """What a caller sent breaks the contract; ends in an error reply."""


def _new_transaction() -> str:
    return secrets.token_hex(8)


class Service:
    """Answers calls and tells of changes.

    `call` and `properties` are for the bus's thread; `tell_status` and `tell_finished` for any one
    other. `enqueue` may raise queue.Full, which callers see as Busy.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Status],
        enqueue: Callable[[Request], None],
        publisher: Publisher,
        new_transaction: Callable[[], str] = _new_transaction,
    ) -> None:
        self._snapshot = snapshot
        self._enqueue = enqueue
        self._publisher = publisher
        self._new_transaction = new_transaction
        self._told: Status | None = None

    def call(self, method: str, arguments: _Arguments, invocation: Invocation) -> None:
        """Answer a method call; its arguments have the types that the interface file declares."""
        if method == "GetStatus":
            invocation.reply(json.dumps(self._snapshot().document()))
            return
        if method not in {"Plan", "Apply", "Rollback"}:
            invocation.fail(
                contract.UNKNOWN_METHOD, f"cannot call {method}: there is no such method"
            )
            return
        self._publisher.sender_uid(
            invocation.sender, partial(self._authorised, method, arguments, invocation)
        )

    def properties(self) -> dict[str, Value]:
        """Give all properties by name."""
        return _properties(self._snapshot())

    def tell_status(self, status: Status) -> None:
        """Tell the bus what differs from the status told before. The status file comes first."""
        told, self._told = self._told, status
        if told is None or replace(told, progress=None) != replace(status, progress=None):
            self._publisher.emit("StatusChanged", (json.dumps(status.document()),))
        before = {} if told is None else _properties(told)
        changed = {
            name: value for name, value in _properties(status).items() if before.get(name) != value
        }
        if changed:
            self._publisher.properties_changed(changed)
        progress = status.progress
        if progress is not None and (told is None or told.progress != progress):
            self._publisher.emit(
                "Progress",
                (progress.step, progress.item, progress.done, progress.total, progress.unit),
            )

    def tell_finished(self, transaction: str, verdict: str) -> None:
        """Tell how a transaction ended, after the status that says why was told.

        Each id that `Apply` or `Rollback` gave must be told once, one that found nothing to do as
        `applied`, one that is accepted but held as `pending`.
        """
        self._publisher.emit("TransactionFinished", (transaction, verdict))

    def _authorised(
        self, method: str, arguments: _Arguments, invocation: Invocation, uid: int | None
    ) -> None:
        if uid != 0:
            who = "the bus does not say who asks" if uid is None else f"user {uid} is not root"
            invocation.fail(contract.NOT_AUTHORIZED, f"cannot {method.lower()}: {who}")
            return
        try:
            self._accept(method, arguments, invocation)
        except _BadArgumentsError as error:
            invocation.fail(contract.INVALID_ARGUMENTS, str(error))
        except queue.Full:
            invocation.fail(contract.BUSY, f"cannot {method.lower()}: too much is waiting already")

    def _accept(self, method: str, arguments: _Arguments, invocation: Invocation) -> None:
        if method == "Plan":
            self._enqueue(PlanRequest(files=_files(arguments[0]), reply=invocation.reply))
            return
        comment = _comment(arguments[1])
        transaction = self._new_transaction()
        if method == "Apply":
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


def _properties(status: Status) -> dict[str, Value]:
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
    return argument or None


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
