"""The manifest, the files, and whether the product concludes what the manifest says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from jsonschema import Draft202012Validator

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import Conflict
from refnot_fhir.fhir import wire
from refnot_fhir.simulate import Simulated, bundles, manifest, schema, simulated, write
from refnot_fhir.simulate.expectation import Check, standing
from refnot_fhir.simulate.limits import Limits
from refnot_fhir.simulate.patients import told
from refnot_fhir.simulate.scenario import Scenario
from refnot_fhir.simulate.stories import SCENARIOS, people
from refnot_fhir.simulate.story import Story
from tests.simulate.receiver import Receiver

EVERY = len(SCENARIOS)
ROUNDS = [(1, None), (2, date(2011, 11, 30))]
"""Seeds, and the last day: also while the trial ran, when Moscow still changed its clocks."""


def differences(receiver: Receiver, check: Check) -> list[str]:
    """What the product concludes otherwise than a check says."""
    return _of_screening(receiver, check) + _of_dosing(receiver, check)


def _of_screening(receiver: Receiver, check: Check) -> list[str]:
    if not check.criteria:
        return []
    found = receiver.assessed(check.as_of)
    wrong = [
        f"{name}: {verdict} expected, {result.verdict.value} found: {result.reason}"
        for name, verdict in check.criteria.items()
        if (result := found.result(name)).verdict.value != verdict
    ]
    if check.standing and found.standing != check.standing:
        wrong.append(f"standing: {check.standing} expected, {found.standing} found")
    return wrong


def _of_dosing(receiver: Receiver, check: Check) -> list[str]:
    if check.dosing is None:
        return []
    found = receiver.followed(check.as_of)
    rows = (
        ("given", check.dosing.given, found.given),
        ("IU", check.dosing.cumulative, found.cumulative),
        ("complete", check.dosing.complete, found.cumulative_complete),
        ("deviations", Counter(check.dosing.deviations), Counter(d.code for d in found.deviations)),
    )
    return [
        f"{name}: {expected} expected, {got} found: {[d.why for d in found.deviations]}"
        for name, expected, got in rows
        if expected is not None and expected != got
    ]


def screened(patient: Simulated, rulebook: Rulebook) -> list[str]:
    """Take in one patient's bundles and look at every check when its turn comes."""
    receiver, wrong = Receiver(rulebook), []
    for bundle in patient.bundles:
        receiver.take(bundle)
        for check in patient.checks:
            if check.after == f"{bundle['id']}.json":
                wrong += [
                    f"{patient.key} {patient.scenario.name} on {check.as_of}: {one}"
                    for one in differences(receiver, check)
                ]
    return wrong


@pytest.mark.parametrize(("seed", "until"), ROUNDS)
def test_the_screening_of_all_patients_is_what_the_manifest_says(
    rulebook: Rulebook, seed: int, until: date | None
) -> None:
    patients = simulated(EVERY, seed, rulebook=rulebook, until=until)
    assert [wrong for patient in patients for wrong in screened(patient, rulebook)] == []


def test_a_manifest_that_expects_something_else_is_contradicted(rulebook: Rulebook) -> None:
    patient = next(iter(simulated(1, 1, rulebook=rulebook)))
    receiver = Receiver(rulebook)
    receiver.take(patient.bundles[0])
    wrong = Check(
        after=patient.checks[0].after,
        as_of=patient.checks[0].as_of,
        criteria={"IN08B": "not-applicable"},
        standing="ineligible",
    )
    assert len(differences(receiver, wrong)) == 2


def test_every_verdict_of_every_decided_criterion_is_shown_by_somebody(rulebook: Rulebook) -> None:
    said = manifest(EVERY, 1, rulebook=rulebook)["patients"]
    shown = {
        (criterion, check["criteria"][criterion])
        for patient in said
        for check in patient["checks"]
        for criterion in patient["shows"]
        if criterion in check.get("criteria", {})
    }
    decided = Limits(rulebook, rulebook.protocols["refnot-r2"]).kinds()
    for criterion in decided:
        for verdict in ("met", "not-met", "unknown"):
            assert (criterion, verdict) in shown


def test_the_manifest_follows_its_schema(rulebook: Rulebook) -> None:
    Draft202012Validator.check_schema(schema())
    said = json.loads(wire.encode(manifest(EVERY, 1, rulebook=rulebook)))
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(said)] == []


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"IN03": "met", "EX04": "not-met"}, "undecided"),
        ({"IN03": "not-met", "EX04": "not-met"}, "ineligible"),
        ({"IN03": "met", "EX04": "met"}, "ineligible"),
        ({"IN03": "met", "EX04": "unknown"}, "undecided"),
    ],
)
def test_one_verdict_against_the_patient_settles_the_standing(
    rulebook: Rulebook, criteria: dict[str, str], expected: str
) -> None:
    assert standing(criteria, Limits(rulebook, rulebook.protocols["refnot-r2"])) == expected


