"""The daemon's composition root: settings to adapters to threads to loop."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from dockcfgd import __version__
from dockcfgd.adapters.assembly import host_effects
from dockcfgd.adapters.bus import NAME_TAKEN, Bus, Loop
from dockcfgd.adapters.clock import SystemClock
from dockcfgd.adapters.file_watch import FileWatch
from dockcfgd.adapters.mount_view import MountView
from dockcfgd.adapters.notify import Notifier
from dockcfgd.adapters.own_units import end_leftovers
from dockcfgd.adapters.polkit import Polkit
from dockcfgd.adapters.status_file import publish_status, started_ticks
from dockcfgd.api import contract
from dockcfgd.api.announcer import Announcer
from dockcfgd.api.service import Service
from dockcfgd.cli.published import AT_REST
from dockcfgd.cli.text import progress_line, render
from dockcfgd.first_status import recalled
from dockcfgd.log import configure, get_logger
from dockcfgd.model.errors import BusFailure, DockcfgdError, SystemdFailure
from dockcfgd.model.status import Status
from dockcfgd.model.systemd import DOCKER_SERVICE
from dockcfgd.reconcile.complaint import complaint
from dockcfgd.reconcile.reconciler import Reconciler
from dockcfgd.reconcile.requests import Look
from dockcfgd.scrub import Scrubber
from dockcfgd.settings import Settings
from dockcfgd.state_file import StateFile
from dockcfgd.transaction.undo import Undo

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockcfgd.adapters.bus import Timer
    from dockcfgd.reconcile.requests import Request

__all__ = ["main"]

_REWRITE_SECONDS = 2.0
_FULL_CHECK_SECONDS = 300.0
_FIRST_LOOK_SECONDS = 3.0  # whoever asks right after the start shall get an answer; work may go on
_STUCK_SECONDS = 1800.0
_TURN_SECONDS = 60.0
_JOIN_SECONDS = 540.0
_CLOSED_SECONDS = 5.0  # between looks at a disk that nobody can write to


def main() -> int:
    """Run until SIGTERM.

    Exits 75 where another dockcfgd is at work, and 1 when the bus cannot be used, so that systemd
    starts us again.
    """
    scrubber = Scrubber()
    configure(scrubber.text)
    log = get_logger()
    try:
        return _Daemon(Settings.from_environment(), scrubber).run()
    except _AnotherAtWork as other:
        log.error("daemon.ends", reason=str(other))  # noqa: TRY400 -- the reason says it all
        return os.EX_TEMPFAIL
    except BusFailure as failure:
        log.error("daemon.ends", reason=str(failure))  # noqa: TRY400 -- the reason says it all
        return 1


class _AnotherAtWork(DockcfgdError):
    """There is one dockcfgd a host."""

    def __init__(self) -> None:
        super().__init__(
            f"another dockcfgd is at work: it owns the bus name {contract.BUS_NAME};"
            " see `dockcfgctl status`"
        )


class _Daemon:
    """Run three threads.

    The loop is this one, the file watch has its own, and the reconciler's alone changes anything.
    """

    def __init__(self, settings: Settings, scrubber: Scrubber) -> None:
        self._settings, self._log = settings, get_logger()
        self._heard = time.monotonic()
        self._busy = False
        self._at_rest = threading.Event()
        self._writing = threading.Lock()
        self._rewriting: Timer | None = None
        self._summary = "looking at the host"
        self._exit = 0
        self._loop, self._notifier = Loop(), Notifier()
        self._view = MountView((settings.state_dir, settings.drop_in_dir, settings.daemon_json))
        self._bus = Bus(settings.bus_address or None)
        self._bus.on_closed(self._bus_closed)
        clock = SystemClock(attend=self._attend)
        effects = host_effects(settings, self._bus, clock)
        self._files, self._systemd = effects.files, effects.systemd
        new = Status(
            version=__version__, pid=os.getpid(), since=time.time(), started_ticks=started_ticks()
        )
        first = recalled(new, settings.state_file)
        self._state = StateFile(settings.state_file)
        self._reconciler = Reconciler(
            effects,
            self._state,
            settings,
            undo=Undo(settings.state_dir, settings.runtime_dir),
            first=first,
            publish=self._publish,
            finished=self._finished,
            scrubber=scrubber,
        )
        self._service = Service(
            snapshot=self._reconciler.snapshot,
            enqueue=self._reconciler.enqueue,
            sender_uid=self._bus.sender_uid,
            authority=Polkit(self._bus),
            complaint=self._complaint,
            aside=ThreadPoolExecutor(1, "reader").submit,
        )
        xml = files("dockcfgd.api").joinpath("org.dockcfgd1.xml").read_text("utf-8")
        publication = self._bus.publish(
            contract.OBJECT_PATH, xml, handle=self._service.handle, read=self._service.properties
        )
        self._announcer = Announcer(publication)
        self._claim_name()
        self._folders: frozenset[str] = frozenset()
        self._watch = FileWatch(self._watched, self._hint, unwatched=self._tell_unwatched)
        effects.systemd.watch_unit(DOCKER_SERVICE, self._hint)  # type: ignore[attr-defined]  # the real adapter's
        self._thread = threading.Thread(target=self._reconcile, name="reconciler")

    def run(self) -> int:
        """Serve; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.on_signal(number, self._stop)
        self._publish(self._reconciler.snapshot())
        self._watch.start()
        self._thread.start()
        self._loop.call_every(_FULL_CHECK_SECONDS, self._full_check)
        if self._notifier.supervised and self._view.closed:
            self._loop.call_every(_CLOSED_SECONDS, self._renew_view)
        if self._notifier.watchdog_interval:
            self._loop.call_every(self._notifier.watchdog_interval, self._pat_watchdog)
        self._at_rest.wait(_FIRST_LOOK_SECONDS)
        self._notifier.ready(self._summary)
        self._log.info("daemon.started", version=__version__)
        self._loop.run()
        self._notifier.stopping()
        self._watch.stop()
        self._thread.join(_JOIN_SECONDS)
        self._state.close()
        self._log.info("daemon.stopped")
        return self._exit

    def _claim_name(self) -> None:
        """Be the one dockcfgd of the host.

        Under systemd another one's end is waited for, or each attempt to start would fail at once.
        """
        deadline = time.monotonic() + (_TURN_SECONDS if self._notifier.supervised else 0.0)
        while True:
            try:
                self._bus.request_name(contract.BUS_NAME)
            except BusFailure as failure:
                if failure.name != NAME_TAKEN:
                    raise
            else:
                return
            if time.monotonic() >= deadline:
                raise _AnotherAtWork
            self._notifier.status("waiting for the end of another dockcfgd")
            time.sleep(1.0)

    def _reconcile(self) -> None:
        try:
            with contextlib.suppress(SystemdFailure):
                end_leftovers(self._systemd)
            self._reconciler.run()
        except BaseException:
            self._exit = 1  # systemd starts a new one, which takes back what is under way
            raise
        finally:
            self._loop.call_soon(self._loop.quit)

    def _stop(self) -> None:
        self._notifier.stopping()
        self._notifier.extend_timeout(_JOIN_SECONDS)
        self._reconciler.stop()

    def _bus_closed(self, reason: str) -> None:
        self._log.error("bus.closed", reason=reason)
        self._exit = 1
        self._stop()

    def _renew_view(self) -> None:
        """End, for systemd to start one that sees by now writable filesystems as they are."""
        folder = self._view.outdated()
        if folder and not self._exit:
            self._log.warning("mounts.outdated", folder=folder, why="it was read-only at the start")
            self._exit = 1
            self._stop()

    def _watched(self) -> set[str]:
        settings = self._settings
        return {
            str(Path(settings.config_file).parent),
            *settings.config_dirs,
            str(Path(settings.daemon_json).parent),
            settings.drop_in_dir,
            *self._folders,
        }

    def _tell_unwatched(self, folders: set[str]) -> None:
        if folders:
            self._log.warning(
                "files.unwatched",
                folders=sorted(folders),
                why="no inotify watch is left: see fs.inotify.max_user_watches and _instances",
                instead=f"looked at every {_FULL_CHECK_SECONDS:.0f} s",
            )
        else:
            self._log.info("files.watched")

    def _hint(self, what: str) -> None:
        self._enqueue(Look(what))

    def _enqueue(self, request: Request) -> None:
        self._reconciler.enqueue(request)

    def _complaint(self, files: tuple[tuple[str, str], ...]) -> str:
        engine = self._reconciler.snapshot().engine
        version = engine.version if engine else ""
        return complaint(files, files=self._files, settings=self._settings, version=version)

    def _full_check(self) -> None:
        self._watch.check()
        self._hint("full check")

    def _beat(self) -> None:
        self._heard = time.monotonic()

    def _attend(self) -> None:
        """Be called while something is awaited: a cancel must not wait for it too."""
        self._beat()
        self._reconciler.look_up()

    def _pat_watchdog(self) -> None:
        """Tell systemd that we live, unless the reconciler works and has been silent for long."""
        stuck = self._busy and time.monotonic() - self._heard > _STUCK_SECONDS
        if self._thread.is_alive() and not stuck:
            self._notifier.watchdog()

    def _publish(self, status: Status) -> None:
        self._beat()
        self._busy = status.phase not in {*AT_REST, "stopped"}
        why = self._write_status(lambda: status)
        if why:
            self._log.error("status.unwritable", reason=why)
            self._loop.call_soon(self._write_status_later)
        self._announce(lambda: self._announcer.status(status))
        if self._folders != self._reconciler.folders:
            self._folders = self._reconciler.folders
            self._watch.check()
        if not self._busy:
            self._at_rest.set()
        reason = f": {status.reason}" if status.reason else ""
        self._summary = str(status.phase) if self._busy else f"{status.condition}{reason}"
        self._notifier.status(_with_task(self._summary, status))

    def _write_status(self, status: Callable[[], Status]) -> str:
        """Write the status file; why not, where that cannot be."""
        with self._writing:
            document = status().document()
            try:
                publish_status(self._settings.runtime_dir, document, render(document))
            except OSError as error:
                return str(error)
        return ""

    def _write_status_later(self) -> None:
        """Write the newest status as soon as that can be, one attempt after the other."""
        if self._rewriting is None:
            self._rewriting = self._loop.call_every(_REWRITE_SECONDS, self._write_status_again)

    def _write_status_again(self) -> None:
        if self._rewriting is not None and not self._write_status(self._reconciler.snapshot):
            self._rewriting.cancel()
            self._rewriting = None

    def _finished(self, transaction: str, verdict: str) -> None:
        self._announce(lambda: self._announcer.finished(transaction, verdict))

    def _announce(self, tell: Callable[[], None]) -> None:
        """Tell the bus. One that is gone hears nothing, and dockcfgd ends for it in its own way."""
        try:
            tell()
        except BusFailure as failure:
            self._log.warning("bus.not_told", reason=str(failure))


def _with_task(summary: str, status: Status) -> str:
    """Give what systemd shows, with how far a long piece of work is."""
    if status.progress is not None:
        return f"{summary}: {progress_line(asdict(status.progress))}"
    if status.task is not None and status.task.under_way:
        return f"{summary}: a {status.task.kind} is under way"
    return summary


if __name__ == "__main__":
    sys.exit(main())
