"""The bundles: the same every time, valid, and only ever about invented people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import pytest

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.gate import GATED, problems
from refnot_fhir.fhir.versions import Version
from refnot_fhir.simulate import bundles, simulated
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.stories import SCENARIOS

EVERY = len(SCENARIOS)
IN_TRIAL = date(2011, 11, 30)
"""Until 2011 Moscow changed its clocks, and then stopped."""

Json = dict[str, Any]


def resources(bundle: Json) -> Iterator[Json]:
    return (entry["resource"] for entry in bundle["entry"])


def times(value: Any) -> Iterator[str]:
    """Every date and time in a resource."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in ("effectiveDateTime", "issued", "lastUpdated", "start", "end"):
                yield item
            else:
                yield from times(item)
    elif isinstance(value, list):
        for item in value:
            yield from times(item)


def test_the_same_seed_gives_the_same_bytes(rulebook: Rulebook) -> None:
    first = [wire.encode(bundle) for bundle in bundles(EVERY, 7, rulebook=rulebook)]
    assert first == [wire.encode(bundle) for bundle in bundles(EVERY, 7, rulebook=rulebook)]


def test_another_seed_gives_other_patients(rulebook: Rulebook) -> None:
    one, other = (next(bundles(1, seed, rulebook=rulebook)) for seed in (1, 2))
    assert wire.encode(one) != wire.encode(other)


def test_a_patient_does_not_depend_on_how_many_there_are(rulebook: Rulebook) -> None:
    few = list(simulated(5, 3, rulebook=rulebook))
    assert few == list(islice(simulated(50, 3, rulebook=rulebook), 5))


@pytest.mark.parametrize("until", [None, IN_TRIAL], ids=["by default", "while the trial ran"])
def test_every_resource_passes_the_gate(rulebook: Rulebook, until: date | None) -> None:
    for bundle in bundles(EVERY, 1, rulebook=rulebook, until=until):
        assert problems(bundle, Version.R4) == ()
        for resource in resources(bundle):
            if resource["resourceType"] in GATED:
                assert problems(resource, Version.R4) == (), bundle["id"]


def test_what_no_protocol_has_a_use_for_is_valid_too(rulebook: Rulebook) -> None:
    from fhir.resources.R4B.condition import Condition
    from fhir.resources.R4B.encounter import Encounter

    models = {"Condition": Condition, "Encounter": Encounter}
    bundle = next(bundles(1, 1, rulebook=rulebook))
    others = [r for r in resources(bundle) if r["resourceType"] in models]
    assert {resource["resourceType"] for resource in others} == set(models)
    assert {r["resourceType"] for r in resources(bundle)} <= GATED | set(models)
    for resource in others:
        models[resource["resourceType"]].model_validate_json(wire.encode(resource))


def test_every_scenario_comes_before_any_comes_again(rulebook: Rulebook) -> None:
    names = [patient.scenario.name for patient in simulated(2 * EVERY, 4, rulebook=rulebook)]
    assert set(names[:EVERY]) == set(names[EVERY:]) == {scenario.name for scenario in SCENARIOS}


def test_scenarios_have_names_of_their_own_and_a_sentence() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == EVERY
    assert all(scenario.sentence.endswith(".") for scenario in SCENARIOS)


def test_nothing_happens_after_the_last_day(rulebook: Rulebook) -> None:
    for bundle in bundles(2 * EVERY, 1, rulebook=rulebook, until=IN_TRIAL):
        for moment in times(bundle):
            assert datetime.fromisoformat(moment).astimezone(UTC).date() <= IN_TRIAL, bundle["id"]


def test_both_ways_of_sending_are_used(rulebook: Rulebook) -> None:
    methods = {
        entry["request"]["method"]
        for bundle in bundles(EVERY, 1, rulebook=rulebook)
        for entry in bundle["entry"]
    }
    assert methods == {"PUT", "POST"}


def test_bundles_sort_by_name_in_the_order_of_sending(rulebook: Rulebook) -> None:
    names = [bundle["id"] for bundle in bundles(EVERY, 1, rulebook=rulebook)]
    assert names == sorted(set(names))


def test_everybody_is_marked_as_test_data_and_has_an_invented_name(rulebook: Rulebook) -> None:
    for bundle in bundles(EVERY, 1, rulebook=rulebook):
        for resource in resources(bundle):
            if resource["resourceType"] == "Patient":
                assert [tag["code"] for tag in resource["meta"]["tag"]] == ["HTEST"]
                assert resource["name"][0]["family"] in hospital().family


def test_the_hospital_codes_its_labs_as_the_dictionary_does(rulebook: Rulebook) -> None:
    loinc = hospital().codes["loinc"]
    for name, analyte in {**hospital().labs, **hospital().spare}.items():
        known = rulebook.labs.get(name.removesuffix("-mass"))
        assert known is None or (loinc, analyte.code) in known.codes


def test_series_of_results_vary_from_week_to_week(rulebook: Rulebook) -> None:
    bundle = next(bundles(1, 1, rulebook=rulebook))
    code = hospital().labs["alp"].code
    values = [
        resource["valueQuantity"]["value"]
        for resource in resources(bundle)
        if resource["resourceType"] == "Observation"
        and resource["code"]["coding"][0]["code"] == code
    ]
    assert len(values) == hospital().visits
    assert len(set(values)) > 1
