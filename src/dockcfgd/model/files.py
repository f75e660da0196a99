"""What a file was when it was looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ABSENT",
    "Attribute",
    "FileKind",
    "FileState",
    "Ownership",
    "Tag",
    "digest_of",
]


def digest_of(content: bytes) -> str:
    """Give the lower-case hex SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Tag:
    """Identity of a file's content and ownership.

    Two equal tags mean that nobody changed the file in between.

    `digest` is the hex SHA-256 of the content; the empty string stands for a file that is not
    there.
    """

    digest: str
    uid: int = 0
    gid: int = 0
    mode: int = 0


ABSENT = Tag(digest="")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An extended attribute of a file; access lists and security labels are such too."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose a file is and who may use it. `attributes` are ordered by name."""

    uid: int = 0
    gid: int = 0
    mode: int = 0o644
    attributes: tuple[Attribute, ...] = ()


class FileKind(StrEnum):
    """What stands at a path, links followed."""

    REGULAR = "regular"
    ABSENT = "absent"
    DIRECTORY = "directory"
    SPECIAL = "special"
    DANGLING = "dangling"


@dataclass(frozen=True, slots=True)
class FileState:
    """A path, what stands there, and its content (empty unless regular).

    `inode`, `mtime_ns` and `size` are 0 where there is neither file nor folder; they serve to see a
    change cheaply and are not part of the tag. `fresh_mode` is the mode of a file made there.
    """

    path: str
    kind: FileKind
    tag: Tag
    content: bytes = b""
    inode: int = 0
    mtime_ns: int = 0
    size: int = 0
    attributes: tuple[Attribute, ...] = ()
    fresh_mode: int = 0o644

    @property
    def ownership(self) -> Ownership | None:
        """Owner, mode and attributes; None where no regular file stands."""
        if not self.present:
            return None
        return Ownership(self.tag.uid, self.tag.gid, self.tag.mode, self.attributes)

    @property
    def present(self) -> bool:
        """Whether a regular file stands there."""
        return self.kind is FileKind.REGULAR
