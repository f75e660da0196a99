"""What keeps containers and clients in their place: seccomp, SELinux, users, TLS, plugins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockcfgd.planning.rules.breach import misleads, note, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.model.facts import AccountKind
    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

__all__ = ["RULES", "SELINUX", "SUBGID", "SUBUID", "accounts", "files"]

SELINUX = "/sys/fs/selinux/enforce"
SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"
_MADE_BY_ENGINE = "dockremap"
_ACTIONS = {
    f"SCMP_ACT_{name}"
    for name in (
        *("KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG"),
        "NOTIFY",
    )
}
_PEM = "-----BEGIN "
# Each with the file that counts where a flag switches TLS on and nothing names one.
_TLS_KEYS = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
_AUTHZ = "authz"


def files(scene: Scene) -> frozenset[str]:
    """Give the files whose text the rules want."""
    found = {_seccomp_file(scene)}
    if scene.switch("selinux-enabled"):
        found.add(SELINUX)
    if scene.text("userns-remap") or _remapped_now(scene):
        found |= {SUBUID, SUBGID}
    if _tls(scene):
        found |= {_certificate(scene, key) for key in _TLS_KEYS}
    return frozenset(found - {""})


def accounts(scene: Scene) -> frozenset[tuple[AccountKind, str]]:
    """Give the users and groups that must be there."""
    found: set[tuple[AccountKind, str]] = set()
    user, group = _remapped(scene)
    if user:
        found.add(("user", user))
    if group:
        found.add(("group", group))
    if _group(scene):
        found.add(("group", _group(scene)))
    return frozenset(found)


def _seccomp_file(scene: Scene) -> str:
    profile = scene.text("seccomp-profile")
    words = {"builtin", "unconfined"} if scene.from_release("23.0") else set()
    return "" if profile in words else profile


def seccomp(scene: Scene) -> Iterator[Breach]:
    """Refuse a profile that is not there, or that no container could start with."""
    path = _seccomp_file(scene)
    if not path or path not in scene.facts.files:
        return
    text = scene.facts.files[path]
    if text is None:
        hint = "name a file that exists, or leave it out for the built-in profile"
        yield refuse("seccomp-profile", f"the file {path} cannot be read", hint)
        return
    try:
        profile = json.loads(text)
    except ValueError as error:
        why = f"{path} is no JSON ({error}): the engine would start, and no container with it"
        yield misleads("seccomp-profile", why, "mend it first")
        return
    if not isinstance(profile, dict):
        why = f"{path} holds no JSON object: the engine would start, and no container with it"
        yield misleads("seccomp-profile", why, "mend it first")
    elif profile.get("defaultAction", "SCMP_ACT_ALLOW") not in _ACTIONS:
        why = f"{path} has a defaultAction that there is not, and no container would start"
        yield misleads("seccomp-profile", why, f"there are {', '.join(sorted(_ACTIONS))}")


def selinux(scene: Scene) -> Iterator[Breach]:
    """Tell of SELinux that this kernel does not run."""
    if scene.switch("selinux-enabled") and scene.facts.files.get(SELINUX, "") is None:
        what = "this kernel does not run SELinux, so it has no effect"
        yield note("selinux-enabled", what, "leave it out")


def _remapped_now(scene: Scene) -> bool:
    options = scene.engine.info.get("SecurityOptions") if scene.engine is not None else None
    return isinstance(options, list) and any("userns" in str(one) for one in options)


def _remapped(scene: Scene) -> tuple[str, str]:
    named = scene.text("userns-remap")
    user, _, group = named.partition(":")
    if not named or user in {"default", _MADE_BY_ENGINE, "root", "0"}:
        return "", ""
    return user, group or user


def userns_accounts(scene: Scene) -> Iterator[Breach]:
    """Refuse to remap to accounts that there are not."""
    user, group = _remapped(scene)
    if user and scene.facts.accounts.get(("user", user)) is False:
        yield refuse("userns-remap", f"there is no user {user}", 'use "default", or make it first')
    elif group and scene.facts.accounts.get(("group", group)) is False:
        yield refuse("userns-remap", f"there is no group {group}", "name one as user:group")


def userns_ranges(scene: Scene) -> Iterator[Breach]:
    """Refuse to remap to a user who has no subordinate IDs."""
    user, group = _remapped(scene)
    for path, name in ((SUBUID, user), (SUBGID, group)):
        text = scene.facts.files.get(path)
        if not name or name.isdecimal() or path not in scene.facts.files:
            continue
        owners = {line.partition(":")[0] for line in (text or "").splitlines()}
        if name not in owners:
            why = f"{path} has no range for {name}"
            hint = f"add one: {name}:100000:65536"
            yield refuse("userns-remap", why, hint)


def _tls(scene: Scene) -> bool:
    # The mere presence of tlsverify switches TLS on.
    return bool(scene.switch("tls") or scene.switch("tlsverify") is not None)


def _tls_by_flag(scene: Scene) -> bool:
    switched_on = "tls" in scene.by_flag and bool(scene.switch("tls"))
    return switched_on or "tlsverify" in scene.by_flag


def _certificate(scene: Scene, key: str) -> str:
    """Give the file that the engine takes for the key, empty where it has none.

    It reads flags and has defaults only where a flag, too, switches TLS on.
    """
    if not _tls_by_flag(scene):
        return "" if key in scene.by_flag else scene.text(key)
    home = f"{scene.environment.get('HOME') or '/root'}/.docker"
    folder = scene.environment.get("DOCKER_CERT_PATH") or home
    return scene.text(key) or f"{folder}/{_TLS_KEYS[key]}"


def tls_files(scene: Scene) -> Iterator[Breach]:
    """Refuse TLS without certificates that can be read."""
    if not _tls(scene):
        return
    for key in _TLS_KEYS:
        found = _tls_file(scene, key)
        if found is not None:
            yield found


def _tls_file(scene: Scene, key: str) -> Breach | None:
    also, path = ("tls", "tlsverify"), _certificate(scene, key)
    text = scene.facts.files.get(path, _PEM) if path else _PEM
    if not path and key in scene.by_flag:
        why = "its flag is not read where TLS is switched on in daemon.json and not by a flag"
        hint = f"set {key} in [engine] too"
        if key != "tlscacert":
            return refuse(key, why, hint, also=also)
        return misleads(key, why, hint, also=also) if _verifies(scene) else None
    if not path and key != "tlscacert":
        why = f"with TLS the engine does not start without {key}"
        return refuse(key, why, "name its file", also=also)
    if text is None:
        named = path == scene.text(key)
        why = f"the file {path} cannot be read" + (
            "" if named else ", which counts where a flag switches TLS on and nothing names one"
        )
        return refuse(key, why, "make it first" if named else "name its file", also=also)
    if _PEM not in text:
        return refuse(key, f"the file {path} holds nothing in PEM", "name another file", also=also)
    return None


def _verifies(scene: Scene) -> bool:
    return scene.switch("tlsverify") is not None


def open_to_the_network(scene: Scene) -> Iterator[Breach]:
    """Tell of an address where everybody is root."""
    verified = _verifies(scene)
    for host in scene.texts("hosts"):
        if not host.startswith("tcp://") or verified:
            continue
        away = not host.removeprefix("tcp://").startswith(("127.", "localhost", "[::1]"))
        what = f"whoever reaches {host} is root on this host"
        if away and "tls" not in scene.settings and scene.from_release("20.10"):
            what += ", and the engine starts 16 s later for it"
        yield note("hosts", what, "set tlsverify and its files", also=("tls", "tlsverify"))


def authorization(scene: Scene) -> Iterator[Breach]:
    """Refuse plugins that are not there: the engine ends, at a reload too."""
    there = scene.facts.plugins
    if there is None:
        return
    for name in scene.texts("authorization-plugins"):
        kinds = there.get(name, there.get(f"{name}:latest"))
        if kinds is None:
            why = f"there is no plugin {name}, and the engine ends without it, running or not"
            yield refuse("authorization-plugins", why, "install and enable it first")
        elif kinds and _AUTHZ not in kinds:
            why = f"the plugin {name} does not authorize anything"
            yield refuse("authorization-plugins", why, "leave it out")


def _group(scene: Scene) -> str:
    name = scene.text("group")
    hosts = scene.texts("hosts")
    makes_sockets = not hosts or any(host.startswith("unix://") for host in hosts)
    # A missing group of this name is only told of.
    return name if makes_sockets and name != "docker" else ""


def socket_group(scene: Scene) -> Iterator[Breach]:
    """Refuse a group that there is not."""
    name = _group(scene)
    if name and scene.facts.accounts.get(("group", name)) is False:
        yield refuse("group", f"there is no group {name}", "make it first", also=("hosts",))


RULES = (
    seccomp,
    selinux,
    userns_accounts,
    userns_ranges,
    tls_files,
    open_to_the_network,
    authorization,
    socket_group,
)
