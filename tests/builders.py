"""One-line builders of core values with sensible defaults, for the tests of every room.

`PROTOCOL`, `SITE` and `RULEBOOK` are small and made of Python values: tests do not depend on
the clinicians' files. The patient of a builder is `p1` of the site `hospital`, the day TODAY.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from refnot_fhir.core.intervals import over
from refnot_fhir.core.records import (
    Chart,
    Coding,
    Concept,
    DaySpan,
    DoseGiven,
    Interval,
    LabResult,
    LabSeen,
    NotUsable,
    Original,
    Person,
    Quantity,
    ReferenceRange,
    Source,
    Value,
    When,
)
from refnot_fhir.core.rules import (
    AgeRule,
    AnswerRule,
    Bound,
    Criterion,
    Derivation,
    Dimension,
    DosingRule,
    DrugRule,
    Lab,
    LabRule,
    PersonRule,
    PlaceWords,
    Protocol,
    Rule,
    Rulebook,
    Site,
)

MOSCOW = ZoneInfo("Europe/Moscow")
TODAY = date(2026, 5, 20)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
LOCAL = "urn:hospital:codes"


def days_ago(days: int) -> date:
    """The date that many days before TODAY."""
    return TODAY - timedelta(days=days)


def concept(code: str, system: str = LOINC, *, text: str = "", display: str = "") -> Concept:
    """A concept of one coding."""
    return Concept((Coding(system, code, display),), text)


def quantity(value: str | int | None, unit: str = "", comparator: str = "") -> Quantity:
    """A quantity with the same unit shown and coded in UCUM."""
    exact = None if value is None else Decimal(value)
    return Quantity(exact, unit, unit, UCUM if unit else "", comparator)


def reference_range(high: str | None = None, unit: str = "", low: str | None = None) -> (
    ReferenceRange
):
    """A normal range with these limits."""
    limits = [None if it is None else quantity(it, unit) for it in (low, high)]
    return ReferenceRange(*limits)


def moment(day: date, hour: int = 8, minute: int = 0) -> When:
    """An exact moment of a day in Moscow."""
    at = datetime.combine(day, time(hour, minute), tzinfo=MOSCOW)
    return When(at, at, at.isoformat())


def whole_days(first: date, last: date | None = None) -> When:
    """A moment known only to be on one of these days in Moscow."""
    last = last or first
    start = datetime.combine(first, time.min, tzinfo=MOSCOW)
    end = datetime.combine(last, time.max, tzinfo=MOSCOW)
    return When(start, end, first.isoformat())


def source(id: str = "o1", type: str = "Observation", version: str = "1", part: str = "") -> Source:
    """The first version of a resource of the hospital."""
    return Source("hospital", type, id, version, part)


def lab_seen(
    code: str | Concept = "777-3",
    value: Value | None = None,
    *,
    id: str = "o1",
    patient: str = "p1",
    status: str = "final",
    ranges: tuple[ReferenceRange, ...] = (),
    collected: When | None = None,
    dated: bool = True,
    absent: Concept | None = None,
    specimen: Concept | None = None,
) -> LabSeen:
    """A measurement as sent, of TODAY unless `collected` or not `dated`."""
    return LabSeen(
        source=source(id),
        patient=patient,
        status=status,
        code=concept(code) if isinstance(code, str) else code,
        value=value,
        absent=absent,
        ranges=ranges,
        collected=collected or (moment(TODAY) if dated else None),
        specimen=specimen,
    )


def lab_result(
    analyte: str = "platelets",
    value: str | Interval | None = None,
    *,
    id: str = "o1",
    on: date | When | None = TODAY,
    issued: When | None = None,
    answer: str = "",
    uln: str | None = None,
    unit: str | None = None,
    specimen: str = "",
    not_usable: str = "",
    replaces: bool = True,
) -> LabResult:
    """An eligibility lab in the lab's own unit; `not_usable` is a reason code."""
    interval = Interval.exactly(Decimal(value)) if isinstance(value, str) else value
    limit = None if uln is None else Decimal(uln)
    return LabResult(
        source=source(id),
        patient="p1",
        analyte=analyte,
        original=Original(),
        value=interval,
        unit=LABS[analyte].unit if unit is None and analyte in LABS else unit or "",
        answer=answer,
        uln=limit,
        multiple=None if limit is None or interval is None else over(interval, limit),
        no_uln="" if limit is not None else "no reference range was sent with the value",
        collected=moment(on) if isinstance(on, date) else on,
        issued=issued,
        specimen=specimen,
        not_usable=NotUsable(not_usable, f"Because of {not_usable}.") if not_usable else None,
        replaces=replaces,
    )


