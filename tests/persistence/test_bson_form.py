"""Records as documents of MongoDB, and back."""

import bson
import orjson
import pytest
from bson.decimal128 import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.persistence.envelope import sealed
from backtestkit_cli.persistence.shelves.bson_form import content_of, fields
from backtestkit_cli.ports import Json

NAMES = st.text("ab$.%\x00024E5é🚀", max_size=5)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.sampled_from([0, 0.0, -0.0, 1, 1.0, 2**63, 5e-324]) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def kept(content: bytes) -> bytes:
    """Return what is found where *content* was kept."""
    return content_of(bson.decode(bson.encode({"_id": "x", **fields(content)})))


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_record_comes_back_to_the_last_byte_from_fields_that_can_be_asked_for(record: Json) -> None:
    content = sealed(record, "here")
    assert set(fields(content)) == {"version", "record"}
    assert kept(content) == content


@given(st.binary() | st.builds(orjson.dumps, VALUES))
def test_whatever_else_is_kept_comes_back_to_the_last_byte(content: bytes) -> None:
    assert kept(content) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": 1, "record": {}}',
        b'{"version":1,"record":{"a":1,"a":2}}\n',
        b'{"record":{},"version":1}\n',
        b'{"version":1,"record":{"n":1.10}}\n',
        b'{"version":1,"record":' + b'{"a":' * 120 + b"1" + b"}" * 121 + b"\n",
    ],
)
def test_what_would_not_come_back_the_same_is_kept_as_bytes(content: bytes) -> None:
    assert fields(content) == {"content": content}
    assert kept(content) == content


def test_names_and_numbers_that_mongodb_has_no_place_for_are_written_otherwise() -> None:
    record: Json = {"fee.maker": 1, "$set": 2, "a$": 3, "": 4, "%": 5, "n\0": 6, "large": 2**64 - 1, "whole": 100.0}
    assert fields(sealed(record, "here"))["record"] == {
        "fee%2Emaker": 1,
        "%24set": 2,
        "a$": 3,
        "%": 4,
        "%25": 5,
        "n%00": 6,
        "large": Decimal128("18446744073709551615"),
        "whole": 100.0,
    }
