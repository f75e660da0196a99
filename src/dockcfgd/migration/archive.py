"""A backup folder: how its files are written, ended, checked, listed and removed.

    ID/manifest.json          written last: what is in the folder, with sizes and checksums
    ID/images.tar.zst         all images, for `zstd -dc images.tar.zst | docker load`
    ID/layers/NAME.tar.zst    a container's writable layer as an image above the container's image
    ID/{images,containers/NAME,networks/NAME,volumes/NAME}.json

Every file is written under another name, synced and renamed; a folder without a manifest is
incomplete. Folders are 0700 and files 0600, as environments hold secrets. The big files stream
through this module alone, past the Files port, which holds a file's content in memory.
docs/backup-format.md describes the content for those who read a backup without dockcfgd.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import quote

import zstandard

from dockcfgd.file_failures import file_failures
from dockcfgd.migration.documents import Document, number, table, tables, text
from dockcfgd.migration.hand_over import handed_over
from dockcfgd.migration.layer_filter import keep_top_layer
from dockcfgd.migration.tar_members import BadArchive
from dockcfgd.model.errors import EngineFailure, FileFailure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dockcfgd.model.desired import Json

__all__ = [
    "MANIFEST",
    "MIGRATION",
    "OPERATOR",
    "ORIGINS",
    "SCHEDULE",
    "SCHEMA",
    "Backup",
    "Entry",
    "Manifest",
    "file_name",
    "finish",
    "list_backups",
    "make_folder",
    "open_folder",
    "prune",
    "read_archive",
    "read_document",
    "read_documents",
    "read_manifest",
    "remove",
    "remove_document",
    "remove_incomplete",
    "verify",
    "write_archive",
    "write_document",
    "write_layer",
]

SCHEMA = 1
MIGRATION, SCHEDULE, OPERATOR = "migration", "schedule", "operator"
ORIGINS = (MIGRATION, SCHEDULE, OPERATOR)
MANIFEST = "manifest.json"

_CHUNK = 1024 * 1024
_PART = ".part"
_LEVEL = 1
# NAME_MAX, less the longest of what comes behind it.
_LONGEST = 255 - len(".tar.zst" + _PART)
_PART_OF_ESCAPE = re.compile(r"%.?$")
# Where the directory is a disk of its own.
_OF_THE_FILESYSTEM = "lost+found"
# What dockcfgd notes beside a backup while it uses it; no part of the backup.
_NOTES = frozenset({MANIFEST, "restored.json", "restoring.json", "staged.json", "disposable"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a backup: its path in the folder, size and SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a complete backup says of itself. `created` is in seconds since 1970.

    `about` says who made it and why, and what is in it by whose choice; `origin` is `migration`,
    `schedule` or `operator`.
    """

    created: float
    engine: str
    api: str
    storage: str
    files: tuple[Entry, ...] = ()
    about: Mapping[str, Json] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """What it was made for."""
        return text(self.about, "origin") or MIGRATION

    def to_json(self) -> Document:
        """Give the manifest as a JSON object."""
        return {
            "schema": SCHEMA,
            "complete": True,
            "created": self.created,
            "engine": self.engine,
            "api": self.api,
            "storage": self.storage,
            "about": dict(self.about),
            "files": [dict(asdict(entry)) for entry in self.files],
        }


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as a list shows it; an incomplete one has no manifest."""

    id: str
    folder: str
    bytes: int
    manifest: Manifest | None

    @property
    def complete(self) -> bool:
        """Whether it can be restored."""
        return self.manifest is not None


def file_name(name: str) -> str:
    """Give the file name for an object's name, which may hold any character and be of any length.

    Names that differ have file names that differ. With what this module puts behind it, it is no
    longer than a filesystem allows.
    """
    quoted = quote(name, safe="")
    if len(quoted) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()
        # No other name has a +, which is quoted.
        return f"{_PART_OF_ESCAPE.sub('', quoted[: _LONGEST - 1 - len(digest)])}+{digest}"
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted


def open_folder(folder: str) -> None:
    """Make a backup's folder and those in it, and their parents; what is there is fine."""
    path = Path(folder)
    with file_failures("make", folder):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in (
            path,
            *(path / sub for sub in ("layers", "containers", "networks", "volumes")),
        ):
            made.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(path)
        _sync_folder(path.parent)


def write_document(folder: str, path: str, document: Mapping[str, Json]) -> None:
    """Write a JSON file."""
    content = json.dumps(dict(document), indent=2, sort_keys=True).encode() + b"\n"
    with _new_file(folder, path) as file:
        file.write(content)


def make_folder(folder: str) -> None:
    """Make a folder for documents, if it is not there."""
    with file_failures("make", folder):
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)


