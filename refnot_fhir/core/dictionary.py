"""What the dictionaries say: units, labs, drugs, and the words for places of injection.

Source: the files directly below `mappings/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from refnot_fhir.core.record import record, shared

CodeKey = tuple[str, str]
"""(system, code)."""


@record
class Dimension:
    """A kind of quantity and its units: the factor of each to the canonical unit.

    Source: `mappings/units.toml`.
    """

    name: str
    canonical: str
    factors: Mapping[str, Decimal]
    """UCUM unit to factor: one `unit` is `factor` canonical units. The canonical unit has 1."""
    aliases: Mapping[str, str]
    """Unit as hospitals write it (`spelling` of `units.py`) to UCUM unit."""
    numerators: Mapping[str, str] = field(default_factory=dict)
    """What stands before the slash, as hospitals write it, to what UCUM writes there."""
    denominators: Mapping[str, str] = field(default_factory=dict)
    """What stands behind the slash, likewise."""


@shared
class Lab:
    """One analyte, score or question that a protocol asks for. Source: `mappings/labs.toml`."""

    name: str
    title: str
    kind: str
    """`quantity`, `score` (a whole number, such as WHO status) or `answer` (a coded reply)."""
    codes: frozenset[CodeKey]
    traps: Mapping[CodeKey, str]
    """Codes that look like this lab and are not, with the reason."""
    dimension: str = ""
    unit: str = ""
    """Canonical unit of the standardised value."""
    conversions: Mapping[str, Decimal] = field(default_factory=dict)
    """From the canonical unit of another dimension (named) to `unit`: molar mass and the like."""
    answers: Mapping[CodeKey, str] = field(default_factory=dict)
    """Coded answer to its name (`pregnant`), or to the score as text (`2`)."""
    answers_by_question: Mapping[tuple[CodeKey, CodeKey], str] = field(default_factory=dict)
    """(question code, answer code) to answer, where the question changes the meaning."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Whole text answers, lower case, to their name or score: `who 1` to `1`."""
    specimens: frozenset[CodeKey] = frozenset()
    """Specimen codes accepted; when empty, any."""
    wrong_specimens: frozenset[str] = frozenset()
    """Folded beginnings of words or phrases of a specimen that rule the reading out: `urine`."""
    specimen_words: frozenset[str] = frozenset()
    """Folded words that a specimen without a code may be said in; when empty, any."""
    drawn_from: frozenset[CodeKey] = frozenset()
    """Codes of places of the body that its specimen is drawn from."""
    drawn_from_words: frozenset[str] = frozenset()
    """Folded words that such a place may be said in; without any, every place is one."""
    wrong_sites: frozenset[str] = frozenset()
    """Lower-case beginnings of words that say another place: `marrow`."""
    wrong_methods: frozenset[CodeKey] = frozenset()
    """Codes of methods that do not measure it."""
    wrong_method_words: frozenset[str] = frozenset()
    """Folded words in the text of such a method or device: `estimate`."""
    plausible: tuple[Decimal, Decimal] | None = None
    """Both ends included, in `unit`; a value outside is taken for a unit mistake."""
    source: str = ""
    range_from_zero: bool = False
    """Whether a range that begins above zero is for a group, as for a week of pregnancy."""
    of_conditions: bool = False
    """Whether it is asked of a condition of the patient, which its focus then names."""


@record
class Others:
    """How it is said that a measurement is of somebody else. Source: `mappings/labs.toml`."""

    codes: frozenset[CodeKey] = frozenset()
    texts: frozenset[str] = frozenset()
    """Whole texts, folded: `donor`."""


@record
class RangeWords:
    """How reference ranges say whom they are for. Source: `mappings/labs.toml`."""

    sex_codes: Mapping[CodeKey, str] = field(default_factory=dict)
    """Code to `male` or `female`."""
    recorded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Sex to the codes, folded, that mean it wherever a patient's sex is recorded."""
    normal: frozenset[CodeKey] = frozenset()
    """Codes of the kind of a range that holds what is normal."""
    normal_texts: frozenset[str] = frozenset()
    """Whole folded texts of that kind."""
    sex_texts: Mapping[str, str] = field(default_factory=dict)
    """Word, folded and without a full stop, to `male` or `female`."""
    groups: frozenset[str] = frozenset()
    """Folded beginnings of words that say another group: `pregnan`, `child`."""
    plain: frozenset[str] = frozenset()
    """Folded words that change no meaning: `normal`, `both`."""
    up_to: frozenset[str] = frozenset()
    """Folded words that stand before or between limits: `to`, `below`."""
    adults: frozenset[str] = frozenset()
    """Folded words that say adults."""
    adult_years: int = 0
    """The age from which somebody is an adult."""
    not_pregnant: frozenset[str] = frozenset()
    """Phrases that say people who are not pregnant: `non-pregnant`."""


