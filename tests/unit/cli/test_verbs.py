"""plan, validate, apply, rollback and history with what the composition root gives them."""

from __future__ import annotations

import json
import os
import re
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockcfgd.cli import plan_text
from dockcfgd.cli.errors import UsageError
from dockcfgd.cli.verbs import apply, history, plan, rollback, validate
from dockcfgd.model.errors import BusFailure
from tests.unit.cli.surroundings import (
    Console,
    Daemon,
    Event,
    Previews,
    Told,
    golden,
    living,
    no_paper,
    nothing_comes,
)

if TYPE_CHECKING:
    from types import ModuleType

IN_SYNC = golden("status", "in-sync")
ROLLED_BACK = golden("status", "rejected-rolled-back")


def parsed(verb: ModuleType, *arguments: str) -> Namespace:
    parser = ArgumentParser(allow_abbrev=False)
    verb.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "10-a.toml"
    path.write_text("schema = 1\n")
    return str(path)


def finished(verdict: str, transaction: str = "t1") -> Told:
    return Told("TransactionFinished", (transaction, verdict))


def with_last(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return living({**document, "last": {**document["last"], "transaction": "t1", **changes}})


# plan


@pytest.mark.parametrize(
    ("case", "options", "code"),
    [
        ("restart", [], 0),
        ("restart", ["--exit-code"], 4),
        ("nothing", ["--exit-code"], 0),
        ("refused", [], 1),
        ("refused", ["--exit-code"], 1),
        ("unseen", [], 0),
        ("unseen", ["--exit-code"], 1),
    ],
)
def test_plan_says_by_its_exit_code_what_is_to_do(case: str, options: list[str], code: int) -> None:
    console, previews = Console(), Previews(golden("plan", case))
    assert (
        plan.run(parsed(plan, *options), preview=previews, on_paper=no_paper, screen=console.screen)
        == code
    )
    text = Path(__file__).parents[2] / "golden" / "cli" / "plan" / f"{case}.txt"
    assert console.out == text.read_text()


def test_plan_looks_at_files_under_their_names(file: str) -> None:
    console, previews = Console(), Previews(golden("plan", "nothing"))
    plan.run(
        parsed(plan, "--json", file), preview=previews, on_paper=no_paper, screen=console.screen
    )
    assert previews.asked == [((("10-a.toml", "schema = 1\n"),), os.path.dirname(file) + "/")]  # noqa: PTH120
    assert console.document == golden("plan", "nothing")


def test_two_files_of_one_name_cannot_be_meant(file: str) -> None:
    with pytest.raises(UsageError, match=r"two files named 10-a\.toml"):
        plan.run(
            parsed(plan, file, file),
            preview=Previews({}),
            on_paper=no_paper,
            screen=Console().screen,
        )


def test_a_file_too_large_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "10-a.toml"
    path.write_text("# " + "\u20ac" * 400_000)
    with pytest.raises(UsageError) as raised:
        plan.run(
            parsed(plan, str(path)),
            preview=Previews({}),
            on_paper=no_paper,
            screen=Console().screen,
        )
    assert str(raised.value) == f"cannot take {path}: it has more than 1048576 bytes"


# validate


def test_validate_prints_each_reason_on_a_line() -> None:
    console = Console()
    code = validate.run(
        parsed(validate),
        preview=Previews(golden("plan", "refused")),
        on_paper=no_paper,
        screen=console.screen,
    )
    assert code == 1
    assert console.out == (
        "/etc/dockcfgd/conf.d/20-log.toml:4: engine.log-dirver: unknown key"
        " (did you mean log-driver?)\n"
        "/etc/dockcfgd/conf.d/20-log.toml: must be owned by root and writable by nobody else"
        " (chown root, chmod go-w)\n"
    )
    assert console.err == "Not checked: dockerd --validate (dockerd 20.10 has no such check)\n"


def test_validate_says_valid() -> None:
    console = Console()
    preview = Previews(golden("plan", "reload"))
    assert (
        validate.run(parsed(validate), preview=preview, on_paper=no_paper, screen=console.screen)
        == 0
    )
    assert (console.out, console.err) == ("valid\n", "")


def test_validate_as_a_document() -> None:
    console, document = Console(), golden("plan", "refused")
    arguments = parsed(validate, "--json")
    assert (
        validate.run(
            arguments, preview=Previews(document), on_paper=no_paper, screen=console.screen
        )
        == 1
    )
    assert console.document == {
        "schema": 1,
        "valid": False,
        "refusals": document["refusals"],
        "checks": document["checks"],
    }


# apply


def do_apply(console: Console, daemon: Daemon, *arguments: str, case: str = "reload") -> int:
    return apply.run(
        parsed(apply, *arguments),
        preview=Previews(golden("plan", case)),
        connect=daemon.connect,
        read_status=daemon.read_status,
        screen=console.screen,
    )


def test_apply_shows_the_plan_then_each_step_then_the_verdict(file: str) -> None:
    def first_step(daemon: Daemon) -> Event:
        steps = IN_SYNC["last"]["steps"][:1]
        daemon.status = with_last(IN_SYNC, verdict=None, steps=steps)
        return Told("StatusChanged", (json.dumps(daemon.status),))

    def end(daemon: Daemon) -> Event:
        daemon.status = with_last(IN_SYNC)
        return finished("applied")

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[first_step, first_step, end])
    assert do_apply(console, daemon, file, "--comment", "why") == 0
    assert daemon.calls == [
        ("listen",),  # before the question, so that no answer is missed
        ("Apply", [("10-a.toml", "schema = 1\n")], {"comment": "why"}),
    ]
    assert console.out.endswith(
        "No container is disturbed.\n"
        "done       0.0 s  write /etc/docker/daemon.json\n"
        "done       0.3 s  reload docker.service\n"
        "done       1.0 s  prove the engine\n"
        "applied, generation 3 is in force\n"
    )


