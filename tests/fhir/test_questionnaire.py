"""The form that is published, and what is read of the answers to it."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest

from refnot_fhir.core.facts import Attestation
from refnot_fhir.core.rules import Attestable
from refnot_fhir.core.values import Source
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.types import Context, understand
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import questionnaire
from tests.small_rulebook import CONSENT, DECIDABLE, RULEBOOK, SITE, STATED, protocol

ALL = Attestable(frozenset({"investigator"}), 7, overrules=True, not_applicable=True)
R2 = protocol(*DECIDABLE, STATED, replace(CONSENT, id="EX01", attestable=ALL))
BASE = "https://refnot-fhir.example.org/fhir"
FORM = f"{BASE}/Questionnaire/r2-statements"
BOOK = replace(RULEBOOK, protocols={"r2": R2})


def coded(link: str, system: str, code: str) -> dict[str, Any]:
    coding = {"system": f"{BASE}/CodeSystem/r2-{system}", "code": code}
    return {"linkId": link, "answer": [{"valueCoding": coding}]}


def said(link: str, **value: object) -> dict[str, Any]:
    return {"linkId": link, "answer": [value]}


def group(criterion: str = "IN06", verdict: str = "met", *more: dict[str, Any]) -> dict[str, Any]:
    parts = [coded(f"{criterion}.verdict", "verdicts", verdict), *more]
    return {"linkId": criterion, "item": parts}


def answered(*groups: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A finished form of an investigator."""
    return {
        "resourceType": "QuestionnaireResponse", "questionnaire": f"{FORM}|1",
        "status": "completed", "subject": {"reference": "Patient/p1"},
        "authored": "2026-05-04T10:00:00+03:00",
        "author": {"reference": "Practitioner/a", "display": "Dr A"},
        "item": [
            coded("role", "roles", "investigator"), coded("meaning", "meanings", "judgement"),
            *(groups or (group(),)),
        ],
        **changes,
    }  # fmt: skip


def read(
    sent: dict[str, Any], version: Version = Version.R4, id: str = "q1"
) -> tuple[Attestation, ...]:
    assert problems(sent, version) == ()
    source = Source("hospital", "QuestionnaireResponse", id, "1")
    found = understand(sent, source, Context(SITE, BOOK, fhir=version))
    assert all(isinstance(fact, Attestation) for fact in found.facts)
    return found.facts  # type: ignore[return-value]


@pytest.mark.parametrize("version", Version)
def test_the_form_is_valid_and_has_a_group_for_each_criterion_that_may_be_stated(
    version: Version,
) -> None:
    (form,) = questionnaire.write(R2, version)
    package = "fhir.resources" if version is Version.R5 else "fhir.resources.R4B"
    model = importlib.import_module(f"{package}.questionnaire").Questionnaire
    model.model_validate(json.loads(wire.encode(form)))
    assert form["url"] == FORM
    assert [it["linkId"] for it in form["item"]] == ["role", "meaning", "IN06", "EX01"]
    consent, other = form["item"][2:]
    assert consent["code"][0]["code"] == "IN06"
    assert [it["linkId"] for it in consent["item"]] == [
        "IN06.verdict", "IN06.reason", "IN06.looked-at", "IN06.valid-from", "IN06.valid-until",
    ]  # fmt: skip
    assert "EX01.overrules" in [it["linkId"] for it in other["item"]]
    choices = [
        {option["valueCoding"]["code"] for option in one["item"][0]["answerOption"]}
        for one in (consent, other)
    ]
    assert choices == [
        {"met", "not-met", "unknown"}, {"met", "not-met", "unknown", "not-applicable"},
    ]  # fmt: skip


def test_a_protocol_that_lets_nobody_state_anything_has_no_form() -> None:
    assert questionnaire.write(protocol(*DECIDABLE), Version.R4) == ()