@record
class Derivation:
    """A way to compute one lab from others of the same collection.

    result = `factor` × (sum of `sum_of`) / `divide_by`, or the sum alone without a factor.
    Source: `mappings/labs.toml`.
    """

    lab: str
    name: str
    factor: str
    """Empty: the parts are only added."""
    sum_of: tuple[str, ...]
    divide_by: Decimal
    source: str = ""
    at_least: bool = False
    """Whether the parts are not all of the lab, so that it is at least the result."""
    parts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Every lab that it needs, the factor first."""

    def __post_init__(self) -> None:
        """Put the parts together once."""
        parts = (self.factor, *self.sum_of) if self.factor else self.sum_of
        object.__setattr__(self, "parts", parts)


@record
class Drug:
    """One drug that must be recognised by name. Source: `mappings/drugs.toml`."""

    name: str
    title: str
    codes: frozenset[CodeKey]
    texts: frozenset[str]
    """Whole names, lower case; compared after Unicode and space normalisation."""
    classes: tuple[str, ...]
    unit: str = ""
    """UCUM unit that its doses are counted in; empty: they are not counted."""
    vial_strengths: tuple[Decimal, ...] = ()
    """What one vial holds, in `unit`, for each strength that exists."""
    dissolved_in_ml: Decimal | None = None
    """mL in which one protocol dose is dissolved."""
    dose_units: Mapping[str, Decimal] = field(default_factory=dict)
    """Unit as written (normalised) to what one of it is in `unit`: `k[IU]` 1000 where `[IU]` is."""
    count_units: frozenset[str] = frozenset()
    """Units (normalised) that count vials: `{vial}`, `vial`, `флакон`."""
    volume_units: Mapping[str, Decimal] = field(default_factory=dict)
    """Units (normalised) of volume to mL."""
    source: str = ""


@record
class DrugClass:
    """Drugs known as a class, by code or name. Source: `mappings/drugs.toml`."""

    name: str
    title: str
    prefixes: tuple[CodeKey, ...]
    """(system, code prefix): every code that begins with it belongs to the class."""
    exceptions: tuple[CodeKey, ...]
    """(system, code prefix) taken out again, such as colony-stimulating factors (L03AA)."""
    codes: frozenset[CodeKey]
    review: frozenset[CodeKey] = frozenset()
    """Codes whose class depends on the use: never decided by machine."""
    texts: frozenset[str] = frozenset()
    """Names of its drugs, as those of `Drug`."""
    source: str = ""


@record
class DrugProduct:
    """A product as codes name it: what it is made of. Source: `mappings/products.toml`."""

    ingredients: tuple[CodeKey, ...]
    title: str
    route: str = ""
    """The route that its form is for: a name in `places.toml`; empty where the form has several."""


@record
class ConditionSet:
    """Diagnoses, problems or allergies that a criterion asks about, by their codes.

    Source: `mappings/conditions.toml`.
    """

    name: str
    title: str
    prefixes: tuple[CodeKey, ...] = ()
    """(system, code prefix): every code that begins with it belongs to the set."""
    exceptions: tuple[CodeKey, ...] = ()
    """(system, code prefix) taken out again."""
    codes: frozenset[CodeKey] = frozenset()
    suffixes: tuple[CodeKey, ...] = ()
    """(system, end of a code): every code that ends with it belongs to the set."""
    includes: frozenset[str] = frozenset()
    """Sets whose members are its own, too, however deep."""
    resource_types: frozenset[str] = frozenset()
    """Types of resources that belong to it whatever their code."""
    denies: frozenset[str] = frozenset()
    """Sets of which a member says that nothing is there."""
    contradicts: frozenset[str] = frozenset()
    """Sets of which one record that is a member cannot surely be, too. It says nothing else."""
    left_open_by: frozenset[str] = frozenset()
    """Types of resources that leave it open, if they rest on a listed test and do not code it."""
    source: str = ""


@record
class Reasons:
    """Reasons that say one thing, such as that a treatment was discontinued."""

    codes: frozenset[CodeKey] = frozenset()
    texts: frozenset[str] = frozenset()
    """Whole texts, in the form of `translate.drug.plain`."""


@record
class PlaceWords:
    """How routes and injection sites are said. Source: `mappings/places.toml`."""

    routes: Mapping[CodeKey, str]
    route_texts: Mapping[str, str]
    sites: Mapping[CodeKey, tuple[str, str]]
    """Code to (site, side); side may be empty."""
    site_texts: Mapping[str, tuple[str, str]]
    sides: Mapping[CodeKey, str]
    route_codes: Mapping[str, CodeKey] = field(default_factory=dict)
    """Route to the code under which it is published: the first one that is listed."""
    site_codes: Mapping[tuple[str, str], CodeKey] = field(default_factory=dict)
    """(site, side) likewise."""
