"""JSON read and written exactly, and what is refused at the door."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.errors import BadInput
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.wire import DEEPEST, decode, encode, raw_entries, with_members
from tests.fhir.hl7_packages import synthea_bundles

REFUSED: list[tuple[bytes, str, str, str | None]] = [
    (b"", "structure", "not JSON", ""),
    (b"{", "structure", "not JSON", ""),
    (b"{} x", "structure", "not JSON", ""),
    (b'{"code": NaN}', "structure", "not JSON", ""),
    (b'{"code": -Infinity}', "structure", "not JSON", ""),
    (b'{"code": 01}', "structure", "not JSON", ""),
    (b'"\xff"', "structure", "not UTF-8", ""),
    (b'"\xed\xa0\x80"', "structure", "not UTF-8", ""),
    (b'"\\ud800"', "structure", "not JSON", ""),
    (b'"\\udc00\\ud800"', "structure", "not JSON", ""),
    (b'{"code": "\x00"}', "structure", "not JSON", ""),
    (b'{"code": ["x\\u0000"]}', "value", "NUL", "$.code[0]"),
    (b'{"a\\u0000": 1}', "value", "NUL", "$"),
    (b'{"code": 1e400}', "value", "number", "$.code"),
    (b'{"code": 1e-400}', "value", "number", "$.code"),
    (b'{"code": [1.5, 1e999999999]}', "value", "number", "$.code[1]"),
    (b"1e99999999999999999999", "value", "number", "$"),
    (b'{"code": ' + b"9" * 1000 + b"}", "value", "number", "$.code"),
    (b'{"code": ' + b"9" * 10**6 + b"}", "value", "number", "$.code"),
    (b'{"code": 0.' + b"9" * 10**6 + b"}", "value", "number", "$.code"),
    (b'{"code": 1e400, "text": ' + b"[" * 90_000 + b"}", "value", "number", ""),
    (b"[" * 10**5, "too-costly", "nested deeper than 64", ""),
    (b'{"code":' * 10**5, "too-costly", "nested deeper than 64", ""),
    (b'{"code": 1, "code": 1}', "structure", '"code" stands twice', "$"),
    (b'{"code": 1, "\\u0063ode": 2}', "structure", '"code" stands twice', "$"),
    (b'{"code" :1, "code" :2, "text":"\\":"}', "structure", '"code" stands twice', "$"),
    (b'{"code"\n:1, "code"\t:2, "text":"\\":"}', "structure", '"code" stands twice', "$"),
    (
        b'{"code" : [{"text":\n1,"id":2,"text" :1}]}',
        "structure",
        '"text" stands twice',
        "$.code[0]",
    ),
    (
        b'{"resourceType":"Patient","name":[{"family":"A","given":["\\":"],"family":"B"}]}',
        "structure",
        '"family" stands twice',
        "Patient.name[0]",
    ),
]


@pytest.mark.parametrize(("body", "code", "words", "where"), REFUSED)
def test_a_body_is_refused_with_its_reason_and_place(
    body: bytes, code: str, words: str, where: str
) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        decode(body)
    (problem,) = refused.value.problems
    assert (problem.code, problem.expression) == (code, where)


def _many(count: int) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % number for number in range(count)) + b"}"


def _bundle(*resources: bytes) -> bytes:
    entries = b",".join(b'{"fullUrl":"urn:x","resource":%s}' % one for one in resources)
    return b'{"resourceType":"Bundle","entry":[' + entries + b"]}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (_many(10**6), "a resource has more than 100000 values"),
        (b"[" + b"1," * 10**6 + b"1]", "a resource has more than 100000 values"),
        (_bundle(b"{}", _many(10**6)), "a resource has more than 100000 values"),
        (b'{"entry":7,"x":' + _many(10**6) + b"}", "a resource has more than 100000 values"),
        (b'{"entry":[],"x":' + _many(10**6) + b"}", "a resource has more than 100000 values"),
        (_bundle(*[_many(99_000)] * 31), "the body has more than 3000000 values"),
        (b'{"a":' * 10**6, "a resource has more than 100000 values"),
    ],
    ids=["object", "array", "entry", "no-bundle", "beside", "bundle", "deep"],
)
def test_too_many_values_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        decode(body)
    assert [one.code for one in refused.value.problems] == ["too-costly"]


def test_a_bundle_may_have_more_values_than_a_resource() -> None:
    assert len(decode(_bundle(*[_many(50)] * 20_000))["entry"]) == 20_000


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf{}",
        b'{"a":"\\\\u0000"}',
        b'{"a":"\\":","b":": :","c":"\\" :"}',
        b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
        b"[" * DEEPEST + b"1" + b"]" * DEEPEST,
        b'"\\ud83d\\ude00"',
    ],
)
def test_unusual_but_correct_json_is_read(body: bytes) -> None:
    assert decode(body) == json.loads(body.removeprefix(b"\xef\xbb\xbf"))


def test_one_level_too_many_is_refused_where_it_begins() -> None:
    with pytest.raises(BadInput, match="nested deeper") as refused:
        decode(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))
    (problem,) = refused.value.problems
    assert problem.expression == "$" + "[0]" * DEEPEST


@pytest.mark.parametrize(
    "number",
    [
        b"1.10",
        b"19",
        b"0.30000000000000004",
        b"-0.0",
        b"2.00",
        b"1." + b"3" * 40,
        b"1E-245",
        b"12" * 20,
    ],
)
def test_a_number_keeps_its_digits(number: bytes) -> None:
    body = b'{"value":' + number + b"}"
    assert encode(decode(body)) == body


def test_every_number_with_a_point_is_an_exact_decimal() -> None:
    assert decode(b"[0.1, 1e2, 3]") == [Decimal("0.1"), Decimal(100), 3]
    assert [type(value) for value in decode(b"[0.1, 1e2, 3]")] == [Decimal, Decimal, int]


NAMES = st.text(alphabet='ab":\\\t é', max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | NAMES
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner))


@settings(deadline=None)
@given(TREES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_what_the_standard_library_writes_is_read_the_same(
    tree: Any, indent: Any, ascii_only: bool
) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only, separators=(" , ", " : "))
    assert decode(text.encode()) == tree
    assert decode(encode(tree)) == tree


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, TREES), min_size=1), st.data())
def test_a_key_twice_is_always_found(members: list[tuple[str, Any]], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(members))[0]
    pairs = [*members, (again, data.draw(TREES))]
    escaped = [data.draw(st.booleans()) for _ in pairs]
    body = ",".join(
        f"{_escaped(key) if hidden else json.dumps(key)}: {json.dumps(value)}"
        for (key, value), hidden in zip(pairs, escaped, strict=True)
    )
    with pytest.raises(BadInput, match="twice"):
        decode(b'{"x":{' + body.encode() + b"}}")


def _escaped(key: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in key) + '"'


def test_the_resources_of_a_bundle_are_returned_as_received() -> None:
    first = b'{ "resourceType" : "Patient",\n "x": 1.10 }'
    body = (
        b'\xef\xbb\xbf{"resourceType":"Bundle","entry":[{"resource":'
        + first
        + b'},{"fullUrl":"u"}]}'
    )
    assert raw_entries(body) == (first, None)
    assert raw_entries(b'{"resourceType":"Bundle"}') == ()


@pytest.mark.real_input
def test_the_resources_of_real_bundles_are_returned_as_received() -> None:
    for file, body in synthea_bundles():
        entries = decode(body)["entry"]
        raw = raw_entries(body)
        assert [decode(text or b"null") for text in raw] == [e["resource"] for e in entries], file
        assert all(text is not None and text in body for text in raw)


def test_members_are_set_and_the_others_stay_byte_for_byte() -> None:
    raw = b'{ "resourceType": "Patient", "id" : "old", "x": [ 1.10, "\\u0041" ] }'
    changed = with_members(raw, id=b'"new"', meta=b'{"versionId":"1"}')
    assert changed == (
        b'{"resourceType":"Patient","meta":{"versionId":"1"},"id":"new","x":[ 1.10, "\\u0041" ]}'
    )
    assert with_members(b"{}", id=b'"a"') == b'{"id":"a"}'


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("4.0", Version.R4),
        ("4.0.1", Version.R4),
        (" 4.3", Version.R4B),
        ('"5.0"', Version.R5),
        ("5.0.0", Version.R5),
        ("3.0", None),
        ("4", None),
        ("", None),
    ],
)
def test_a_media_type_names_its_version(text: str, version: Version | None) -> None:
    assert Version.from_mime(text) is version


@pytest.mark.parametrize("version", list(Version))
def test_a_version_is_found_again_by_the_names_it_gives(version: Version) -> None:
    assert Version.from_mime(version.mime) is version
    assert Version.from_mime(version.full) is version
    assert version.full.startswith(version.mime)
