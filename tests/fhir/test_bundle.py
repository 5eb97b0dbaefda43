from __future__ import annotations

import pytest

from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir import bundle
from refnot_fhir.fhir.issues import Severity, information, issue, outcome
from tests.fhir.published_builders import BASE, NOW, VERSIONS, assert_valid

PATIENT = {"resourceType": "Patient", "id": "p1"}


def asked(method, url, resource=None, full_url="", **request):
    entry = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        entry["resource"] = resource
    if full_url:
        entry["fullUrl"] = full_url
    return entry


def transaction(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def problems(sent, **options):
    with pytest.raises(BadInput) as caught:
        bundle.parse(sent, **options)
    return [(problem.code, problem.expression) for problem in caught.value.problems]


def test_an_entry_says_what_it_asks_for():
    sent = transaction(
        asked("PUT", "Patient/p1", PATIENT, "urn:uuid:a", ifMatch='W/"3"'),
        asked("POST", "Patient", PATIENT, ifNoneExist="identifier=a|b"),
        asked("DELETE", "Observation/o1"),
        asked("PUT", "Patient?identifier=a|b", PATIENT),
    )
    put, post, delete, conditional = bundle.parse(sent)
    assert (put.method, put.type, put.id, put.if_match) == ("PUT", "Patient", "p1", 3)
    assert (put.full_url, put.resource, put.target) == ("urn:uuid:a", PATIENT, "Patient/p1")
    assert (post.type, post.id, post.if_none_exist) == ("Patient", "", "identifier=a|b")
    assert (delete.method, delete.target, delete.resource) == ("DELETE", "Observation/o1", None)
    assert (conditional.search, conditional.target) == ("identifier=a|b", "")
    assert [entry.index for entry in (put, post, delete, conditional)] == [0, 1, 2, 3]


def test_a_bundle_without_entries_asks_for_nothing():
    assert bundle.parse({"resourceType": "Bundle", "type": "transaction"}) == ()


@pytest.mark.parametrize(
    ("entry", "expected", "why"),
    [
        ({"resource": PATIENT}, ("required", "request"), "no request"),
        (asked("SEND", "Patient/p1"), ("code-invalid", "request.method"), "no such method"),
        (asked("PATCH", "Patient/p1"), ("not-supported", "request.method"), "not offered"),
        (asked("GET", "Patient/p1"), ("not-supported", "request.method"), "a read"),
        (asked("POST", "Patient"), ("required", "resource"), "nothing to create"),
        (asked("PUT", "Patient/p1"), ("required", "resource"), "nothing to write"),
        (asked("POST", "Patient/p1", PATIENT), ("value", "request.url"), "POST with an id"),
        (asked("POST", "Patient?a=b", PATIENT), ("value", "request.url"), "POST with a query"),
        (asked("PUT", "Patient", PATIENT), ("value", "request.url"), "PUT of nothing"),
        (asked("DELETE", "Patient"), ("value", "request.url"), "DELETE of everything"),
        (asked("POST", "Observation", PATIENT), ("invalid", "resource"), "another type"),
        (asked("PUT", "Patient/p2", PATIENT), ("invalid", "resource.id"), "another id"),
        (asked("PUT", "Patient/p1/x", PATIENT), ("value", "request.url"), "not an address"),
        (asked("PUT", "", PATIENT), ("value", "request.url"), "no address"),
        (asked("PUT", "http://other.org/Patient/p1", PATIENT), ("value", "request.url"), "abroad"),
    ],
)
def test_a_wrong_entry_refuses_the_transaction_and_is_named(entry, expected, why):
    code, place = expected
    fine = asked("POST", "Patient", {"resourceType": "Patient"})
    assert (code, f"Bundle.entry[1].{place}") in problems(transaction(fine, entry)), why


def test_every_wrong_entry_is_named_at_once():
    found = problems(transaction({}, asked("POST", "Patient"), asked("GET", "Patient")))
    assert [place for _, place in found] == [
        "Bundle.entry[0].request",
        "Bundle.entry[1].resource",
        "Bundle.entry[2].request.method",
    ]


def test_in_a_batch_only_the_wrong_entry_has_problems():
    sent = transaction(
        asked("GET", "Patient?_id=p1"),
        asked("POST", "Patient"),
        asked("GET", "Patient/p1", PATIENT),
        asked("DELETE", "Patient/p1"),
        asked("DELETE", "Patient/p1"),
        kind="batch",
    )
    found = [[problem.code for problem in entry.problems] for entry in bundle.parse(sent)]
    assert found == [[], ["required"], ["invalid"], [], []]


def test_one_resource_may_be_written_once_in_a_transaction():
    sent = transaction(asked("DELETE", "Patient/p1"), asked("PUT", "Patient/p1", PATIENT))
    assert problems(sent) == [("duplicate", "Bundle.entry[1].request.url")]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_full_url_names_one_entry(kind):
    fine = {"resourceType": "Patient"}
    sent = transaction(
        asked("POST", "Patient", fine, "urn:uuid:a"),
        asked("POST", "Patient", fine, "urn:uuid:a"),
        kind=kind,
    )
    expected = [("duplicate", "Bundle.entry[1].fullUrl")]
    if kind == "transaction":
        assert problems(sent) == expected
    else:
        found = [(t.code, t.expression) for entry in bundle.parse(sent) for t in entry.problems]
        assert found == expected


@pytest.mark.parametrize("url", [f"{BASE}/Patient/p1", "/Patient/p1", "Patient/p1"])
def test_an_absolute_url_of_this_service_is_understood(url):
    (entry,) = bundle.parse(transaction(asked("PUT", url, PATIENT)), base=BASE + "/")
    assert entry.target == "Patient/p1"


@pytest.mark.parametrize(
    "kind",
    ["document", "message", "collection", "searchset", "history", "batch-response", "x", None],
)
def test_other_bundles_are_refused_with_a_way_out(kind):
    with pytest.raises(BadInput) as caught:
        bundle.parse({"resourceType": "Bundle", "type": kind})
    (problem,) = caught.value.problems
    assert problem.expression == "Bundle.type"
    assert "transaction" in problem.message or "batch" in problem.message


def test_a_single_resource_is_sent_to_its_own_address():
    with pytest.raises(BadInput, match="address of its type"):
        bundle.parse(PATIENT)


@pytest.mark.parametrize(
    ("entries", "expected", "why"),
    [
        ([("POST", "urn:uuid:a")], {"urn:uuid:a": 0}, "the usual case"),
        ([("POST", "")], {}, "no name to refer to it by"),
        (
            [("POST", "http://h.org/fhir/Patient/1")],
            {"http://h.org/fhir/Patient/1": 0, "Patient/1": 0},
            "an address can be meant by its relative form",
        ),
        (
            [("PUT", "http://h.org/fhir/Patient/1")],
            {"http://h.org/fhir/Patient/1": 0},
            "the relative form is right already",
        ),
        (
            [("POST", "http://h.org/Patient/1"), ("POST", "http://i.org/Patient/1")],
            {"http://h.org/Patient/1": 0, "http://i.org/Patient/1": 1},
            "the relative form is ambiguous",
        ),
    ],
)
def test_entries_are_meant_by_their_full_urls(entries, expected, why):
    made = [
        bundle.Entry(index, method, full_url=url) for index, (method, url) in enumerate(entries)
    ]
    assert bundle.aliases(made) == expected, why


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_an_answer_is_valid_in_every_version(kind, version):
    written = bundle.response(
        kind,
        [
            bundle.answer(
                "201 Created",
                location="Patient/9/_history/1",
                etag='W/"1"',
                last_modified=NOW,
                outcome=outcome([information("kept")]),
            ),
            bundle.answer("200 OK", resource=PATIENT),
            bundle.answer("204 No Content"),
        ],
    )
    assert_valid(written, version)
    assert written["type"] == f"{kind}-response"
    assert written["entry"][0]["response"]["lastModified"] == "2026-05-20T09:30:00+00:00"
    assert written["entry"][2] == {"response": {"status": "204 No Content"}}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_of_results_is_valid_in_every_version(version):
    warned = outcome([issue(Problem("not-supported", "not known"), Severity.WARNING)])
    written = bundle.searchset(
        [PATIENT],
        base=BASE,
        self_url=f"{BASE}/Patient?_id=p1",
        next_url=f"{BASE}/Patient?_id=p1&_after=2",
        total=7,
        included=[{"resourceType": "Patient", "id": "p2"}],
        outcome=warned,
        outcome_id=lambda: "61ebe359-bfdc-4613-8bf2-c5e300945f0a",
    )
    assert_valid(written, version)
    assert [entry["search"]["mode"] for entry in written["entry"]] == [
        "match",
        "include",
        "outcome",
    ]
    assert written["entry"][0]["fullUrl"] == f"{BASE}/Patient/p1"
    assert written["entry"][2]["fullUrl"] == "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    assert [link["relation"] for link in written["link"]] == ["self", "next"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_result_says_how_many_it_is(version):
    written = bundle.searchset([], base=BASE, self_url=f"{BASE}/Patient?_id=x", total=0)
    assert_valid(written, version)
    assert written["total"] == 0
    assert "entry" not in written