def dose_given(
    drug: str = "",
    classes: Iterable[str] = (),
    *,
    id: str = "m1",
    on: date | When | None = TODAY,
    outcome: str = "given",
    resolved: bool = True,
    classified: bool = True,
    amount: str | None = None,
    studies: tuple[str, ...] = (),
    shown: str = "",
) -> DoseGiven:
    """An administration in the protocol's words."""
    return DoseGiven(
        source=source(id, "MedicationAdministration"),
        patient="p1",
        outcome=outcome,
        drug=drug,
        shown=shown or drug,
        classes=tuple(classes),
        resolved=resolved,
        classified=classified,
        amount=None if amount is None else Decimal(amount),
        given=moment(on) if isinstance(on, date) else on,
        studies=studies,
    )


def birth(text: str) -> DaySpan:
    """A date of birth known to the year, the month or the day."""
    parts = [int(part) for part in text.split("-")]
    first = date(*(parts + [1, 1])[:3])
    if len(parts) == 3:
        return DaySpan(first, first, text)
    year, month = (first.year + 1, 1) if len(parts) == 1 else divmod(first.month, 12)
    if len(parts) == 2:
        year, month = first.year + year, month + 1
    return DaySpan(first, date(year, month, 1) - timedelta(days=1), text)


def person(
    born: str | None = "1970-03-01",
    gender: str = "female",
    *,
    sex_signals: tuple[str, ...] = (),
    deceased: bool = False,
    replaced_by: str = "",
) -> Person:
    """The facts of a Patient."""
    return Person(
        source=source("p1", "Patient"),
        birth=None if born is None else birth(born),
        gender=gender,
        sex_signals=sex_signals,
        deceased=deceased,
        replaced_by=replaced_by,
    )


def chart(
    *labs: LabResult,
    doses: tuple[DoseGiven, ...] = (),
    of: Person | None = None,
    nobody: bool = False,
    enrolled_on: date | None = None,
) -> Chart:
    """A chart of these readings, of a woman of 56 unless `of` says otherwise or `nobody`."""
    known = None if nobody else of or person()
    return Chart("hospital", "p1", MOSCOW, known, labs, doses, enrolled_on)


def lab(name: str, dimension: str, unit: str, *codes: str, kind: str = "quantity") -> Lab:
    """A dictionary entry with LOINC codes."""
    keys = frozenset((LOINC, code) for code in codes)
    return Lab(name, name.replace("-", " "), kind, keys, {}, dimension=dimension, unit=unit)


def criterion(rule: Rule, id: str = "IN", kind: str = "inclusion") -> Criterion:
    """A criterion with this rule."""
    return Criterion(id, kind, id, "the registry's words", "the record", rule)


def site(**changes: Any) -> Site:
    """The hospital, with these habits."""
    return replace(SITE, **changes)


