"""The schedule and its deviations, in sentences made from the dosing rule."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from refnot_fhir.core.dictionary import Drug
from refnot_fhir.core.exact import shown
from refnot_fhir.core.rules import DosingRule, Protocol, Rulebook
from refnot_fhir.wording import language


def dosing(protocol: Protocol, rulebook: Rulebook) -> Iterator[str]:
    """The schedule, how a dose is recognised, and what counts as a deviation."""
    rule = protocol.dosing
    drug = rulebook.drugs[rule.drug]
    per_course = rule.dose_iu * rule.doses_per_course
    places = language().listed((name.replace("-", " ") for name in sorted(rule.body_sites)), "or")
    yield "## Dosing"
    yield ""
    yield f"Source: {rule.source}."
    yield ""
    yield f"- One dose is {_thousands(rule.dose_iu)} IU of {drug.title}, {_tolerance(rule)}."
    yield f"- It is given {rule.route}ly into the {places}; place or side alternates."
    yield (
        f"- A course is {rule.doses_per_course} doses in {rule.weeks_per_course} weeks, at most "
        f"{rule.doses_per_week} in a week: {_thousands(per_course)} IU together."
    )
    yield f"- The next dose is on schedule {_gaps(rule)} days after the last."
    yield (
        f"- There are at most {rule.courses} courses. Another one begins with the first dose after "
        f"a complete course whose {rule.weeks_per_course} weeks are over, or after a pause of at "
        f"least {rule.longest_pause_days} days; after one of at least {rule.new_course_after_days} "
        "days unless the doses on both sides of it fit into one course. It needs somebody to "
        "confirm that the disease has not progressed."
    )
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
    return f"give or take {_thousands(rule.tolerance_iu)} IU" if rule.tolerance_iu else "exactly"


def _gaps(rule: DosingRule) -> str:
    return language().listed((str(days) for days in sorted(rule.gap_days)), "or")


def _vials(rule: DosingRule, drug: Drug) -> Iterator[str]:
    yield f"- Vials given within {rule.same_dose_minutes} minutes are one dose."
    if drug.vial_units:
        strengths = language().listed((_thousands(units) for units in drug.vial_units), "or")
        yield f"- Vials hold {strengths} IU; which, the product has to say."
    if drug.dissolved_in_ml is not None:
        volume = shown(drug.dissolved_in_ml)
        yield f"- A dose said in millilitres is read as one dose dissolved in {volume} ml."


def deviations_in_words(rule: DosingRule) -> tuple[tuple[str, str], ...]:
    """Each code of a deviation, and when it is reported under this schedule."""
    places = language().listed((name.replace("-", " ") for name in sorted(rule.body_sites)), "or")
    gaps = sorted(rule.gap_days)
    dose = f"{_thousands(rule.dose_iu)} IU"
    return (
        ("wrong-dose", f"the amount given is not {dose}"),
        ("dose-not-evaluable", "the amount given, or whether it was given, is not known in IU"),
        ("wrong-route", f"it was not given {rule.route}ly"),
        ("wrong-site", f"it was not given into the {places}"),
        ("no-alternation", "place and side are those of the dose before"),
        ("short-interval", f"less than {gaps[0]} days after the dose before"),
        ("long-interval", f"more than {gaps[-1]} days after the dose before"),
        ("missed-dose", "a dose that was due was reported as not given, or not reported"),
        (
            "extra-dose",
            f"a second dose on one day, or more than {rule.doses_per_week} in a week of the course",
        ),
        (
            "course-overrun",
            f"more than {rule.doses_per_course} doses in the weeks of one course, or more than "
            f"{rule.courses} courses",
        ),
        ("second-course-unconfirmed", "another course began, and nothing confirms that it may"),
        ("possible-duplicate", "two reports look like one administration"),
        ("dose-before-eligible", "a course began while a criterion was known not to be satisfied"),
        ("dose-after-death", "it was given after the day on which the patient died"),
    )
