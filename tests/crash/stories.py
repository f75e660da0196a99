"""Stories of a change to be cut off, and what must hold after it: for tests of crashes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random

from dockcfgd.model.status import Condition, Status, Verdict
from tests.crash.catalogue import ELSEWHERE, HERE, Story
from tests.crash.lives import CONF, Files, Lives
from tests.fakes.host import FakeHost
from tests.fakes.real_disk import real_disk

__all__ = [
    "ENDED",
    "NotReached",
    "Told",
    "at_each_place",
    "check",
    "check_peace",
    "cut_power",
    "cut_short",
    "noted",
    "places",
    "sampled",
]


# One file more or less is written where a container that is being removed is still seen.
_SHORTER = 8
_SAID = "what it has said before"
ENDED = frozenset({Verdict.APPLIED, Verdict.ROLLED_BACK})


class Told:
    """A story being told on a host of its own."""

    def __init__(self, folder: Path, story: Story) -> None:
        folder.mkdir()
        root = str(folder / "docker") if story.on_disk else ""
        daemon_json = story.daemon_json.replace(HERE, root)
        host = FakeHost(version=story.version, data_root=root, daemon_json=daemon_json)
        host.carrier.unreadable = story.unreadable
        host.roots.renamable = story.renamable
        for path in ("/etc/subuid", "/etc/subgid"):
            host.files.put(path, "dockremap:100000:65536\n")
        if story.defaults:
            host.files.put("/etc/default/docker", story.defaults)
            host.boot()
        self.folder, self.logged = folder, f"passing starts\n{_SAID}\n"
        self.story, self.host, self.lives = story, host, Lives(folder, host)
        if story.containers != "none":
            self._make_containers()
        if story.containers == "stopped":
            for name in self.runs():
                host.containers.stop(name)
        if story.before:
            self.lives.want(story.before)
            status = self.lives.look()
            assert status.condition is Condition.IN_SYNC, status.reason
        if story.refuses:
            host.refuse_start(
                lambda config: "listen tcp: in use" if "metrics-addr" in config else None
            )
        story.by_hand(host)
        self.old, self.content, self.running = self.lives.files, self.contents(), self.runs()
        self.identities, self.unread = self.present(), self.needs_daemon_reload
        if story.wanted:
            self.lives.want(story.wanted.replace(ELSEWHERE, str(folder / "elsewhere")))
        else:
            host.files.delete(CONF)
        host.cuts.restart()

    def _make_containers(self) -> None:
        host, story = self.host, self.story
        # A stopped one that has `always` comes up with the engine.
        policy = "always" if story.containers == "running" else "no"
        host.run("web", layer={"/data": b"1"}, restart=policy)
        host.run("by-hand", layer={"/data": b"2"}, restart="unless-stopped")
        host.run("job", layer={"/data": Random(3).randbytes(story.bulk)})  # noqa: S311 -- no secret
        host.run("ended", layer={"/data": b"4"})
        host.containers.stop("ended")
        if story.disposable:
            host.run("passing", layer={"/data": b"5"}, host_config={"AutoRemove": True})
            host.dockerd.write_log(host.container("passing"), _SAID)

    def contents(self) -> dict[str, dict[str, bytes]]:
        return {name: self.host.content(name) for name in self.host.names()}

    def present(self) -> dict[str, str]:
        """Give the IDs of the containers that must keep them."""
        again = tuple(self.content) if self.story.unreadable else ("passing",)
        names = [name for name in self.host.names() if name not in again]
        return {name: self.host.container(name).id for name in names}

    def runs(self) -> list[str]:
        return self.host.names(running=True)

    def comes_up(self) -> list[str]:
        """Those that ran and have a restart policy."""
        return [name for name in self.running if name in {"by-hand", "web"}]

    def places(self) -> set[str]:
        """Give the data-roots that are there."""
        found = {path.parent.name for path in self.folder.glob("*/.root")}
        found |= {path.parent.name for path in self.folder.glob("docker/*/.root")}
        return found or {"docker"}

    def keeps_needlessly(self) -> list[str]:
        """Give the folders with kept containers, or their logs, that nothing leads back to."""
        kept = self.lives.kept
        needed = set() if kept is None else {kept.disposable, f"{kept.folder}/logs"}
        found = [*Path(self.lives.settings.state_dir).glob("kept/*")]
        found += self.folder.rglob("dockcfgd/*/logs")
        return [folder for folder in map(str, found) if folder not in needed]

    def has_log(self) -> bool:
        """Tell whether the container with --rm has its log of before, if it was to come back."""
        if not (self.story.on_disk and "passing" in self.content and self.story.disposable):
            return True
        log = self.host.dockerd.log_of(self.host.container("passing")).read_text()
        return log.startswith(self.logged)

    @property
    def needs_daemon_reload(self) -> bool:
        return self.host.systemd.unit("docker.service").need_daemon_reload

    @property
    def goal_places(self) -> set[str]:
        if "userns-remap" in self.story.wanted:
            return {"docker", "100000.100000"}
        if ELSEWHERE not in self.story.wanted:
            return {"docker"}
        return {"elsewhere"} if self.story.renamable else {"docker", "elsewhere"}

    @property
    def goal(self) -> set[Condition]:
        if self.story.refuses:
            return {Condition.REJECTED}
        return {Condition.IN_SYNC if self.story.wanted else Condition.UNMANAGED}


def places(folder: Path, story: Story) -> tuple[list[str], Files]:
    """Tell a story to its end; give the places to cut it off, and the files at its end."""
    told = Told(folder, story)
    with real_disk(told.host.cuts):
        status = told.lives.look()
    assert status.condition in told.goal, status.reason
    assert told.contents() == told.content
    assert told.runs() == told.running
    assert told.has_log()
    assert told.identities == told.present()
    return list(told.host.cuts.passed), told.lives.files


def check(
    told: Told,
    status: Status,
    new: Files,
    *,
    at_least: bool = False,
    verdicts: Collection[Verdict] = ENDED,
) -> None:
    """Hold the promises after a life that was not cut."""
    files = told.lives.files
    assert told.host.engine.ping(), "the engine does not serve"
    assert files in (told.old, new), "neither the old nor the new files"
    contents, runs = told.contents(), told.runs()
    if at_least:
        contents = {name: contents.get(name, {}) for name in told.content}
        runs = [name for name in runs if name in told.running]
    assert contents == told.content
    assert runs == told.running
    assert told.has_log(), "the log of the container with --rm is gone"
    assert told.identities.items() <= told.present().items()
    assert not told.lives.open_transaction
    assert told.keeps_needlessly() == [], "descriptions of containers are left"
    assert told.places() in ({"docker"}, told.goal_places), "half a data-root is left"
    assert told.unread or not told.needs_daemon_reload
    assert status.last is None or status.last.verdict is not None
    if status.condition in {Condition.IN_SYNC, Condition.UNMANAGED} and new != told.old:
        assert files == new, f"{status.condition} is said, and the files are the old ones"
    if status.last is not None:
        assert status.last.verdict in verdicts, status.last.reason
        expected = new if status.last.verdict is Verdict.APPLIED else told.old
        assert files == expected, f"{status.last.verdict} is said"


def check_peace(told: Told) -> None:
    """Hold that the retry succeeds, and that a further life changes nothing."""
    status = told.lives.later()
    assert status.condition in told.goal, status.reason
    before, jobs = told.host.files.snapshot(), list(told.host.systemd.jobs)
    again = told.lives.later()
    assert again.condition in told.goal
    assert told.host.files.snapshot() == before
    assert told.host.systemd.jobs == jobs


def cut_power(told: Told) -> None:
    """Take the machine's power and what was not synced, and boot; dockcfgd comes up after it."""
    told.host.power_cut()
    told.host.boot()


