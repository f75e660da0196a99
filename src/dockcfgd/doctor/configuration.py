"""Whether the engine would start again with its files and flags, and uses what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import error, fine, note, unseen, warning
from dockcfgd.engine_keys.check import check
from dockcfgd.engine_keys.version import EngineVersion
from dockcfgd.model.desired import dotted
from dockcfgd.planning.effective import Evidence, Proof, effective
from dockcfgd.planning.freeing import conflicting, place_of, shown
from dockcfgd.planning.launch import launch_in_force
from dockcfgd.planning.rules import breaches_of
from dockcfgd.planning.rules.breach import Weight
from dockcfgd.planning.target import Applied, UnreadableFile, daemon_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding
    from dockcfgd.model.desired import Json
    from dockcfgd.planning.rules.breach import Breach

__all__ = ["CHECKS", "OWN_CHECK"]

OWN_CHECK = "dockerd --validate"


def _document(case: Case) -> dict[str, Json] | None:
    try:
        return daemon_json(case.host)
    except UnreadableFile:
        return None


def _seen(case: Case) -> bool:
    return case.host.daemon_json.path not in case.unread


def file(case: Case) -> Iterator[Finding]:
    """Judge daemon.json by itself: whether it is JSON, and its keys and values the engine's."""
    path = case.host.daemon_json.path
    if not _seen(case):
        yield unseen(path, case.unread[path], root=case.root)
        return
    try:
        document = daemon_json(case.host)
    except UnreadableFile as failure:
        remedy = "mend it, or dockcfgctl rollback"
        yield error(
            f"{path} is of no use", f"the engine does not start with it: it {failure.why}", remedy
        )
        return
    found = list(check(document, EngineVersion.parse_or_none(case.host.version)))
    for one in found:
        # What the engine does with it is for its own check and the rules to say.
        what = f"{path}: {dotted(one.path)}"
        yield warning(what, one.message.replace("engine.", ""), one.hint or "mend it")
    for complaint in case.complaints or ():
        yield error(
            f"the engine's own check refuses {path}", complaint, "mend it before its next start"
        )
    if OWN_CHECK in case.unread:
        yield unseen(OWN_CHECK, case.unread[OWN_CHECK], root=case.root)
    if not found and not case.complaints:
        keys = f"{len(document)} keys" if document else "nothing set"
        yield fine(f"{path}: {keys}, each known to the engine")


def flags(case: Case) -> Iterator[Finding]:
    """Find keys that are set by flag and file both."""
    document = _document(case)
    if document is None or not _seen(case):
        return
    if not case.host.unit.load_state:
        yield unseen("flags against file", "systemd cannot be asked", root=case.root)
        return
    launch = launch_in_force(case.host)
    path = case.host.daemon_json.path
    both = conflicting(launch.flags, document)
    for flag, key in both:
        what = f"{dotted(key)} is set by a flag and in {path} both"
        why = f"{shown(flag)} comes from {place_of(launch, flag)}; the engine does not start so"
        remedy = f"name engine.{dotted(key)} in the desired state, or take one of the two out"
        yield error(what, why, remedy)
    if not both:
        yield fine("no key is set by a flag and a file both")


def rules(case: Case) -> Iterator[Finding]:
    """Ask the engine's own rules whether it would start again, and do what is meant."""
    if _document(case) is None or not _seen(case):
        return
    found = [*breaches_of(case.present)]
    yield from (_breach(one) for one in found)
    if not any(one.weight is Weight.STOPS for one in found):
        yield fine("nothing keeps the engine from starting again with its present settings")


def _breach(breach: Breach) -> Finding:
    key = dotted(breach.path)
    match breach.weight:
        case Weight.STOPS:
            why = f"{breach.message}; the engine's next start would fail"
            return error(f"{key} keeps the engine from starting", why, breach.hint)
        case Weight.MISLEADS:
            return warning(f"{key} does not do what it should", breach.message, breach.hint)
        case Weight.NOTED:
            return note(f"{key}: {breach.message}", "", breach.hint)


def in_use(case: Case) -> Iterator[Finding]:
    """Find keys whose value in the running engine is another than files and flags say."""
    if case.engine is None or _document(case) is None or not _seen(case):
        return
    docker0 = next((one for one in case.networks or () if one.get("Name") == "bridge"), {})
    rows = effective(case.host, None, Applied(), Evidence(docker0=docker0))
    differ = [row for row in rows if row.proof is Proof.CONTRADICTED]
    for row in differ:
        place = row.where.partition(":")[0] or "the default"
        what = f"the engine uses another {row.key} than {place} says"
        why = "it was changed and not read yet, or live containers hide the change"
        yield warning(what, why, f"dockcfgctl effective {row.key}; then reload or restart docker")
    if not differ:
        yield fine("the engine uses what its files and flags say, as far as it shows")


def warnings(case: Case) -> Iterator[Finding]:
    """Pass on what the engine itself warns of, but what has a check of its own."""
    listed = case.engine.info.get("Warnings") if case.engine else None
    lacking = []
    for text in listed if isinstance(listed, list) else ():
        first, *more = str(text).removeprefix("WARNING: ").strip().splitlines() or [""]
        if "swap limit" in first:
            continue
        if first.startswith("No ") and first.endswith(" support"):
            lacking.append(first.removeprefix("No ").removesuffix(" support"))
        elif first:
            why = " ".join(line.strip() for line in more) or "docker info shows it too"
            yield warning(f"the engine warns: {first}", why, "mend it, or live with it knowingly")
    if lacking:
        what = f"containers cannot have a {', '.join(lacking)}"
        why = "the kernel gives the engine no cgroup controllers for them; such options are ignored"
        yield warning(
            what, why, "cat /sys/fs/cgroup/cgroup.controllers; look at the kernel's options"
        )


CHECKS = (file, flags, rules, in_use, warnings)