def test_apply_shows_on_a_terminal_how_far_a_long_step_is() -> None:
    def half(_daemon: Daemon) -> Event:
        return Told("Progress", ("back up images", "web", 1_000_000, 2_000_000, "bytes"))

    def end(daemon: Daemon) -> Event:
        daemon.status = with_last(IN_SYNC)
        return finished("applied")

    console = Console(terminal=True)
    assert do_apply(console, Daemon(living(IN_SYNC), script=[half, end])) == 0
    _, bar, *_ = console.err.split("\r\033[K")
    assert re.fullmatch(r"back up images  \[#+-+\]   50 %  .*web", bar), bar
    assert console.err.endswith("\r\033[K")  # wiped
    piped = Console()
    assert do_apply(piped, Daemon(living(IN_SYNC), script=[half, end])) == 0
    assert "back up images" not in piped.out + piped.err


def test_apply_tells_why_it_was_rolled_back() -> None:
    def end(daemon: Daemon) -> Event:
        daemon.status = with_last(ROLLED_BACK)
        return finished("rolled-back")

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[end])
    assert do_apply(console, daemon) == 1
    last = console.out.splitlines()[-1]
    assert last.startswith("rolled back, the previous state is in force again: cannot restart")
    assert last.endswith("address already in use")
    assert "failed    12.3 s  restart docker.service\n" in console.out


def test_apply_as_a_document() -> None:
    def end(daemon: Daemon) -> Event:
        daemon.status = with_last(ROLLED_BACK)
        return finished("rolled-back")

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[end])
    assert do_apply(console, daemon, "--json") == 1
    document = console.document
    assert document["steps"] == ROLLED_BACK["last"]["steps"]
    assert document["reason"] == ROLLED_BACK["last"]["reason"]
    del document["steps"], document["reason"]
    assert document == {
        "schema": 1,
        "transaction": "t1",
        "verdict": "rolled-back",
        "generation": 4,
        "impact": "restart",
        "irreversible": [],
    }


@pytest.mark.parametrize(
    ("impact", "verdict", "told"),
    [("migrate", "applied", True), ("restart", "applied", False), ("migrate", "degraded", False)],
)
def test_a_migration_ends_with_what_is_not_the_same(
    impact: str, verdict: str, *, told: bool
) -> None:
    sentence = "--rm containers get a new ID, creation time, exit code, and lose their logs: job, 1"

    def end(daemon: Daemon) -> Event:
        daemon.status = with_last(
            IN_SYNC, impact=impact, verdict=verdict, irreversible=[sentence], steps=[]
        )
        return finished(verdict)

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[end])
    do_apply(console, daemon)
    ending = "Cannot be undone:\n  --rm containers get"
    assert (ending in console.out) is told
    assert max(map(len, console.out.splitlines())) <= 80

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[end])
    do_apply(console, daemon, "--json")
    assert console.document["irreversible"] == [sentence]


def test_apply_of_what_is_there_already() -> None:
    console = Console()
    daemon = Daemon(living(IN_SYNC), script=[lambda _: finished("applied")])
    assert do_apply(console, daemon, case="nothing") == 0
    assert console.out == "nothing to do\napplied: there was nothing to do\n"


def test_apply_of_what_is_held() -> None:
    held = living(golden("status", "pending-engine-stopped"))
    console, daemon = Console(), Daemon(held, script=[lambda _: finished("pending")])
    assert do_apply(console, daemon) == 4
    assert console.out.endswith("\naccepted, but held: engine stopped\n")


