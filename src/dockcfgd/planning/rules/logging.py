"""The log driver that containers get, and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockcfgd.engine_keys.engines import log_drivers, log_options
from dockcfgd.planning.rules.breach import misleads, note, refuse
from dockcfgd.planning.rules.log_values import fault_of_value, is_true, read_at_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from dockcfgd.model.desired import KeyPath
    from dockcfgd.planning.rules.breach import Breach
    from dockcfgd.planning.rules.scene import Scene

    class Weigh(Protocol):
        """One of the ways to make a breach."""

        def __call__(
            self, path: KeyPath | str, why: str, hint: str = "", *, also: tuple[str, ...] = ()
        ) -> Breach:
            """Make it."""


__all__ = ["RULES", "is_built_in", "log_driver", "socket_of_syslog"]

_DEFAULT = "json-file"
_ALSO = ("log-driver",)
# Without them the engine starts, and creates no container.
_REQUIRED = {
    "gelf": ("gelf-address",),
    "awslogs": ("awslogs-group",),
    "splunk": ("splunk-token", "splunk-url"),
}
_FROM_THE_CLOUD = {"awslogs": "awslogs-region", "gcplogs": "gcp-project"}
_NO_LIMIT = ("local", "max-size", "0")
_REGION_VARIABLE = "AWS_REGION"
_SEPARATES_ENTRIES = (
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "awslogs-format",
)


def log_driver(scene: Scene) -> str:
    """Give the log driver that containers get by default."""
    return scene.text("log-driver") or _DEFAULT


def is_built_in(scene: Scene) -> bool:
    """Whether the engine has the log driver by itself; a build may have left some out."""
    name, told = log_driver(scene), _told(scene)
    return name in log_drivers(scene.version) and (not told or name in {*told, "none"})


def _told(scene: Scene) -> tuple[str, ...]:
    """Give the drivers that the running engine tells, its own and those of plugins."""
    plugins = scene.engine.info.get("Plugins") if scene.engine else None
    listed = plugins.get("Log") if isinstance(plugins, dict) else None
    return tuple(str(name) for name in listed) if isinstance(listed, list) else ()


def _options(scene: Scene) -> dict[str, str]:
    given = scene.table("log-opts").items()
    return {name: value for name, value in given if isinstance(value, str)}


def _breach(scene: Scene, option: str, why: str, hint: str, *, weigh: Weigh = refuse) -> Breach:
    path = ("log-opts", option)
    return weigh(path, f"{why}{scene.where(path)}", scene.way_out(path, hint), also=_ALSO)


def driver(scene: Scene) -> Iterator[Breach]:
    """Refuse a driver that nobody has: the engine starts with it and creates no container."""
    name = log_driver(scene)
    if is_built_in(scene) or _is_plugin(scene, name):
        return
    why = f"there is no log driver {name}: the engine would start, and create no container"
    known = _told(scene) or log_drivers(scene.version)
    hint = f"it has {', '.join(known)}, and installed plugins"
    yield misleads("log-driver", why, hint)


def _is_plugin(scene: Scene, name: str) -> bool:
    found = {*_told(scene), *(scene.facts.plugins or {})}
    # Without a tag the engine means the latest.
    return name in found or f"{name}:latest" in found or scene.facts.plugins is None


def names(scene: Scene) -> Iterator[Breach]:
    """Refuse options that the driver does not have."""
    name = log_driver(scene)
    known = log_options(name, scene.version)
    for option in scene.table("log-opts"):
        if known and option not in known:
            why = f"the log driver {name} has no option {option}"
            yield _breach(scene, option, why, f"it has {', '.join(sorted(known))}")


def values(scene: Scene) -> Iterator[Breach]:
    """Refuse values that the driver cannot read, which some show with a container only."""
    if not is_built_in(scene) or log_driver(scene) == "none":
        return
    name = log_driver(scene)
    known = log_options(name, scene.version)
    for option, value in _options(scene).items():
        if option not in known or (name, option, value) == _NO_LIMIT:
            continue
        wanted = fault_of_value(option, value)
        if wanted:
            weigh = refuse if read_at_start(option) else misleads
            yield _breach(scene, option, f"the value must be {wanted}", "", weigh=weigh)


def required(scene: Scene) -> Iterator[Breach]:
    """Refuse a driver without what it cannot work without."""
    given = _options(scene)
    for option in _REQUIRED.get(log_driver(scene), ()):
        if not given.get(option):
            path = ("log-opts", option)
            why = f"the log driver {log_driver(scene)} creates no container without {option}"
            yield misleads(path, why, "set it", also=_ALSO)


def of_the_cloud(scene: Scene) -> Iterator[Breach]:
    """Tell what is found by itself on the cloud's own machines only."""
    option = _FROM_THE_CLOUD.get(log_driver(scene), "")
    if option and not _options(scene).get(option) and _REGION_VARIABLE not in scene.environment:
        what = f"without {option} only a machine of that cloud can start containers"
        yield note(("log-opts", option), what, "set it", also=_ALSO)


