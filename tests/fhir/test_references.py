"""References found and made literal, whatever their spelling, and nothing else touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.fhir import references, wire

LINKS = {"urn:uuid:1": "Patient/p1", "http://h.org/Patient/p1": "Patient/p1"}

RELINKED = [
    (b'{"reference":"urn:uuid:1"}', b'{"reference":"Patient/p1"}'),
    (b'{"reference" :\n "urn:uuid:1" , "x": 1.10}', b'{"reference":"Patient/p1","x":1.10}'),
    (b'{"reference":"http:\\/\\/h.org\\/Patient\\/p1"}', b'{"reference":"Patient/p1"}'),
    (b'{"\\u0072eference":"urn:uuid:1"}', b'{"reference":"Patient/p1"}'),
    (b'{"a":[{"x": [ 1.10 ]},{"reference":"urn:uuid:1"}]}',
     b'{"a":[{"x": [ 1.10 ]},{"reference":"Patient/p1"}]}'),
    (b'{"x":"\\\\","reference":"urn:uuid:1"}', b'{"x":"\\\\","reference":"Patient/p1"}'),
]  # fmt: skip
LEFT_ALONE = [
    b'{"reference" : "urn:uuid:12"}',
    b'{ "uri":"urn:uuid:1"}',
    b'["reference", "urn:uuid:1"]',
    b'{"reference": {"reference": 1}}',
    b'{"text":"\\"reference\\":\\"urn:uuid:1\\""}',
    b'{"a\\"reference" : "urn:uuid:1"}',
]


@pytest.mark.parametrize(("raw", "expected"), RELINKED)
def test_a_reference_is_replaced_in_any_spelling(raw: bytes, expected: bytes) -> None:
    assert references.relinked(raw, LINKS) == expected


@pytest.mark.parametrize("raw", LEFT_ALONE)
def test_what_is_no_such_reference_stays_byte_for_byte(raw: bytes) -> None:
    assert references.relinked(raw, LINKS) == raw


def test_the_references_of_a_resource_are_listed_with_their_places() -> None:
    resource = {"a": {"reference": "x"}, "b": [{"reference": "y"}, {"c": {"reference": "x"}}]}
    stated = references.stated(resource)
    assert set(stated) == {"x", "y"}
    places = sorted(references.expression(path) for path in stated["x"])
    assert places == [".a.reference", ".b[1].c.reference"]


def _trees() -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(["urn:uuid:1", "other", 1, None])
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["reference", "a", "b"]), inner, max_size=3)
        ),
    )


@given(tree=_trees())
def test_text_and_value_are_relinked_alike(tree: Any) -> None:
    before = wire.encode(tree)
    assert wire.decode(references.relinked(before, LINKS)) == references.resolved(tree, LINKS)
    assert wire.encode(tree) == before
