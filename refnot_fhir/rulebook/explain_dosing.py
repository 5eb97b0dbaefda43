"""The schedule and its deviations, in sentences made from the dosing rule."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from refnot_fhir.core.dictionary import Drug
from refnot_fhir.core.dosing.results import DeviationCode
from refnot_fhir.core.exact import shown
from refnot_fhir.core.rules import AnotherCourse, DosingRule, Protocol, Rulebook
from refnot_fhir.wording import language


def dosing(protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    """The schedule, how a dose is recognised, and what counts as a deviation."""
    rule = protocol.dosing
    drug = rulebook.drugs[rule.drug]
    per_course, unit = rule.dose * rule.doses_per_course, language().word("units", rule.unit)
    yield "## Dosing"
    yield ""
    yield f"Source: {rule.source}."
    yield ""
    yield f"- One dose is {_thousands(rule.dose)} {unit} of {drug.title}, {_tolerance(rule)}."
    yield f"- It is given {_routes(rule)}{_into(rule)}{_alternating(rule)}."
    yield (
        f"- A course is {rule.doses_per_course} doses in {rule.weeks_per_course} weeks, at most "
        f"{rule.doses_per_week} in a week: {_thousands(per_course)} {unit} together."
    )
    yield f"- The next dose is on schedule {_gaps(rule)} days after the last."
    yield f"- {_courses(rule)}"
    yield from _vials(rule, drug)
    if rule.decisions:
        links = language().listed(f"[{anchor}](#{anchor})" for anchor in rule.decisions)
        yield f"- Readings taken: {links}."
    yield ""
    yield "What is reported as a deviation:"
    yield ""
    yield "| code | when |"
    yield "|---|---|"
    for code, when in deviations_in_words(rule):
        yield f"| `{code}` | {when} |"
    yield ""


def _thousands(value: Decimal) -> str:
    return f"{value:,f}"


def _tolerance(rule: DosingRule) -> str:
    if not rule.tolerance:
        return "exactly"
    return f"give or take {_thousands(rule.tolerance)} {language().word('units', rule.unit)}"


def _routes(rule: DosingRule) -> str:
    return language().listed((f"{_plain(name)}ly" for name in sorted(rule.routes)), "or")


def _into(rule: DosingRule) -> str:
    """` into the left thigh or upper arm`; nothing where neither place nor side matters."""
    sides = language().listed(sorted(rule.sides), "or")
    places = language().listed(map(_plain, sorted(rule.body_sites)), "or") or (
        "side" if sides else ""
    )
    return f" into the {sides} {places}".replace("  ", " ") if places else ""


def _alternating(rule: DosingRule) -> str:
    words = _alternated(rule)
    return f"; {language().listed(words, 'or')} alternates" if words else ""


def _alternated(rule: DosingRule) -> list[str]:
    named = {"body-site": "place", "side": "side"}
    return [word for name, word in named.items() if name in rule.alternate]


def _plain(name: str) -> str:
    return name.replace("-", " ")


def _gaps(rule: DosingRule) -> str:
    return language().listed((str(days) for days in sorted(rule.days_on_schedule)), "or")


def _courses(rule: DosingRule) -> str:
    if rule.courses == 1:
        return "There is one course."
    confirmed = (
        ""
        if rule.another_course == AnotherCourse.ANYWAY
        else f" It needs {_confirmation(rule)} that the disease has not progressed."
    )
    return (
        f"There are at most {rule.courses} courses. Another one begins with the first dose after "
        f"a complete course whose {rule.weeks_per_course} weeks are over, or after a pause of at "
        f"least {rule.longest_pause_days} days; after one of at least {rule.new_course_after_days} "
        f"days unless the doses on both sides of it fit into one course.{confirmed}"
    )


def _confirmation(rule: DosingRule) -> str:
    return "a documented answer" if rule.progression else "somebody to confirm"


def _vials(rule: DosingRule, drug: Drug) -> Iterator[str]:
    yield f"- Vials given within {rule.same_dose_minutes} minutes are one dose."
    if drug.vial_strengths:
        strengths = language().listed((_thousands(held) for held in drug.vial_strengths), "or")
        unit = language().word("units", drug.unit)
        yield f"- Vials hold {strengths} {unit}; which, the product has to say."
    if drug.dissolved_in_ml is not None:
        volume = shown(drug.dissolved_in_ml)
        yield f"- A dose said in millilitres is read as one dose dissolved in {volume} ml."


def deviations_in_words(rule: DosingRule) -> tuple[tuple[DeviationCode, str], ...]:
    """Each code of a deviation that can occur, and when it is reported under this schedule."""
    due, unit = sorted(rule.days_on_schedule), language().word("units", rule.unit)
    a_day = "a second dose" if rule.doses_per_day == 1 else f"more than {rule.doses_per_day} doses"
    placed = bool(rule.body_sites or rule.sides)
    unconfirmed = rule.courses > 1 and rule.another_course != AnotherCourse.ANYWAY
    said = {
        DeviationCode.WRONG_DOSE: f"the amount given is not {_thousands(rule.dose)} {unit}",
        DeviationCode.DOSE_NOT_EVALUABLE: (
            f"the amount given, or whether it was given, is not known in {unit}"
        ),
        DeviationCode.WRONG_ROUTE: f"it was not given {_routes(rule)}",
        DeviationCode.WRONG_SITE: f"it was not given{_into(rule)}" if placed else "",
        DeviationCode.NO_ALTERNATION: _not_alternating(rule),
        DeviationCode.SHORT_INTERVAL: f"less than {due[0]} days after the dose before",
        DeviationCode.LONG_INTERVAL: f"more than {due[-1]} days after the dose before",
        DeviationCode.MISSED_DOSE: (
            "a dose that was due was reported as not given, or not reported"
        ),
        DeviationCode.EXTRA_DOSE: (
            f"{a_day} on one day, or more than {rule.doses_per_week} in a week of the course"
        ),
        DeviationCode.COURSE_OVERRUN: (
            f"more than {rule.doses_per_course} doses in the weeks of one course, or more than "
            f"{_count(rule.courses, 'course')}"
        ),
        DeviationCode.SECOND_COURSE_UNCONFIRMED: (
            "another course began, and nothing confirms that it may" if unconfirmed else ""
        ),
        DeviationCode.POSSIBLE_DUPLICATE: "two reports look like one administration",
        DeviationCode.DOSE_BEFORE_ELIGIBLE: (
            "a course began while a criterion was known not to be satisfied"
        ),
        DeviationCode.DOSE_AFTER_DEATH: "it was given after the day on which the patient died",
        DeviationCode.PROHIBITED_MEDICATION: _prohibited(rule),
        **_OF_PARTICIPATION,
    }
    return tuple((code, when) for code, when in said.items() if when)


def _prohibited(rule: DosingRule) -> str:
    return "another drug was in use that the arm did not allow then" if rule.prohibited else ""


_OF_PARTICIPATION = {
    DeviationCode.DOSE_BEFORE_CONSENT: "it was given before the day of the consent",
    DeviationCode.DOSE_BEFORE_ENROLMENT: "it was given before the day of the enrolment",
    DeviationCode.DOSE_AFTER_CONSENT_WITHDRAWN: "it was given after the consent was withdrawn",
    DeviationCode.DOSE_AFTER_OFF_STUDY: "it was given after the last day of the participation",
    DeviationCode.ELIGIBILITY_FINDING: (
        "what became known after the enrolment contradicts the eligibility (no dose)"
    ),
}
"""What people decided, and what contradicts it: the same under every schedule."""


def _not_alternating(rule: DosingRule) -> str:
    words = _alternated(rule)
    verb = "are" if len(words) > 1 else "is"
    tail = "those" if len(words) > 1 else "that"
    return f"{language().listed(words)} {verb} {tail} of the dose before" if words else ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
