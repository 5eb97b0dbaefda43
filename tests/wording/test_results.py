"""Results, evidence and changes of status in words: every code, and nothing of it stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.facts import ConsentState, Outcome, State, Use, Verification
from refnot_fhir.core.life import Stated
from refnot_fhir.core.results import (
    CriterionResult,
    Evidence,
    ReasonCode,
    Role,
    Shows,
    StatusChange,
)
from refnot_fhir.core.subject import ChangeCode
from refnot_fhir.core.values import Reason, reason
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict
from refnot_fhir.core.vocabulary import NotCounted
from refnot_fhir.store import codec
from refnot_fhir.wording import Language, language
from refnot_fhir.wording.evidence import line, notes
from refnot_fhir.wording.results import why, why_status
from tests.builders import LABS, PROTOCOL, TODAY, chart, dose_given, lab_result, person
from tests.core.test_assessment import charts
from tests.small_rulebook import DECIDABLE, PLATELETS, protocol
from tests.store.things import NOW

OTHER = Language(
    "other",
    {
        section: {code: f"⟦{template}⟧" for code, template in templates.items()}
        for section, templates in language().sections.items()
    },
)
"""A language that says everything in brackets."""


@pytest.mark.parametrize("name", ["en", "ru"])
@settings(deadline=None, max_examples=40)
@given(known=charts)
def test_whatever_is_decided_can_be_said(name: str, known: Chart) -> None:
    spoken = language(name)
    for result in assess(PROTOCOL, known, TODAY).results:
        said = why(spoken, LABS, result)
        assert said.endswith(".") or result.reason.code == ReasonCode.NEEDS
        for evidence in result.evidence:
            for text in (line(spoken, LABS, evidence), *notes(spoken, LABS, evidence)):
                assert text
                assert "{" not in text.replace("{score}", "")


def test_rewording_changes_no_stored_assessment() -> None:
    known = chart(
        lab_result("granulocytes", "2.1", id="g"),
        lab_result("alt", "100", id="a", uln="40"),
        lab_result("platelets", not_usable="no-unit", id="p"),
        of=person("1980", gender="male"),
        doses=(dose_given("aspirin"),),
    )
    found = assess(protocol(*DECIDABLE), known, TODAY)
    before = codec.assessment_text(found)

    plain = [why(language(), LABS, result) for result in found.results]
    reworded = [why(OTHER, LABS, result) for result in found.results]

    assert all(
        one.startswith("⟦") and one != other for one, other in zip(reworded, plain, strict=True)
    )
    assert codec.assessment_text(found) == before
    for sentence in plain:
        assert sentence not in before
    kept = codec.assessment_of(before)
    assert [why(language(), LABS, result) for result in kept.results] == plain


def test_russian_is_one_file_more() -> None:
    known = chart(lab_result("platelets", "151"))
    (found,) = assess(protocol(PLATELETS), known, TODAY).results
    assert why(language("ru"), LABS, found) == (
        "platelets 151 10*9/L от 2026-05-20 — более 150 10*9/L, как требуется."
    )


class _Heard(dict[str, str]):
    """Templates of one section, and which of them were said."""

    def __init__(self, templates: dict[str, str]) -> None:
        super().__init__(templates)
        self.said: set[str] = set()

    def __getitem__(self, code: str) -> str:
        self.said.add(code)
        return super().__getitem__(code)

    def get(self, code: str, default: Any = None) -> Any:
        self.said.add(code)
        return super().get(code, default)


DAYS = (TODAY, TODAY)
SPANS = [
    DAYS,
    (date(2026, 5, 1), TODAY),
    (TODAY, date.max),
    (date.min, TODAY),
    (date.min, date.max),
]
LAB = Evidence(
    lab_result().source,
    Reason(Shows.MEASUREMENT),
    days=DAYS,
    lab="platelets",
    unit="10*9/L",
    value=lab_result(value="1").value,
)
DOSE = Evidence(LAB.source, Reason(Shows.DOSE, (("drug", "x"), ("outcome", "given"))), days=DAYS)
USE = replace(DOSE, shows=Reason(Shows.USE, (("drug", "x"), ("use", "taken"))))
CONDITION = replace(
    DOSE,
    shows=Reason(
        Shows.CONDITION, (("condition", "x"), ("state", "active"), ("verification", "confirmed"))
    ),
)
ASKED = (("lab", "platelets"), ("within-days", "28"))


def result(
    rule: RuleKind, code: str, *evidence: Evidence, about: tuple[tuple[str, str], ...] = ()
) -> CriterionResult:
    verdict = Verdict.MET if code == ReasonCode.GIVEN_WITHIN_WINDOW else Verdict.UNKNOWN
    reason = Reason(code, about)
    window = (date(2026, 4, 22), TODAY)
    return CriterionResult(
        "X", CriterionKind.INCLUSION, rule, verdict, reason, evidence, window=window
    )


def of_people() -> Iterator[CriterionResult]:
    yield result(RuleKind.PERSON, ReasonCode.NEEDS, about=(("needs", "a signed consent"),))
    aged = (("born", "1950"), ("on", "2026-05-20"), ("youngest", "75"), ("at-most", "75"))
    for code in (
        *(ReasonCode.NO_EVIDENCE, ReasonCode.IMPLAUSIBLE, ReasonCode.STRADDLES_LIMIT),
        *(ReasonCode.WITHIN_AGE, ReasonCode.BEYOND_AGE),
    ):
        for oldest in ("75", "76"):
            yield result(RuleKind.AGE, code, about=(*aged, ("oldest", oldest)))


def of_labs() -> Iterator[CriterionResult]:
    low = (("at-least", "2 10*9/L"), ("more-than", "1"))
    limits = (*ASKED, *low, ("at-most", "3 10*9/L"), ("less-than", "4"))
    either = replace(LAB, ulns=(Decimal(4), Decimal(5)))
    of_uln = replace(LAB, multiple=LAB.value, no_uln=Reason("text", (("text", "none"),)))
    for code in (
        *(ReasonCode.WITHIN_LIMIT, ReasonCode.BEYOND_LIMIT, ReasonCode.STRADDLES_LIMIT),
        *(ReasonCode.NO_UPPER_LIMIT, ReasonCode.LOWER_BOUND, ReasonCode.OTHER_UNIT),
        ReasonCode.NO_VALUE,
    ):
        for shown in (LAB, either, of_uln):
            yield result(RuleKind.LAB, code, shown, about=limits)
    for code in (ReasonCode.UPPER_BOUND, ReasonCode.BEYOND_LIMIT):
        yield result(RuleKind.LAB, code, replace(LAB, lab="white-cells"), about=limits)


def of_the_newest() -> Iterator[CriterionResult]:
    yield result(RuleKind.LAB, ReasonCode.NO_EVIDENCE, about=ASKED)
    for code in (
        *(ReasonCode.NEWEST_UNCLEAR, ReasonCode.OUTSIDE_WINDOW, ReasonCode.WINDOW_UNCLEAR),
    ):
        yield result(RuleKind.LAB, code, LAB, about=ASKED)
    unusable = replace(LAB, value=None, not_usable=Reason("no-unit"))
    yield result(RuleKind.LAB, "no-unit", unusable, about=ASKED)


def of_answers() -> Iterator[CriterionResult]:
    for code in (
        *(ReasonCode.ANSWER_MET, ReasonCode.ANSWER_NOT_MET, ReasonCode.BELOW_LIMIT),
        ReasonCode.REVIEW,
    ):
        yield result(RuleKind.ANSWER, code, LAB, about=ASKED)
    others = tuple(replace(LAB, role=role) for role in (Role.AGAINST, Role.BESIDE))
    told = (*ASKED, ("newest", ReasonCode.ANSWER_MET))
    yield result(RuleKind.ANSWER, ReasonCode.CONFLICT, LAB, *others, about=told)
    yield result(RuleKind.ANSWER, ReasonCode.CONTRADICTED, LAB, *others, about=ASKED)
    recorded = (("gender", "female"), ("born", "1950"), ("years", "56"), ("on", "2026-05-20"))
    for code in (ReasonCode.NOT_APPLICABLE, ReasonCode.BEYOND_AGE):
        yield result(RuleKind.ANSWER, code, about=recorded)


def of_drugs() -> Iterator[CriterionResult]:
    asked = (("class", "immunotherapy"), *ASKED)
    beside = replace(LAB, role=Role.BESIDE)
    yield result(RuleKind.DRUG, ReasonCode.GIVEN_WITHIN_WINDOW, DOSE, beside, about=asked)
    for code in (
        *(ReasonCode.UNRESOLVED_DRUG, ReasonCode.UNCLASSIFIED_DRUG, ReasonCode.OUTCOME_UNKNOWN),
        *(ReasonCode.IN_PROGRESS, ReasonCode.TRIAL_DOSE_UNCLEAR, ReasonCode.NO_DATE),
        *(ReasonCode.WINDOW_UNCLEAR, ReasonCode.ONLY_STATED, ReasonCode.ONLY_ORDERED),
        ReasonCode.ONLY_SUPPLIED,
    ):
        yield result(RuleKind.DRUG, code, DOSE, about=asked)
    yield result(RuleKind.DRUG, ReasonCode.REVIEW, DOSE, about=asked)
    answered = replace(LAB, answer="given"), replace(LAB, answer="not-given")
    for code in (
        *(ReasonCode.ANSWER_EARLIER, ReasonCode.ANSWER_TOO_OLD, ReasonCode.WINDOW_UNCLEAR),
        ReasonCode.REVIEW,
    ):
        yield result(RuleKind.DRUG, code, *answered, about=asked)
    yes = result(RuleKind.DRUG, ReasonCode.ANSWER_MET, answered[0], about=asked)
    yield replace(yes, verdict=Verdict.MET)
    feed = (("since", "2026-01-01"), ("stated-by", "the pharmacy"), ("sent", "3"))
    named = (("drug", "2 x"), ("drug", "1 "), ("other-drugs", "2"))
    yield result(RuleKind.DRUG, ReasonCode.NO_EVIDENCE, about=asked[:1])
    yield result(RuleKind.DRUG, ReasonCode.NO_EVIDENCE, about=(*asked, *feed))
    for more in ((), named):
        yield result(RuleKind.DRUG, ReasonCode.NONE_ON_RECORD, about=(*asked, *feed, *more))


def of_consents() -> Iterator[CriterionResult]:
    about = (("needs", "a signed consent"),)
    for state in ConsentState:
        for permits in ("permit", "deny", "unsaid"):
            said = reason(Shows.CONSENT, state=state, permits=permits)
            one = Evidence(LAB.source, said, days=DAYS)
            for code in (
                *(ReasonCode.NEEDS, ReasonCode.TO_BE_JUDGED, ReasonCode.NEWEST_UNCLEAR),
                *(ReasonCode.CONSENTED, ReasonCode.CONSENT_REFUSED, ReasonCode.CONSENT_EXPIRED),
                ReasonCode.CONSENT_WITHDRAWN,
            ):
                yield result(RuleKind.CONSENT, code, one, about=about)
    yield result(RuleKind.CONSENT, ReasonCode.CONSENTED, replace(one, days=None), about=about)


STATED = Evidence(
    LAB.source,
    reason(
        Shows.ATTESTATION, verdict="met", who="Dr A", role="investigator", why="as examined",
        meaning="judgement", overrules="", verified="yes",
    ),
    days=DAYS,
)  # fmt: skip


def of_statements() -> Iterator[CriterionResult]:
    about = (
        *(("verdict", "met"), ("who", "Dr A"), ("role", "investigator"), ("on", "2026-05-20")),
        *(("until", "2026-06-17"), ("why", "as examined"), ("data", "not-met")),
        ("overrules", "coded by mistake!"),
    )
    for code in (
        *(ReasonCode.ATTESTED, ReasonCode.OVERRULED, ReasonCode.REOPENED, ReasonCode.DISPUTED),
        *(ReasonCode.APPLIES_DISPUTED, ReasonCode.STATEMENTS_DIFFER),
    ):
        since = replace(LAB, role=Role.AGAINST)
        yield result(RuleKind.PERSON, code, STATED, since, about=about)
    needs = (("needs", "a person's word"),)
    for code in NotCounted:
        why = reason(
            code,
            role="nurse",
            allowed=["investigator"],
            until="2026-05-19",
            stated="0.9",
            current="1",
        )
        aside = replace(STATED, role=Role.ASIDE, not_usable=why)
        yield result(RuleKind.PERSON, ReasonCode.NEEDS, aside, about=needs)
    against, beside = (replace(STATED, role=role) for role in (Role.AGAINST, Role.BESIDE))
    yield result(RuleKind.PERSON, ReasonCode.NEEDS, against, beside, about=needs)


def test_what_a_person_says_is_told_with_name_role_and_reason() -> None:
    attested, overruled, *_ = (why(language(), LABS, one) for one in of_statements())
    assert attested == (
        "Stated as met by Dr A (investigator) on 2026-05-20, standing until 2026-06-17: "
        "as examined."
    )
    assert overruled == (
        f"{attested} Data say not met; they are overruled because: coded by mistake!"
    )


def of_records() -> Iterator[CriterionResult]:
    needs = ("needs", "a statement")
    other = replace(CONDITION, role=Role.AGAINST)
    for code in (
        *(ReasonCode.NEEDS, ReasonCode.ON_RECORD, ReasonCode.NONE_KNOWN, ReasonCode.CONTRADICTED),
        ReasonCode.TO_BE_JUDGED,
    ):
        yield result(RuleKind.CONDITION, code, CONDITION, other, about=(needs,))
    used = (("class", "x"), ("days", "30"), ("longer-than", "28"), needs)
    for code in (
        *(ReasonCode.NEEDS, ReasonCode.USED_LONG, ReasonCode.TO_BE_JUDGED, ReasonCode.APPLIES),
        *(ReasonCode.NOT_APPLICABLE, ReasonCode.CONTRADICTED),
    ):
        yield result(RuleKind.MEDICATION, code, *[USE] * 6, about=used)


def shown_of_people() -> Iterator[Evidence]:
    for known in ("yes", "no"):
        said = (*STATED.shows.about[:-1], ("verified", known))
        yield replace(STATED, shows=Reason(Shows.ATTESTATION, said), days=None)
        yield replace(STATED, not_usable=Reason("unsigned"))


def shown() -> Iterator[Evidence]:
    for use in Use:
        about = (("drug", "x"), ("use", use), ("route", "oral"), ("indication", "asthma"))
        yield replace(USE, shows=Reason(Shows.USE, about))
    for outcome in Outcome:
        about = (("drug", "x"), ("outcome", outcome))
        yield replace(USE, shows=Reason(Shows.PROCEDURE, about))
    for state in State:
        for verification in Verification:
            about = (("condition", "x"), ("state", state), ("verification", verification))
            yield replace(CONDITION, shows=Reason(Shows.CONDITION, about))
    yield replace(CONDITION, days=None)
    yield from shown_of_people()
    yield from (replace(LAB, days=days) for days in (*SPANS, None))
    yield replace(LAB, uln=lab_result(uln="4").uln, multiple=LAB.value)
    yield replace(LAB, value=None)
    yield replace(LAB, formula="platelets = platelets ?", not_usable=Reason("no-unit"))
    for drug, outcome in (("x", "given"), ("", "partial"), ("x", "not-given"), ("x", "pending")):
        yield replace(DOSE, shows=Reason(Shows.DOSE, (("drug", drug), ("outcome", outcome))))
    for outcome in ("retracted", "unknown"):
        about = (("drug", "x"), ("outcome", outcome))
        yield replace(DOSE, shows=Reason(Shows.DOSE, about), days=None)
    yield Evidence(LAB.source, Reason(Shows.BORN), days=DAYS)
    for gender in ("male", "female", "other", "unknown"):
        recorded = (("gender", gender), ("born", "1950"))
        yield Evidence(LAB.source, Reason(Shows.RECORDED, recorded[:1]))
        yield Evidence(LAB.source, Reason(Shows.RECORDED_BORN, recorded))


def changes() -> Iterator[StatusChange]:
    days = (("as-of", "2026-05-20"), ("first", "2026-05-04"), ("died", "2026-05-11"))
    about = (("into", "Patient/p2"), ("criterion", "X"), ("decision", "a-reading"), *days)
    needs = result(RuleKind.PERSON, ReasonCode.NEEDS, about=(("needs", "a signed consent"),))
    words = (("title", "Death"), ("said", "By telephone."), ("by", "Dr A"))
    for code in Stated:
        yield StatusChange("off-study", NOW, Reason(code, words), "Dr A")
    for code in ChangeCode:
        yield StatusChange("screening", NOW, Reason(code, about), "rule", None, needs)


def test_every_code_has_a_template_and_every_template_is_said() -> None:
    heard = {section: _Heard(dict(known)) for section, known in language().sections.items()}
    spoken = Language("heard", heard)
    results = [*of_people(), *of_labs(), *of_the_newest(), *of_answers(), *of_drugs()]
    results += [*of_statements(), *of_consents(), *of_records()]
    for one in results:
        why(spoken, LABS, one)
    for days in SPANS:
        why(spoken, LABS, result(RuleKind.LAB, "newest-unclear", replace(LAB, days=days)))
    for evidence in shown():
        line(spoken, LABS, evidence)
        notes(spoken, LABS, evidence)
    why(spoken, LABS, result(RuleKind.LAB, "no-value", replace(LAB, value=None), about=ASKED))
    for change in changes():
        why_status(spoken, LABS, change)

    assert {one.reason.code for one in results} >= set(ReasonCode)
    ours = ("result-", "evidence", "subject", "days", "gender", "outcome", "use", "procedure")
    ours += ("state", "verification", "not-counted", "consent-")
    assert {
        section: set(known) - known.said
        for section, known in heard.items()
        if section.startswith(ours) and set(known) != known.said
    } == {}


@pytest.mark.parametrize("name", ["platelets", "an-unknown-lab"])
def test_a_lab_that_the_dictionary_no_longer_has_is_called_by_its_name(name: str) -> None:
    said = line(language(), {}, replace(LAB, lab=name, formula=f"{name} = white-cells ?"))
    assert said == (f"{name} 1 10*9/L, {name} = white-cells not usable, collected 2026-05-20")