def read_document(folder: str, path: str) -> Document:
    """Read a JSON file of a backup; FileFailure where it is not there or no object."""
    where = str(Path(folder, path))
    with file_failures("read", where):
        content = Path(where).read_bytes()
    try:
        document = json.loads(content)
    except ValueError as error:
        raise FileFailure(what="read", path=where, errno=0, why=f"no JSON ({error})") from error
    if not isinstance(document, dict):
        raise FileFailure(what="read", path=where, errno=0, why="no JSON object")
    return document


def read_documents(folder: str, kind: str) -> list[Document]:
    """Read all JSON files of one of the folders `containers`, `networks`, `volumes`."""
    with file_failures("list", str(Path(folder, kind))):
        names = sorted(path.name for path in Path(folder, kind).glob("*.json"))
    return [read_document(folder, f"{kind}/{name}") for name in names]


def remove_document(folder: str, path: str) -> None:
    """Remove a JSON file that is no part of the backup; one that is gone is fine."""
    where = Path(folder, path)
    with file_failures("remove", str(where)):
        where.unlink(missing_ok=True)
        _sync_folder(where.parent)


def write_archive(folder: str, path: str, chunks: Iterable[bytes]) -> Entry:
    """Write a compressed archive from a stream; give its size and checksum."""
    with _new_file(folder, path) as file:
        summing = _Summing(file)
        # The next chunk comes while this one is compressed and written.
        with handed_over(lambda given: _compress(given, summing)) as give:
            for chunk in chunks:
                give(chunk)
    return Entry(path, summing.size, summing.sha256())


def write_layer(folder: str, path: str, chunks: Iterable[bytes], *, layers: Sequence[str]) -> Entry:
    """Write a compressed archive of an image that holds the content of its top layer only.

    `layers` are the image's DiffIDs from the lowest. Layers that are not recognised stay in it.
    """
    with _new_file(folder, path) as file:
        try:
            keep_top_layer(chunks, file, compressor=_compressor(), layers=layers)
        except BadArchive as error:
            raise EngineFailure(what=f"save {path}", status=0, why=str(error)) from error
    return _entry(folder, path)


def read_archive(folder: str, entry: Entry) -> Iterator[bytes]:
    """Give a compressed archive's content; FileFailure at its end where the checksum is wrong."""
    where = str(Path(folder, entry.path))
    summing = hashlib.sha256()
    with file_failures("read", where), Path(where).open("rb") as file:
        source = cast("IO[bytes]", _Watched(file, summing))
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        while chunk := _decompressed(reader, where):
            yield chunk
    if summing.hexdigest() != entry.sha256:
        raise FileFailure(what="use", path=where, errno=0, why="its checksum is wrong")


def finish(folder: str, manifest: Manifest, *, known: Iterable[Entry]) -> Manifest:
    """Complete a backup: list its files with checksums (those of `known` are taken as given)."""
    with file_failures("remove", folder):
        for part in Path(folder).rglob(f"*{_PART}"):
            part.unlink()
    sums = {entry.path: entry for entry in known}
    paths = _files(folder)
    files = tuple(sums.get(path) or _entry(folder, path) for path in paths)
    complete = replace(manifest, files=files)
    with file_failures("write", folder):
        for sub in sorted({str(Path(path).parent) for path in paths}):
            _sync_folder(Path(folder, sub))
    write_document(folder, MANIFEST, complete.to_json())
    return complete


def read_manifest(folder: str) -> Manifest:
    """Read the manifest; FileFailure where the backup is incomplete or of a later format."""
    document = read_document(folder, MANIFEST)
    where = str(Path(folder, MANIFEST))
    if document.get("schema") != SCHEMA or document.get("complete") is not True:
        raise FileFailure(
            what="use", path=where, errno=0, why=f"no complete backup of schema {SCHEMA}"
        )
    created = document.get("created")
    return Manifest(
        created=float(created) if isinstance(created, int | float) else 0.0,
        engine=text(document, "engine"),
        api=text(document, "api"),
        storage=text(document, "storage"),
        files=tuple(
            Entry(text(entry, "path"), number(entry, "size"), text(entry, "sha256"))
            for entry in tables(document, "files")
        ),
        about=table(document, "about"),
    )


