"""Hospital words to protocol words: one administration as sent becomes a dose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from refnot_fhir.core.facts import Dose, Outcome
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import DoseSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.amount import Amount, read_amount, told
from refnot_fhir.core.translate.codes import codes_of, label
from refnot_fhir.core.translate.drug import Recognised, is_name_of, recognise_product, texts_of
from refnot_fhir.core.translate.place import body_site_of, route_of
from refnot_fhir.core.translate.study import is_literal, names
from refnot_fhir.core.values import Concept, Reason, reason
from refnot_fhir.core.vocabulary import Unlisted

_LAST = frozenset({Outcome.NOT_GIVEN, Outcome.PARTIAL})
"""Outcomes whose reason may be that the treatment was discontinued."""


def dose(seen: DoseSeen, *, site: Site, rulebook: Rulebook) -> Dose:
    """The administration in the protocol's words; whatever cannot be told is said to be unknown.

    A dose that was stopped, or said to be sub-potent, is given in part; if its amount is stated as
    nothing, it was not given. A whole vial or dose beside `stopped` is no amount of a part.
    """
    made_of = seen.product.ingredients if seen.product else ()
    known = recognise_product(seen.medication, made_of, site=site, rulebook=rulebook)
    amount = _amount(seen, known, site, rulebook)
    route = route_of(seen.route, places=rulebook.places, site=site)
    place = body_site_of(seen.body_site, places=rulebook.places, site=site)
    notes = (*known.notes, *_unknown_studies(seen, known, rulebook), *amount.notes)
    if seen.product_versions:
        version, now = seen.product_versions
        notes = (reason("medication-version", named=version, current=now), *notes)
    outcome = _outcome(seen, amount)
    return Dose(
        source=seen.source,
        patient=seen.patient,
        outcome=outcome,
        drug=known.drug.name if known.drug else "",
        shown=_named(seen, made_of, known, rulebook),
        classes=known.classes,
        resolved=seen.medication is not None or bool(made_of),
        classified=known.classified,
        unclear=known.unclear,
        amount=amount.value,
        no_amount=amount.why_not,
        vials=amount.vials,
        route=route.name,
        body_site=place.name,
        side=place.side,
        given=seen.given,
        ended=seen.ended,
        ends_course=outcome in _LAST and _is_discontinued(seen, site, rulebook),
        reason="; ".join(filter(None, map(label, seen.reasons))),
        studies=seen.studies,
        notes=(*notes, *route.notes, *place.notes),
    )


def _amount(seen: DoseSeen, known: Recognised, site: Site, rulebook: Rulebook) -> Amount:
    """How much of a drug that is counted; of others no amount is needed."""
    drug = known.drug
    if drug is None or not drug.unit:
        return Amount()
    doses = {
        protocol.dosing.dose
        for protocol in rulebook.protocols.values()
        if protocol.dosing.drug == drug.name
    }
    amount = read_amount(seen, drug, protocol_doses=doses, site=site)
    if not amount.value:
        return amount
    if seen.sub_potent:
        return _less(amount, reason("sub-potent", stated=told(amount.value, drug)))
    whole = amount.value in drug.vial_strengths or any(amount.value >= dose for dose in doses)
    if seen.outcome is Outcome.PARTIAL and whole:
        return _less(amount, reason("stopped", stated=told(amount.value, drug)))
    return amount


def _less(amount: Amount, why: Reason) -> Amount:
    """The stated amount may be what was ordered: how much less was given is not known."""
    return replace(amount, value=None, why_not=why)


def _outcome(seen: DoseSeen, amount: Amount) -> Outcome:
    outcome = seen.outcome
    if outcome is Outcome.GIVEN and seen.sub_potent:
        outcome = Outcome.PARTIAL
    return Outcome.NOT_GIVEN if outcome is Outcome.PARTIAL and amount.value == 0 else outcome


def _is_discontinued(seen: DoseSeen, site: Site, rulebook: Rulebook) -> bool:
    """Whether a reason says that the treatment as a whole was discontinued."""
    listed = rulebook.discontinued
    return any(
        not listed.codes.isdisjoint(codes_of(reason, site))
        or not listed.texts.isdisjoint(texts_of(reason))
        for reason in seen.reasons
    )


def _unknown_studies(seen: DoseSeen, known: Recognised, rulebook: Rulebook) -> Iterator[Reason]:
    """The studies that a dose of a study drug is tagged with, if none of them is known."""
    protocols = [
        protocol
        for protocol in rulebook.protocols.values()
        if known.drug is not None and protocol.dosing.drug == known.drug.name
    ]
    tags = list(filter(is_literal, seen.studies))
    if protocols and tags and not any(names(tag, one) for tag in tags for one in protocols):
        yield reason(Unlisted.STUDY, studies=", ".join(tags))


def _named(
    seen: DoseSeen, made_of: Sequence[Concept], known: Recognised, rulebook: Rulebook
) -> str:
    """The drug as the hospital calls it, with what its text alone does not say.

    That is what it is made of, or else the drug that a code or another text means.
    """
    name, drug = label(seen.medication) or seen.unresolved, known.drug
    if drug is not None and not made_of and not is_name_of(name, drug, rulebook):
        return f"{name} (read as {drug.title})"
    parts = [part for part in map(label, made_of) if part and part not in name]
    return " with ".join(filter(None, (name, ", ".join(parts))))
