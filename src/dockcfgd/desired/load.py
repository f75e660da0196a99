"""Find and read the TOML files, and merge them. No value is judged here; see `desired.parse`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from dockcfgd.desired.scan import MOST_TOKENS
from dockcfgd.desired.toml import Toml, dotted_key, read_toml
from dockcfgd.desired.trust import MOST_BYTES, decoded, distrusted, look
from dockcfgd.model.desired import InputFile, KeyPath, Source
from dockcfgd.model.errors import FileFailure, Finding
from dockcfgd.model.files import FileKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockcfgd.ports import Files

__all__ = ["Loaded", "Text", "Unset", "load"]

_MOST_FILES = 1000
_MOST_UNSET = 1000
_FORM = 1
_UNSET_EXAMPLE = 'unset = ["engine.debug"]'


@dataclass(frozen=True, slots=True)
class Text:
    """A TOML text that does not lie in a watched folder.

    `name` is its name in conf.d, `shown` its path in messages.
    """

    name: str
    shown: str
    text: str


@dataclass(frozen=True, slots=True)
class Unset:
    """A key that a file takes away from those before it."""

    path: KeyPath
    source: Source


@dataclass(slots=True)
class Loaded:
    """The merged document, the source of each key, and what was wrong with the files themselves.

    `sources` has the entries of lists too, by number: `("engine", "dns", "0")`.
    """

    document: dict[str, Any] = field(default_factory=dict)
    sources: dict[KeyPath, Source] = field(default_factory=dict)
    unset: list[Unset] = field(default_factory=list)
    files: list[InputFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    extra: bool = False


def load(
    files: Files, *, config_file: str, folders: Sequence[str], extra: Sequence[Text] = ()
) -> Loaded:
    """Read `config_file`, then `*.toml` of `folders` in the order of their names.

    A later folder hides an earlier one's file.

    `extra` texts hide files of the same name. A table is merged, any other value replaced; `unset`
    lists dotted keys of earlier files to forget.
    """
    loaded = Loaded(extra=bool(extra))
    places = _places(files, folders, extra, loaded)
    bytes_left, tokens_left = MOST_BYTES, MOST_TOKENS
    for shown, text in _texts(files, [config_file, *places], loaded):
        bytes_left -= len(text)
        if bytes_left < 0:
            message = f"together with the files before it larger than {MOST_BYTES} bytes"
            loaded.findings.append(Finding(file=shown, message=message))
            break
        read = read_toml(text, shown=shown, most=tokens_left)
        if isinstance(read, Toml):
            tokens_left -= read.tokens
            _merge_file(loaded, read, shown)
        else:
            loaded.findings += read
    return loaded


def _places(
    files: Files, folders: Sequence[str], extra: Sequence[Text], loaded: Loaded
) -> list[str | Text]:
    """Give what is to be read from `folders`, in order; nothing where there is too much of it."""
    chosen: dict[str, str | Text] = {}
    for folder in folders:
        try:
            names = [name for name in files.names(folder) if _counts(name)]
        except FileFailure as failure:
            loaded.findings.append(Finding(file=folder, message=str(failure)))
            continue
        chosen.update({name: str(PurePosixPath(folder) / name) for name in names})
        if len(chosen) > _MOST_FILES:
            message = f"cannot use {len(chosen)} files: {_MOST_FILES} are the limit"
            loaded.findings.append(Finding(file=folder, message=message))
            return []
    chosen.update({text.name: text for text in extra})
    return [chosen[name] for name in sorted(chosen)]


def _counts(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith(".")


def _texts(files: Files, places: Sequence[str | Text], loaded: Loaded) -> Iterator[tuple[str, str]]:
    for place in places:
        if isinstance(place, Text):
            yield place.shown, place.text
            continue
        text = _read(files, place, loaded)
        if isinstance(text, Finding):
            loaded.findings.append(text)
        elif text is not None:
            yield place, text


def _read(files: Files, path: str, loaded: Loaded) -> str | Finding | None:
    if not path.isprintable():
        hint = "give it a plain name"
        return Finding(file=ascii(path), message="its name has unprintable characters", hint=hint)
    state = look(files, path)
    if isinstance(state, Finding):
        return state
    if state.kind is FileKind.ABSENT:
        return None
    loaded.files.append(
        InputFile(path=path, inode=state.inode, mtime_ns=state.mtime_ns, size=state.size)
    )
    return distrusted(state) or decoded(path, state.content)


def _merge_file(loaded: Loaded, read: Toml, shown: str) -> None:
    document = dict(read.document)
    _unset(loaded, document.pop("unset", []), shown, read.lines)
    if loaded.document.get("schema", _FORM) != _FORM:
        # The form is each file's own: that of a later one does not hide one that is not known.
        document.pop("schema", None)
    _Merge(loaded, read.lines, shown).table(loaded.document, document, ())


def _unset(loaded: Loaded, keys: object, shown: str, lines: dict[KeyPath, int]) -> None:
    def refuse(line: int | None, message: str, hint: str = "") -> None:
        finding = Finding(file=shown, line=line, key="unset", message=message, hint=hint)
        loaded.findings.append(finding)

    first = lines.get(("unset",))
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        refuse(first, "must be a list of dotted keys", _UNSET_EXAMPLE)
    elif len(keys) > _MOST_UNSET:
        refuse(first, f"cannot take {len(keys)} keys away: {_MOST_UNSET} are the limit")
    else:
        for number, key in enumerate(keys):
            line = lines.get(("unset", str(number)), first)
            path = dotted_key(key)
            if path is None:
                refuse(line, f"{key[:100]!r} is not a dotted key", _UNSET_EXAMPLE)
                continue
            loaded.unset.append(Unset(path, Source(file=shown, line=line)))
            # With its last key a table goes too, which would be empty in daemon.json.
            while path and _forget(loaded, path) == {}:
                path = path[:-1]


def _forget(loaded: Loaded, path: KeyPath) -> dict[str, Any] | None:
    """Take a key away, if it is there, and give what is left of the table that it was in."""
    table = loaded.document
    for part in path[:-1]:
        inner = table.get(part)
        if not isinstance(inner, dict):
            return None
        table = inner
    if path[-1] not in table:
        return None
    _forget_sources(loaded, path, table.pop(path[-1]))
    return table


def _forget_sources(loaded: Loaded, path: KeyPath, value: object) -> None:
    loaded.sources.pop(path, None)
    for name, inner in _members(value):
        _forget_sources(loaded, (*path, name), inner)


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(number), inner) for number, inner in enumerate(value))


@dataclass(frozen=True, slots=True)
class _Merge:
    """One file going over those before it."""

    loaded: Loaded
    lines: dict[KeyPath, int]
    shown: str

    def table(self, into: dict[str, Any], table: dict[str, Any], prefix: KeyPath) -> None:
        for name, value in table.items():
            path = (*prefix, name)
            old = into.get(name)
            if isinstance(value, dict) and isinstance(old, dict):
                self.table(old, value, path)
                continue
            _forget(self.loaded, path)
            if isinstance(value, dict):
                into[name] = {}
                self.loaded.sources[path] = self._source(path)
                self.table(into[name], value, path)
            else:
                into[name] = value
                self._note(path, value)

    def _note(self, path: KeyPath, value: object) -> None:
        self.loaded.sources[path] = self._source(path)
        for name, inner in _members(value):
            self._note((*path, name), inner)

    def _source(self, path: KeyPath) -> Source:
        return Source(file=self.shown, line=self.lines.get(path))
