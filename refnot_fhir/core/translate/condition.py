"""Hospital words to protocol words: one diagnosis, problem or allergy as sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from refnot_fhir.core.dictionary import CodeKey, ConditionSet
from refnot_fhir.core.facts import Condition, Verification
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import ConditionSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.code_sets import Place, place
from refnot_fhir.core.translate.codes import codes_of, label, mapped
from refnot_fhir.core.values import Concept, reason


def condition(seen: ConditionSeen, *, site: Site, rulebook: Rulebook) -> Condition | None:
    """The condition in the protocol's words; None when it is of no set that is listed.

    A modifier extension may deny all of it: then nothing is sure of it but that it was sent.
    """
    known = rulebook.condition_sets
    rests_on = listed(seen.evidence, site, known)[0]
    tests = {one for one in rests_on if not known[one].contradicts}
    sure, unclear = _sets(seen, rests_on, site, known)
    if not sure and not unclear:
        return None
    notes = tuple(
        reason("local-code", sent=sent[1], meant=meant[1], system=meant[0])
        for concept in seen.codes
        for sent, meant in mapped(concept, site)
    )
    retracted = seen.verification is Verification.RETRACTED
    return Condition(
        source=seen.source,
        patient=seen.patient,
        sets=() if seen.doubt else tuple(sorted(sure)),
        unclear=tuple(sorted(sure | unclear if seen.doubt else unclear)),
        state=seen.state,
        verification=(
            seen.verification if retracted or not seen.doubt else Verification.UNCONFIRMED
        ),
        onset=seen.onset,
        abated=seen.abated,
        recorded=seen.recorded,
        shown=label(seen.codes[0] if seen.codes else None),
        tests=tuple(sorted(tests)),
        notes=notes,
    )


def _sets(
    seen: ConditionSeen, tests: set[str], site: Site, known: Mapping[str, ConditionSet]
) -> tuple[set[str], set[str]]:
    """The sets that it is of, and those that it may be of."""
    sure, unclear = listed((*seen.codes, *seen.stages), site, known)
    denied = {name for one in sure for name in known[one].denies}
    if denied and not _only_denies(seen, site, known):
        # It says that there is none, and names one: nothing is denied by it.
        sure = {one for one in sure if not known[one].denies}
        denied = set()
    by_type = {one.name for one in known.values() if seen.source.type in one.resource_types}
    against = {one.name for one in known.values() if one.contradicts}
    type_ = seen.source.type if tests - against else ""
    left_open = {one.name for one in known.values() if type_ in one.left_open_by}
    said = tests | sure
    if any(not known[one].contradicts.isdisjoint(said) for one in said):
        sure -= left_open
    sure = (sure - against) | (by_type - denied)
    return sure, (unclear | left_open) - sure - against


def _only_denies(seen: ConditionSeen, site: Site, known: Mapping[str, ConditionSet]) -> bool:
    """Whether all of it says that there is nothing: no reaction, no risk, no other code."""
    denying = [one for one in known.values() if one.denies]
    return not seen.harms and all(
        any(place(key, one) is Place.IN for one in denying)
        for concept in seen.codes
        for key in codes_of(concept, site) or (("", ""),)
    )


def listed(
    concepts: Iterable[Concept], site: Site, known: Mapping[str, ConditionSet]
) -> tuple[set[str], set[str]]:
    """The sets that these are of, by any of their codes, and those that they may be of."""
    keys = [key for concept in concepts for key in codes_of(concept, site)]
    sure = {one.name for one in known.values() if _stands(keys, one) is Place.IN}
    sure |= {one.name for one in known.values() if _takes_in(one, sure, keys)}
    unclear = {one.name for one in known.values() if _stands(keys, one) is Place.UNCLEAR}
    return sure, unclear


def _stands(keys: Iterable[CodeKey], one: ConditionSet) -> Place:
    """In the set by any code, else open by any, else out or unlisted."""
    found = {Place.IN if _ends_so(key, one) else place(key, one) for key in keys}
    order = (Place.IN, Place.UNCLEAR, Place.OUT)
    return next((where for where in order if where in found), Place.UNLISTED)


def _ends_so(key: CodeKey, one: ConditionSet) -> bool:
    return any(key[0] == system and key[1].endswith(end) for system, end in one.suffixes)


def _takes_in(one: ConditionSet, sure: set[str], keys: Iterable[CodeKey]) -> bool:
    return not one.includes.isdisjoint(sure) and _stands(keys, one) is not Place.OUT
