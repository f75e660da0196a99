"""What a value of `log-opts` must look like; the engine looks at many only with a container."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.sizes import read_duration, read_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fault_of_value", "is_true", "read_at_start"]

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}
_COMPRESSION_LEVELS = range(-1, 10)
_SHORTEST_RECONNECT, _LONGEST_RECONNECT = 0.1, 10.0
_HIGHEST_PORT = 65535
_LAST_FACILITY = 23
_FACILITIES = {
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", *(f"local{number}" for number in range(8))),
}
# What a tag's template can name.
_TAG_FIELDS = {
    *("ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName", "Command"),
    *("Config", "ContainerID", "ContainerName", "ContainerEntrypoint", "ContainerArgs"),
    *("ContainerImageID", "ContainerImageName", "ContainerCreated", "ContainerEnv"),
    *("ContainerLabels", "LogPath", "Hostname", "ExtraAttributes"),
}
_FIELD = re.compile(r"\{\{-?\s*\.(\w+)\s*-?\}\}")
# Python's words for what the engine does not take either; it knows more escapes than Python.
_BROKEN = ("missing )", "unbalanced", "unterminated", "nothing to repeat", "multiple repeat")
_NOT_IN_ENGINE = re.compile(r"\(\?(?:=|!|<=|<!)|(?<!\\)(?:\\\\)*\\[1-9]")


@dataclass(frozen=True, slots=True)
class _Form:
    """A check, and what a value must be."""

    fits: Callable[[str], bool]
    wanted: str


def is_true(text: str) -> bool:
    """Whether the engine reads it as true."""
    return text in _TRUE


def read_at_start(option: str) -> bool:
    """Whether the engine looks at the value before there is a container, and ends over it."""
    if option == "awslogs-multiline-pattern":
        return False
    families = ("syslog-", "fluentd-", "gelf-", "awslogs-")
    return option in {"mode", "max-buffer-size", "cache-disabled"} or option.startswith(families)


def fault_of_value(option: str, text: str) -> str:
    """Say what keeps `text` from being a value of the option; empty where nothing does."""
    form = _FORMS.get(option)
    return "" if form is None or form.fits(text) else form.wanted


def _switch(text: str) -> bool:
    return text in _TRUE or text in _FALSE


def _size(text: str) -> bool:
    try:
        read_size(text)
    except ValueError:
        return False
    return True


def _positive_size(text: str) -> bool:
    return _size(text) and read_size(text) > 0


def _from_one(text: str) -> bool:
    return text.removeprefix("+").isdecimal() and text.isascii() and int(text) >= 1


def _whole(text: str) -> bool:
    return text.isdecimal() and text.isascii()


def _duration(text: str) -> bool:
    try:
        read_duration(text)
    except ValueError:
        return False
    # The engine wants a unit but for 0.
    return not text.isdecimal() or text == "0"


def _reconnect(text: str) -> bool:
    return _duration(text) and _SHORTEST_RECONNECT <= read_duration(text) <= _LONGEST_RECONNECT


def _pattern(text: str) -> bool:
    if _NOT_IN_ENGINE.search(text):
        return False
    with warnings.catch_warnings():
        # Classes such as [[:alpha:]], which Python does not have.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            re.compile(text)
        except re.error as error:
            return not error.msg.startswith(_BROKEN)
    return True


def _template(text: str) -> bool:
    if text.count("{{") != text.count("}}"):
        return False
    return all(name in _TAG_FIELDS for name in _FIELD.findall(text))


def _one_of(*words: str) -> Callable[[str], bool]:
    return lambda text: text in words


def _level(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and int(text) in _COMPRESSION_LEVELS


def _port(text: str) -> bool:
    return _whole(text) and int(text) <= _HIGHEST_PORT


def _gelf_address(text: str) -> bool:
    scheme, separator, rest = text.partition("://")
    host, colon, port = rest.rpartition(":")
    return bool(scheme in {"udp", "tcp"} and separator and host and colon and _port(port))


def _syslog_address(text: str) -> bool:
    scheme, separator, rest = text.partition("://")
    return bool(scheme in {"udp", "tcp", "tcp+tls", "unix", "unixgram"} and separator and rest)


def _fluentd_address(text: str) -> bool:
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    if scheme == "unix":
        return bool(rest)
    _, colon, port = rest.rpartition(":")
    return scheme in {"tcp", "tls"} and (not colon or rest.endswith("]") or _port(port))


def _facility(text: str) -> bool:
    return text in _FACILITIES or (_whole(text) and int(text) <= _LAST_FACILITY)


def _splunk_url(text: str) -> bool:
    scheme, separator, rest = text.partition("://")
    return bool(scheme in {"http", "https"} and separator and rest.rstrip("/").count("/") == 0)


_SWITCH = _Form(_switch, '"true" or "false"')
_PATTERN = _Form(_pattern, "a regular expression of RE2, which has no lookaround")
_POSITIVE = _Form(_from_one, "a number from 1 on")
_DURATION = _Form(_duration, "a duration with its unit, such as 1s")
_LEVEL = _Form(_level, "a number from -1 to 9")

_FORMS: dict[str, _Form] = {
    "mode": _Form(_one_of("blocking", "non-blocking", ""), "blocking or non-blocking"),
    "max-buffer-size": _Form(_size, "a size such as 4m"),
    "cache-disabled": _SWITCH,
    "max-size": _Form(_positive_size, "a size such as 10m"),
    "max-file": _POSITIVE,
    "compress": _SWITCH,
    "labels-regex": _PATTERN,
    "env-regex": _PATTERN,
    "tag": _Form(_template, "a template of fields such as {{.Name}} and {{.ID}}"),
    "syslog-address": _Form(
        _syslog_address, "an address that begins with udp://, tcp://, tcp+tls:// or unix://"
    ),
    "syslog-facility": _Form(_facility, "the name of a facility, such as daemon, or 0 to 23"),
    "syslog-format": _Form(
        _one_of("", "rfc3164", "rfc5424", "rfc5424micro"), "rfc3164, rfc5424 or rfc5424micro"
    ),
    "fluentd-address": _Form(_fluentd_address, "host:port, tcp://, tls:// or unix://"),
    "fluentd-async": _SWITCH,
    "fluentd-async-connect": _SWITCH,
    "fluentd-request-ack": _SWITCH,
    "fluentd-sub-second-precision": _SWITCH,
    "fluentd-buffer-limit": _Form(_size, "a size such as 1m"),
    "fluentd-max-retries": _Form(_whole, "a number"),
    "fluentd-retry-wait": _DURATION,
    "fluentd-write-timeout": _DURATION,
    "fluentd-read-timeout": _DURATION,
    "fluentd-async-reconnect-interval": _Form(_reconnect, "a duration from 100ms to 10s"),
    "gelf-address": _Form(_gelf_address, "udp://host:port or tcp://host:port"),
    "gelf-compression-level": _LEVEL,
    "gelf-compression-type": _Form(_one_of("gzip", "zlib", "none"), "gzip, zlib or none"),
    "gelf-tcp-max-reconnect": _Form(_whole, "a number"),
    "gelf-tcp-reconnect-delay": _Form(_whole, "a number"),
    "awslogs-create-group": _SWITCH,
    "awslogs-create-stream": _SWITCH,
    "awslogs-force-flush-interval-seconds": _POSITIVE,
    "awslogs-max-buffered-events": _POSITIVE,
    "awslogs-multiline-pattern": _PATTERN,
    "awslogs-format": _Form(_one_of("json/emf"), "json/emf"),
    "gcp-log-cmd": _SWITCH,
    "splunk-url": _Form(_splunk_url, "https://host:port with no path"),
    "splunk-format": _Form(_one_of("inline", "json", "raw"), "inline, json or raw"),
    "splunk-verify-connection": _SWITCH,
    "splunk-gzip": _SWITCH,
    "splunk-gzip-level": _LEVEL,
    "splunk-insecureskipverify": _SWITCH,
    "splunk-index-acknowledgment": _SWITCH,
}
