"""What a laboratory says of a value beside it, and which ranges are its limit for hCG."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.seen import ReferenceRange
from refnot_fhir.core.translate.measurement import measurement
from refnot_fhir.core.translate.numbers import begins_above_zero
from refnot_fhir.core.values import Concept
from tests.builders import (
    LOCAL,
    RULEBOOK,
    concept,
    lab_seen,
    quantity,
    reference_range,
    site,
    worded,
)

V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
HCG = replace(RULEBOOK.labs["hcg"], range_from_zero=True)
WITH_WORDS = replace(
    RULEBOOK,
    labs={**RULEBOOK.labs, "hcg": HCG},
    interpretations={(V3, "NEG"): "negative", (V3, "H"): "against"},
    interpretation_texts={"high": "against"},
)
HOSPITAL = site(codes={(LOCAL, "high"): (V3, "H")}, range_text=True)


def hcg(*said: Concept, ranges: tuple[ReferenceRange, ...] = ()) -> Measurement:
    seen = replace(lab_seen("19080-1", quantity(2, "[IU]/L"), ranges=ranges), interpretations=said)
    found = measurement(seen, site=HOSPITAL, rulebook=WITH_WORDS, person=None)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ((), ""),
        ((concept("N", V3),), ""),
        ((concept("NEG", V3),), "negative"),
        ((concept("NEG", V3), concept("H", V3)), "against"),
        ((concept("high", LOCAL),), "against"),
        ((Concept(text="tall"),), ""),
        ((Concept(text=" High "),), "against"),
    ],
)
def test_an_interpretation_is_read_by_its_codes(said: tuple[Concept, ...], meaning: str) -> None:
    assert hcg(*said).interpretation == meaning


@pytest.mark.parametrize(
    ("found", "uln"),
    [
        (reference_range("5", "[IU]/L"), 5),
        (reference_range("5", "[IU]/L", "0"), 5),
        (reference_range("426", "[IU]/L", "5"), None),
        (ReferenceRange(text="0-5"), 5),
        (ReferenceRange(text="< 5"), 5),
        (ReferenceRange(text="5-426"), None),
    ],
)
def test_a_range_that_begins_above_zero_is_no_limit_where_ranges_begin_at_zero(
    found: ReferenceRange, uln: int | None
) -> None:
    read = hcg(ranges=(found,))
    assert read.uln == uln
    assert ("begins above zero" in worded(read.no_uln)) == (uln is None)


@pytest.mark.parametrize(
    ("text", "above"), [("0,0-5", False), ("0.5-5", True), ("5", False), ("до 5", False)]
)
def test_a_text_says_where_its_range_begins(text: str, above: bool) -> None:
    assert begins_above_zero(text) == above