def test_what_is_only_written_is_not_called_applied() -> None:
    """The engine is stopped, so nothing is proven."""

    def written(daemon: Daemon) -> Event:
        held = golden("status", "pending-engine-stopped")
        last = {**IN_SYNC["last"], "transaction": "t1"}
        daemon.status = living(held, last=last)
        return finished("applied")

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[written])
    assert do_apply(console, daemon) == 4
    assert console.out.endswith("\naccepted, but held: engine stopped\n")
    console, daemon = Console(), Daemon(living(IN_SYNC), script=[written])
    assert do_apply(console, daemon, "--json") == 4
    assert console.document["verdict"] == "pending"
    assert console.document["generation"] == IN_SYNC["last"]["generation"]


def test_apply_does_not_ask_the_daemon_for_what_is_refused() -> None:
    console, daemon = Console(), Daemon(living(IN_SYNC))
    assert do_apply(console, daemon, case="refused") == 1
    assert daemon.calls == []
    assert "engine.log-dirver: unknown key" in console.out
    console = Console()
    assert do_apply(console, daemon, "--json", case="refused") == 1
    assert (console.document["verdict"], console.document["transaction"]) == ("refused", None)
    assert len(console.document["refusals"]) == 2


@pytest.mark.parametrize(
    ("answers", "options", "asked", "done"),
    [
        ("y\n", [], True, True),
        ("yes\n", [], True, True),
        ("n\n", [], True, False),
        ("\n", [], True, False),
        ("", [], True, False),
        ("", ["--yes"], False, True),
        (None, [], False, True),  # not a terminal, as under systemctl reload
    ],
)
def test_apply_asks_before_containers_stop(
    answers: str | None, options: list[str], *, asked: bool, done: bool
) -> None:
    console = Console(answers)
    daemon = Daemon(living(IN_SYNC), script=[lambda _: finished("applied")])
    code = do_apply(console, daemon, *options, case="restart")
    assert ("3 running container(s) will stop and come back. Go on? [y/N]" in console.err) == asked
    assert (code, bool(daemon.calls)) == ((0, True) if done else (1, False))


@pytest.mark.parametrize("case", ["reload", "bridged", "nothing"])
def test_apply_does_not_ask_when_no_container_stops(case: str) -> None:
    console = Console("n\n")
    daemon = Daemon(living(IN_SYNC), script=[lambda _: finished("applied")])
    assert do_apply(console, daemon, case=case) == 0
    assert console.err == ""


def test_no_wait_gives_the_transaction() -> None:
    console, daemon = Console(), Daemon(living(IN_SYNC))
    assert do_apply(console, daemon, "--no-wait") == 0
    assert console.out.endswith("\nasked: t1\n")
    console = Console()
    assert do_apply(console, daemon, "--no-wait", "--json") == 0
    assert console.document == {"schema": 1, "transaction": "t1"}


def test_control_c_stops_only_the_following() -> None:
    console = Console()
    daemon = Daemon(living(IN_SYNC), script=[nothing_comes, lambda _: KeyboardInterrupt])
    assert do_apply(console, daemon) == 130
    assert "not followed any more; it goes on (t1): dockcfgctl status" in console.err


@pytest.mark.parametrize("options", [[], ["--no-wait"]])
def test_control_c_before_the_answer_does_not_hide_that_it_was_asked(options: list[str]) -> None:
    console = Console()
    daemon = Daemon(living(IN_SYNC), refusal=KeyboardInterrupt())
    with suppress(KeyboardInterrupt):
        assert do_apply(console, daemon, *options) == 130
    assert "it may be done all the same: dockcfgctl status" in console.err


def test_a_container_that_is_made_anew_stops_once() -> None:
    plan = {"disturbed": {"stopped": ["a", "b"], "bridged": ["c"], "recreated": ["b", "d"]}}
    assert plan_text.stops(plan) == ["a", "b", "d"]


def test_other_transactions_are_not_taken_for_ours() -> None:
    def ours(daemon: Daemon) -> Event:
        daemon.status = with_last(ROLLED_BACK)
        return finished("rolled-back")

    console = Console()
    script = [lambda _: finished("applied", "t0"), nothing_comes, ours]
    assert do_apply(console, Daemon(living(IN_SYNC), script=script)) == 1


def test_the_status_file_tells_the_end_when_the_signal_is_lost() -> None:
    def silently(daemon: Daemon) -> Event:
        daemon.status = with_last(IN_SYNC)
        return None

    console = Console()
    assert do_apply(console, Daemon(living(IN_SYNC), script=[nothing_comes, silently])) == 0
    assert console.out.endswith("applied, generation 3 is in force\n")


