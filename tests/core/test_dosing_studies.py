"""Which study a dose of the study drug belongs to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from refnot_fhir.core.dosing.record import follow
from tests import builders as build
from tests.core.dosing_builders import course, day, given, record

OWN = f"ResearchStudy/{build.PROTOCOL.id}"
PROTOCOL = replace(build.PROTOCOL, identifiers=(("https://clinicaltrials.gov/nctid", "NCT1"),))


@pytest.mark.parametrize(
    ("studies", "counts", "why"),
    [
        ((), True, "no study is said"),
        ((OWN,), True, "this study"),
        ((f"https://trial.example.org/fhir/{OWN}/",), True, "this study at its address"),
        ((f"{OWN}/_history/4",), True, "a version of this study"),
        (("ResearchStudy/other", OWN), True, "this study among others"),
        (("#study",), True, "a contained study does not say which it is"),
        (("ResearchStudy/other",), False, "another study"),
        (("ResearchStudy/other/_history/1", "ResearchStudy/third"), False, "two others"),
        (("ResearchStudy/other", "#study"), False, "another study, and one that is not known"),
    ],
)
def test_a_dose_of_another_study_is_none_of_this_one(studies, counts, why):
    found = record([given(0, studies=studies), *course(2)], as_of=2)

    assert [dose.number for dose in found.doses] == ([1, 2] if counts else [1]), why
    assert found.cumulative == Decimal(800000 if counts else 400000)
    assert found.first_given_on == day(0 if counts else 2)


def test_a_study_may_be_named_by_its_registered_identifier():
    tagged = given(0, studies=("https://clinicaltrials.gov/study/NCT1",))

    assert follow(PROTOCOL, build.chart(doses=(tagged,)), day(0)).given == 1
    assert follow(build.PROTOCOL, build.chart(doses=(tagged,)), day(0)).given == 0