def test_without_a_person_to_ask_all_that_is_good_is_eligible(rulebook: Rulebook) -> None:
    protocol = rulebook.protocols["refnot-r2"]
    kinds = Limits(rulebook, protocol).kinds()
    decided = tuple(c for c in protocol.criteria if c.id in kinds)
    limits = Limits(rulebook, replace(protocol, criteria=decided))
    assert standing({"IN03": "met", "EX04": "not-applicable"}, limits) == "eligible"
    assert standing({"IN03": "met", "EX04": "unknown"}, limits) == "undecided"


SPOILED = [date(2024, 2, 28), date(2024, 2, 29), date(2025, 12, 31), date(2026, 1, 1)]


@pytest.mark.parametrize("scenario", people.SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("as_of", SPOILED, ids=str)
def test_no_calendar_day_spoils_a_story(
    rulebook: Rulebook, scenario: Scenario, as_of: date
) -> None:
    story = Story(
        number=1,
        key="sim-1-0001",
        limits=Limits(rulebook, rulebook.protocols["refnot-r2"]),
        zone=rulebook.sites["default"].zone,
        rng=Random(1),  # noqa: S311
        as_of=as_of,
    )
    assert screened(told(story, scenario), rulebook) == []


def test_what_is_written_is_what_is_told(rulebook: Rulebook, tmp_path: Path) -> None:
    seen: list[int] = []
    path = write(tmp_path, 4, 9, rulebook=rulebook, progress=seen.append)
    assert wire.decode(path.read_bytes()) == wire.decode(
        wire.encode(manifest(4, 9, rulebook=rulebook))
    )
    files = sorted((tmp_path / "bundles").iterdir())
    sent = list(bundles(4, 9, rulebook=rulebook))
    assert [file.stem for file in files] == [bundle["id"] for bundle in sent]
    assert [file.read_bytes() for file in files] == [wire.encode(one) + b"\n" for one in sent]
    assert seen == [1, 2, 3, 4]


def test_writing_the_same_simulation_again_changes_nothing(
    rulebook: Rulebook, tmp_path: Path
) -> None:
    path = write(tmp_path, 2, 9, rulebook=rulebook)
    before = path.read_bytes()
    (tmp_path / "bundles" / f"{next(bundles(1, 9, rulebook=rulebook))['id']}.json").write_bytes(b"")
    assert write(tmp_path, 2, 9, rulebook=rulebook).read_bytes() == before
    assert all(file.stat().st_size for file in (tmp_path / "bundles").iterdir())


def test_another_simulation_is_not_written_over_one_that_is_there(
    rulebook: Rulebook, tmp_path: Path
) -> None:
    write(tmp_path, 2, 9, rulebook=rulebook)
    with pytest.raises(Conflict, match="empty folder"):
        write(tmp_path, 1, 9, rulebook=rulebook)


def test_files_that_are_not_ours_are_left_alone(rulebook: Rulebook, tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "letter.txt").write_text("private")
    with pytest.raises(Conflict):
        write(tmp_path, 1, 9, rulebook=rulebook)


def test_no_patients_make_an_empty_manifest(rulebook: Rulebook, tmp_path: Path) -> None:
    assert wire.decode(write(tmp_path, 0, 1, rulebook=rulebook).read_bytes())["patients"] == []


def test_limits_are_converted_exactly(rulebook: Rulebook) -> None:
    limits = Limits(rulebook, rulebook.protocols["refnot-r2"])
    assert limits.bound("granulocytes", "/uL") == 2000
    assert limits.bound("creatinine", "") == Decimal("1.5")
    assert limits.converted("creatinine", Decimal("1.2"), of="mg/dL", to="umol/L") == Decimal(
        "106.08"
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda limits: limits.age("performance"),
        lambda limits: limits.bound("age", ""),
        lambda limits: limits.within_days("age"),
    ],
    ids=["age of no age rule", "bound of no lab rule", "window of a rule without one"],
)
def test_a_limit_that_a_criterion_does_not_have_is_an_error(rulebook: Rulebook, ask) -> None:
    with pytest.raises(TypeError):
        ask(Limits(rulebook, rulebook.protocols["refnot-r2"]))


def test_a_criterion_or_unit_that_does_not_exist_is_an_error(rulebook: Rulebook) -> None:
    limits = Limits(rulebook, rulebook.protocols["refnot-r2"])
    without = replace(limits, protocol=replace(limits.protocol, criteria=()))
    with pytest.raises(KeyError, match="IN03"):
        without.age("age")
    with pytest.raises(KeyError, match="shoe-size"):
        limits.age("shoe-size")
    with pytest.raises(KeyError, match="furlong"):
        limits.converted("creatinine", Decimal(1), of="furlong", to="umol/L")
