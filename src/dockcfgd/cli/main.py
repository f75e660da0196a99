"""dockcfgctl. The composition root of the command: it alone gives verbs their adapters.

`status` is answered before anything is imported that costs time; every other verb imports its own.
"""

# ruff: noqa: PLC0415 -- an import at the top is paid for by every call of status

from __future__ import annotations

import os
import sys

from dockcfgd.cli import published
from dockcfgd.cli.screen import Screen
from dockcfgd.cli.text import plain
from dockcfgd.cli.verbs import status

TYPE_CHECKING = False  # see published.py
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from dockcfgd.api.client import Client
    from dockcfgd.chronicle import Side
    from dockcfgd.cli.preview import NamedFiles, Preview
    from dockcfgd.desired.import_host import Imported
    from dockcfgd.effects import Effects
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.outage import PastTransaction
    from dockcfgd.planning.target import Applied
    from dockcfgd.settings import Settings

__all__ = ["EXIT_USAGE", "VERBS", "main"]

PROGRAM = "dockcfgctl"
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, give the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    screen = Screen.of_process()
    form = status.quick_form(given[1:]) if given[:1] == ["status"] else None
    code = _guarded(given, screen) if form is None else _status(form, screen)
    if "dockcfgd.cli.agent" in sys.modules:
        from dockcfgd.cli import agent

        agent.dismiss()
    screen.show_gathered()
    return published.EXIT_FAILED if screen.failed else code


def _status(form: str, screen: Screen) -> int:
    folder = os.environ.get("DOCKCFGD_RUNTIME_DIR", "/run/dockcfgd")
    return status.run(form, runtime_dir=folder, last_known=_last_known, screen=screen)


def _guarded(given: list[str], screen: Screen) -> int:
    """Run anything but the plain status; turn errors into a line and a code."""
    from dockcfgd.cli.errors import UsageError
    from dockcfgd.model.errors import BusFailure, DockcfgdError

    try:
        return _run(given, screen)
    except UsageError as error:
        screen.note(f"{PROGRAM}: {plain(error)}")
        return EXIT_USAGE
    except BusFailure as error:
        from dockcfgd.cli.advice import explain

        text, code = explain(error)
        screen.note(f"{PROGRAM}: {plain(text)}")
        return code
    except DockcfgdError as error:
        from dockcfgd.cli.advice import beyond_permission
        from dockcfgd.engine_keys.secrets import redact_text

        screen.note(f"{PROGRAM}: {plain(redact_text(str(error)))}{beyond_permission(error)}")
        return published.EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _run(given: list[str], screen: Screen) -> int:
    from dockcfgd.cli import command_line

    if given[:1] in (["--version"], ["-V"]):
        from dockcfgd import __version__

        screen.out(f"{PROGRAM} {__version__}")
        return 0
    if given[:1] in (["--help"], ["-h"], ["help"]):
        screen.out(command_line.overview(VERBS))
        return 0
    if not given:
        screen.note(command_line.overview(VERBS))
        return EXIT_USAGE
    name, *rest = given
    if name == command_line.COMPLETE:
        return _complete(rest, screen)
    start = _START.get(name)
    if start is None:
        screen.note(f"{PROGRAM}: {command_line.unknown(name, VERBS)}")
        return EXIT_USAGE
    try:
        arguments = command_line.parser_of(name).parse_args(rest)
        if getattr(arguments, "quiet", False):
            screen.silence()
        if not getattr(arguments, "no_pager", True) and not arguments.json:
            screen.gather()
        return start(arguments, screen)
    except SystemExit as ended:  # argparse has said why
        return int(ended.code or 0)


def _complete(words: list[str], screen: Screen) -> int:
    from dockcfgd.cli.complete import Sources, answer

    for line in answer(words, verbs=VERBS, sources=Sources(_history_if_allowed, _shelf, _keys)):
        screen.out(line)
    return 0


def _start_status(arguments: Namespace, screen: Screen) -> int:
    return (
        status.watch(
            status.form(arguments),
            runtime_dir=_settings().runtime_dir,
            last_known=_last_known,
            screen=screen,
        )
        if arguments.watch
        else _status(status.form(arguments), screen)
    )


