"""Hospital words to protocol words: one consent as sent."""

from __future__ import annotations

from refnot_fhir.core.facts import Consent
from refnot_fhir.core.seen import ConsentSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.codes import codes_of, mapped
from refnot_fhir.core.values import reason


def consent(seen: ConsentSeen, *, site: Site) -> Consent:
    """The consent with the standard codes of its kinds."""
    notes = tuple(
        reason("local-code", sent=sent[1], meant=meant[1], system=meant[0])
        for concept in seen.kinds
        for sent, meant in mapped(concept, site)
    )
    return Consent(
        source=seen.source,
        patient=seen.patient,
        state=seen.state,
        permits=seen.permits,
        kinds=tuple(key for concept in seen.kinds for key in codes_of(concept, site)),
        studies=seen.studies,
        policies=seen.policies,
        given=seen.given,
        begins=seen.begins,
        ends=seen.ends,
        unclear=bool(seen.doubts),
        notes=(*notes, *(reason("consent-doubt", doubt=doubt) for doubt in seen.doubts)),
    )
