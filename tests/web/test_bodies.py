"""What may be sent, in which form, and what is said of everything else."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from refnot_fhir.fhir import wire
from tests.door import (
    FHIR_JSON,
    Door,
    batch,
    content,
    issues,
    lab,
    open_door,
    patient,
    places,
    said,
    statuses,
    transaction,
    zipped,
)

SOUND = wire.encode(transaction(patient(), lab()))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
        "application/json; charset=utf-8",
        "application/json+fhir",
        "text/json",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "",
    ],
)
def test_json_is_taken_whatever_an_engine_calls_it(door: Door, content_type: str) -> None:
    answer = door.send("POST", "", SOUND, content_type=content_type)
    assert statuses(answer) == ["201 Created", "201 Created"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(SOUND, mtime=0), {"Content-Encoding": "gzip"}),
        (gzip.compress(SOUND, mtime=0), {"Content-Encoding": " GZIP "}),
        (
            gzip.compress(SOUND[:40], mtime=0) + gzip.compress(SOUND[40:], mtime=0),
            {"Content-Encoding": "x-gzip"},
        ),
        (zlib.compress(SOUND), {"Content-Encoding": "deflate"}),
        (SOUND, {"Content-Encoding": "identity"}),
        (b"\xef\xbb\xbf" + SOUND, {}),
        (b"\n\t " + SOUND + b"\r\n", {}),
    ],
)
def test_packed_and_marked_bodies_are_unpacked(
    door: Door, body: bytes, headers: dict[str, str]
) -> None:
    assert statuses(door.send("POST", "", body, headers)) == ["201 Created", "201 Created"]


def test_a_byte_order_mark_is_not_kept(door: Door) -> None:
    sent = wire.encode(patient())
    door.send("PUT", "Patient/p1", b"\xef\xbb\xbf" + sent)
    assert content(door.get("Patient/p1"))["birthDate"] == "1970-03-01"
    assert door.send("PUT", "Patient/p1", sent).status_code == 200


MANY = b'{"resourceType":"Patient",' + b",".join(b'"k%d":1' % n for n in range(10**6)) + b"}"
DEEP = b'{"resourceType":"Patient","name":' + b"[" * 200 + b"]" * 200 + b"}"
REFUSED: list[tuple[str, bytes, dict[str, str], int, str, str]] = [
    ("nothing", b"", {}, 400, "empty", ""),
    ("blanks", b" \n ", {}, 400, "empty", ""),
    ("packed nothing", gzip.compress(b"", mtime=0), {"Content-Encoding": "gzip"}, 400, "empty", ""),
    ("words", b"hello", {}, 400, "not JSON", ""),
    ("half", SOUND[:-10], {}, 400, "not JSON", ""),
    ("two", b"{}{}", {}, 400, "not JSON", ""),
    ("an array", b"[]", {}, 400, "not a FHIR resource", ""),
    ("no type", b'{"id":"1"}', {}, 400, "not a FHIR resource", ""),
    ("a type that is a number", b'{"resourceType":1}', {}, 400, "not a FHIR resource", ""),
    ("latin", b'{"resourceType":"Patient","id":"\xe9"}', {}, 400, "", ""),
    ("a key twice", b'{"resourceType":"Patient","id":"1","id":"2"}', {}, 400, "twice", "$"),
    ("NaN", b'{"resourceType":"Patient","x":NaN}', {}, 400, "not JSON", ""),
    ("Infinity", b'{"resourceType":"Patient","x":Infinity}', {}, 400, "not JSON", ""),
    ("a huge number", b'{"resourceType":"Patient","id":1e400}', {}, 400, "number", "Patient.id"),
    ("a long number", b'{"resourceType":"Patient","name":[' + b"1" * 101 + b"]}", {}, 400, "number",
     "Patient.name[0]"),
    ("depth", DEEP, {}, 400, "nested", "Patient.name"),
    ("a million keys", MANY, {}, 400, "more than 100000 values", ""),
    ("a depth of 100,000", b'{"x":' * 10**5, {}, 400, "nested", ""),
    ("a million digits", b'{"x":' + b"9" * 10**6 + b"}", {}, 400, "number", ""),
    ("an exponent", b'{"x":1e999999999}', {}, 400, "number", ""),
    ("half a surrogate", b'{"x":"\\ud800"}', {}, 400, "not JSON", ""),
    ("XML", b'<Bundle xmlns="http://hl7.org/fhir"/>', {}, 415, "XML", ""),
    ("XML after a mark", b'\xef\xbb\xbf<?xml version="1.0"?><x/>', {}, 415, "XML", ""),
    ("damaged gzip", b"not gzip", {"Content-Encoding": "gzip"}, 400, "not valid gzip", ""),
    (
        "half of gzip", gzip.compress(SOUND, mtime=0)[:-12], {"Content-Encoding": "gzip"}, 400,
        "too early", "",
    ),
    ("gzip and more", gzip.compress(SOUND, mtime=0) + b"more", {"Content-Encoding": "gzip"}, 400,
     "not valid gzip", ""),
    ("an unknown coding", SOUND, {"Content-Encoding": "br"}, 415, "gzip", ""),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body", "headers", "status", "words", "place"), REFUSED)
def test_a_body_that_cannot_be_read_is_refused_with_its_reason_and_place(
    door: Door,
    what: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    words: str,
    place: str,
) -> None:
    for path in ("", "Patient"):
        answer = door.send("POST", path, body, headers)
        assert answer.status_code == status, (what, answer.text)
        assert words in said(answer)
        assert issues(answer)[0]["severity"] == "error"
        if place:
            assert places(answer)[0].startswith(place)
    assert set(door.rows().values()) == {0}


@pytest.mark.parametrize(
    "content_type",
    ["application/fhir+xml", "application/xml", "text/xml", "text/html", "multipart/form-data"],
)
def test_other_content_types_are_refused_by_name(door: Door, content_type: str) -> None:
    answer = door.send("POST", "", SOUND, content_type=content_type)
    assert answer.status_code == 415
    assert content_type in said(answer)
    assert issues(answer)[0]["code"] == "not-supported"


def test_a_body_over_the_limit_is_refused_before_and_after_unpacking(tmp_path: Path) -> None:
    with open_door(tmp_path, max_body_bytes=2000) as door:
        large = transaction(patient(name=[{"text": "x" * 5000}]))
        plain = door.post("", large)
        assert plain.status_code == 413
        assert "smaller bundles" in said(plain)
        packed = door.send("POST", "", zipped(large), {"Content-Encoding": "gzip"})
        assert packed.status_code == 413
        assert issues(packed)[0]["code"] == "too-long"
        streamed = door.send(
            "POST", "", None, {"Transfer-Encoding": "chunked"}, content_type=FHIR_JSON,
            input_stream=BytesIO(wire.encode(large)),
            environ_overrides={"wsgi.input_terminated": True},
        )  # fmt: skip
        assert streamed.status_code == 413
        assert door.post("", batch(patient())).status_code == 200


def test_a_bundle_with_too_many_entries_is_refused(tmp_path: Path) -> None:
    with open_door(tmp_path, max_entries=2) as door:
        refused = door.post("", batch(patient("a"), patient("b"), patient("c")))
        assert refused.status_code == 413
        assert "more than 2 entries" in said(refused)
        assert door.post("", batch(patient("a"), patient("b"))).status_code == 200


WRONG_ADDRESS = [
    ("POST", "Bundle", SOUND, 404, "to the base URL"),
    ("PUT", "Bundle/b1", SOUND, 404, "to the base URL"),
    ("POST", "", wire.encode(patient()), 400, "POST it to /fhir/Patient"),
    ("POST", "Observation", wire.encode(patient()), 400, "the address is that of Observation"),
    ("PUT", "Patient/p2", wire.encode(patient("p1")), 400, "p2"),
    ("PUT", "Patient/p2", wire.encode({"resourceType": "Patient"}), 400, "p2"),
    ("POST", "Encounter", b"{}", 404, "Patient, Observation"),
    ("DELETE", "Encounter/1", None, 404, "Patient, Observation"),
    ("PUT", "Patient/p_2", wire.encode(patient("p_2")), 404, "64 letters"),
    ("PUT", f"Patient/{'x' * 65}", wire.encode(patient("x" * 65)), 404, "64 letters"),
    ("GET", "Encounter/1", None, 404, "Encounter"),
    ("GET", "Encounter?patient=p1", None, 404, "Encounter"),
    ("GET", "Patient/nobody", None, 404, "no Patient/nobody"),
    ("GET", "Patient/nobody/_history/1", None, 404, "of that version"),
    ("GET", "nothing/at/all/here", None, 404, ""),
    ("GET", "/nothing", None, 404, ""),
    ("GET", "/other/fhir/Patient/p1", None, 404, "sites are default, fifth, north"),
    ("POST", "/other/fhir", SOUND, 404, "sites are"),
    ("GET", "/other/fhir/metadata", None, 404, "sites are"),
    ("GET", "/other/fhir/ResearchSubject", None, 404, "sites are"),
    ("GET", "/other/fhir/ResearchStudy/r2", None, 404, "sites are"),
    ("GET", "/other/fhir/CodeSystem", None, 404, "sites are"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), WRONG_ADDRESS)
def test_a_wrong_address_is_answered_with_the_right_one(
    door: Door, method: str, path: str, body: bytes | None, status: int, words: str
) -> None:
    answer = door.send(method, path, body)
    assert (answer.status_code, words in said(answer)) == (status, True), answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "", {"POST"}),
        ("PATCH", "Patient/p1", {"GET", "PUT", "DELETE"}),
        ("POST", "Patient/p1", {"GET", "PUT", "DELETE"}),
        ("DELETE", "Patient", {"GET", "POST", "PUT"}),
        ("POST", "metadata", {"GET"}),
        ("DELETE", "ResearchSubject/s1", {"GET"}),
        ("POST", "ResearchStudy", {"GET"}),
        ("PUT", "ResearchStudy/r2", {"GET"}),
        ("POST", "CodeSystem", {"GET"}),
        ("PUT", "OperationDefinition/x", {"GET"}),
        ("PUT", "ResearchSubject/s1/$screening-report", {"GET", "POST"}),
        ("POST", "/records/dosing", {"GET"}),
    ],
)
def test_a_method_that_is_not_offered_is_answered_with_those_that_are(
    door: Door, method: str, path: str, allowed: set[str]
) -> None:
    body = {"resourceType": path.partition("/")[0]} if method in ("POST", "PUT") else None
    answer = door.send(method, path, body)
    assert answer.status_code == 405, answer.text
    assert {one.strip() for one in answer.headers["Allow"].split(",")} >= allowed
    assert issues(answer)[0]["code"] == "not-supported"


@pytest.mark.parametrize(
    "path", ["metadata", "Patient/p1", "Patient?_id=p1", "ResearchSubject", "ResearchStudy/r2"]
)
def test_head_is_get_without_a_body(door: Door, path: str) -> None:
    door.kept(patient())
    head, got = door.send("HEAD", path), door.send("GET", path)
    assert (head.status_code, head.data) == (got.status_code, b"")
    assert head.headers.get("ETag") == got.headers.get("ETag")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_options_says_what_is_offered(door: Door) -> None:
    answer = door.send("OPTIONS", "Patient/p1")
    assert answer.status_code == 200
    assert {"GET", "PUT", "DELETE"} <= {one.strip() for one in answer.headers["Allow"].split(",")}


@pytest.mark.parametrize("path", ["/fhir", "/fhir/", "/north/fhir", "/north/fhir/"])
def test_the_base_with_and_without_a_slash_is_one_address(door: Door, path: str) -> None:
    assert door.send("POST", path, SOUND).status_code == 200


def test_every_answer_forbids_what_it_does_not_need(door: Door) -> None:
    for path in ("metadata", "Patient/nobody", "/", "/health/live"):
        headers = door.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert door.get("metadata").headers["Content-Type"].startswith(FHIR_JSON)
