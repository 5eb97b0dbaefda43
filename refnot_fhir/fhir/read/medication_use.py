"""MedicationStatement, MedicationRequest, MedicationDispense → one use of a drug as it was sent.

https://hl7.org/fhir/R4/medicationstatement.html, https://hl7.org/fhir/R5/medicationstatement.html
(R5 says by `adherence` what R4 says by `status`), https://hl7.org/fhir/R4/medicationrequest.html,
https://hl7.org/fhir/R5/medicationrequest.html, https://hl7.org/fhir/R4/medicationdispense.html,
https://hl7.org/fhir/R5/medicationdispense.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta, tzinfo
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from refnot_fhir.core.facts import Use
from refnot_fhir.core.seen import UseSeen
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.fhir.dates import END, when
from refnot_fhir.fhir.elements import (
    Json,
    Lookup,
    concept,
    concepts,
    id_of,
    modifiers,
    quantity,
)
from refnot_fhir.fhir.read.medication_administration import medication_of, studies_of
from refnot_fhir.fhir.versions import Version

# https://hl7.org/fhir/R4/valueset-medication-statement-status.html
_STATEMENT = {
    "active": Use.TAKEN,
    "completed": Use.TAKEN,
    "stopped": Use.TAKEN,
    "intended": Use.INTENDED,
    "not-taken": Use.NOT_TAKEN,
    "entered-in-error": Use.RETRACTED,
}
# https://hl7.org/fhir/R5/codesystem-medication-statement-adherence.html: `taking`, `not-taking` and
# what is below them in the hierarchy; `on-hold` may go on, and whether it was taken is not told.
_ADHERENCE = {
    "taking": Use.TAKEN,
    "taking-as-directed": Use.TAKEN,
    "taking-not-as-directed": Use.TAKEN,
    "not-taking": Use.NOT_TAKEN,
    "stopped": Use.TAKEN,
    "stopped-as-directed": Use.TAKEN,
    "stopped-not-as-directed": Use.TAKEN,
}
_ADHERENCE_SYSTEM = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
# https://hl7.org/fhir/R5/valueset-medicationrequest-status.html has `ended` besides those of R4.
_REQUEST = {
    "active": Use.ORDERED,
    "on-hold": Use.ORDERED,
    "completed": Use.ORDERED,
    "ended": Use.ORDERED,
    "stopped": Use.ORDERED,
    "draft": Use.INTENDED,
    "cancelled": Use.NOT_TAKEN,
    "entered-in-error": Use.RETRACTED,
}
# https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html: no authorization to act.
_NO_ORDER = frozenset({"proposal", "plan", "option"})
# https://hl7.org/fhir/R5/valueset-medicationdispense-status.html: `completed` was picked up,
# `in-progress` is ready for pickup; of one `stopped` some may have been.
_DISPENSE = {
    "completed": Use.SUPPLIED,
    "preparation": Use.INTENDED,
    "in-progress": Use.INTENDED,
    "on-hold": Use.INTENDED,
    "cancelled": Use.NOT_TAKEN,
    "declined": Use.NOT_TAKEN,
    "entered-in-error": Use.RETRACTED,
}
_OVER = frozenset({"completed", "stopped", "ended"})
# UCUM: https://ucum.org/ucum, units of time.
_DAYS = {"d": Decimal(1), "wk": Decimal(7)}
_LONGEST = Decimal(36525)
_DOSAGES = ("dosage", "dosageInstruction")
Moment = Callable[[str], When]


class _Said(NamedTuple):
    """What one type says of the use."""

    use: Use
    began: When | None = None
    ended: When | None = None
    is_over: bool = False
    recorded: When | None = None


def read(
    resource: Json,
    source: Source,
    *,
    zone: tzinfo,
    dates_in_utc: bool,
    version: Version,
    lookup: Lookup,
) -> UseSeen:
    """The use, with its medication looked up.

    One with a modifier extension, which may well deny it, is of unknown use, unless retracted.
    """
    moment = partial(when, zone=zone, dates_in_utc=dates_in_utc)
    said = _READERS[resource["resourceType"]](resource, moment)
    dosages = _dosages(resource)
    doubted = bool(modifiers(resource, *dosages)) and said.use is not Use.RETRACTED
    drug = medication_of(resource, version, lookup)
    return UseSeen(
        source=source,
        patient=id_of(resource.get("subject"), "Patient"),
        use=Use.UNKNOWN if doubted else said.use,
        medication=drug.concept,
        unresolved=drug.unresolved,
        product=drug.product,
        routes=tuple(concept(dosage.get("route")) for dosage in dosages),
        began=said.began,
        ended=said.ended,
        is_over=said.is_over,
        recorded=said.recorded,
        reasons=tuple(_reasons(resource)),
        studies=studies_of(resource),
    )


def _statement(resource: Json, moment: Moment) -> _Said:
    """A statement of R5 that says nothing of adherence does not say that the drug is taken."""
    status = resource.get("status", "")
    use = _STATEMENT.get(status, Use.UNKNOWN)
    if status == "recorded":
        status = _adherence(resource)
        use = _ADHERENCE.get(status, Use.UNKNOWN)
    began, ended = _effective(resource, moment)
    is_over = status in _OVER or status.startswith("stopped")
    return _Said(use, began, ended, is_over, _at(resource, "dateAsserted", moment))


def _adherence(resource: Json) -> str:
    codings = resource.get("adherence", {}).get("code", {}).get("coding", ())
    said = (it.get("code", "") for it in codings if it.get("system") == _ADHERENCE_SYSTEM)
    return next(said, "")


def _effective(resource: Json, moment: Moment) -> tuple[When | None, When | None]:
    """When it was taken: at least once at a moment, or from the first to the last of a period."""
    at = _at(resource, "effectiveDateTime", moment)
    if at is not None:
        return at, None
    if (scheduled := resource.get("effectiveTiming")) is not None:
        return _scheduled(scheduled, moment)
    period = resource.get("effectivePeriod", {})
    return _at(period, "start", moment), _at(period, "end", moment)


def _scheduled(element: Json, moment: Moment) -> tuple[When | None, When | None]:
    """The first and the last event of a Timing, or else the bounds that it repeats in."""
    events = [moment(event) for event in element.get("event", ()) if event is not None]
    if events:
        return min(events, key=lambda it: it.earliest), max(events, key=lambda it: it.latest)
    bounds = element.get("repeat", {}).get("boundsPeriod", {})
    return _at(bounds, "start", moment), _at(bounds, "end", moment)


def _request(resource: Json, moment: Moment) -> _Said:
    """An order; one that reports what another made, as a patient's own list, is one as well."""
    status = resource.get("status", "")
    use = _REQUEST.get(status, Use.UNKNOWN)
    reported = any(resource.get(name) for name in _REPORTED)
    if use is Use.ORDERED and resource.get("intent") in _NO_ORDER and not reported:
        use = Use.INTENDED
    if resource.get("doNotPerform") and use is not Use.RETRACTED:
        use = Use.NOT_TAKEN
    authored = _at(resource, "authoredOn", moment)
    began, ended = _ordered_for(resource, moment)
    return _Said(use, began or authored, ended, status in _OVER, authored)