def protocol(*criteria: Criterion, derivations: tuple[Derivation, ...] = ()) -> Protocol:
    """A protocol of these criteria over LABS."""
    return Protocol(
        id="r2",
        version="1",
        title="A trial",
        acronym="R-2",
        identifiers=(("https://clinicaltrials.gov", "NCT00000000"),),
        sponsor="A sponsor",
        phase="phase-2",
        status="completed",
        purpose="treatment",
        period=("2009-06-04", "2011-11"),
        conditions=(),
        keywords=(),
        description="",
        planned=50,
        actual=55,
        arms=(),
        criteria=criteria,
        dosing=DOSING,
        labs=LABS,
        derivations=derivations,
        canonical="https://refnot-fhir.example.org/fhir",
        digest="protocol-digest",
    )


def _dimension(name: str, canonical: str, factors: dict[str, str], **aliases: str) -> Dimension:
    exact = {unit: Decimal(factor) for unit, factor in factors.items()}
    return Dimension(name, canonical, {canonical: Decimal(1), **exact}, aliases)


CELLS = {"10*3/uL": "1", "/uL": "0.001", "/mm3": "0.001", "/L": "0.000000001"}
DIMENSIONS = {
    found.name: found
    for found in (
        _dimension("number-concentration", "10*9/L", CELLS, **{"K/uL": "10*3/uL"}),
        _dimension("substance-concentration", "umol/L", {"mmol/L": "1000"}, **{"μmol/L": "umol/L"}),
        _dimension("mass-concentration", "mg/dL", {"mg/L": "0.1", "g/L": "100"}),
        _dimension("catalytic-concentration", "U/L", {"ukat/L": "60"}, **{"IU/L": "U/L"}),
        _dimension("arbitrary-concentration", "[IU]/L", {"m[IU]/mL": "1"}),
        _dimension("fraction", "%", {"1": "100"}, percent="%"),
        _dimension("score", "{score}", {"1": "1"}),
    )
}

_COUNT = "number-concentration"
_ENZYME = "catalytic-concentration"
_WHO = lab("who-status", "score", "{score}", "89247-1", kind="score")
_STATUS = lab("pregnancy-status", "", "", "82810-3", kind="answer")
_TEST = lab("pregnancy-test", "", "", "2118-8", kind="answer")
LABS: dict[str, Lab] = {
    found.name: found
    for found in (
        replace(
            lab("granulocytes", _COUNT, "10*9/L", "30394-1", "20482-6"),
            traps={
                (LOINC, "38518-7"): "Immature granulocytes are a small part of the granulocytes.",
                (LOINC, "19023-1"): "That is the percentage.",
            },
        ),
        lab("neutrophils", _COUNT, "10*9/L", "26499-4", "751-8"),
        lab("white-cells", _COUNT, "10*9/L", "6690-2"),
        lab("granulocytes-percent", "fraction", "%", "19023-1"),
        lab("neutrophils-percent", "fraction", "%", "770-8"),
        lab("segmented-percent", "fraction", "%", "26505-8"),
        lab("bands-percent", "fraction", "%", "26508-2"),
        replace(
            lab("platelets", _COUNT, "10*9/L", "777-3", "26515-7"),
            plausible=(Decimal(0), Decimal(10000)),
        ),
        replace(
            lab("creatinine", "substance-concentration", "umol/L", "2160-0", "14682-9"),
            conversions={"mass-concentration": Decimal("88.4")},
            specimens=frozenset({(SNOMED, "119364003")}),
            wrong_specimens=frozenset({"urine"}),
            traps={(LOINC, "2161-8"): "That is creatinine in urine."},
        ),
        lab("alt", _ENZYME, "U/L", "1742-6"),
        lab("ast", _ENZYME, "U/L", "1920-8"),
        lab("alp", _ENZYME, "U/L", "6768-6"),
        replace(
            _WHO,
            plausible=(Decimal(0), Decimal(5)),
            answers={
                (LOINC, "LA9623-5"): "1",
                (LOINC, "LA9624-3"): "2",
                (LOINC, "LA9625-0"): "3",
                (SNOMED, "422512005"): "1",
            },
            answers_by_question={((LOINC, "89247-1"), (LOINC, "LA9627-6")): "5"},
            texts={"who 1": "1"},
        ),
        replace(
            _STATUS,
            answers={
                (SNOMED, "77386006"): "pregnant",
                (SNOMED, "60001007"): "not-pregnant",
                (SNOMED, "146799005"): "possible",
            },
            texts={"not pregnant": "not-pregnant"},
        ),
        replace(
            _TEST,
            answers={(SNOMED, "10828004"): "positive", (SNOMED, "260385009"): "negative"},
        ),
        lab("hcg", "arbitrary-concentration", "[IU]/L", "19080-1"),
    )
}

