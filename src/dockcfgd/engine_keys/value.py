"""What is wrong with the value of one key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.drivers import driver_findings
from dockcfgd.engine_keys.finding import Code, KeyFinding, shown_path
from dockcfgd.engine_keys.forms import fault_of_form
from dockcfgd.engine_keys.key import Shape
from dockcfgd.engine_keys.objects import object_findings
from dockcfgd.engine_keys.shapes import misfits
from dockcfgd.engine_keys.version import EngineVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.engine_keys.key import Key

__all__ = ["value_findings"]

_SECCOMP_WORDS = EngineVersion(23, 0)
_LONGEST_SHOWN = 100
_TEXTS = {Shape.STRING, Shape.SIZE, Shape.DURATION}
_SHOWN_FORMS = {"ip", "interface", "network", "host-port", "api-version", "any-case"}


def value_findings(
    key: Key, value: object, version: EngineVersion | None
) -> tuple[KeyFinding, ...]:
    """Give what is wrong with `value`: its type, or else its content."""
    wrong = tuple(_type_findings(key, value))
    if wrong:
        return wrong
    return (
        *_trap_findings(key, value, version),
        *_choice_findings(key, value),
        *_range_findings(key, value),
        *_form_findings(key, value, version),
        *_family_findings(key, value),
        *object_findings(key, value, version),
        *driver_findings(key, value, version),
    )


def _type_findings(key: Key, value: object) -> Iterator[KeyFinding]:
    for misfit in misfits(key, value):
        path = (*key.path, *misfit.inside)
        message = f"cannot use {shown_path(path)}: it must be {misfit.wanted}"
        yield KeyFinding(path, Code.TYPE, message, misfit.hint)


def _trap_findings(key: Key, value: object, version: EngineVersion | None) -> Iterator[KeyFinding]:
    if key.name == "tlsverify" and value is False:
        why = "the mere presence of the key switches TLS on"
        yield _finding(key, value, Code.TRAP, why=why, hint="leave it out")
    words = {"builtin", "unconfined"}
    if key.name == "seccomp-profile" and value in words and _before(_SECCOMP_WORDS, version):
        why = f"before engine {_SECCOMP_WORDS.short} it must be a path"
        yield _finding(key, value, Code.TRAP, why=why)
    zero = key.zero_is_default
    if zero is not None and value == 0 and (version is None or zero.holds(version)):
        why = f"the engine reads 0 as its default, {key.default}"
        hint = f"leave it out, or write {key.default}"
        yield _finding(key, value, Code.ZERO, why=why, hint=hint)
    if value == [] and key.shape is Shape.STRINGS and key.default:
        why = "the engine reads an empty list as its default"
        yield _finding(key, value, Code.ZERO, why=why, hint="leave it out, or name at least one")
    if value == "" and key.shape in _TEXTS and key.default != "":
        why = "the engine reads an empty string as its default"
        yield _finding(key, value, Code.ZERO, why=why, hint="leave it out")


def _before(first: EngineVersion, version: EngineVersion | None) -> bool:
    return version is not None and version < first


def _choice_findings(key: Key, value: object) -> Iterator[KeyFinding]:
    if not key.choices or not isinstance(value, str) or not value:
        return
    wanted = value.lower() if key.form == "any-case" else value
    if wanted not in key.choices:
        why = f"it must be one of {', '.join(key.choices)}"
        yield _finding(key, value, Code.CHOICE, why=why)


def _range_findings(key: Key, value: object) -> Iterator[KeyFinding]:
    if not isinstance(value, int) or isinstance(value, bool):
        return
    if key.minimum is not None and value < key.minimum:
        yield _finding(key, value, Code.RANGE, why=f"the least is {key.minimum}")
    if key.maximum is not None and value > key.maximum:
        yield _finding(key, value, Code.RANGE, why=f"the most is {key.maximum}")


def _form_findings(key: Key, value: object, version: EngineVersion | None) -> Iterator[KeyFinding]:
    form = key.shape.value if key.shape in {Shape.SIZE, Shape.DURATION} else key.form
    if isinstance(value, str) and value:
        why = fault_of_form(form, value, version)
        if why:
            yield _finding(key, value, Code.SYNTAX, why=why)
    if isinstance(value, list) and key.shape is Shape.STRINGS:
        for number, item in enumerate(value, start=1):
            why = fault_of_form(form, item, version)
            if why:
                place = f"entry {number} of {shown_path(key.path)}"
                yield KeyFinding(key.path, Code.SYNTAX, f"cannot use {place}: {why}")


def _family_findings(key: Key, value: object) -> Iterator[KeyFinding]:
    """Find more than one address of a family where the engine takes one of each."""
    if key.name != "host-gateway-ips" or not isinstance(value, list):
        return
    families = [":" in str(item) for item in value]
    if families.count(True) > 1 or families.count(False) > 1:
        why = "it takes one IPv4 and one IPv6 address"
        yield _finding(key, value, Code.RANGE, why=why)


def _finding(key: Key, value: object, code: Code, *, why: str, hint: str = "") -> KeyFinding:
    shown = _shown(key, value)
    return KeyFinding(key.path, code, f"cannot use {shown_path(key.path)}{shown}: {why}", hint)


def _shown(key: Key, value: object) -> str:
    """Give ` = value`, or nothing where the value could hold a secret."""
    if isinstance(value, bool):
        return f" = {str(value).lower()}"
    if isinstance(value, int):
        return f" = {value}"
    harmless = key.choices or key.form in _SHOWN_FORMS or key.shape in {Shape.SIZE, Shape.DURATION}
    if isinstance(value, str) and (harmless or not value) and not isinstance(value, Mapping):
        return f' = "{value}"' if len(value) <= _LONGEST_SHOWN else ""
    return ""
