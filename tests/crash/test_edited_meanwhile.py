"""Somebody edits daemon.json in the middle of a change, at each of its effects.

What is theirs stays, what is ours comes or goes, and the engine runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dockcfgd.model.status import Condition, Phase, Status, Verdict
from tests.crash.catalogue import STORIES, Story, story_named
from tests.crash.lives import CONF, DAEMON_JSON, DROP_IN, Files
from tests.crash.stories import NotReached, Told, at_each_place, cut_power, cut_short, sampled
from tests.fakes.real_disk import real_disk

THEIRS = "max-download-attempts"
# An edit takes the change back once; the retry comes half a second later, or with the next look.
LOOKS = 4


def key_added(told: Told) -> None:
    document = told.lives.files.document
    told.host.files.put(DAEMON_JSON, json.dumps({**document, THEIRS: 7}))


def mode_changed(told: Told) -> None:
    files = told.host.files
    if files.read(DAEMON_JSON).present:
        files.put(DAEMON_JSON, files.file(DAEMON_JSON).content, mode=0o600)


def removed(told: Told) -> None:
    if told.host.files.read(DAEMON_JSON).present:
        told.host.files.delete(DAEMON_JSON)


def log_driver_and_labels_set(told: Told) -> None:
    document = told.lives.files.document
    edited = {**document, "log-driver": "journald", "labels": ["rack=9"]}
    told.host.files.put(DAEMON_JSON, json.dumps(edited))


EDITS = {"key": key_added, "mode": mode_changed}
ALL_EDITS = {**EDITS, "gone": removed}
REMOVED_IN = ["plain", "both-plain", "bridged", "bridged-old", "bridged-first-file"]
WAYS_BACK = {
    "reload": 'labels = ["rack=8"]\n[policy]',
    "bridged": 'log-driver = "json-file"\nlabels = ["rack=8"]\n[policy]',
    "plain": 'log-driver = "json-file"\nlabels = ["rack=8"]\n[policy]\nrestart = "plain"',
}
in_memory = pytest.mark.parametrize(
    "story", [one for one in STORIES if not one.on_disk], ids=lambda story: story.name
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("edit", EDITS)
@in_memory
def test_it_goes_on_to_its_end(folder: Path, story: Story, edit: str) -> None:
    goes_on(folder, story, edit)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", REMOVED_IN)
def test_it_goes_on_without_the_file(folder: Path, name: str) -> None:
    goes_on(folder, story_named(name), "gone")


def goes_on(folder: Path, story: Story, edit: str) -> None:
    def edited(told: Told, number: int, new: Files) -> None:  # noqa: ARG001 -- the harness gives it
        status = look_and_act(told, number, ALL_EDITS[edit])
        for _ in range(LOOKS):
            if status.condition in told.goal:
                break
            status = told.lives.later()
        settled(told, edit)
        assert status.condition in told.goal, status.reason
        assert status.last is None or status.last.verdict is not Verdict.DEGRADED

    at_each_place(folder, story, edited, every=5, purpose="to edit the file at")


@pytest.mark.parametrize("edit", ["key", "gone"])
@pytest.mark.parametrize("name", ["reload", "plain", "bridged", "migrate"])
def test_no_engine_is_disturbed_for_a_file_that_somebody_has_edited(
    folder: Path, name: str, edit: str
) -> None:
    told = Told(folder / "host", story_named(name))
    place = f"after writing {DAEMON_JSON}"
    if name == "migrate":  # it is written once the engine has stopped
        place = "while saving images"
    before = told.host.dockerd.process
    takes_back_for(told, place, lambda: ALL_EDITS[edit](told))
    assert told.host.dockerd.process is before


def takes_back_for(told: Told, place: str, edit: Callable[[], object]) -> None:
    """Edit the file once where a place is reached, and hold that the change goes back for it."""
    once = [place]

    def watch(label: str) -> None:
        if once and label.startswith(place):
            once.clear()
            edit()

    told.host.cuts.watch(watch)
    status = told.lives.look()
    assert not once
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert f"somebody has changed {DAEMON_JSON} meanwhile" in (status.last.reason or "")
    assert told.runs() == told.running


def overwrite(told: Told, text: str) -> None:
    files = told.host.files
    files.put(DAEMON_JSON, text) if text else files.delete(DAEMON_JSON)


def goes_through(told: Told) -> None:
    status = told.lives.later()
    assert status.condition is Condition.IN_SYNC, status.reason


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("edit", ALL_EDITS)
@pytest.mark.parametrize("name", ["plain", "bridged", "refused-start", "bridged-first-file"])
def test_a_machine_that_dies_after_it_boots_on_the_old_state(
    folder: Path, name: str, edit: str
) -> None:
    """dockcfgd-recover puts the file back before the engine starts."""

    def cut(told: Told, number: int, new: Files) -> None:  # noqa: ARG001 -- the harness gives it
        cut_short(told, number)
        ALL_EDITS[edit](told)
        cut_power(told)
        assert told.host.engine.ping(), f"the engine does not serve: {told.lives.recovered}"
        told.running = told.comes_up()
        told.content.pop("passing", None)
        status = told.lives.look()
        for _ in range(LOOKS):
            status = told.lives.later()
        # Of a change that was made by then, a file that is gone is drift, which takes a restart.
        if edit != "gone" or "drift-max-impact" not in (status.reason or ""):
            assert status.condition in told.goal, status.reason
        assert edit != "key" or told.lives.files.document[THEIRS] == 7

    at_each_place(folder, story_named(name), cut, every=5, purpose="to edit and lose power at")


@pytest.mark.parametrize("edit", [*ALL_EDITS, "ours", "drop-in"])
@pytest.mark.parametrize("text", ['log-driver = "local"', "max-concurrent-downloads = 5"])
def test_while_it_awaits_confirmation(folder: Path, text: str, edit: str) -> None:
    told = Told(
        folder / "host", Story("awaits", f'[engine]\n{text}\n[policy]\nconfirm-timeout="2m"')
    )
    assert told.lives.look().phase is Phase.AWAITING_CONFIRMATION
    if edit == "ours":
        document = told.lives.files.document
        told.host.files.put(DAEMON_JSON, json.dumps({**document, "debug": False}))
    elif edit == "drop-in":
        told.host.files.put(DROP_IN, "[Service]\n")
    else:
        ALL_EDITS[edit](told)
    told.lives.later(10)
    status = told.lives.later(121)
    assert status.condition is Condition.REJECTED, status.reason
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK, status.last.reason
    settled(told, edit)
    document = told.lives.files.document
    assert not {"log-driver", "max-concurrent-downloads"} & document.keys()
    process = told.host.dockerd.process
    assert process is not None
    assert process.config.get("log-driver", "json-file") == "json-file"
    if edit == "key":
        reason = f"what somebody has changed in {DAEMON_JSON} meanwhile stays"
        assert reason in (status.last.reason or "")


def test_a_way_back_that_is_cut_off_knows_what_is_theirs(folder: Path) -> None:
    """The engine that it has started shows it, and that is no failure."""
    policy = '[policy]\nrestart = "plain"\nconfirm-timeout = "2m"'
    wanted = f'[engine]\nlog-driver = "local"\n{policy}'

    def goes_back(name: str) -> Told:
        told = Told(folder / name, Story("awaits", wanted))
        assert told.lives.look().phase is Phase.AWAITING_CONFIRMATION
        document = told.lives.files.document
        told.host.files.put(DAEMON_JSON, json.dumps({**document, "log-driver": "journald"}))
        told.host.clock.advance(121)
        told.host.cuts.restart()
        return told

    whole = goes_back("whole")
    whole.lives.look()
    labels = list(whole.host.cuts.passed)
    started = labels.index("after: start docker.service")
    for number in range(started, len(labels)):
        told = goes_back(str(number))
        cut_short(told, number)
        told.host.cuts.restart()
        status = told.lives.look()
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK, f"{labels[number]}: {status.last.reason}"
        assert "meanwhile stays" in (status.last.reason or ""), labels[number]
        assert told.lives.files.document["log-driver"] == "journald"


@pytest.mark.parametrize("edit", ["other value", "gone"])
@pytest.mark.parametrize("text", list(WAYS_BACK.values()), ids=list(WAYS_BACK))
def test_on_the_way_back_once_the_file_is_there(folder: Path, text: str, edit: str) -> None:
    """The engine is started or reloaded on it, and shows what somebody has set in it."""
    act = {"other value": log_driver_and_labels_set, "gone": removed}[edit]
    old = '{"log-driver": "local", "labels": ["rack=7"]}'
    story = Story("awaits", f'[engine]\n{text}\nconfirm-timeout = "2m"', daemon_json=old)

    def goes_back(name: str) -> Told:
        told = Told(folder / name, story)
        assert told.lives.look().phase is Phase.AWAITING_CONFIRMATION
        told.host.clock.advance(121)
        told.host.cuts.restart()
        return told

    whole = goes_back("whole")
    whole.lives.look()
    labels = list(whole.host.cuts.passed)
    first = next(at for at, label in enumerate(labels) if DAEMON_JSON in label)
    for number, label in sampled(labels[first:], story, every=1):
        told = goes_back(str(number))
        status = look_and_act(told, first + number, act)
        assert status.last is not None
        assert status.last.verdict is Verdict.ROLLED_BACK, f"{label}: {status.last.reason}"
        assert told.runs() == told.running, label
        assert edit == "gone" or told.lives.files.document["labels"] == ["rack=9"], label


def test_one_file_that_somebody_puts_back_is_no_way_back(folder: Path) -> None:
    """The change goes on waiting, over the end of dockcfgd in an upgrade too."""
    wanted = (
        '[engine]\nlog-driver = "local"\n[service]\nenvironment = { A = "1" }\n'
        '[policy]\nconfirm-timeout="10m"'
    )
    told = Told(folder / "host", Story("awaits", wanted))
    old = told.old.daemon_json
    assert told.lives.look().phase is Phase.AWAITING_CONFIRMATION
    assert old is not None
    told.host.files.put(DAEMON_JSON, old)
    assert told.lives.look().phase is Phase.AWAITING_CONFIRMATION
    told.host.files.delete(DROP_IN)
    status = told.lives.look()
    assert status.last is not None
    assert status.last.verdict is Verdict.ROLLED_BACK
    assert "its files are as they were before it" in (status.last.reason or "")


def test_a_program_that_edits_it_each_time_is_given_up_on(folder: Path) -> None:
    """One that writes the file whenever that changes would have the engine restarted for ever."""
    told = Told(folder / "host", story_named("bridged"))
    host = told.host

    def watch(label: str) -> None:
        if label == "after: restart docker.service":
            host.files.put(DAEMON_JSON, '{"debug": true, "labels": ["rack=9"]}')

    host.cuts.watch(watch)
    for _ in range(5):
        told.lives.later(400)
    jobs = list(host.systemd.jobs)
    for _ in range(5):
        told.lives.later(400)
    status = told.lives.later(400)
    assert host.systemd.jobs == jobs
    assert status.condition is Condition.DEGRADED
    assert "given up after 3 attempts" in (status.reason or "")
    assert told.runs() == told.running
    host.cuts.unwatch()
    assert told.lives.apply().condition is Condition.IN_SYNC
    assert told.lives.files.document["labels"] == ["rack=9"]


@pytest.mark.parametrize("place", ["before: restart docker.service", "after writing"])
@pytest.mark.parametrize("text", ['{"debug": true, "log-driver": "journald"}', "{}", ""])
def test_what_the_engine_shows_of_an_edit_is_no_verdict(
    folder: Path, place: str, text: str
) -> None:
    """It started on the edited file, so it says nothing of what is wanted."""
    told = Told(folder / "host", story_named("plain"))
    takes_back_for(told, place, lambda: overwrite(told, text))
    goes_through(told)
    assert told.lives.files.document["log-driver"] == "local"


@pytest.mark.parametrize("text", ['{"debug": false, "log-driver": "journald"}', "{}", ""])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("engine-alone", "before: reload docker.service"),
        ("engine-alone-restarted", "before: restart docker.service"),
    ],
)
def test_nor_is_it_where_the_file_was_to_stay_as_it_is(
    folder: Path, name: str, place: str, text: str
) -> None:
    """The file that the engine has yet to read is one of the change, too."""
    told = Told(folder / "host", story_named(name))
    takes_back_for(told, place, lambda: overwrite(told, text))
    goes_through(told)


def test_an_edit_that_is_no_json_is_left(folder: Path) -> None:
    """Nobody can tell what of it is whose; the engine runs on, and the next look says so."""
    told = Told(folder / "host", story_named("plain"))
    place = "before: restart docker.service"
    once = [place]

    def watch(label: str) -> None:
        if label in once:
            once.clear()
            told.host.files.put(DAEMON_JSON, '{"debug": true,,')

    told.host.cuts.watch(watch)
    status = told.lives.look()
    assert told.host.files.text(DAEMON_JSON) == '{"debug": true,,'
    assert not once
    assert status.condition in {Condition.DEGRADED, Condition.REJECTED}
    assert DAEMON_JSON in (status.reason or "")
    assert told.host.files.read(CONF).present


def look_and_act(told: Told, number: int, act: Callable[[Told], None]) -> Status:
    """Live, and act once when so many places were passed."""
    left = [number]

    def watch(_: str) -> None:
        left[0] -= 1
        if left[0] == -1:
            act(told)

    told.host.cuts.watch(watch)
    with real_disk(told.host.cuts):
        status = told.lives.look()
    told.host.cuts.unwatch()
    if left[0] >= 0:
        raise NotReached(f"place {number} was not reached")
    return status


def settled(told: Told, edit: str) -> None:
    """Hold that the engine serves what it did, and that each has in the file what is theirs.

    One made with --rm goes where daemon.json does in the moment of a start that it was to outlive:
    without the file that engine has no live-restore.
    """
    assert told.host.engine.ping(), "the engine does not serve"
    assert not told.lives.open_transaction
    lost = {"passing"} - told.contents().keys() if edit == "gone" else set()
    assert told.contents() == {
        name: content for name, content in told.content.items() if name not in lost
    }
    assert told.runs() == [name for name in told.running if name not in lost]
    document = told.lives.files.document
    if edit == "key":
        assert document.get(THEIRS) == 7, "their key is gone"
    wanted = told.story.wanted + told.story.daemon_json
    assert "live-restore" in wanted or "live-restore" not in document, "the bridge is left"