DERIVATIONS = tuple(
    Derivation(name, f"{name} from percents", "white-cells", parts, Decimal(100))
    for name, parts in (
        ("granulocytes", ("granulocytes-percent",)),
        ("neutrophils", ("neutrophils-percent",)),
        ("neutrophils", ("segmented-percent", "bands-percent")),
    )
)

DOSING = DosingRule(
    drug="refnot",
    dose_iu=Decimal(400000),
    tolerance_iu=Decimal(0),
    route="subcutaneous",
    body_sites=frozenset({"upper-arm", "thigh"}),
    alternate="site-or-side",
    doses_per_course=12,
    doses_per_week=3,
    weeks_per_course=4,
    courses=2,
    gap_days=frozenset({2, 3}),
    new_course_after_days=14,
    same_dose_minutes=60,
)

AGE = criterion(AgeRule(18, 75), "IN03")
WHO = criterion(
    AnswerRule(("who-status",), frozenset("012"), frozenset("345"), within_days=28), "IN04"
)
GRANULOCYTES = criterion(
    LabRule(
        ("granulocytes", "neutrophils"),
        more_than=Bound(Decimal("2.0"), "10*9/L", inclusive=False),
        within_days=28,
        lower_bounds=frozenset({"neutrophils"}),
    ),
    "IN07A",
)
PLATELETS = criterion(
    LabRule(("platelets",), Bound(Decimal(150), "10*9/L", inclusive=False), within_days=28),
    "IN07B",
)
CREATININE = criterion(
    LabRule(("creatinine",), at_most=Bound(Decimal("1.5")), within_days=28), "IN08A"
)
ALT = criterion(LabRule(("alt",), at_most=Bound(Decimal(3)), within_days=28), "IN08B")
AST = criterion(LabRule(("ast",), at_most=Bound(Decimal(3)), within_days=28), "IN08C")
ALP = criterion(LabRule(("alp",), at_most=Bound(Decimal(3)), within_days=28), "IN08D")
PREGNANCY = criterion(
    AnswerRule(
        ("pregnancy-status", "pregnancy-test"),
        met=frozenset({"pregnant"}),
        not_met=frozenset({"not-pregnant", "negative"}),
        within_days=14,
        not_applicable_to=frozenset({"male"}),
        supporting=("hcg",),
    ),
    "EX04",
    "exclusion",
)
IMMUNOTHERAPY = criterion(DrugRule("immunotherapy", 42, "refnot"), "EX09", "exclusion")
CONSENT = criterion(PersonRule("a signed consent"), "IN06")

DECIDABLE = (
    *(AGE, WHO, GRANULOCYTES, PLATELETS, CREATININE, ALT, AST, ALP, PREGNANCY, IMMUNOTHERAPY),
)
PROTOCOL = protocol(*DECIDABLE, CONSENT, derivations=DERIVATIONS)
"""Every kind of rule, one criterion that only a person can decide included."""

SITE = Site("hospital", "A hospital", "R4", MOSCOW)

RULEBOOK = Rulebook(
    digest="rulebook-digest",
    dimensions=DIMENSIONS,
    labs=LABS,
    derivations=DERIVATIONS,
    panels=frozenset({(LOINC, "58410-2")}),
    drugs={},
    drug_classes={},
    places=PlaceWords({}, {}, {}, {}, {}),
    sites={SITE.name: SITE},
    protocols={PROTOCOL.id: PROTOCOL},
)
