"""Hospital words to protocol words: one administration as sent becomes a dose."""

from __future__ import annotations

from refnot_fhir.core.dose_amount import Amount, read_amount
from refnot_fhir.core.dose_place import body_site_of, route_of
from refnot_fhir.core.drug_names import Recognised, recognise
from refnot_fhir.core.records import Concept, DoseGiven, DoseSeen
from refnot_fhir.core.rules import Rulebook, Site

_OUTCOMES = {
    "completed": "given",
    "stopped": "partial",
    "not-done": "not-given",
    "in-progress": "pending",
    "on-hold": "pending",
    "entered-in-error": "retracted",
}


def dose_given(seen: DoseSeen, *, site: Site, rulebook: Rulebook) -> DoseGiven:
    """The administration in the protocol's words; whatever cannot be told is said to be unknown.

    A dose that was stopped is given in part; if its amount is stated as nothing, it was not given.
    """
    known = (
        Recognised()
        if seen.medication is None
        else recognise(seen.medication, site=site, rulebook=rulebook)
    )
    amount = _amount(seen, known, site, rulebook)
    body_site, side = body_site_of(seen.body_site, places=rulebook.places, site=site)
    return DoseGiven(
        source=seen.source,
        patient=seen.patient,
        outcome=_outcome(seen.status, amount),
        drug=known.drug.name if known.drug else "",
        shown=_shown(seen.medication) or seen.unresolved,
        classes=known.classes,
        resolved=seen.medication is not None,
        classified=known.classified,
        unclear=known.unclear,
        amount=amount.iu,
        no_amount=amount.why_not,
        vials=amount.vials,
        route=route_of(seen.route, places=rulebook.places, site=site),
        body_site=body_site,
        side=side,
        given=seen.given,
        reason="; ".join(filter(None, map(_shown, seen.reasons))),
        studies=seen.studies,
        notes=(*known.notes, *amount.notes),
    )


def _amount(seen: DoseSeen, known: Recognised, site: Site, rulebook: Rulebook) -> Amount:
    """International units, for a drug that is counted in them; of others no amount is needed."""
    drug = known.drug
    if drug is None or not drug.dose_units:
        return Amount()
    doses = {
        protocol.dosing.dose_iu
        for protocol in rulebook.protocols.values()
        if protocol.dosing.drug == drug.name
    }
    return read_amount(seen, drug, protocol_doses=doses, site=site)


def _outcome(status: str, amount: Amount) -> str:
    outcome = _OUTCOMES.get(status, "unknown")
    return "not-given" if outcome == "partial" and amount.iu == 0 else outcome


def _shown(concept: Concept | None) -> str:
    """A concept for people: its text, or else the first display or code."""
    if concept is None:
        return ""
    names = (concept.text, *(coding.display or coding.code for coding in concept.codings))
    return next(filter(None, names), "")
