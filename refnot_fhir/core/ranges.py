"""Which upper limit of normal belongs to a value: the one of its own row that surely applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from refnot_fhir.core.days import after_months, shifted
from refnot_fhir.core.dictionary import Lab
from refnot_fhir.core.exact import product, shown
from refnot_fhir.core.numbers import spoken, spoken_upper_limit
from refnot_fhir.core.records import Concept, NotUsable, Person, Quantity, When
from refnot_fhir.core.rules import Site
from refnot_fhir.core.seen import ReferenceRange
from refnot_fhir.core.sex import agrees
from refnot_fhir.core.units import UnitRead

# https://hl7.org/fhir/R4/valueset-referencerange-meaning.html
_NORMAL = ("http://terminology.hl7.org/CodeSystem/referencerange-meaning", "normal")

# Of these the SNOMED codes are in published ranges (IPS), the others are those of Patient.gender
# and of https://terminology.hl7.org/CodeSystem-v3-AdministrativeGender.html.
_SEXES = {
    ("http://snomed.info/sct", "248153007"): "male",
    ("http://snomed.info/sct", "248152002"): "female",
    ("http://hl7.org/fhir/administrative-gender", "male"): "male",
    ("http://hl7.org/fhir/administrative-gender", "female"): "female",
    ("http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender", "M"): "male",
    ("http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender", "F"): "female",
}
_LOWER_BOUNDS = (">", "≥")

_DAYS_OF = {"d": 1, "wk": 7}
_MONTHS_OF = {"mo": 1, "a": 12}

ReadUnit = Callable[[Quantity], UnitRead | NotUsable]


@dataclass(frozen=True, slots=True)
class UpperLimitRead:
    """An upper limit of normal in the lab's unit, or why there is none."""

    value: Decimal | None
    why_none: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The row whose limit is looked for: its lab, its unit, its patient, its time, its hospital."""

    lab: Lab
    unit: UnitRead
    read_unit: ReadUnit
    site: Site
    person: Person | None
    collected: When | None

    @property
    def gender(self) -> str:
        """Administrative gender, when ranges are made for it and nothing contradicts it."""
        person = self.person
        known = person is not None and person.gender in ("male", "female") and agrees(person)
        return person.gender if person is not None and known else ""


def upper_limit(ranges: tuple[ReferenceRange, ...], asked: Asked) -> UpperLimitRead:
    """The upper limit of normal of a row.

    Only ranges of type normal (or of no type) count; a critical, therapeutic or treatment range is
    never a limit of normal. A range for a sex, an age or any other group counts only when the
    patient is surely of it. Two limits that differ are no limit, nor is an implausible one.
    """
    normal = tuple(found for found in ranges if _is_normal(found))
    if not normal:
        return _of_the_laboratory(asked, bool(ranges))
    rejected: list[str] = []
    limits: dict[Decimal, str] = {}
    for found in normal:
        limit = _why_not_for(found, asked) or _high(found, asked)
        if isinstance(limit, str):
            rejected.append(limit)
        else:
            limits.setdefault(*limit)
    return _only(limits, list(dict.fromkeys(rejected)))


def _only(limits: dict[Decimal, str], rejected: list[str]) -> UpperLimitRead:
    notes = tuple(f"reference range not used: {why}" for why in rejected)
    if not limits:
        return UpperLimitRead(None, "; ".join(rejected), notes)
    if len(limits) > 1:
        differ = " and ".join(shown(value) for value in sorted(limits))
        return UpperLimitRead(None, f"several ranges apply and differ: {differ}", notes)
    ((value, note),) = limits.items()
    return UpperLimitRead(value, "", (*notes, note) if note else notes)


def _of_the_laboratory(asked: Asked, other_ranges: bool) -> UpperLimitRead:
    limits = asked.site.upper_limits
    name = asked.lab.name
    stated = limits.get((name, asked.gender)) or limits.get((name, ""))
    if stated is None:
        by_sex = any(lab == name and sex for lab, sex in limits) and not asked.gender
        return UpperLimitRead(None, _nothing_sent(other_ranges, by_sex))
    unit = asked.read_unit(Quantity(stated.value, unit=stated.unit))
    if isinstance(unit, NotUsable):
        return UpperLimitRead(None, f"the laboratory's own limit is not usable: {unit.why}")
    limit = product(stated.value, unit.factor)
    if why := _why_not_a_limit(limit, asked):
        return UpperLimitRead(None, f"the laboratory's own limit is not usable: {why}")
    note = f"upper limit {shown(stated.value)} {stated.unit} stated by {stated.source}"
    return UpperLimitRead(limit, "", (note,))


def _nothing_sent(other_ranges: bool, by_sex: bool) -> str:
    what = "no reference range was sent with the value"
    if other_ranges:
        what = "only ranges of another kind than normal were sent with the value"
    if by_sex:
        return f"{what}, and the laboratory's limits are by sex, which is not surely known"
    return what


def _is_normal(found: ReferenceRange) -> bool:
    kind = found.kind
    if kind is None:
        return True
    if kind.codings:
        return any((coding.system, coding.code) == _NORMAL for coding in kind.codings)
    return kind.text.strip().lower() == "normal"


def _why_not_for(found: ReferenceRange, asked: Asked) -> str:
    """Why a range does not surely apply to the patient; empty: it does."""
    return found.doubt or _group_doubt(found, asked) or _age_doubt(found, asked)


def _group_doubt(found: ReferenceRange, asked: Asked) -> str:
    """Why the patient is not surely of the groups that a range is for; empty: of one sex."""
    sexes = set()
    for concept in found.applies_to:
        sex = _sex(concept)
        if not sex:
            names = (coding.display or coding.code for coding in concept.codings)
            name = concept.text or next(names, "")
            return f"it is for “{name}”, and whether the patient is of that group is not known"
        sexes.add(sex)
    if not sexes or asked.gender in sexes:
        return ""
    if asked.gender:
        return "it is for the other sex"
    if asked.person is not None and not agrees(asked.person):
        return "it is for one sex, and what is recorded of the patient's does not agree"
    return "it is for one sex, and the patient's is not known"


def _sex(concept: Concept) -> str:
    """The sex that a concept means, by a code or the bare word; empty: none surely."""
    said = {_SEXES.get((coding.system, coding.code), "") for coding in concept.codings} - {""}
    if concept.text in ("male", "female") and (said or not concept.codings):
        said.add(concept.text)
    return said.pop() if len(said) == 1 else ""


def _age_doubt(found: ReferenceRange, asked: Asked) -> str:
    if found.age_low is None and found.age_high is None:
        return ""
    birth = asked.person.birth if asked.person is not None else None
    if birth is None or asked.collected is None:
        return "it is for some ages, and the patient's is not known"
    days = asked.collected.days(asked.site.zone)
    sure = _old_enough(found.age_low, birth.last, days.first)
    if sure and found.age_high is not None:
        sure = _young_enough(found.age_high, birth.first, days.last)
    if sure is None:
        return "its ages are not in whole years, months, weeks or days"
    return "" if sure else "it is not surely for the patient's age"


def _old_enough(bound: Quantity | None, birth: date, on: date) -> bool | None:
    if bound is None:
        return True
    reached = _reached(bound, birth, 0)
    return None if reached is None else reached <= on


def _young_enough(bound: Quantity, birth: date, on: date) -> bool | None:
    """The last age is meant in completed units: 65 years last until the 66th birthday."""
    passed = _reached(bound, birth, 1)
    return None if passed is None else on < passed


def _reached(age: Quantity, birth: date, more: int) -> date | None:
    """The day on which an age, and `more` of its units, is completed; None: not in whole units."""
    unit = (age.code or age.unit).strip()
    if age.value is None or age.comparator or age.value != int(age.value):
        return None
    number = int(age.value) + more
    if unit in _MONTHS_OF:
        return after_months(birth, number * _MONTHS_OF[unit]) or date.max
    if unit in _DAYS_OF:
        return shifted(birth, number * _DAYS_OF[unit])
    return None


def _high(found: ReferenceRange, asked: Asked) -> tuple[Decimal, str] | str:
    """The upper limit in the lab's unit with what was done for it, or why there is none."""
    if found.low is None and found.high is None:
        return _high_of_text(found.text, asked)
    if found.high is None or found.high.value is None:
        return "it has no upper limit"
    if _is_a_lower_bound(found):
        return f"its text “{found.text}” makes of its limit a lower one"
    limit = _in_lab_unit(found.high, asked)
    if isinstance(limit, str):
        return limit
    low = _in_lab_unit(found.low, asked) if found.low is not None and found.low.value else None
    if isinstance(low, str):
        return f"its lower limit is not usable: {low}"
    if low is not None and low > limit:
        return "its lower limit is above its upper limit"
    return _why_not_a_limit(limit, asked) or (limit, "")


