"""People state how it is with a criterion, by HTTP and in a bundle; what is missing till then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refnot_fhir.core.rules import Attestable
from refnot_fhir.trial.reassess import everyone
from tests.door import (
    Door,
    Json,
    content,
    eligible,
    lab,
    medicine,
    open_door,
    patient,
    said,
    small_rulebook,
)
from tests.small_rulebook import DECIDABLE, DERIVATIONS, STATED, protocol

BASE = "https://refnot-fhir.example.org/fhir"
MAY = Attestable(frozenset({"investigator"}), 14, not_applicable=True)
R2 = protocol(
    *(replace(one, attestable=MAY) if one.id == "EX09" else one for one in DECIDABLE), STATED,
    derivations=DERIVATIONS,
)  # fmt: skip
BOOK = small_rulebook(protocols={"r2": R2})
STATES: Json = {
    "criterion": "IN06", "verdict": "met", "reason": "form seen", "role": "coordinator",
}  # fmt: skip
TYPES = {"criterion": "Code", "verdict": "Code", "role": "Code", "meaning": "Code",
         "signed": "DateTime", "valid-from": "Date", "valid-until": "Date"}  # fmt: skip


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Door]:
    """A service behind a proxy that names its users, with somebody who lacks a consent."""
    with open_door(tmp_path, rulebook=BOOK, trusted_proxy="127.0.0.1") as door:
        door.kept(*eligible())
        yield door


def parameters(**stated: Any) -> Json:
    found = []
    for name, value in {**STATES, **stated}.items():
        name = name.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            member = f"value{TYPES.get(name, 'String')}"
            part = {"valueReference": {"reference": one}} if name == "evidence" else {member: one}
            found.append({"name": name, **part})
    return {"resourceType": "Parameters", "parameter": found}


def attest(door: Door, user: str = "ivanova", **stated: Any) -> Any:
    path = f"ResearchSubject/{door.subject()['id']}/$attest"
    named = {"X_Forwarded_User": user} if user else {}
    return door.post(path, parameters(**stated), **named)


def responses(door: Door) -> list[Json]:
    found = content(door.get("QuestionnaireResponse?patient=p1"))
    return [one["resource"] for one in found.get("entry", ())]


def test_nobody_decides_in_the_name_of_another_whom_the_proxy_does_not_name(
    proxied: Door,
) -> None:
    path = f"ResearchSubject/{proxied.subject()['id']}/$withdraw"
    actor = {"name": "actor", "valueString": "Dr Petrova"}
    sent = {"resourceType": "Parameters", "parameter": [actor]}
    answer = proxied.post(path, sent, X_Forwarded_User="ivanova")
    assert answer.status_code == 400
    assert "another person than the one whom the proxy names" in answer.text
    assert proxied.subject()["status"] != "withdrawn"


def test_a_statement_of_an_established_person_decides_and_is_kept_as_a_form(proxied: Door) -> None:
    assert proxied.subject()["status"] == "screening"
    answer = attest(proxied)
    assert answer.status_code == 200, answer.text
    report = content(answer)
    assert report["entry"][0]["resource"]["status"] == "eligible"
    assert proxied.verdicts()["IN06"] == "met"
    (kept,) = responses(proxied)
    assert kept["id"].startswith("established-")
    assert kept["author"]["display"] == "ivanova"
    assert kept["questionnaire"] == f"{BASE}/Questionnaire/r2-statements|1"


def test_the_same_statement_again_changes_nothing(proxied: Door) -> None:
    attest(proxied)
    before = proxied.state()
    assert attest(proxied).status_code == 200
    assert proxied.state() == before


def test_a_new_statement_replaces_the_one_before_and_both_stay(proxied: Door) -> None:
    attest(proxied)
    proxied.clock.move(hours=1)
    assert (
        attest(proxied, verdict="unknown", reason="the form is of another study").status_code == 200
    )
    assert (proxied.verdicts()["IN06"], len(responses(proxied))) == ("unknown", 2)
    again = attest(proxied)
    assert (again.status_code, "say when it is signed" in said(again)) == (422, True)
    proxied.clock.move(hours=1)
    signed = proxied.clock.now.isoformat()
    assert attest(proxied, signed=signed).status_code == 200
    assert proxied.verdicts()["IN06"] == "met"


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"criterion": "IN99"}, "allowed are EX09, IN06"),
        ({"criterion": "IN03"}, "allowed are EX09, IN06"),
        ({"verdict": "perhaps"}, "allowed are met, not-met, unknown"),
        ({"verdict": "not-applicable"}, "allowed are met, not-met, unknown"),
        ({"role": "nurse"}, "allowed are coordinator, investigator"),
        ({"meaning": "joke"}, "allowed are judgement, transcription"),
        ({"reason": " "}, "reason must be stated"),
        ({"overrules": "a mistake"}, "nobody may overrule what data say of IN06"),
        ({"signed": "2026-05-21"}, "signed is in the future"),
        ({"valid_until": "2026-06"}, "valid-until is a day"),
        (
            {"valid_from": "2026-06-03", "valid_until": "2026-06-02"},
            "valid-from is after valid-until",
        ),
        ({"valid_until": "2026-05-01"}, "valid-until is before the day of the signature"),
        ({"signed": "1900-01-01"}, "signed is before 2009-06-04, when the study began"),
        ({"evidence": ["Observation/nowhere"]}, "the evidence must be on record"),
        ({"evidence": ["nonsense"]}, "the evidence must be on record"),
    ],
)
def test_what_may_not_be_stated_is_422_with_what_may(
    proxied: Door, stated: Json, says: str
) -> None:
    before = proxied.state()
    answer = attest(proxied, **stated)
    assert (answer.status_code, says in said(answer)) == (422, True), answer.text
    assert proxied.state() == before


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"mood": "good"}, "no such parameter"),
        ({"reason": ["a", "b"]}, "reason is stated 2 times"),
        ({"who": "petrova"}, "another person than the one whom the proxy names"),
    ],
)
def test_what_is_no_statement_is_400(proxied: Door, stated: Json, says: str) -> None:
    answer = attest(proxied, **stated)
    assert (answer.status_code, says in said(answer)) == (400, True), answer.text


def test_evidence_is_kept_in_the_version_that_was_looked_at(proxied: Door) -> None:
    assert attest(proxied, evidence=["Observation/p1-plt"]).status_code == 200
    (kept,) = responses(proxied)
    links = {part["linkId"]: part["answer"] for part in kept["item"][2]["item"]}
    seen = links["IN06.looked-at"][0]["valueReference"]["reference"]
    assert seen == "Observation/p1-plt/_history/1"


def test_whoever_is_not_established_counts_only_under_replay(tmp_path: Path) -> None:
    for replay, verdict in ((False, "unknown"), (True, "met")):
        folder = tmp_path / str(replay)
        folder.mkdir()
        with open_door(folder, rulebook=BOOK, replay=replay) as door:
            door.kept(*eligible())
            assert attest(door, user="").status_code == 422
            answer = attest(door, user="", who="petrova")
            assert answer.status_code == 200
            assert ("self-declared" in answer.text, door.verdicts()["IN06"]) == (True, verdict)
            (kept,) = responses(door)
            assert kept["id"].startswith("stated-")


def form(id: str = "q1", status: str = "completed", verdict: str = "met", **more: Any) -> Json:
    def coded(link: str, system: str, code: str) -> Json:
        coding = {"system": f"{BASE}/CodeSystem/r2-{system}", "code": code}
        return {"linkId": link, "answer": [{"valueCoding": coding}]}

    reason = {"linkId": "IN06.reason", "answer": [{"valueString": "seen"}]}
    return {
        "resourceType": "QuestionnaireResponse", "id": id, "status": status,
        "questionnaire": f"{BASE}/Questionnaire/r2-statements",
        "subject": {"reference": "Patient/p1"}, "authored": "2026-05-19T10:00:00+03:00",
        "author": {"reference": "Practitioner/a", "display": "Dr A"},
        "item": [
            coded("role", "roles", "investigator"),
            {"linkId": "IN06", "item": [coded("IN06.verdict", "verdicts", verdict), reason]},
        ],
        **more,
    }  # fmt: skip


def test_a_form_in_a_bundle_states_and_one_in_error_takes_it_back(tmp_path: Path) -> None:
    with open_door(tmp_path, rulebook=BOOK, replay=True) as door:
        door.kept(*eligible(), form())
        assert door.verdicts()["IN06"] == "met"
        door.kept(form(status="entered-in-error", meta={"lastUpdated": "2026-05-20T08:00:00Z"}))
        assert door.verdicts()["IN06"] == "unknown"


def test_a_sender_is_told_why_a_statement_does_not_count(proxied: Door) -> None:
    answer = proxied.put(form())
    assert answer.status_code == 201
    told = proxied.post("", form_batch())
    assert "nobody established who signed it" in told.text
    assert proxied.verdicts()["IN06"] == "unknown"


def form_batch() -> Json:
    entry = {
        "resource": form("q2"),
        "request": {"method": "PUT", "url": "QuestionnaireResponse/q2"},
    }
    return {"resourceType": "Bundle", "type": "batch", "entry": [entry]}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nobody_else_writes_a_statement_of_an_established_person(
    proxied: Door, method: str
) -> None:
    attest(proxied)
    (kept,) = responses(proxied)
    id = kept["id"]
    body = form(id, verdict="not-met") if method == "PUT" else None
    answer = proxied.send(method, f"QuestionnaireResponse/{id}", body)
    assert (answer.status_code, "are given here" in said(answer)) == (422, True)
    forged = proxied.put(form("established-by-me"))
    assert forged.status_code == 422
    assert proxied.verdicts()["IN06"] == "met"


def test_a_statement_lapses(proxied: Door) -> None:
    attest(proxied)
    proxied.clock.move(days=29)
    assert proxied.verdicts()["IN06"] == "unknown"


def test_an_earlier_record_that_arrives_after_a_statement_reopens_the_criterion(
    tmp_path: Path,
) -> None:
    unclear = medicine(days_ago=5, medicationCodeableConcept={"text": "a drug of a trial"})
    looked = {"criterion": "EX09", "verdict": "not-met", "role": "investigator"}
    with open_door(tmp_path, rulebook=BOOK, trusted_proxy="127.0.0.1") as door:
        door.kept(patient(), lab())
        assert attest(door, **looked).status_code == 200
        door.clock.move(hours=1)
        assert door.verdicts()["EX09"] == "not-met"
        door.kept(unclear)
        assert door.verdicts()["EX09"] == "unknown"
        # The person looks at it; the same content again is no later arrival.
        door.clock.move(hours=1)
        assert attest(door, **looked).status_code == 422
        signed = door.clock.now.isoformat()
        assert attest(door, signed=signed, **looked).status_code == 200
        door.clock.move(hours=1)
        door.kept(unclear)
        assert door.verdicts()["EX09"] == "not-met"
        everyone(door.service.store, door.service.judge())
        assert door.verdicts()["EX09"] == "not-met"
        door.kept({**unclear, "note": [{"text": "corrected"}]})
        assert door.verdicts()["EX09"] == "unknown"


def wanted(door: Door) -> list[tuple[str, list[str], list[str]]]:
    found = content(door.get(f"ResearchSubject/{door.subject()['id']}/$missing"))
    return [
        (
            one["part"][0]["valueCode"],
            [part["valueCode"] for part in one["part"] if part["name"] == "criterion"],
            [part["valueString"] for part in one["part"] if part["name"] in ("role", "lab")],
        )
        for one in found.get("parameter", ())
    ]


def test_what_is_missing_comes_in_the_order_in_which_it_settles_most(proxied: Door) -> None:
    assert wanted(proxied) == [("statement", ["IN06"], ["coordinator", "investigator"])]
    proxied.clock.move(days=40)
    first, *others = wanted(proxied)
    assert first[0] == "data"
    assert {"IN07A", "IN07B", "IN08A"} <= set(first[1])
    assert "platelets" in first[2]
    sizes = [len(first[1]), *(len(one[1]) for one in others)]
    assert sizes == sorted(sizes, reverse=True)


def test_nothing_is_missing_of_who_is_decided(proxied: Door) -> None:
    attest(proxied)
    assert wanted(proxied) == []
    proxied.kept(lab("low", 90, days_ago=0))
    assert (proxied.subject()["status"], wanted(proxied)) == ("ineligible", [])


def test_signatures_are_missing_where_readings_are_not_signed(tmp_path: Path) -> None:
    rests = replace(STATED, decisions=("a-reading",))
    trial = replace(protocol(*DECIDABLE, rests, derivations=DERIVATIONS), unsigned=("a-reading",))
    book = small_rulebook(protocols={"r2": trial})
    with open_door(tmp_path, rulebook=book, trusted_proxy="127.0.0.1") as door:
        door.kept(*eligible())
        attest(door)
        assert door.subject()["status"] == "screening"
        assert [(one[0], one[1]) for one in wanted(door)] == [("signature", ["IN06"])]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"resourceType": "Patient"}, "takes a Parameters resource"),
        ({"resourceType": "Parameters", "parameter": [{}]}, "an object must not be empty"),
        (
            {
                "resourceType": "Parameters",
                "parameter": [{"name": "evidence", "valueString": "Condition/c1"}],
            },
            "evidence is a Reference",
        ),
    ],
)
def test_what_is_posted_has_to_be_a_statement(proxied: Door, sent: Json, says: str) -> None:
    answer = proxied.post(f"ResearchSubject/{proxied.subject()['id']}/$attest", sent)
    assert answer.status_code == 400
    assert says in answer.text


def test_a_moment_that_is_none_is_refused(proxied: Door) -> None:
    answer = attest(proxied, signed="2026-05-20T25:00:00Z")
    assert answer.status_code in (400, 422)
    answer = attest(proxied, criterion="IN06", signed="2026-05-19T10:00:00+03:00")
    assert answer.status_code == 200
