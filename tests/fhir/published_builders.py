"""A small study with everything that can be published of it, and the proof that it is valid."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from refnot_fhir.core.criteria.person import PersonRule
from refnot_fhir.core.dictionary import Drug
from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingRecord, ProtocolDose
from refnot_fhir.core.facts import Dose, Outcome
from refnot_fhir.core.results import Assessment, CriterionResult, Evidence, StatusChange, Subject
from refnot_fhir.core.rules import Arm, Criterion, Protocol
from refnot_fhir.core.values import Interval, Original, Reason, Source, When
from refnot_fhir.core.verdict import CriterionKind, Eligibility, RuleKind, Verdict
from refnot_fhir.fhir import gate, wire
from refnot_fhir.fhir.versions import Version
from tests.small_rulebook import DOSING

VERSIONS = tuple(Version)
INCLUSION, EXCLUSION = CriterionKind
CANONICAL = "https://refnot-fhir.example.org/fhir"
BASE = "https://trial.example.org/fhir"
SNOMED = "http://snomed.info/sct"
NOW = datetime(2026, 5, 20, 9, 30, tzinfo=UTC)
NCT = ("https://clinicaltrials.gov/nctid", "NCT05898451")

PROTOCOL = Protocol(
    id="refnot-r2",
    version="1.2.0",
    title="Effect of Refnot on Immunity in Cancer Patients",
    acronym="R-2",
    identifiers=(NCT,),
    sponsor="Refnot-Pharm Ltd",
    phase="phase-2",
    status="completed",
    purpose="treatment",
    period=("2009-06-04", "2011-11"),
    conditions=("Solid tumor",),
    keywords=("immunity",),
    description="How Refnot changes the immunity of patients with solid tumours.",
    planned=50,
    actual=55,
    arms=(
        Arm("alone", "Independent use of Refnot", "Experimental", "Refnot alone."),
        Arm("combined", "The use of Refnot in combination with chemotherapy", "Experimental", ""),
    ),
    criteria=(
        Criterion("IN03", INCLUSION, "Age", "Age no more than 75 years", "§4", PersonRule("x")),
        Criterion(
            "IN08A", INCLUSION, "Creatinine", "Creatinine <= 1.5 norms", "§4", PersonRule("x")
        ),
        Criterion("EX04", EXCLUSION, "Pregnancy", "Pregnancy", "§4", PersonRule("x")),
        Criterion("EX09", EXCLUSION, "Immunotherapy", "Any immunotherapy", "§4", PersonRule("x")),
    ),
    dosing=replace(
        DOSING,
        route_codes={"subcutaneous": (SNOMED, "34206005")},
        site_codes={("thigh", ""): (SNOMED, "68367000"), ("thigh", "left"): (SNOMED, "61396006")}
        | {("upper-arm", "right"): (SNOMED, "368209003"), ("other", "left"): (SNOMED, "7771000")},
    ),
    labs={},
    derivations=(),
    canonical=CANONICAL,
    digest="ab" * 32,
)
DRUG = Drug("refnot", "Refnot", frozenset(), frozenset({"refnot"}), ("immunotherapy",))


def text(said: str) -> Reason:
    """A sentence of an earlier release."""
    return Reason("text", (("text", said),))


def change(status: str, at: datetime, why: str) -> StatusChange:
    return StatusChange(status, at, text(why), "rule")


def subject(**changes: Any) -> Subject:
    """A subject on study, with two states behind them."""
    facts: dict[str, Any] = {
        "id": "0190-s1",
        "site": "default",
        "patient": "p1",
        "protocol": "refnot-r2",
        "status": "eligible",
        "version": 3,
        "updated": NOW,
        "history": (
            change("candidate", datetime(2026, 5, 1, tzinfo=UTC), "the feed sent them"),
            change("screening", datetime(2026, 5, 4, tzinfo=UTC), "first lab"),
            change("eligible", NOW, "every criterion is satisfied"),
        ),
        "identifiers": (("https://trial.example.org/subjects", "R2-001"),),
    }
    return Subject(**{**facts, **changes})


def source(type: str, id: str, version: str = "1", part: str = "") -> Source:
    return Source("default", type, id, version, part)


CREATININE = Evidence(
    source=source("Observation", "o1", "2"),
    shows=Reason("measurement"),
    days=(date(2026, 5, 4), date(2026, 5, 4)),
    lab="creatinine",
    original=Original("1.20", "mg/dL", "0.6-1.3"),
    value=Interval.exactly(Decimal("106.080")),
    unit="umol/L",
    uln=Decimal("114.92"),
    multiple=Interval.exactly(Decimal("106.080") / Decimal("114.92")),
    when=When(
        datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 5, 4, 23, 59, tzinfo=UTC), "2026-05-04"
    ),
    formula="",
    notes=(text("mg/dL became umol/L"),),
)
EARLIER_DOSE = Evidence(
    source("MedicationAdministration", "m9", "4"),
    Reason("dose", (("drug", "nivolumab"), ("outcome", "given"))),
    days=(date(2026, 4, 20), date(2026, 4, 20)),
)
BORN = Evidence(
    source("Patient", "p1", "7"),
    Reason("born"),
    days=(date(1965, 1, 1), date(1965, 12, 31)),
)
AGED = (("youngest", "61"), ("oldest", "61"), ("on", "2026-05-20"), ("at-most", "75"))
RESULTS = (
    CriterionResult(
        "IN03",
        INCLUSION,
        RuleKind.AGE,
        Verdict.MET,
        Reason("within-age", AGED),
        (BORN,),
        limit=Decimal(75),
        limit_unit="a",
    ),
    CriterionResult(
        "IN08A",
        INCLUSION,
        RuleKind.LAB,
        Verdict.MET,
        Reason("within-limit", (("lab", "creatinine"), ("at-most", "1.5"))),
        (CREATININE,),
        limit=Decimal("1.5"),
        window=(date(2026, 4, 22), date(2026, 5, 20)),
        holds_until=date(2026, 6, 1),
    ),
    CriterionResult(
        "EX04",
        EXCLUSION,
        RuleKind.ANSWER,
        Verdict.NOT_APPLICABLE,
        Reason("not-applicable", (("gender", "male"),)),
    ),
    CriterionResult(
        "EX09",
        EXCLUSION,
        RuleKind.DRUG,
        Verdict.UNKNOWN,
        Reason("unresolved-drug", (("class", "immunotherapy"),)),
        (EARLIER_DOSE,),
        window=(date(2026, 4, 8), date(2026, 5, 20)),
    ),
)


def result(verdict: Verdict, *evidence: Evidence, criterion: str = "IN03") -> CriterionResult:
    """A result that says `w`."""
    said = Reason("r", (("text", "w"),))
    return CriterionResult(criterion, INCLUSION, None, verdict, said, evidence)


def assessment(**changes: Any) -> Assessment:
    facts: dict[str, Any] = {
        "site": "default",
        "patient": "p1",
        "protocol": "refnot-r2",
        "protocol_version": "1.2.0",
        "digest": PROTOCOL.digest,
        "as_of": date(2026, 5, 20),
        "results": RESULTS,
        "standing": Eligibility.UNDECIDED,
        "holds_until": date(2026, 6, 1),
    }
    return Assessment(**{**facts, **changes})


def vial(id: str, **changes: Any) -> Dose:
    facts: dict[str, Any] = {
        "source": source("MedicationAdministration", id, "1"),
        "patient": "p1",
        "outcome": Outcome.GIVEN,
        "drug": "refnot",
        "amount": Decimal(100_000),
        "vials": (text("1 vial of 100000 IU"),),
    }
    return Dose(**{**facts, **changes})


WRONG_DOSE = Deviation(
    DeviationCode.WRONG_DOSE,
    (Reason("amount", (("given", "300000"), ("dose", "400000"), ("unit", "[IU]"))),),
    (source("MedicationAdministration", "m5"),),
    date(2026, 5, 6),
)
MISSED = Deviation(
    DeviationCode.MISSED_DOSE,
    (Reason("not-reported", (("due", "2026-05-08"),)),),
    (),
    date(2026, 5, 8),
)
DOSES = (
    ProtocolDose(
        1,
        1,
        Outcome.GIVEN,
        Decimal(400_000),
        parts=tuple(vial(f"m{n}") for n in range(1, 5)),
        on=date(2026, 5, 4),
        planned=date(2026, 5, 4),
        route="subcutaneous",
        body_site="thigh",
        side="left",
    ),
    ProtocolDose(
        1,
        2,
        Outcome.PARTIAL,
        Decimal(300_000),
        parts=(vial("m5"),),
        on=date(2026, 5, 6),
        route="other",
        body_site="other",
        reason="pain",
        deviations=(WRONG_DOSE,),
    ),
    ProtocolDose(1, None, Outcome.NOT_GIVEN, None, planned=date(2026, 5, 8), deviations=(MISSED,)),
    ProtocolDose(1, 3, Outcome.GIVEN, None, no_amount=(Reason("no-amount"),), parts=(vial("m6"),)),
    ProtocolDose(1, None, Outcome.UNKNOWN, None),
)
RECORD = DosingRecord(
    "default",
    "p1",
    "refnot-r2",
    "[IU]",
    DOSES,
    (WRONG_DOSE, MISSED),
    Decimal(700_000),
    cumulative_complete=False,
    given=3,
    planned=12,
)


def shown(problems: Any) -> list[str]:
    return [f"{problem.expression}: {problem.message}" for problem in problems]


def assert_valid(resource: dict[str, Any], version: Version) -> None:
    """The gate finds nothing, and fhir.resources reads it."""
    text = wire.encode(resource)
    plain = wire.decode(text)
    assert shown(gate.problems(plain, version)) == []
    for entry in plain.get("entry", ()):
        if "resource" in entry:
            assert shown(gate.problems(entry["resource"], version)) == []
    # fhir.resources has no R4; its R4B models have the same elements for these types.
    package = "fhir.resources" if version is Version.R5 else "fhir.resources.R4B"
    name = resource["resourceType"]
    model = getattr(importlib.import_module(f"{package}.{name.lower()}"), name)
    model.model_validate(json.loads(text))
