"""Which form and which version of FHIR an answer has."""

from __future__ import annotations

import pytest

from tests.door import Door, content, said

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
SAFARI = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HAPI = (
    "application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/xml+fhir;q=0.9, "
    "application/json+fhir;q=0.9"
)

ACCEPTED = [
    ("", "4.0"),
    ("*/*", "4.0"),
    ("application/*", "4.0"),
    ("application/json", "4.0"),
    ("application/fhir+json", "4.0"),
    ("APPLICATION/FHIR+JSON", "4.0"),
    ("application/fhir+json; fhirVersion=4.0", "4.0"),
    ("application/fhir+json;fhirVersion=4.3", "4.3"),
    ('application/fhir+json; fhirVersion="5.0"', "5.0"),
    ("application/fhir+json; fhirversion=5.0.0", "5.0"),
    ("application/fhir+json; charset=utf-8; fhirVersion=5.0", "5.0"),
    ("application/json; fhirVersion=4.3.0", "4.3"),
    ("application/fhir+xml, application/fhir+json", "4.0"),
    ("application/fhir+json; fhirVersion=3.0, application/fhir+json; fhirVersion=5.0", "5.0"),
    (
        "application/fhir+json; fhirVersion=4.3; q=0.5, application/fhir+json; fhirVersion=5.0",
        "5.0",
    ),
    ("application/fhir+json; fhirVersion=5.0; q=0.1, application/fhir+json; q=0.9", "4.0"),
    ("application/fhir+json; fhirVersion=5.0; q=0, */*; q=0.1", "4.0"),
    ("application/fhir+json; fhirVersion=5.0, */*", "5.0"),
    ("application/fhir+json; fhirVersion=5.0; q=high", "5.0"),
    (HAPI, "4.0"),
]


@pytest.mark.parametrize("accept", [CHROME, FIREFOX, SAFARI], ids=["Chrome", "Firefox", "Safari"])
def test_a_browser_gets_a_page(door: Door, accept: str) -> None:
    answer = door.get("metadata", Accept=accept)
    assert answer.content_type == "text/html; charset=utf-8"
    assert "&#34;fhirVersion&#34;: &#34;4.0.1&#34;" in answer.text


@pytest.mark.parametrize(("accept", "version"), ACCEPTED)
def test_an_answer_is_in_the_version_that_is_wanted_most(
    door: Door, accept: str, version: str
) -> None:
    for path in ("ResearchStudy/r2", "ResearchStudy", "ResearchSubject", "metadata", "CodeSystem"):
        answer = door.get(path, Accept=accept)
        assert answer.status_code == 200, answer.text
        assert answer.content_type == f"application/fhir+json; charset=utf-8; fhirVersion={version}"


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+xml",
        "text/csv",
        "image/*",
        "application/fhir+json; fhirVersion=3.0",
        "application/fhir+json; fhirVersion=6.0",
        "application/fhir+json; q=0",
    ],
)
def test_a_form_that_is_not_served_is_refused_with_those_that_are(door: Door, accept: str) -> None:
    for path in ("ResearchStudy/r2", "ResearchSubject", "metadata", "CodeSystem", "Patient?_id=1"):
        answer = door.get(path, Accept=accept)
        assert answer.status_code == 406
        assert "application/fhir+json" in said(answer)


@pytest.mark.parametrize(
    ("format_", "status", "version"),
    [
        ("json", 200, "4.0"),
        ("application/fhir+json", 200, "4.0"),
        ("application/fhir%2Bjson", 200, "4.0"),
        ("application/json", 200, "4.0"),
        ("application/fhir%2Bjson;%20fhirVersion=5.0", 200, "5.0"),
        ("xml", 406, ""),
        ("application/fhir%2Bxml", 406, ""),
    ],
)
def test_the_parameter_format_goes_before_the_header(
    door: Door, format_: str, status: int, version: str
) -> None:
    answer = door.get(f"ResearchStudy?_format={format_}", Accept="application/fhir+xml")
    assert answer.status_code == status, answer.text
    if status == 200:
        assert f"fhirVersion={version}" in answer.content_type
        assert "_format" not in content(answer)["link"][0]["url"]


def test_the_format_of_a_search_by_post_may_be_in_its_form(door: Door) -> None:
    answer = door.send(
        "POST", "ResearchStudy/_search", "_format=application/fhir%2Bjson;fhirVersion=5.0",
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert "fhirVersion=5.0" in answer.content_type
