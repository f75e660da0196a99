"""The first ring of validation: an `[engine]` table against the key table, for one release.

Stricter than the engine, which ignores unknown objects and flag-spelled keys. What needs the host,
the merged daemon.json or the unit's flags is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from dockcfgd.engine_keys.finding import Code, KeyFinding, shown_path
from dockcfgd.engine_keys.nearest import suggest
from dockcfgd.engine_keys.releases import release_findings
from dockcfgd.engine_keys.table import is_table, lookup, table
from dockcfgd.engine_keys.together import together_findings
from dockcfgd.engine_keys.value import value_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockcfgd.engine_keys.key import Key
    from dockcfgd.engine_keys.version import EngineVersion
    from dockcfgd.model.desired import KeyPath

__all__ = ["check", "remarks"]

# Nobody reads more, and looking for what a wrong name may mean takes time.
_MOST_FINDINGS = 200


def check(
    engine: Mapping[str, object], version: EngineVersion | None = None
) -> tuple[KeyFinding, ...]:
    """Give why the `[engine]` table is refused, in its own order, contradictions last.

    Of very many reasons the first ones are given. Without a release the rules of the
    newest hold, and nothing is said about removed keys.
    """
    single = (finding for finding in _table_findings(engine, (), version) if finding.refuses)
    return (*islice(single, _MOST_FINDINGS), *together_findings(engine, version))


def remarks(
    engine: Mapping[str, object], version: EngineVersion | None = None
) -> tuple[KeyFinding, ...]:
    """Give what an operator should know of the `[engine]` table though it can be used."""
    findings = _table_findings(engine, (), version)
    return tuple(finding for finding in findings if not finding.refuses)


def _table_findings(
    values: Mapping[str, object], prefix: KeyPath, version: EngineVersion | None
) -> Iterator[KeyFinding]:
    for name, value in values.items():
        path = (*prefix, name)
        key = lookup(path)
        if key is not None:
            yield from _key_findings(key, value, version)
        elif not is_table(path):
            yield _unknown(path, version)
        elif isinstance(value, Mapping):
            yield from _table_findings(value, path, version)
        else:
            message = f"cannot use {shown_path(path)}: it must be a table"
            yield KeyFinding(path, Code.TYPE, message)


def _key_findings(key: Key, value: object, version: EngineVersion | None) -> Iterator[KeyFinding]:
    """Judge the release first: a value of a key that cannot be used needs no judging."""
    of_release = release_findings(key, value, version)
    yield from of_release
    if not any(finding.refuses for finding in of_release):
        yield from value_findings(key, value, version)


def _unknown(path: KeyPath, version: EngineVersion | None) -> KeyFinding:
    dotted_name = ".".join(path)
    right = suggest(path, version)
    if dotted_name in table().flag_spellings:
        return KeyFinding(
            path,
            Code.FLAG_SPELLING,
            f"cannot use {shown_path(path)}: it is a flag only, ignored in daemon.json",
            _instead(right) if right else "leave it out",
        )
    return KeyFinding(
        path,
        Code.UNKNOWN,
        f"cannot use {shown_path(path)}: no such key",
        f"did you mean {right}?" if right else "a key that is too new goes into [engine-extra]",
    )


def _instead(right: str) -> str:
    table_name, _, argument = right.partition(" ")
    return f"put {argument} into {table_name}" if argument else f"write {right}"
