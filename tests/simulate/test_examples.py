"""The example day: valid in its FHIR version, and the same in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.export.rows import eligibility_lab
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.gate import problems
from refnot_fhir.fhir.versions import Version
from tests.simulate.receiver import Receiver

EXAMPLES = Path(__file__).parents[2] / "examples" / "one-patient"
DAY = date(2026, 6, 1)
VERSIONS = [Version.R4, Version.R5]


def bundles(version: Version) -> list[Mapping[str, Any]]:
    return [
        wire.decode(path.read_bytes()) for path in sorted((EXAMPLES / version.lower()).iterdir())
    ]


def receiver(version: Version, rulebook: Rulebook) -> Receiver:
    """A hospital that speaks this version, with the day taken in."""
    sites = {"default": replace(rulebook.sites["default"], fhir=version.value)}
    taken = Receiver(replace(rulebook, sites=sites))
    for bundle in bundles(version):
        taken.take(bundle)
    return taken


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_day_is_valid_fhir(version: Version) -> None:
    assert len(bundles(version)) == 2
    for bundle in bundles(version):
        assert problems(bundle, version) == ()
        for entry in bundle["entry"]:
            assert problems(entry["resource"], version) == (), entry["fullUrl"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_day_speaks_for_the_patient(version: Version, rulebook: Rulebook) -> None:
    found = receiver(version, rulebook).assessed(DAY)
    verdicts = {it.criterion: it.verdict.value for it in found.results}
    decided = {name: verdict for name, verdict in verdicts.items() if verdict != "unknown"}
    assert decided == {
        **dict.fromkeys(
            ("IN03", "IN04", "IN07A", "IN07B", "IN08A", "IN08B", "IN08C", "IN08D"), "met"
        ),
        "EX04": "not-met",
        "EX09": "not-met",
    }
    assert found.standing == "undecided"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_dose_is_as_the_protocol_says(version: Version, rulebook: Rulebook) -> None:
    found = receiver(version, rulebook).followed(DAY)
    assert (found.given, found.cumulative, found.deviations) == (1, 400000, ())


def test_both_versions_say_the_same(rulebook: Rulebook) -> None:
    one, other = (receiver(version, rulebook).chart() for version in VERSIONS)
    assert one == other


@pytest.mark.parametrize("version", VERSIONS)
def test_the_multiples_are_those_that_the_page_names(version: Version, rulebook: Rulebook) -> None:
    chart = receiver(version, rulebook).chart()
    rows = (eligibility_lab(lab, labs=rulebook.labs) for lab in chart.labs)
    multiples = {row["analyte"]: row["uln_multiple"] for row in rows}
    page = (EXAMPLES.parent / "README.md").read_text("utf-8")
    for analyte in ("creatinine", "alt", "ast", "alp"):
        assert f"{multiples[analyte]} ×" in page
