"""The protocol in plain English: approved as a whole, and true to the rules in every number."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from refnot_fhir.core.criteria.age import AgeRule
from refnot_fhir.core.criteria.answer import AnswerRule
from refnot_fhir.core.criteria.condition import ConditionRule
from refnot_fhir.core.criteria.consent import ConsentRule
from refnot_fhir.core.criteria.drug import DrugRule
from refnot_fhir.core.criteria.lab import LabRule
from refnot_fhir.core.criteria.medication import MedicationRule
from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.exact import shown
from refnot_fhir.core.rules import Attestable, Bound
from refnot_fhir.rulebook.explain import explain
from refnot_fhir.wording import language

APPROVED = Path(__file__).parents[1] / "snapshots" / "explain-trial.md"


def told(rulebook, protocol):
    """The explanation by criterion id."""
    parts = re.split(r"^### ", explain(protocol, rulebook), flags=re.MULTILINE)
    return {part.split(":")[0]: part for part in parts if ":" in part.splitlines()[0]}


def numbers_of(rule):
    match rule:
        case AgeRule():
            return [rule.at_least, rule.at_most]
        case LabRule():
            bound = rule.more_than or rule.at_most
            return [shown(bound.value), rule.within_days]
        case AnswerRule() | DrugRule():
            return [rule.within_days]
        case PersonRule() | ConditionRule() | ConsentRule():
            return [rule.needs]
        case MedicationRule():
            long_use = rule.long_use
            days = [] if long_use is None else [long_use.longer_than_days, long_use.single_days]
            return [rule.needs, *days]


def test_the_small_trial_is_explained_as_approved(rulebook):
    protocol = replace(rulebook.protocols["trial"], digest="0" * 64)
    assert explain(protocol, rulebook) == APPROVED.read_text(encoding="utf-8")


@pytest.mark.parametrize("book", ["rulebook", "production"])
def test_every_criterion_is_told_with_its_words_and_all_its_numbers(book, request):
    rulebook = request.getfixturevalue(book)
    for protocol in rulebook.protocols.values():
        sections = told(rulebook, protocol)
        for criterion in protocol.criteria:
            section = sections[criterion.id]
            assert criterion.text in section
            assert criterion.source in section
            said = section.split("\n- ", 1)[1]
            for number in numbers_of(criterion.rule):
                assert str(number) in said
            for anchor in criterion.decisions:
                assert f"(#{anchor})" in section


@pytest.mark.parametrize("book", ["rulebook", "production"])
def test_every_code_every_reading_and_the_whole_schedule_is_told(book, request):
    rulebook = request.getfixturevalue(book)
    for protocol in rulebook.protocols.values():
        text = explain(protocol, rulebook)
        for lab in protocol.labs.values():
            for key in (*lab.codes, *lab.traps, *lab.answers):
                assert key[1] in text
        rule = protocol.dosing
        for number in (f"{rule.dose:,}", rule.doses_per_course, rule.weeks_per_course):
            assert str(number) in text
        for anchor in {a for c in protocol.criteria for a in c.decisions} | {*rule.decisions}:
            assert rulebook.decisions[anchor].confirm in text.split(f"### {anchor}\n")[1]


def test_a_changed_rule_changes_the_words(rulebook):
    protocol = rulebook.protocols["trial"]
    changed = replace(
        protocol.criteria[1].rule, more_than=Bound(Decimal(150), "10*9/L", inclusive=True)
    )
    criteria = (replace(protocol.criteria[1], rule=changed),)
    section = told(rulebook, replace(protocol, criteria=criteria))["IN2"]
    assert "at least 150 ×10⁹/L; exactly the limit still is" in section


def test_links_lead_to_a_heading(production):
    text = explain(production.protocols["refnot-r2"], production)
    anchors = set(re.findall(r"\(#([a-z0-9-]+)\)", text))
    assert anchors <= set(re.findall(r"^### ([a-z0-9-]+)$", text, flags=re.MULTILINE))


def test_tolerance_and_open_studies_are_told(rulebook):
    protocol = rulebook.protocols["trial"]
    dosing = replace(protocol.dosing, tolerance=protocol.dosing.dose / 4, decisions=())
    text = explain(replace(protocol, dosing=dosing, period=("2009", "")), rulebook)
    assert "give or take 100 IU" in text
    assert "2009, open" in text


def test_a_drug_that_comes_in_no_vials_has_none_told(rulebook):
    drug = replace(rulebook.drugs["trialdrug"], vial_strengths=(), dissolved_in_ml=None)
    text = explain(rulebook.protocols["trial"], replace(rulebook, drugs={"trialdrug": drug}))
    assert "Vials hold" not in text
    assert "millilitres" not in text


@pytest.mark.parametrize(
    ("words", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_a_list_reads_as_a_sentence(words, text):
    assert language().listed(words) == text


def test_who_may_state_what_and_what_was_signed_is_explained(rulebook):
    protocol = rulebook.protocols["trial"]
    first, *others = protocol.criteria
    allowed = Attestable(frozenset({"nurse", "doctor"}), 7, overrules=True, not_applicable=True)
    decision = rulebook.decisions["wide-limits"]
    signed = replace(decision, confirmed_by="A. Bykova", confirmed_on=date(2026, 5, 20))
    text = explain(
        replace(
            protocol,
            criteria=(replace(first, attestable=allowed), *others),
            roles={"doctor": "Doctor", "nurse": "Study nurse"},
        ),
        replace(rulebook, decisions={**rulebook.decisions, "wide-limits": signed}),
    )
    assert "- **As stated** by doctor or study nurse, with a reason" in text
    assert "for 7 days" in text
    assert "- Confirmed by A. Bykova on 2026-05-20." in text
