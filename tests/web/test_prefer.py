"""What writes are answered with: the resource unless `Prefer` asks for something else."""

from __future__ import annotations

import pytest

from refnot_fhir.web.headers import MINIMAL, OUTCOME, REPRESENTATION, Preferences, read
from tests.door import (
    Door,
    batch,
    bundle,
    content,
    entry,
    issues,
    lab,
    patient,
    said,
    statuses,
    transaction,
)

READ = [
    ("", "", False),
    ("return=minimal", MINIMAL, False),
    ("return=representation", REPRESENTATION, False),
    ("RETURN=representation", REPRESENTATION, False),
    ("return=operationoutcome", OUTCOME, False),
    ('return="OperationOutcome"', OUTCOME, False),
    (r'return="mini\mal"', MINIMAL, False),
    ("return = minimal", MINIMAL, False),
    ("return=minimal, return=representation", MINIMAL, False),
    ("return=everything", "", False),
    ("return", "", False),
    ('return=""', "", False),
    ("handling=strict", "", True),
    ("handling=lenient", "", False),
    ("handling=lenient, handling=strict", "", False),
    ("respond-async, wait=10, Handling=Strict;foo;bar=1,return=minimal", MINIMAL, True),
    ("return=minimal; handling=strict", MINIMAL, True),
    ('note="a, return=minimal; handling=strict", return=representation', REPRESENTATION, False),
    ('note="never closed, return=minimal', "", False),
    ("x-handling=strict", "", False),
    ("handling=strictly", "", False),
    (",,;=,return=minimal", MINIMAL, False),
]


@pytest.mark.parametrize(("text", "form", "strict"), READ)
def test_preferences_are_read_as_rfc_7240_writes_them(text: str, form: str, strict: bool) -> None:
    assert read(text) == Preferences(form, strict)


def test_a_create_and_an_update_answer_with_the_resource_unless_asked_otherwise(
    door: Door,
) -> None:
    created = door.post("Patient", patient())
    place = created.headers["Location"].split("/fhir/")[1]
    assert created.status_code == 201
    assert content(created) == content(door.get(place))
    assert "Preference-Applied" not in created.headers
    updated = door.put(patient(gender="female"))
    assert (updated.status_code, content(updated)["gender"]) == (201, "female")
    again = door.put(patient(gender="female"))
    assert (again.status_code, content(again)["meta"]["versionId"]) == (200, "1")


def test_what_stands_is_the_answer_when_a_condition_found_it(door: Door) -> None:
    door.put(patient(identifier=[{"system": "urn:mrn", "value": "17"}]))
    found = door.post("Patient", patient("p9"), If_None_Exist="identifier=urn:mrn|17")
    assert (found.status_code, content(found)["id"]) == (200, "p1")
    assert found.headers["X-Warnings"] == "1"


def test_each_form_is_given_when_it_is_preferred(door: Door) -> None:
    minimal = door.put(patient("p1"), Prefer="return=minimal")
    assert (minimal.status_code, minimal.data) == (201, b"")
    whole = door.put(patient("p2"), Prefer="return=representation")
    assert content(whole)["id"] == "p2"
    outcome = door.put(patient("p3"), Prefer="return=OperationOutcome")
    assert "candidate" in said(outcome)
    applied = [it.headers["Preference-Applied"] for it in (minimal, whole, outcome)]
    assert applied == ["return=minimal", "return=representation", "return=OperationOutcome"]


def test_warnings_are_counted_and_an_outcome_gives_them(door: Door) -> None:
    door.put(patient())
    stray = lab(unit="mg")
    answer = door.put(stray)
    assert content(answer)["resourceType"] == "Observation"
    assert answer.headers["X-Warnings"] == "1"
    told = door.put(lab("o2", unit="mg"), Prefer="return=OperationOutcome")
    warnings = [it for it in issues(told) if it["severity"] == "warning"]
    assert len(warnings) == int(told.headers["X-Warnings"]) == 1
    both = door.post("", batch(lab("o3", unit="mg"), lab("o4", unit="mg"), patient()))
    assert both.headers["X-Warnings"] == "2"
    assert "X-Warnings" not in door.put(patient("p2")).headers


def test_what_failed_is_told_whatever_is_preferred(door: Door) -> None:
    for form in ("minimal", "representation", "OperationOutcome"):
        answer = door.put(patient(gender="man"), Prefer=f"return={form}")
        assert answer.status_code == 422
        assert issues(answer)


def test_what_is_not_kept_or_does_not_stand_is_told_and_not_shown(door: Door) -> None:
    useless = door.put(lab(code="0000-0"), Prefer="return=representation")
    assert (useless.status_code, content(useless)["resourceType"]) == (202, "OperationOutcome")
    assert "Preference-Applied" not in useless.headers
    door.put(patient(meta={"lastUpdated": "2026-05-02T08:00:00Z"}))
    late = door.put(patient(gender="female", meta={"lastUpdated": "2026-05-01T08:00:00Z"}))
    assert late.status_code == 202
    assert "kept in the history" in said(late)


def test_a_delete_answers_with_an_outcome_or_with_nothing(door: Door) -> None:
    door.kept(patient("p1"), patient("p2"))
    told = door.send("DELETE", "Patient/p1")
    assert (told.status_code, issues(told)[0]["severity"]) == (200, "information")
    quiet = door.send("DELETE", "Patient/p2", headers={"Prefer": "return=minimal"})
    assert (quiet.status_code, quiet.data) == (204, b"")


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_the_entries_of_a_bundle_have_the_form_that_is_preferred(door: Door, kind: str) -> None:
    def asked(number: int, prefer: str) -> tuple[bool, bool]:
        sent = bundle(kind, entry(patient(f"p{number}")), entry(lab(f"o{number}", unit="mg")))
        answer = door.post("", sent, **({"Prefer": prefer} if prefer else {}))
        assert statuses(answer) == ["201 Created", "201 Created"]
        assert answer.headers["X-Warnings"] == "1"
        entries = content(answer)["entry"]
        for it in entries:
            if "resource" in it:
                place = it["response"]["location"].split("/fhir/")[1]
                assert it["resource"] == content(door.get(place))
        found = {("resource" in it, "outcome" in it["response"]) for it in entries}
        assert len(found) == 1
        return found.pop()

    assert asked(1, "") == (False, True)
    assert asked(2, "return=OperationOutcome") == (False, True)
    assert asked(3, "return=minimal") == (False, False)
    assert asked(4, "return=representation") == (True, True)


def test_an_entry_that_failed_is_told_in_a_minimal_answer_too(door: Door) -> None:
    answer = door.post("", batch(patient(), lab(status="banana")), Prefer="return=minimal")
    good, bad = content(answer)["entry"]
    assert "outcome" not in good["response"]
    assert bad["response"]["outcome"]["issue"][0]["expression"]


def test_a_resend_answers_with_what_stands(door: Door) -> None:
    sent = transaction(patient())
    door.post("", sent, Idempotency_Key="one")
    door.put(patient(gender="female"))
    again = door.post("", sent, Idempotency_Key="one", Prefer="return=representation")
    [told] = content(again)["entry"]
    assert again.headers["X-Replayed"] == "true"
    assert told["resource"]["gender"] == "female"
    assert told["response"]["etag"] == 'W/"2"'


def test_strict_handling_is_acknowledged(door: Door) -> None:
    answer = door.post("", batch(patient()), Prefer="HANDLING=strict, return=minimal")
    assert answer.headers["Preference-Applied"] == "return=minimal, handling=strict"
    assert door.get("ResearchSubject?banana=1", Prefer='handling="strict"').status_code == 400