def _start_monitor(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import monitor

    return monitor.run(arguments, connect=_connect, read_status=_published, screen=screen)


def _start_plan(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import plan

    return plan.run(arguments, preview=_preview, on_paper=_on_paper, screen=screen)


def _start_validate(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import validate

    return validate.run(arguments, preview=_preview, on_paper=_on_paper, screen=screen)


def _start_apply(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import apply

    return apply.run(
        arguments,
        preview=_preview_for_apply,
        connect=_connect_to_change,
        read_status=_published,
        screen=screen,
    )


def _start_rollback(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import rollback

    return rollback.run(
        arguments, connect=_connect_to_change, read_status=_published, screen=screen
    )


def _start_import(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import import_host
    from dockcfgd.reconcile.importing import import_from

    settings = _settings()

    def look() -> Imported:
        return import_from(_effects(settings), settings)

    return import_host.run(arguments, look=look, screen=screen)


def _start_effective(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import effective

    return effective.run(arguments, look=_effective, screen=screen)


def _start_history(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import history

    return history.run(arguments, read=_history, screen=screen)


def _start_show(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.chronicle import read_generation
    from dockcfgd.cli.verbs import show

    def read(number: int | None) -> dict[str, Any]:
        return read_generation(_begun("show"), number)

    return show.run(arguments, read=read, screen=screen)


def _start_diff(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import diff

    return diff.run(arguments, read=_side, screen=screen)


def _start_backup(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import backup

    def listed(directory: str) -> dict[str, Any]:
        from dockcfgd.migration.shelf import list_document

        return list_document(directory or _backups_directory())

    def shown(directory: str, identity: str) -> dict[str, Any]:
        from dockcfgd.migration.shelf import show_document

        return show_document(directory or _backups_directory(), identity)

    def verified(directory: str, identity: str) -> dict[str, Any]:
        from dockcfgd.migration.shelf import verify_document

        return verify_document(directory or _backups_directory(), identity)

    return backup.run(
        arguments,
        shelf=backup.Shelf(listed, shown, verified),
        connect=_connect_to_change,
        read_status=_published,
        screen=screen,
    )


def _start_storage(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import storage

    return storage.run(
        arguments, look=_storage, connect=_connect, read_status=_published, screen=screen
    )


def _start_wait(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import wait

    return wait.run(
        arguments,
        connect=_connect_to_change,
        read_status=_published,
        read_history=_history_if_allowed,
        screen=screen,
    )


def _start_doctor(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import doctor

    return doctor.run(arguments, look=_doctor, screen=screen)


def _start_metrics(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import metrics

    return metrics.run(arguments, read_status=_published, read_info=_engine_info, screen=screen)


def _start_tree(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import tree

    return tree.run(arguments, look=_tree, screen=screen)


def _start_word(name: str, arguments: Namespace, screen: Screen) -> int:
    from importlib import import_module

    code: int = import_module(f"dockcfgd.cli.verbs.{name}").run(
        arguments, connect=_connect_to_change, screen=screen
    )
    return code


def _start_schema(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import schema

    return schema.run(arguments, screen=screen)


def _start_completion(arguments: Namespace, screen: Screen) -> int:
    from dockcfgd.cli.verbs import completion

    return completion.run(arguments, screen=screen)


_START: dict[str, Callable[[Namespace, Screen], int]] = {
    "status": _start_status,
    "plan": _start_plan,
    "validate": _start_validate,
    "import": _start_import,
    "apply": _start_apply,
    "confirm": lambda arguments, screen: _start_word("confirm", arguments, screen),
    "cancel": lambda arguments, screen: _start_word("cancel", arguments, screen),
    "pause": lambda arguments, screen: _start_word("pause", arguments, screen),
    "resume": lambda arguments, screen: _start_word("resume", arguments, screen),
    "effective": _start_effective,
    "history": _start_history,
    "show": _start_show,
    "diff": _start_diff,
    "rollback": _start_rollback,
    "backup": _start_backup,
    "storage": _start_storage,
    "wait": _start_wait,
    "monitor": _start_monitor,
    "doctor": _start_doctor,
    "tree": _start_tree,
    "metrics": _start_metrics,
    "schema": _start_schema,
    "completion": _start_completion,
}
VERBS = tuple(_START)


def _settings() -> Settings:
    from dockcfgd.settings import Settings

    return Settings.from_environment()


def _published() -> dict[str, Any] | None:
    return published.read(_settings().runtime_dir)


def _connect() -> Client:
    """Connect to ask what anybody may ask."""
    return _client(patience=0.0)


def _connect_to_change() -> Client:
    """Connect to ask for what somebody may have to authorise."""
    if os.geteuid() == 0:
        return _client(patience=0.0)
    from dockcfgd.adapters.bus import PROMPT_SECONDS
    from dockcfgd.cli import agent

    agent.offer()
    return _client(patience=PROMPT_SECONDS)


def _client(*, patience: float) -> Client:
    from dockcfgd.adapters import bus
    from dockcfgd.api import client, contract

    remote = bus.Remote(contract.BUS_NAME, contract.OBJECT_PATH, contract.INTERFACE)
    connection = bus.Bus(_settings().bus_address or None)
    xml = contract.interface_xml()
    return client.Client(bus.Client(connection, remote, xml, patience=patience))


def _preview_for_apply(files: NamedFiles, folder: str) -> Preview:
    """Let the daemon plan where this user sees less of the host than it does."""
    if os.geteuid() == 0:
        return _preview(files, folder)
    from dockcfgd.cli.preview import PlanOfDaemon

    return PlanOfDaemon(_connect_to_change().plan(files))


def _preview(files: NamedFiles, folder: str) -> Preview:
    from dockcfgd.reconcile.preview import preview

    settings = _settings()
    return preview(
        files,
        effects=_effects(settings),
        settings=settings,
        applied=_applied(settings),
        folder=folder,
        past=_past(settings),
    )


def _on_paper(files: NamedFiles, folder: str, host: HostState) -> Preview:
    from dockcfgd.adapters.files import HostFiles
    from dockcfgd.reconcile.preview import preview_on_paper

    return preview_on_paper(
        files, host=host, reader=HostFiles(), settings=_settings(), folder=folder
    )


def _effects(settings: Settings) -> Effects:
    from dockcfgd.adapters.assembly import host_effects
    from dockcfgd.adapters.bus import Bus
    from dockcfgd.adapters.clock import SystemClock
    from dockcfgd.model.errors import BusFailure

    try:
        bus = Bus(settings.bus_address or None)
    except BusFailure as failure:
        return _effects_without_bus(settings, failure.text)
    return host_effects(settings, bus, SystemClock())


def _effects_without_bus(settings: Settings, why: str) -> Effects:
    from dockcfgd.adapters import (
        calendar,
        clock,
        dockerd,
        engine,
        engine_http,
        files,
        surroundings,
        systemd_analyze,
    )
    from dockcfgd.cli.no_bus import NoBus
    from dockcfgd.effects import Effects

    # Without systemd's word on it, asking the engine might start one that is stopped.
    connections = engine_http.EngineConnections(settings.docker_socket, serving=lambda: False)
    return Effects(
        calendar=calendar.SystemdCalendar(),
        files=files.HostFiles(),
        systemd=NoBus(why),
        engine=engine.DockerEngine(connections),
        containers=engine.DockerContainers(connections),
        images=engine.DockerImages(connections),
        networks=engine.DockerNetworks(connections),
        validator=dockerd.DockerdValidator(),
        unit_checker=systemd_analyze.SystemdAnalyze(),
        clock=clock.SystemClock(),
        surroundings=surroundings.HostSurroundings(),
        probes=NoBus(why),
        folders=NoBus(why),
        staging=NoBus(why),
        carrier=NoBus(why),
        roots=NoBus(why),
        freeing=NoBus(why),
    )


def _effective() -> dict[str, Any]:
    from dockcfgd.history import read_reloads
    from dockcfgd.model.errors import DockcfgdError
    from dockcfgd.planning.target import UnreadableFile
    from dockcfgd.reconcile.effective import look_effective

    settings = _settings()
    readable = os.access(settings.state_file, os.R_OK)
    reloads = tuple(read_reloads(settings.state_file)) if readable else ()
    try:
        return look_effective(_effects(settings), settings, _applied(settings), reloads)
    except UnreadableFile as error:
        raise DockcfgdError(f"cannot tell the values: {error}") from error


def _doctor() -> dict[str, Any]:
    from dockcfgd.adapters.processes import HostProcesses
    from dockcfgd.adapters.vitals import HostVitals
    from dockcfgd.doctor.look import Instruments, look_doctor

    settings, document = _settings(), _published()
    status = published.fresh(document) if document is not None else None
    by = Instruments(HostVitals(), HostProcesses(), root=os.geteuid() == 0, status=status)
    return look_doctor(_effects(settings), settings, by)


def _storage() -> dict[str, Any]:
    from dockcfgd.adapters.vitals import HostVitals
    from dockcfgd.migration.left_behind import left_behind
    from dockcfgd.reconcile.kept_storage import read_kept
    from dockcfgd.storage_view import storage_document

    path = _kept("storage status")
    kept = read_kept(path) if os.path.exists(path) else None  # noqa: PTH110 -- pathlib is heavy
    settings = _settings()
    return storage_document(kept, left_behind(settings.left_dir), _effects(settings), HostVitals())


def _engine_info() -> Mapping[str, Any] | None:
    from dockcfgd.adapters.engine import DockerEngine
    from dockcfgd.adapters.engine_http import EngineConnections
    from dockcfgd.adapters.processes import HostProcesses
    from dockcfgd.model.errors import EngineFailure
    from dockcfgd.processes.roles import is_engine

    def serving() -> bool:
        return any(is_engine(one) for one in HostProcesses().list())

    try:
        return DockerEngine(EngineConnections(_settings().docker_socket, serving=serving)).info()
    except EngineFailure:
        return None


def _tree() -> dict[str, Any]:
    from dockcfgd.adapters.processes import HostProcesses
    from dockcfgd.processes.look import look_tree

    settings = _settings()
    return look_tree(_effects(settings), settings, HostProcesses())


def _applied(settings: Settings) -> Applied:
    """Give what is in force, as far as this user may know; not root: nothing is ours."""
    from dockcfgd.history import read_applied
    from dockcfgd.planning.target import Applied

    readable = os.access(settings.state_file, os.R_OK)
    return read_applied(settings.state_file) if readable else Applied()


def _past(settings: Settings) -> Sequence[PastTransaction]:
    from dockcfgd.history import read_past

    return read_past(settings.state_file) if os.access(settings.state_file, os.R_OK) else ()


def _history() -> Sequence[dict[str, Any]]:
    from dockcfgd.chronicle import read_history

    path = _kept("history")
    return read_history(path) if os.path.exists(path) else ()  # noqa: PTH110 -- pathlib is heavy


def _kept(verb: str) -> str:
    """Give the state file's path. StateFileFailure where this user may not read it."""
    from dockcfgd.model.errors import StateFileFailure

    path = _settings().state_file
    folder = os.path.dirname(path)  # noqa: PTH120 -- pathlib is heavy
    hidden = not os.access(folder, os.X_OK) and os.geteuid() != 0
    if hidden or (os.path.exists(path) and not os.access(path, os.R_OK)):  # noqa: PTH110 -- as above
        raise StateFileFailure(f"cannot read {path}: only root may; try sudo {PROGRAM} {verb}")
    return path


def _begun(verb: str) -> str:
    """Give what `_kept` gives. StateFileFailure where there is no state file yet."""
    from dockcfgd.model.errors import StateFileFailure

    path = _kept(verb)
    if not os.path.exists(path):  # noqa: PTH110 -- as above
        raise StateFileFailure(f"cannot {verb} anything: no desired state was ever seen here")
    return path


def _side(of: int | str) -> Side:
    from dockcfgd.adapters.files import HostFiles
    from dockcfgd.chronicle import KeptFile, Side, read_side

    if isinstance(of, int):
        return read_side(_begun("diff"), of)
    files, settings = HostFiles(), _settings()
    found = {}
    for name, where in (("daemon.json", _managed()), ("drop-in", settings.drop_in)):
        state = files.read(where)
        found[name] = KeptFile(where, state.content if state.present else None, state.ownership)
    return Side("disk", found)


def _backups_directory() -> str:
    """Give where backups lie by the files on disk, the default where these cannot be used."""
    from dockcfgd.adapters.files import HostFiles
    from dockcfgd.desired.load import load
    from dockcfgd.desired.parse import parse
    from dockcfgd.model.errors import InvalidDesiredState
    from dockcfgd.model.policy import Backup

    settings = _settings()
    loaded = load(HostFiles(), config_file=settings.config_file, folders=settings.config_dirs)
    try:
        desired = parse(loaded, version=None)
    except InvalidDesiredState:
        return Backup().directory
    return Backup().directory if desired is None else desired.backup.directory


def _managed() -> str:
    """Give where daemon.json lies: as last seen, for a flag may name another place."""
    from dockcfgd.chronicle import last_path

    path = _settings().state_file
    known = last_path(path) if os.access(path, os.R_OK) else ""
    return known or _settings().daemon_json


def _history_if_allowed() -> Sequence[dict[str, Any]]:
    from dockcfgd.model.errors import StateFileFailure

    try:
        return _history()
    except StateFileFailure:
        return ()


def _shelf() -> Sequence[dict[str, Any]]:
    from dockcfgd.migration.shelf import list_document
    from dockcfgd.model.errors import DockcfgdError

    try:
        backups: Any = list_document(_backups_directory())["backups"]
    except DockcfgdError:
        return ()
    return [dict(backup) for backup in backups]


def _keys() -> Sequence[str]:
    from dockcfgd.engine_keys.table import known_keys

    return [key.name for key in known_keys()]


def _last_known() -> dict[str, Any] | None:
    path = os.environ.get("DOCKCFGD_STATE_DIR", "/var/lib/dockcfgd") + "/state.db"
    if not os.access(path, os.R_OK):
        return None
    from dockcfgd.history import last_status
    from dockcfgd.model.errors import StateFileFailure

    try:
        return last_status(path)
    except StateFileFailure:
        return None
