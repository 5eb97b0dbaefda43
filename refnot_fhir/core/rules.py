"""What the mapping files say, as values: dictionaries, hospitals, protocols.

Every clinical number, code and habit that the core decides with arrives here from `mappings/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from refnot_fhir.core.dictionary import (
    CodeKey,
    ConditionSet,
    Derivation,
    Dimension,
    Drug,
    DrugClass,
    DrugProduct,
    Lab,
    Others,
    PlaceWords,
    RangeWords,
    Reasons,
)
from refnot_fhir.core.life import Life
from refnot_fhir.core.record import record, shared
from refnot_fhir.core.site import Site
from refnot_fhir.core.verdict import CriterionKind, RuleKind, Verdict

if TYPE_CHECKING:
    from refnot_fhir.core.criteria.case import Case
    from refnot_fhir.core.results import CriterionResult


@record
class Bound:
    """A limit on a value, or on its multiple of the upper limit of normal."""

    value: Decimal
    unit: str = ""
    """Empty when the bound is a multiple of the upper limit of normal."""
    inclusive: bool = True


class Relation(StrEnum):
    """How a value has to stand to a limit."""

    MORE_THAN = "more-than"
    AT_LEAST = "at-least"
    AT_MOST = "at-most"
    LESS_THAN = "less-than"


About = tuple[tuple[str, str], ...]
"""Parameters of a reason."""


class Rule(ABC):
    """How a criterion is decided: each kind is a record in its own file of `core/criteria/`."""

    __slots__ = ()

    kind: ClassVar[RuleKind]
    about: About
    """Parameters of its reasons and of its words."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Every lab that it looks at, those that it asks for first."""
        return ()

    @property
    def by_upper_limit(self) -> tuple[str, ...]:
        """Labs that it compares with the upper limit of normal."""
        return ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts that data can give."""
        return Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN

    @property
    def drug_classes(self) -> frozenset[str]:
        """Classes of drugs that it asks about."""
        return frozenset()

    @abstractmethod
    def decide(self, criterion: Criterion, case: Case, as_of: date) -> CriterionResult:
        """The result of the criterion that has this rule, for one patient on one date."""


@record
class Attestable:
    """Who may state how it is with a criterion, and how far that goes."""

    roles: frozenset[str]
    """Names in the `[attestation.roles]` of the protocol."""
    within_days: int
    """For so many days after it was signed a statement stands."""
    overrules: bool = False
    """That a statement with a reason for it may stand against what data decide."""
    not_applicable: bool = False
    """That it may say that the criterion does not apply."""


@record
class Criterion:
    """One inclusion or exclusion criterion, or a separately decided part of one."""

    id: str
    kind: CriterionKind
    title: str
    text: str
    """The registry's wording, quoted."""
    source: str
    """Its place in the record."""
    rule: Rule
    decisions: tuple[str, ...] = ()
    """Anchors in `DECISIONS.md` of the readings taken."""
    attestable: Attestable | None = None
    """None: only data decide it."""


class AnotherCourse(StrEnum):
    """What must be known before a course after the first one begins."""

    WITHOUT_PROGRESSION = "without-progression"
    ANYWAY = "anyway"


@record
class Prohibition:
    """Drugs that one arm does not allow beside the study drug, always or in its first days."""

    arm: str
    """Id of the arm."""
    drug_class: str
    first_days: int | None = None
    """So many days from the first dose on; None: as long as the patient takes part."""


