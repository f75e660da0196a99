"""Owners of files in a data-root whose containers get other users of the host.

What a container sees as user 0 is user `before` of the host until now, and `after` from then on. In
the containers' own files all owners move, in ACLs and capabilities too; of what the engine keeps
for itself only the group of the folders above them, which containers' processes pass through.
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dockcfgd.layers.attributes import Attributes
from dockcfgd.model.errors import FileFailure

__all__ = ["Misfit", "NoPlace", "Owners", "is_content"]

_CONTENT = re.compile(
    rb"(?:overlay2|fuse-overlayfs)/[^/]+/(?:diff|work|merged)|vfs/dir/[^/]+|volumes/[^/]+/_data"
)
_ABOVE = re.compile(
    rb"|overlay2|overlay2/(?!l$)[^/]+|vfs|vfs/dir|containers|containers/[^/]+|containers/[^/]+/mounts"
)
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_CAPABILITY = "security.capability"
_NAMED = {0x02: "user", 0x08: "group"}
_ACL_HEAD, _ACL_ENTRY = 4, struct.Struct("<HHI")
_VERSION_2, _VERSION_3, _VERSION = 0x02000000, 0x03000000, 0xFF000000
_LENGTH_2, _LENGTH_3 = 20, 24


class NoPlace(Exception):
    """A file belongs to somebody for whom there is no user of the host."""


class Misfit(FileFailure):
    """A file cannot be what it would have to be, whatever the host is like at another time."""


def is_content(path: bytes) -> bool:
    """Whether a folder and all below it is what containers see."""
    return _CONTENT.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class _Range:
    before: int
    after: int
    count: int

    def shifted(self, identity: int) -> int:
        inside = self.before <= identity < self.before + self.count
        if not inside and self.before == 0:
            raise NoPlace(
                f"its owner {identity} has no place among the {self.count} that containers get"
            )
        # Else it was never a container's: a user of the host.
        return identity - self.before + self.after if inside else identity


class Owners:
    """The move that six numbers tell: before, after and count of users, the same of groups."""

    def __init__(self, shift: Sequence[int]) -> None:
        self._users, self._groups = _Range(*shift[:3]), _Range(*shift[3:])

    def of_content(self, attributes: Attributes) -> Attributes:
        """Give the attributes of a container's file; NoPlace."""
        return replace(
            attributes,
            uid=self._users.shifted(attributes.uid),
            gid=self._groups.shifted(attributes.gid),
            xattrs={name: self._told(name, one) for name, one in attributes.xattrs.items()},
        )

    def of_engine(self, path: bytes, attributes: Attributes) -> Attributes:
        """Give the attributes of what the engine keeps for itself."""
        users, groups = self._users, self._groups
        if not stat.S_ISDIR(attributes.mode) or not _ABOVE.fullmatch(path):
            # Files that a start gives to the containers' root are the engine's again.
            uid = users.shifted(attributes.uid) if users.before else attributes.uid
            gid = groups.shifted(attributes.gid) if groups.before else attributes.gid
            return replace(attributes, uid=uid, gid=gid)
        mode = attributes.mode | (0o010 if groups.after else 0)
        inside = attributes.gid == groups.before
        return replace(attributes, mode=mode, gid=groups.after if inside else attributes.gid)

    def _told(self, name: str, value: bytes) -> bytes:
        if name in _ACLS:
            return self._acl(value)
        if name == _CAPABILITY:
            return self._capability(value)
        return value

    def _acl(self, value: bytes) -> bytes:
        entries = b""
        for tag, permissions, identity in _ACL_ENTRY.iter_unpack(value[_ACL_HEAD:]):
            named = _NAMED.get(tag)
            whose = self._users if named == "user" else self._groups
            moved = whose.shifted(identity) if named else identity
            entries += _ACL_ENTRY.pack(tag, permissions, moved)
        return value[:_ACL_HEAD] + entries

    def _capability(self, value: bytes) -> bytes:
        magic = int.from_bytes(value[:4], "little")
        if magic & _VERSION != _VERSION_3 or len(value) != _LENGTH_3:
            return value
        root = self._users.shifted(int.from_bytes(value[_LENGTH_2:], "little"))
        if root:
            return value[:_LENGTH_2] + root.to_bytes(4, "little")
        plain = magic & ~_VERSION | _VERSION_2
        return plain.to_bytes(4, "little") + value[4:_LENGTH_2]
