from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockcfgd.adapters.protobuf import decoded, encoded, inner, number, texts


def test_bytes_are_those_of_the_specification() -> None:
    # https://protobuf.dev/programming-guides/encoding: 150 in field 1, "testing" in field 2.
    assert encoded((1, 150)) == bytes.fromhex("089601")
    assert encoded((2, "testing")) == bytes.fromhex("120774657374696e67")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**20),
            st.one_of(
                st.integers(1, 2**63), st.text(min_size=1), st.binary(min_size=1, max_size=300)
            ),
        )
    )
)
def test_what_is_written_is_read(fields: list[tuple[int, int | str | bytes]]) -> None:
    found = decoded(encoded(*fields))
    for key in {key for key, _ in fields}:
        values = [value for other, value in fields if other == key]
        assert found[key] == [v.encode() if isinstance(v, str) else v for v in values]


def test_empty_fields_are_left_out_and_read_as_nothing() -> None:
    assert encoded((1, ""), (2, 0), (3, b"")) == b""
    assert (texts({}, 1), inner({}, 1), number({}, 1)) == ([], [], 0)


def test_fields_of_fixed_length_are_passed_over() -> None:
    message = bytes.fromhex("0d01020304110102030405060708") + encoded((3, "here"))
    assert texts(decoded(message), 3) == ["here"]


def test_messages_lie_in_messages() -> None:
    lease = encoded((1, "one"), (3, encoded((1, "key"), (2, "value"))))
    found = inner(decoded(encoded((1, lease), (1, encoded((1, "two"))))), 1)
    assert [texts(one, 1) for one in found] == [["one"], ["two"]]
    assert [texts(one, 2) for one in inner(found[0], 3)] == [["value"]]


@pytest.mark.parametrize("broken", ["08", "0a05616263", "0b", "12ff"])
def test_broken_messages_are_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"message|field"):
        decoded(bytes.fromhex(broken))
