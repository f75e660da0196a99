"""A look at the host for `effective`, as its document (schema 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dockcfgd.desired.json_places import key_places
from dockcfgd.desired.load import load
from dockcfgd.desired.parse import parse
from dockcfgd.engine_keys.secrets import redact_pair, redact_value
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.errors import EngineFailure, InvalidDesiredState, SystemdFailure
from dockcfgd.model.host import EngineState
from dockcfgd.observe import observe
from dockcfgd.planning.effective import Effective, Evidence, Proof, Reloaded, effective
from dockcfgd.planning.secrecy import redacted, secrets_of_applied, secrets_of_host
from dockcfgd.planning.target import UnreadableFile
from dockcfgd.reconcile.importing import without_units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockcfgd.desired.load import Loaded
    from dockcfgd.effects import Effects
    from dockcfgd.model.desired import DesiredState, Json, KeyPath
    from dockcfgd.model.files import FileState
    from dockcfgd.model.host import HostState
    from dockcfgd.planning.target import Applied
    from dockcfgd.settings import Settings

__all__ = ["look_effective"]


def look_effective(
    effects: Effects,
    settings: Settings,
    applied: Applied,
    reloads: tuple[Reloaded, ...] = (),
) -> dict[str, Any]:
    """Look once and give the document; `notes` say what could not be looked at.

    Raises FileFailure where daemon.json may not be read, UnreadableFile where it is none.
    """
    notes: list[str] = []
    try:
        host = observe(effects, settings)
    except SystemdFailure as failure:
        host = without_units(effects, settings)
        notes.append(f"flags, environment and engine were not looked at: {failure}")
    loaded = load(effects.files, config_file=settings.config_file, folders=settings.config_dirs)
    desired = _desired(loaded, host, notes)
    evidence = Evidence(
        reloads=reloads, docker0=_docker0(effects, host), lines=_lines(host.daemon_json)
    )
    rows = effective(host, desired, applied, evidence)
    document: dict[str, Json] = {
        "schema": 1,
        "engine": {
            "version": host.version,
            "running": _runs(host),
            "reason": "" if isinstance(host.engine, EngineState) else host.engine.reason,
        },
        "keys": [_key(row) for row in rows],
        "notes": [*notes],
    }
    known = secrets_of_host(host) | secrets_of_applied(applied)
    return cast("dict[str, Any]", redacted(document, known))


def _runs(host: HostState) -> bool | None:
    """Tell whether the engine runs; None where systemd could not be asked."""
    if isinstance(host.engine, EngineState):
        return True
    return host.unit.running if host.unit.load_state else None


def _desired(loaded: Loaded, host: HostState, notes: list[str]) -> DesiredState | None:
    try:
        return parse(loaded, version=EngineVersion.parse_or_none(host.version))
    except InvalidDesiredState as invalid:
        notes.append(f"the desired state is refused, so its lines are not named: {invalid}")
        return None


def _docker0(effects: Effects, host: HostState) -> Mapping[str, Json]:
    if not isinstance(host.engine, EngineState):
        return {}
    try:
        networks = effects.networks.list()
    except EngineFailure:
        return {}
    return next((network for network in networks if network.get("Name") == "bridge"), {})


def _lines(daemon_json: FileState) -> Mapping[KeyPath, int]:
    """Give the line of each key; none of what is no JSON, of which `effective` says why."""
    try:
        text = daemon_json.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFile(daemon_json.path, "is not valid UTF-8") from None
    try:
        return key_places(text).lines
    except (ValueError, IndexError, RecursionError):
        return {}


def _key(row: Effective) -> Json:
    if row.proof is Proof.CONTRADICTED:
        value, configured = redact_pair(row.path, row.value, row.configured)
    else:
        value, configured = redact_value(row.path, row.value), None
    return {
        "key": row.key,
        "value": value,
        "source": str(row.source),
        "proof": str(row.proof),
        "where": row.where,
        "applies": row.applies,
        "group": row.group,
        "text": row.text,
        "configured": configured,
        "read": row.read,
    }