_REPORTED = ("reportedBoolean", "reportedReference", "reported")


def _ordered_for(resource: Json, moment: Moment) -> tuple[When | None, When | None]:
    """From the first to the last day of all dosages; no end unless each of them says one."""
    period = resource.get("effectiveDosePeriod")
    if period is not None:
        return _at(period, "start", moment), _at(period, "end", moment)
    spans = [_scheduled(it.get("timing", {}), moment) for it in _dosages(resource)]
    starts = [start for start, _ in spans if start is not None]
    ends = [end for _, end in spans if end is not None]
    first = min(starts, key=lambda it: it.earliest, default=None)
    whole = bool(ends) and len(ends) == len(spans)
    return first, max(ends, key=lambda it: it.latest) if whole else None


def _dispense(resource: Json, moment: Moment) -> _Said:
    """What was handed over lasts for the days that it is said to suffice for."""
    use = _DISPENSE.get(resource.get("status", ""), Use.UNKNOWN)
    handed = _at(resource, "whenHandedOver", moment)
    made = handed or _at(resource, "whenPrepared", moment)
    return _Said(use, made, _supplied_until(resource, handed), recorded=made)


def _supplied_until(resource: Json, handed: When | None) -> When | None:
    supply = quantity(resource.get("daysSupply"))
    if handed is None or supply is None or supply.value is None:
        return None
    unit = _DAYS.get(supply.code or supply.unit, Decimal(1) if supply.unit in _WORDS else None)
    if unit is None or not 1 <= supply.value * unit <= _LONGEST:
        return None
    # The first day is one of them.
    days = timedelta(days=int(supply.value * unit) - 1)
    first, last = (min(at, END - days) + days for at in (handed.earliest, handed.latest))
    return When(first, last, handed.text)


_WORDS = frozenset({"day", "days", "Day", "Days"})


_READERS: dict[str, Callable[[Json, Moment], _Said]] = {
    "MedicationStatement": _statement,
    "MedicationRequest": _request,
    "MedicationDispense": _dispense,
}


def _at(element: Json, name: str, moment: Moment) -> When | None:
    text = element.get(name)
    return None if text is None else moment(text)


def _dosages(resource: Json) -> list[Json]:
    return [it for name in _DOSAGES for it in resource.get(name, ())]


def _reasons(resource: Json) -> Iterator[Concept]:
    """R4 has `reasonCode` and `reasonReference`; in R5 each is a CodeableReference."""
    yield from concepts(resource.get("reasonCode"))
    named = list(resource.get("reasonReference", ()))
    for one in resource.get("reason", ()):
        found = concept(one.get("concept"))
        if found is not None:
            yield found
        named.append(one.get("reference", {}))
    yield from (Concept(text=it["display"]) for it in named if it.get("display"))