@record
class DosingRule:
    """The schedule of a course of the study drug. Source: `protocols/<id>/dosing.toml`."""

    drug: str
    dose: Decimal
    unit: str
    """UCUM unit of every amount: the one that the drug is counted in."""
    tolerance: Decimal
    """How far a dose may be off and still be right."""
    routes: frozenset[str]
    body_sites: frozenset[str]
    """Empty: any, because the place does not matter."""
    sides: frozenset[str]
    """Empty: any."""
    alternate: frozenset[str]
    """What must differ, one of these at least, between two doses: `body-site`, `side`."""
    doses_per_course: int
    doses_per_week: int
    doses_per_day: int
    weeks_per_course: int
    courses: int
    another_course: AnotherCourse
    gap_days: frozenset[int]
    """Days after the last dose that are on schedule."""
    early_days: int
    """How many days before those a dose may still be given."""
    late_days: int
    """How many days after those a dose may still be given."""
    new_course_after_days: int
    """A pause of at least so many days begins another course, unless both sides fit into one."""
    longest_pause_days: int
    """A pause of at least so many days begins another course in any case."""
    course_break_days: int
    """So many days after the dose that fills a course, the next dose belongs to another one."""
    same_dose_minutes: int
    """Vials given within this time are one protocol dose."""
    source: str = ""
    decisions: tuple[str, ...] = ()
    """Anchors in `DECISIONS.md` of the readings taken."""
    progression: frozenset[str] = frozenset()
    """Labs that say whether the disease has progressed."""
    progressed: frozenset[str] = frozenset()
    """Their answers that say that it has."""
    not_progressed: frozenset[str] = frozenset()
    """Their answers that say that it has not: with one of these another course may begin."""
    prohibited: tuple[Prohibition, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    """Code of a deviation to how severe it is: `high`, `moderate`, `low`."""
    route_codes: Mapping[str, CodeKey] = field(default_factory=dict)
    """Route to the code under which it is published."""
    site_codes: Mapping[tuple[str, str], CodeKey] = field(default_factory=dict)
    """(body site, side) likewise."""

    @property
    def days_on_schedule(self) -> frozenset[int]:
        """Days after the last dose on which the next one is in time."""
        return frozenset(
            day
            for gap in self.gap_days
            for day in range(gap - self.early_days, gap + self.late_days + 1)
        )


@record
class Arm:
    """One arm as registered."""

    id: str
    name: str
    type: str
    description: str


@record
class Protocol:
    """One study: its registry record, its criteria, its schedule."""

    id: str
    version: str
    title: str
    acronym: str
    identifiers: tuple[tuple[str, str], ...]
    sponsor: str
    phase: str
    status: str
    purpose: str
    period: tuple[str, str]
    """Start and end as FHIR dates, each as precise as the record is."""
    conditions: tuple[str, ...]
    keywords: tuple[str, ...]
    description: str
    planned: int
    actual: int
    arms: tuple[Arm, ...]
    criteria: tuple[Criterion, ...]
    dosing: DosingRule
    labs: Mapping[str, Lab]
    """The dictionary entries of the labs that its criteria, and their derivations, name."""
    derivations: tuple[Derivation, ...]
    canonical: str
    """Base of the canonical URLs of what is published for it."""
    digest: str
    """SHA-256 of the files that it was read from, the dictionaries included."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Who may state something of a criterion: name to what people call it."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """What a signature may mean: name to the sentence that is signed."""
    unsigned: tuple[str, ...] = ()
    """The entries of `DECISIONS.md` that its criteria rest on and that nobody has signed."""
    parts: frozenset[tuple[str, str]] = field(init=False, repr=False, compare=False)
    """A lab and another one that it is a part of, because the other is a sum of it."""
    asked: Mapping[str, frozenset[str]] = field(init=False, repr=False, compare=False)
    """By criterion: the labs that it looks at, and those that they are derived from."""

    def __post_init__(self) -> None:
        """Lay out once what every patient's readings are looked up in."""
        sums = [(it, part) for it in self.derivations if not it.factor for part in it.sum_of]
        object.__setattr__(self, "parts", frozenset((part, whole.lab) for whole, part in sums))
        asked = {it.id: self._with_parts(it.rule.reads) for it in self.criteria}
        object.__setattr__(self, "asked", asked)

    def _with_parts(self, labs: tuple[str, ...]) -> frozenset[str]:
        parts = (part for way in self.derivations if way.lab in labs for part in way.parts)
        return frozenset((*labs, *parts))


@record
class Decision:
    """One reading taken of what the protocol leaves open. Source: `mappings/DECISIONS.md`."""

    anchor: str
    question: str
    reading: str
    why: str
    confirm: str
    """Who must confirm it."""
    source: str
    confirmed_by: str = ""
    """Who signed it; empty: nobody did."""
    confirmed_on: date | None = None


@shared
class Rulebook:
    """All mapping files, understood."""

    digest: str
    """SHA-256 of all files together."""
    dimensions: Mapping[str, Dimension]
    labs: Mapping[str, Lab]
    derivations: tuple[Derivation, ...]
    panels: frozenset[CodeKey]
    """Codes of panels: kept for their members, never read as a value."""
    drugs: Mapping[str, Drug]
    drug_classes: Mapping[str, DrugClass]
    places: PlaceWords
    sites: Mapping[str, Site]
    protocols: Mapping[str, Protocol]
    condition_sets: Mapping[str, ConditionSet] = field(default_factory=dict)
    life: Life = field(default_factory=Life)
    products: Mapping[CodeKey, DrugProduct] = field(default_factory=dict)
    """Code of a product to what it is made of."""
    discontinued: Reasons = field(default_factory=Reasons)
    """Reasons for not giving a dose that end the course."""
    amount_words: frozenset[str] = frozenset()
    """Units and forms (normalised, lower case) that may follow the name of a drug."""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """The readings taken, by anchor, and who signed them."""
    others: Others = field(default_factory=Others)
    range_words: RangeWords = field(default_factory=RangeWords)
    interpretations: Mapping[CodeKey, str] = field(default_factory=dict)
    """Code of a laboratory's interpretation to `negative` or `against` (beyond its limit)."""
    interpretation_texts: Mapping[str, str] = field(default_factory=dict)
    """Whole text of one, folded, likewise."""
    system_titles: Mapping[str, str] = field(default_factory=dict)
    """Address of a code system to what people call it."""
    labs_by_code: Mapping[CodeKey, tuple[Lab, ...]] = field(init=False, repr=False, compare=False)
    """Every code of a lab to the labs that it is a code of, in the order of `labs`."""
    traps_by_code: Mapping[CodeKey, tuple[Lab, ...]] = field(init=False, repr=False, compare=False)
    """Every code that looks like a lab and is none, to the labs that it looks like."""
    asked_classes: frozenset[str] = field(init=False, repr=False, compare=False)
    """Classes of drugs that some criterion asks about."""
    judged_by_limit: frozenset[str] = field(init=False, repr=False, compare=False)
    """Labs that some criterion compares with the upper limit of normal."""

    def __post_init__(self) -> None:
        """Lay out the codes once: every measurement is looked up by its own."""
        labs = self.labs.values()
        object.__setattr__(self, "labs_by_code", _by_code((lab, lab.codes) for lab in labs))
        object.__setattr__(self, "traps_by_code", _by_code((lab, lab.traps) for lab in labs))
        rules = [it.rule for protocol in self.protocols.values() for it in protocol.criteria]
        asked = frozenset(name for rule in rules for name in rule.drug_classes)
        object.__setattr__(self, "asked_classes", asked)
        judged = (
            lab
            for protocol in self.protocols.values()
            for criterion in protocol.criteria
            for lab in criterion.rule.by_upper_limit
        )
        object.__setattr__(self, "judged_by_limit", frozenset(judged))


def _by_code(labs: Iterable[tuple[Lab, Iterable[CodeKey]]]) -> dict[CodeKey, tuple[Lab, ...]]:
    found: dict[CodeKey, tuple[Lab, ...]] = {}
    for lab, codes in labs:
        for code in codes:
            found[code] = (*found.get(code, ()), lab)
    return found