class NotReached(AssertionError):
    """This telling was over before the place."""


def cut_short(told: Told, number: int) -> None:
    """Live until a place."""
    told.host.cuts.restart(crash_at=number)
    with real_disk(told.host.cuts):
        if told.lives.live() is not None:
            raise NotReached(f"place {number} was not reached")


def sampled(labels: list[str], story: Story, *, every: int) -> list[tuple[int, str]]:
    """Give the places to try: all with DOCKCFGD_PROOF=1, else a sample, less of migrations."""
    if os.environ.get("DOCKCFGD_PROOF") == "1":
        return list(enumerate(labels))
    # Odd, as each place before something has one after it.
    return list(enumerate(labels))[:: every * (12 if story.on_disk else 2) + 1]


def noted(number: int, label: str, error: AssertionError) -> str:
    first, _, _ = str(error).partition("\n")
    return f"{number} {label}: {first}"


def at_each_place(
    folder: Path,
    story: Story,
    act: Callable[[Told, int, Files], None],
    *,
    every: int,
    purpose: str,
) -> None:
    """Tell a story once for each place of a sample, and count where `act` fails.

    It cuts the story at a place and looks at what comes of it; the files are those of its end.
    """
    labels, new = places(folder / "whole", story)
    failed, missed = [], 0
    tried = sampled(labels, story, every=every)
    for number, label in tried:
        told = Told(folder / str(number), story)
        try:
            act(told, number, new)
        except NotReached:
            missed += 1
        except AssertionError as error:
            failed.append(noted(number, label, error))
    reached = len(tried) - missed
    print(f"{story.name}: {reached} of {len(labels)} places {purpose}, {len(failed)} failed")
    assert failed == [], "\n".join(failed)
    assert missed <= _SHORTER