def verify(folder: str, *, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Read a complete backup through; give what is wrong with it, one line for each file.

    `only` are the paths to look at, None for all.
    """
    complaints = []
    for entry in read_manifest(folder).files:
        if only is not None and entry.path not in only:
            continue
        where = Path(folder, entry.path)
        if not where.is_file():
            complaints.append(f"{where}: missing")
        elif where.stat().st_size != entry.size:
            complaints.append(f"{where}: {where.stat().st_size} bytes instead of {entry.size}")
        elif _entry(folder, entry.path).sha256 != entry.sha256:
            complaints.append(f"{where}: its checksum is wrong")
    return tuple(complaints)


def list_backups(directory: str) -> tuple[Backup, ...]:
    """Give the backups below `directory`, newest first, then the incomplete ones.

    One may be under way: its files get their names, and go, meanwhile.
    """
    with file_failures("list", directory):
        paths = (path for path in Path(directory).glob("*") if path.name != _OF_THE_FILESYSTEM)
        folders = [path for path in paths if path.is_dir()]
        found = [_backup(path) for path in folders]
    return tuple(sorted(found, key=_age))


def prune(
    directory: str, *, keep: int, in_use: Sequence[str], origins: Collection[str] = ORIGINS
) -> tuple[str, ...]:
    """Remove complete backups but the newest `keep` of each of the `origins`; give their IDs.

    Those `in_use` and of other origins stay.
    """
    removed: tuple[str, ...] = ()
    for origin in origins:
        found = [
            backup
            for backup in list_backups(directory)
            if backup.manifest is not None and backup.manifest.origin == origin
        ]
        old = [backup for backup in found[max(0, keep) :] if backup.id not in in_use]
        removed += _remove(directory, old)
    return removed


def remove(directory: str, wanted: Collection[str]) -> None:
    """Remove the backups of these IDs, complete or not; what is not there is fine."""
    _remove(directory, [backup for backup in list_backups(directory) if backup.id in wanted])


def remove_incomplete(directory: str, wanted: str) -> None:
    """Remove the backup of this ID unless it is complete; nothing there is fine."""
    where = Path(directory, wanted)
    if where.is_dir() and not (where / MANIFEST).exists():
        _remove(directory, [Backup(wanted, str(where), 0, None)])


class _Summing:
    """A file being written, with the checksum of what went into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._sum.update(data)
        self.size += len(data)
        return self._file.write(data)

    def sha256(self) -> str:
        return self._sum.hexdigest()


class _Watched:
    """A file being read, with the checksum of what came out of it."""

    def __init__(self, file: IO[bytes], summing: hashlib._Hash) -> None:
        self._file = file
        self._sum = summing

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sum.update(data)
        return data


def _compress(chunks: Iterable[bytes], summing: _Summing) -> None:
    output = cast("IO[bytes]", summing)
    # Large pieces: between them this thread and the one that reads take turns.
    with _compressor().stream_writer(output, write_size=_CHUNK, closefd=False) as compressed:
        for chunk in chunks:
            compressed.write(chunk)


def _compressor() -> zstandard.ZstdCompressor:
    # Each job has buffers of its own; those of 1 MiB compress as well as the default, 2 to 8.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, threads=min(4, os.cpu_count() or 1), job_size=_CHUNK
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def _decompressed(reader: zstandard.ZstdDecompressionReader, where: str) -> bytes:
    try:
        return reader.read(_CHUNK)
    except zstandard.ZstdError as error:
        raise FileFailure(what="read", path=where, errno=0, why=str(error)) from error


def _backup(path: Path) -> Backup:
    size = sum(_sizes(path))
    try:
        manifest = read_manifest(str(path))
    except FileFailure:
        manifest = None
    return Backup(path.name, str(path), size, manifest)


def _sizes(folder: Path) -> Iterator[int]:
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                yield os.lstat(f"{path}/{name}").st_size


def _age(backup: Backup) -> tuple[bool, float, str]:
    created = backup.manifest.created if backup.manifest else 0.0
    return backup.manifest is None, -created, backup.id


def _remove(directory: str, backups: Sequence[Backup]) -> tuple[str, ...]:
    for backup in backups:
        with file_failures("remove", backup.folder):
            # Without its manifest a half removed backup is none.
            Path(backup.folder, MANIFEST).unlink(missing_ok=True)
            _sync_folder(Path(backup.folder))
            shutil.rmtree(backup.folder)
    if backups:
        _sync_folder(Path(directory))
    return tuple(backup.id for backup in backups)


def _files(folder: str) -> list[str]:
    top = Path(folder)
    with file_failures("list", folder):
        paths = [path.relative_to(top) for path in top.rglob("*") if path.is_file()]
    return sorted(
        str(path) for path in paths if path.parts[0] not in _NOTES and path.suffix != _PART
    )


def _entry(folder: str, path: str) -> Entry:
    where = Path(folder, path)
    with file_failures("read", str(where)), where.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Entry(path, file.tell(), digest.hexdigest())


@contextlib.contextmanager
def _new_file(folder: str, path: str) -> Iterator[IO[bytes]]:
    """Give a file that appears at `path`, whole and durable, when the block ends well."""
    target = Path(folder, path)
    part = target.with_name(target.name + _PART)
    with file_failures("write", str(target)):
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w+b") as file:  # noqa: PTH123 -- a descriptor with the right mode
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        _sync_folder(target.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