@pytest.mark.parametrize("version", Version)
def test_each_criterion_with_a_verdict_is_a_statement(version: Version) -> None:
    parts = (
        said("EX01.reason", valueString=" as examined "),
        said("EX01.overrules", valueString="coded by mistake"),
        said("EX01.looked-at", valueReference={"reference": "Condition/c1/_history/2"}),
        said("EX01.valid-from", valueDate="2026-05-05"),
        said("EX01.valid-until", valueDate="2026-05-10"),
    )
    first, second = read(answered(group(), group("EX01", "not-met", *parts)), version)
    assert (first.protocol, first.criterion, first.verdict) == ("r2", "IN06", Verdict.MET)
    assert (first.source.part, first.patient, first.reason) == ("item[2]", "p1", "")
    assert (second.who, second.role, second.meaning) == ("Dr A", "investigator", "judgement")
    assert (second.reason, second.overrules) == ("as examined", "coded by mistake")
    assert second.looked_at == ("Condition/c1/_history/2",)
    moments = (second.signed, second.valid_from, second.valid_until)
    assert [when and when.text for when in moments] == [
        "2026-05-04T10:00:00+03:00", "2026-05-05", "2026-05-10",
    ]  # fmt: skip
    assert (second.verified, second.retracted) == (False, False)


@pytest.mark.parametrize(("stated", "version"), [(f"{FORM}|0.9", "0.9"), (FORM, "")])
def test_a_statement_says_which_version_of_the_form_it_answers(stated: str, version: str) -> None:
    (found,) = read(answered(questionnaire=stated))
    assert found.form_version == version


def test_an_id_that_only_the_service_gives_says_that_the_person_was_established() -> None:
    (found,) = read(answered(), id="established-1")
    assert found.verified


@pytest.mark.parametrize(
    ("status", "count", "retracted"),
    [
        ("completed", 1, False), ("amended", 1, False), ("entered-in-error", 1, True),
        ("in-progress", 0, False), ("stopped", 0, False),
    ],
)  # fmt: skip
def test_only_a_finished_form_states_something(status: str, count: int, retracted: bool) -> None:
    found = read(answered(status=status))
    assert [it.retracted for it in found] == [retracted] * count


@pytest.mark.parametrize(
    "sent",
    [
        answered(questionnaire="https://elsewhere.example/Questionnaire/r2-statements"),
        answered(modifierExtension=[{"url": "https://example.org/not", "valueBoolean": True}]),
        answered({"linkId": "IN06", "item": [said("IN06.verdict", valueString="met")]}),
        answered({"linkId": "IN06", "item": [coded("IN06.verdict", "roles", "met")]}),
        answered({"linkId": "IN06"}),
        answered({"linkId": "IN06", "item": [coded("EX01.verdict", "verdicts", "met")]}),
    ],
)
def test_what_does_not_answer_the_form_states_nothing(sent: dict[str, Any]) -> None:
    assert read(sent) == ()


def test_two_verdicts_on_one_criterion_are_none() -> None:
    twice = group()
    twice["item"][0]["answer"] *= 2
    assert read(answered(twice)) == ()


@pytest.mark.parametrize(
    ("author", "who"),
    [
        ({"reference": "Practitioner/a"}, "Practitioner/a"),
        ({"reference": "PractitionerRole/a", "display": "Dr A"}, "Dr A"),
        ({"type": "Practitioner", "identifier": {"value": "ivanova"}}, "ivanova"),
        ({"identifier": {"value": "ivanova"}}, "ivanova"),
        (
            {"reference": "https://h.example/fhir/Practitioner/a"},
            "https://h.example/fhir/Practitioner/a",
        ),
        ({"reference": "Patient/p1", "display": "The patient"}, ""),
        ({"reference": "Device/d1", "display": "An engine"}, ""),
        ({"type": "RelatedPerson", "display": "A daughter"}, ""),
    ],
)
def test_only_a_member_of_staff_states_something(author: dict[str, Any], who: str) -> None:
    (found,) = read(answered(author=author))
    assert found.who == who


def test_without_an_author_or_a_moment_it_is_a_statement_of_nobody() -> None:
    sent = {name: part for name, part in answered().items() if name not in ("author", "authored")}
    (found,) = read(sent)
    assert (found.who, found.signed) == ("", None)


def test_an_unfinished_form_is_kept_and_one_of_others_is_not() -> None:
    source = Source("hospital", "QuestionnaireResponse", "q1", "1")
    context = Context(SITE, BOOK)
    assert understand(answered(status="in-progress"), source, context).useful
    other = answered(questionnaire="https://elsewhere.example/Questionnaire/x")
    assert not understand(other, source, context).useful