def _is_a_lower_bound(found: ReferenceRange) -> bool:
    """Whether a text such as `> 40` was turned into an upper limit of 40 on the way."""
    text = found.text.strip()
    if not text.startswith(_LOWER_BOUNDS):
        return False
    said = spoken(text, decimal_comma=True)
    same = said is not None and found.high is not None and said[0] == found.high.value
    return same or found.low is None


def _why_not_a_limit(limit: Decimal, asked: Asked) -> str:
    """Why a number cannot be an upper limit of the lab; empty: it can."""
    if limit <= 0:
        return "its upper limit is not above zero"
    lowest, highest = asked.lab.plausible or (limit, limit)
    if lowest <= limit <= highest:
        return ""
    return f"its upper limit of {shown(limit)} {asked.lab.unit} looks like another unit"


def _in_lab_unit(limit: Quantity, asked: Asked) -> Decimal | str:
    if limit.value is None or limit.comparator:
        return "its limit is not a plain number"
    unit: UnitRead | NotUsable = asked.unit
    # A range is nearly always in the unit of the value, which was read already.
    if (limit.code or limit.unit) and not _in_unit(limit, asked.unit):
        unit = asked.read_unit(limit)
    return unit.why if isinstance(unit, NotUsable) else product(limit.value, unit.factor)


def _in_unit(limit: Quantity, unit: UnitRead) -> bool:
    return not unit.note and limit.code == limit.unit == unit.ucum


def _high_of_text(text: str, asked: Asked) -> tuple[Decimal, str] | str:
    if not asked.site.range_text:
        return f"“{text}” is only text, and this hospital's are not read" if text else "it is empty"
    spoken = spoken_upper_limit(text, decimal_comma=asked.site.decimal_comma)
    if spoken is None:
        return f"“{text}” is not a range in numbers"
    limit = _in_lab_unit(Quantity(spoken[0], unit=spoken[1]), asked)
    if isinstance(limit, str):
        return limit
    if why := _why_not_a_limit(limit, asked):
        return why
    return limit, f"upper limit read from the text “{text}”"
