"""Protocol Buffers' wire format, as far as containerd's messages need it.

https://protobuf.dev/programming-guides/encoding: a field is its number and kind, then its value.
Fields that a release does not know are left out by whoever reads, so that no schema is needed.
Rejected: the generated code and its library, for nine messages of texts and numbers.
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Fields", "decoded", "encoded", "inner", "number", "texts"]

# The values of each field by its number, in the order in which they came.
Fields: TypeAlias = dict[int, list[bytes | int]]

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FIXED = {_FIXED_64: 8, _FIXED_32: 4}


def encoded(*fields: tuple[int, str | bytes | int]) -> bytes:
    """Give a message of these numbered fields; one that is empty or 0 is left out."""
    return b"".join(_field(number_, value) for number_, value in fields if value)


def decoded(message: bytes) -> Fields:
    """Give the fields of a message. ValueError where it is none."""
    found: Fields = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value: bytes | int
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _BYTES or kind in _FIXED:
            size, at = _varint(message, at) if kind == _BYTES else (_FIXED[kind], at)
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(f"no known kind of field: {kind}")
        if at > len(message):
            raise ValueError("the message ends in the middle of a field")
        found.setdefault(key >> 3, []).append(value)
    return found


def texts(fields: Fields, number_: int) -> list[str]:
    """Give all texts of a field."""
    return [value.decode() for value in fields.get(number_, ()) if isinstance(value, bytes)]


def inner(fields: Fields, number_: int) -> list[Fields]:
    """Give all messages of a field."""
    return [decoded(value) for value in fields.get(number_, ()) if isinstance(value, bytes)]


def number(fields: Fields, number_: int) -> int:
    """Give the number of a field, 0 where it is not there."""
    last = fields.get(number_, [0])[-1]
    return last if isinstance(last, int) else 0


def _field(number_: int, value: str | bytes | int) -> bytes:
    if isinstance(value, int):
        return _written(number_ << 3 | _VARINT) + _written(value)
    content = value.encode() if isinstance(value, str) else value
    return _written(number_ << 3 | _BYTES) + _written(len(content)) + content


def _written(value: int) -> bytes:
    pieces = bytearray()
    while value > 0x7F:  # noqa: PLR2004 -- seven bits a byte, the eighth says that more come
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        piece = message[at]
        value |= (piece & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not piece & 0x80:
            return value, at
    raise ValueError("the message ends in the middle of a number")
