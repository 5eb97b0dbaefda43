"""Hospital words to protocol words: one procedure as sent."""

from __future__ import annotations

from refnot_fhir.core.facts import ProcedureDone
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import ProcedureSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.codes import label, mapped
from refnot_fhir.core.translate.condition import listed
from refnot_fhir.core.values import reason


def procedure(seen: ProcedureSeen, *, site: Site, rulebook: Rulebook) -> ProcedureDone | None:
    """The procedure in the protocol's words; None when it is of no set that is listed."""
    if seen.code is None:
        return None
    sure, unclear = listed((seen.code,), site, rulebook.condition_sets)
    if not sure and not unclear:
        return None
    return ProcedureDone(
        source=seen.source,
        patient=seen.patient,
        outcome=seen.outcome,
        sets=tuple(sorted(sure)),
        unclear=tuple(sorted(unclear - sure)),
        began=seen.began,
        ended=seen.ended,
        recorded=seen.recorded,
        shown=label(seen.code),
        studies=seen.studies,
        notes=tuple(
            reason("local-code", sent=sent[1], meant=meant[1], system=meant[0])
            for sent, meant in mapped(seen.code, site)
        ),
    )