def test_a_daemon_that_was_restarted_and_went_back_is_understood() -> None:
    ended = {**IN_SYNC, "daemon": {**IN_SYNC["daemon"], "pid": 2**22 + 1}}

    def crash(daemon: Daemon) -> Event:
        daemon.status = {**ended, "last": with_last(ROLLED_BACK, verdict=None)["last"]}
        return None

    def recovered(daemon: Daemon) -> Event:
        daemon.status = with_last(ROLLED_BACK)
        return None

    console = Console()
    daemon = Daemon(living(IN_SYNC), script=[crash, nothing_comes, recovered])
    assert do_apply(console, daemon) == 1
    assert "rolled back, the previous state is in force again" in console.out


def test_a_request_that_a_restart_swallowed_is_lost() -> None:
    def restarted(daemon: Daemon) -> Event:
        daemon.status = living(IN_SYNC)
        return None

    before = {**IN_SYNC, "daemon": {**IN_SYNC["daemon"], "pid": 2**22 + 1}}
    console = Console()
    assert do_apply(console, Daemon(before, script=[nothing_comes, restarted])) == 1
    assert "dockcfgd was restarted before it began; nothing was changed" in console.out


def test_a_refused_call_ends_it() -> None:
    refusal = BusFailure(what="call Apply", name="org.dockcfgd1.Error.Busy", text="too much")
    with pytest.raises(BusFailure):
        do_apply(Console(), Daemon(living(IN_SYNC), refusal=refusal))


# rollback


def do_rollback(console: Console, daemon: Daemon, *arguments: str) -> int:
    return rollback.run(
        parsed(rollback, *arguments),
        connect=daemon.connect,
        read_status=daemon.read_status,
        screen=console.screen,
    )


@pytest.mark.parametrize(("given", "sent"), [([], 2**32 - 1), (["0"], 0), (["7"], 7)])
def test_rollback_names_the_generation(given: list[str], sent: int) -> None:
    def end(daemon: Daemon) -> Event:
        daemon.status = with_last(IN_SYNC)
        return finished("applied")

    console, daemon = Console(), Daemon(living(IN_SYNC), script=[end])
    assert do_rollback(console, daemon, *given, "--comment", "why") == 0
    assert daemon.calls[-1] == ("Rollback", sent, {"comment": "why"})


@pytest.mark.parametrize(
    ("answers", "options", "question"),
    [
        ("n\n", [], "Go back to the generation before the present one?"),
        ("n\n", ["2"], "Go back to generation 2?"),
        ("n\n", ["0"], "Go back to generation 0?"),
    ],
)
def test_rollback_asks(answers: str, options: list[str], question: str) -> None:
    console, daemon = Console(answers), Daemon(living(IN_SYNC))
    assert do_rollback(console, daemon, *options) == 1
    assert console.err.startswith(question)
    assert daemon.calls == []


# history

GENERATIONS: list[dict[str, Any]] = [
    {"generation": 2, "created": 1764000060.0, "digest": "9f", "verdict": "rolled-back",
     "impact": "restart", "reason": "cannot restart docker.service: " + "because " * 12,
     "comment": "new metrics", "actor": "root", "uid": 0, "seconds": 12.34, "applied": False},
    {"generation": 1, "created": 1764000000.0, "digest": "5c", "verdict": "applied",
     "impact": "reload", "reason": None, "comment": "", "actor": "uid 1000", "uid": 1000,
     "seconds": None, "applied": True},
    {"generation": 0, "created": 1764000000.0, "digest": "", "origin": "original",
     "verdict": "applied", "impact": None, "reason": None, "comment": "", "actor": "",
     "applied": False},
]  # fmt: skip


def test_history_is_a_time_line_newest_first() -> None:
    console = Console()
    assert history.run(parsed(history), read=lambda: GENERATIONS, screen=console.screen) == 0
    assert console.out == (
        "2025-11-24, Monday\n"
        "  16:01:00  x 2  rolled-back  restart, 12.3 s, by root\n"
        "            |    new metrics\n"
        "            |    cannot restart docker.service: because because because because\n"
        "            |    because because because because because because because because\n"
        "  16:00:00  * 1  applied      reload, by uid 1000, in force\n"
        "  16:00:00  o 0  applied\n"
        "                 what was there before dockcfgd first wrote\n"
    )


def test_history_as_a_document() -> None:
    console = Console()
    arguments = parsed(history, "--json")
    assert history.run(arguments, read=lambda: GENERATIONS, screen=console.screen) == 0
    assert console.document == {"schema": 1, "generations": GENERATIONS}