def buffer(scene: Scene) -> Iterator[Breach]:
    """Refuse a buffer where nothing is buffered."""
    given = _options(scene)
    if log_driver(scene) == "none" or not is_built_in(scene):
        return
    if "max-buffer-size" in given and given.get("mode") != "non-blocking":
        why = "only mode = non-blocking has a buffer, and the engine refuses the size of none"
        yield _breach(scene, "max-buffer-size", why, 'set mode = "non-blocking", or leave it out')


def compression(scene: Scene) -> Iterator[Breach]:
    """Refuse to compress the only file there is."""
    given = _options(scene)
    rotates = given.get("max-file", "1") != "1" and "max-size" in given
    if log_driver(scene) == "json-file" and is_true(given.get("compress", "")) and not rotates:
        why = "only files that are rotated away are compressed"
        hint = 'set max-size, and max-file to "2" or more'
        yield _breach(scene, "compress", why, hint, weigh=misleads)


def compression_by_default(scene: Scene) -> Iterator[Breach]:
    """Refuse one file of the driver that compresses unless it is told not to."""
    given = _options(scene)
    compresses = is_true(given.get("compress", "true"))
    if log_driver(scene) == "local" and given.get("max-file") == "1" and compresses:
        why = "local compresses files that are rotated away, and with one file there are none"
        hint = 'set compress = "false", or keep 2 files'
        yield _breach(scene, "max-file", why, hint, weigh=misleads)


def rotation(scene: Scene) -> Iterator[Breach]:
    """Tell that the number of files has no effect where none is ever full."""
    given = _options(scene)
    if log_driver(scene) == "json-file" and "max-file" in given and "max-size" not in given:
        what = "without max-size no log file is ever full, and one grows without end"
        yield note(("log-opts", "max-file"), what, "set max-size", also=_ALSO)


def fluentd(scene: Scene) -> Iterator[Breach]:
    """Refuse the old and the new name of one option together."""
    if log_driver(scene) == "fluentd" and {"fluentd-async", "fluentd-async-connect"} <= set(
        _options(scene)
    ):
        why = "fluentd-async is the same option under its newer name"
        yield _breach(scene, "fluentd-async-connect", why, "keep fluentd-async")


def gelf(scene: Scene) -> Iterator[Breach]:
    """Refuse options of UDP with TCP, and the other way round."""
    given = _options(scene)
    if log_driver(scene) != "gelf":
        return
    scheme = given.get("gelf-address", "").partition("://")[0]
    for option in given:
        if option.startswith("gelf-tcp-") and scheme == "udp":
            yield _breach(scene, option, "gelf-address is one of UDP", "leave it out")
        if option.startswith("gelf-compression-") and scheme == "tcp":
            yield _breach(scene, option, "GELF over TCP is never compressed", "leave it out")


def awslogs(scene: Scene) -> Iterator[Breach]:
    """Refuse two ways at once to tell entries apart."""
    given = _options(scene)
    both = [option for option in _SEPARATES_ENTRIES if option in given]
    if log_driver(scene) == "awslogs" and len(both) > 1:
        why = f"it cannot stand beside {both[0]}"
        yield _breach(scene, both[-1], why, "keep one of them")


def socket_of_syslog(scene: Scene) -> str:
    """Give the path of the socket that syslog is told to use, empty where it is none."""
    scheme, _, path = _options(scene).get("syslog-address", "").partition("://")
    used = log_driver(scene) == "syslog" and scheme in {"unix", "unixgram"}
    return path if used and path.startswith("/") else ""


def syslog_socket(scene: Scene) -> Iterator[Breach]:
    """Refuse a socket that is not there."""
    path = socket_of_syslog(scene)
    seen = scene.facts.folders.get(path)
    if seen is not None and not seen.there and seen.blocked_by != path:
        why = f"there is no socket {path}, and the engine does not start without it"
        yield _breach(scene, "syslog-address", why, "start what listens there first")


RULES = (
    driver,
    names,
    values,
    required,
    of_the_cloud,
    buffer,
    compression,
    compression_by_default,
    rotation,
    fluentd,
    gelf,
    awslogs,
    syslog_socket,
)
