"""Find and read the TOML files, and merge them. No value is judged here; see `desired.parse`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from dockcfgd.desired.lines import key_lines
from dockcfgd.model.desired import InputFile, KeyPath, Source
from dockcfgd.model.errors import FileFailure, Finding
from dockcfgd.model.files import FileKind, FileState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockcfgd.ports import Files

__all__ = ["Loaded", "Text", "load"]

_LIMIT_BYTES = 1024 * 1024
_LIMIT_FILES = 1000
_ERROR_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")
_OTHERS_MAY_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class Text:
    """A TOML text that does not lie in a watched folder.

    `name` is its name in conf.d, `shown` its path in messages.
    """

    name: str
    shown: str
    text: str


@dataclass(slots=True)
class Loaded:
    """The merged document, the source of each key, and what was wrong with the files themselves."""

    document: dict[str, Any] = field(default_factory=dict)
    sources: dict[KeyPath, Source] = field(default_factory=dict)
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
    state = _read(files, config_file, loaded)
    if state is not None:
        _merge_text(loaded, config_file, state)
    for shown, text in _in_order(files, folders, extra, loaded):
        _merge_text(loaded, shown, text)
    return loaded


def _in_order(
    files: Files, folders: Sequence[str], extra: Sequence[Text], loaded: Loaded
) -> Iterable[tuple[str, str]]:
    chosen: dict[str, str | Text] = {}
    for folder in folders:
        names = [
            name
            for name in files.names(folder)
            if name.endswith(".toml") and not name.startswith(".")
        ]
        if len(names) > _LIMIT_FILES:
            loaded.findings.append(
                Finding(
                    file=folder,
                    message=f"cannot use {len(names)} files",
                    hint=f"at most {_LIMIT_FILES} in one folder",
                )
            )
            return
        chosen.update({name: str(PurePosixPath(folder) / name) for name in names})
    chosen.update({text.name: text for text in extra})
    for name in sorted(chosen):
        place = chosen[name]
        if isinstance(place, Text):
            yield place.shown, place.text
            continue
        text = _read(files, place, loaded)
        if text is not None:
            yield place, text


def _read(files: Files, path: str, loaded: Loaded) -> str | None:
    try:
        state = files.read(path, limit=_LIMIT_BYTES)
    except FileFailure as failure:
        loaded.findings.append(Finding(file=path, message=str(failure)))
        return None
    if state.kind is FileKind.ABSENT:
        return None
    loaded.files.append(
        InputFile(path=path, inode=state.inode, mtime_ns=state.mtime_ns, size=state.size)
    )
    finding = _distrust(state)
    if finding is not None:
        loaded.findings.append(finding)
        return None
    return _decode(path, state.content, loaded)


def _distrust(state: FileState) -> Finding | None:
    if state.kind is FileKind.DANGLING:
        return Finding(
            file=state.path,
            message="cannot read it: the link leads nowhere",
            hint="remove or mend the link",
        )
    if state.kind is not FileKind.REGULAR:
        return Finding(
            file=state.path,
            message=f"cannot read it: not a regular file but a {state.kind}",
            hint="put a regular file there",
        )
    if state.tag.uid != 0:
        return Finding(
            file=state.path,
            message=f"owned by uid {state.tag.uid}, not by root",
            hint=f"chown root {state.path}",
        )
    if state.tag.mode & _OTHERS_MAY_WRITE:
        return Finding(
            file=state.path,
            message=f"others than root may write it (mode {state.tag.mode:04o})",
            hint=f"chmod go-w {state.path}",
        )
    return None


def _decode(path: str, content: bytes, loaded: Loaded) -> str | None:
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        loaded.findings.append(
            Finding(
                file=path,
                line=1,
                message="begins with a byte order mark",
                hint="save it as plain UTF-8 without BOM",
            )
        )
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        loaded.findings.append(
            Finding(file=path, line=line, message="not valid UTF-8", hint="save it as UTF-8")
        )
        return None


def _merge_text(loaded: Loaded, shown: str, text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _ERROR_LINE.search(str(error))
        line = int(match[1]) if match and match[1] else text.count("\n") + 1
        message = _ERROR_LINE.sub("", str(error))
        loaded.findings.append(
            Finding(
                file=shown, line=line, message=f"not valid TOML: {message[:1].lower()}{message[1:]}"
            )
        )
        return
    except RecursionError:
        loaded.findings.append(Finding(file=shown, message="nested too deeply"))
        return
    lines = key_lines(text)
    _unset(loaded, document.pop("unset", []), shown, lines)
    _merge(loaded, loaded.document, document, (), shown, lines)


def _unset(loaded: Loaded, keys: object, shown: str, lines: dict[KeyPath, int]) -> None:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        loaded.findings.append(
            Finding(
                file=shown,
                line=lines.get(("unset",)),
                key="unset",
                message="must be a list of dotted keys",
                hint='unset = ["engine.debug"]',
            )
        )
        return
    for key in keys:
        path = _split(key)
        if path is None:
            loaded.findings.append(
                Finding(
                    file=shown,
                    line=lines.get(("unset",)),
                    key="unset",
                    message=f"{key!r} is not a dotted key",
                )
            )
            continue
        _forget(loaded, path)


def _split(key: str) -> KeyPath | None:
    try:
        document: Any = tomllib.loads(f"{key} = 'unset'")
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(document, dict):
        if len(document) != 1:
            return None
        name, document = next(iter(document.items()))
        path.append(name)
    return tuple(path) if document == "unset" else None


def _forget(loaded: Loaded, path: KeyPath) -> None:
    table = loaded.document
    for part in path[:-1]:
        inner = table.get(part)
        if not isinstance(inner, dict):
            return
        table = inner
    table.pop(path[-1], None)
    for known in [known for known in loaded.sources if known[: len(path)] == path]:
        del loaded.sources[known]


def _merge(
    loaded: Loaded,
    into: dict[str, Any],
    table: dict[str, Any],
    prefix: KeyPath,
    shown: str,
    lines: dict[KeyPath, int],
) -> None:
    for name, value in table.items():
        path = (*prefix, name)
        old = into.get(name)
        if isinstance(value, dict):
            if not isinstance(old, dict):
                _forget(loaded, path)
                into[name] = old = {}
            loaded.sources.setdefault(path, Source(file=shown, line=lines.get(path)))
            _merge(loaded, old, value, path, shown, lines)
        else:
            _forget(loaded, path)
            into[name] = value
            loaded.sources[path] = Source(file=shown, line=lines.get(path))
