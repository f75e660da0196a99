"""Owner and mode of dockcfgd's own files, of those it manages, and of the engine's socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.doctor.finding import error, fine, unseen, warning
from dockcfgd.model.amounts import some
from dockcfgd.model.files import FileKind
from dockcfgd.planning.secrecy import secrets_of_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.doctor.case import Case
    from dockcfgd.doctor.finding import Finding
    from dockcfgd.model.vitals import Owner
    from dockcfgd.settings import Settings

__all__ = ["CHECKS", "Rule", "rules_for"]

_WRITE, _READ, _ANY = 0o022, 0o044, 0o077


@dataclass(frozen=True, slots=True)
class Rule:
    """What others must not have of a path, and what it would mean."""

    path: str
    forbidden: int
    why: str


def rules_for(settings: Settings, *, desired: Sequence[str], daemon_json: str) -> tuple[Rule, ...]:
    """Give the rules; `desired` are the files of the desired state."""
    decides = "who writes there decides what root's engine does"
    keeps = "it holds configurations and backups with their secrets"
    shows = "who writes there decides what dockcfgctl status says"
    own = [settings.config_file, *settings.config_dirs, *desired]
    folders = {path.rpartition("/")[0] for path in (settings.config_file, daemon_json)}
    managed = (daemon_json, settings.drop_in, settings.drop_in_dir)
    private = (settings.state_dir, settings.state_file, settings.undo_dir)
    return (
        *(
            Rule(path, _WRITE, decides)
            for path in dict.fromkeys([*sorted(folders), *own, *managed])
        ),
        *(Rule(path, _ANY, keeps) for path in (*private, f"{settings.state_dir}/backups")),
        *(Rule(path, _WRITE, shows) for path in (settings.runtime_dir, settings.status_json)),
        Rule(settings.docker_socket, 0o007, "who may use it is root on this host"),
    )


def permissions(case: Case) -> Iterator[Finding]:
    """Judge each path by its rule."""
    bad, hidden, good = [], [], 0
    for rule in case.rules:
        seen = case.owners.get(rule.path)
        if seen is None:
            hidden.append(rule.path)
        elif seen.kind is not FileKind.ABSENT:
            found = [*_judged(rule, seen)]
            bad += found
            good += not found
    yield from bad
    if hidden:
        why = "this user may not look at them"
        yield unseen(f"permissions of {', '.join(hidden)}", why, root=case.root)
    if good and not bad:
        yield fine(
            "owner and mode of dockcfgd's files are as they should be",
            f"{some(good, 'path')} looked at",
        )


def _judged(rule: Rule, seen: Owner) -> Iterator[Finding]:
    if seen.uid != 0:
        what = f"{rule.path} belongs to uid {seen.uid}, not to root"
        yield error(what, rule.why, f"chown root {rule.path}")
    if seen.mode & rule.forbidden:
        what = f"{rule.path} has mode {seen.mode:04o}: others have too much of it"
        letters = {_WRITE: "go-w", _ANY: "go-rwx"}.get(rule.forbidden, "o-rwx")
        yield error(what, rule.why, f"chmod {letters} {rule.path}")


def secrets(case: Case) -> Iterator[Finding]:
    """Find managed files that hold a secret and that everybody may read."""
    state = case.host.daemon_json
    seen = case.owners.get(state.path)
    if seen is None or not seen.mode & _READ or not state.content:
        return
    text = state.content.decode(errors="replace")
    if any(secret in text for secret in secrets_of_host(case.host)):
        what = f"{state.path} holds a password or token, and others may read it"
        remedy = f"chmod go-r {state.path}; dockcfgd keeps the mode"
        yield warning(what, "every user of this host knows it", remedy)


CHECKS = (permissions, secrets)
