"""What is published and seldom changes comes out of fhir.resources as it went in, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built

SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "https://refnot-fhir.example.org/fhir/CodeSystem/x",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "a", "display": "A"}],
}
STUDY = {"resourceType": "ResearchStudy", "status": "active"}


@pytest.mark.parametrize("version", Version)
def test_a_resource_is_built_as_its_content_says_in_the_order_of_its_elements(
    version: Version,
) -> None:
    content = dict(reversed(SYSTEM.items()))

    made = built(content, version)

    assert made == SYSTEM
    assert list(made) == list(SYSTEM)


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ({**SYSTEM, "nonsense": 1}, Version.R4),
        ({**SYSTEM, "concept": [{"display": "A"}]}, Version.R4B),
        ({**STUDY, "comparisonGroup": [{"name": "a"}]}, Version.R4),
        ({**STUDY, "arm": [{"name": "a"}]}, Version.R5),
    ],
    ids=["no such element", "a required one is missing", "of R5 alone", "of R4 alone"],
)
def test_what_the_model_of_the_version_refuses_is_not_published(
    content: dict[str, Any], version: Version
) -> None:
    with pytest.raises(ValueError, match=r"validation errors? for"):
        built(content, version)


def test_content_that_the_model_would_write_otherwise_is_not_published() -> None:
    marked = {**SYSTEM, "meta": {"lastUpdated": "2026-05-01T00:00:00+00:00"}}

    with pytest.raises(ValueError, match="meta would be altered"):
        built(marked, Version.R4)


def test_each_answer_is_the_callers_own() -> None:
    built(SYSTEM, Version.R4)["concept"].clear()

    assert built(SYSTEM, Version.R4) == SYSTEM
