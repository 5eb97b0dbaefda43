"""Whose a measurement is, and whether it was taken where and how its lab is measured."""

from __future__ import annotations

import re
from collections.abc import Collection

from refnot_fhir.core.dictionary import CodeKey, Lab, Others
from refnot_fhir.core.seen import MeasurementSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.specimen import Focus, Specimen, SpecimenState
from refnot_fhir.core.translate.codes import codes_of, label, texts
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.core.values import Concept, Reason, reason
from refnot_fhir.core.vocabulary import Unusable

Problem = tuple[Reason, bool]
"""Why a measurement cannot be used, and whether it surely is of something or somebody else."""


def origin_problem(seen: MeasurementSeen, lab: Lab, site: Site, others: Others) -> Problem | None:
    """Why a measurement is not surely of the patient and of the lab; None: nothing says otherwise.

    Focus, specimen, place of the body, method and device are looked at; what is not said is taken
    to be as usual.
    """
    if seen.specimen_state is SpecimenState.UNNAMED and not (
        seen.focus or seen.specimen or seen.body_site or seen.method or seen.device
    ):
        return None
    return (
        _focus_problem(_beside_conditions(seen.focus, lab), site, others)
        or _state_problem(seen.specimen_state)
        or _specimen_problem(seen.specimen, lab, site)
        or _place_problem(seen.body_site, lab, site)
        or _method_problem(seen, lab, site)
    )


def specimen_problem(one: Specimen, lab: Lab, site: Site, others: Others) -> Problem | None:
    """Why what was measured of a specimen that a report names is not surely of the lab."""
    return (
        _focus_problem(one.focus, site, others)
        or _state_problem(one.state)
        or _specimen_problem(one.type, lab, site)
        or _place_problem(one.body_site, lab, site)
    )


def origin_notes(seen: MeasurementSeen, lab: Lab) -> tuple[Reason, ...]:
    """Who named the specimen, and that it is not known, where it could be one that shows no lab."""
    notes = not_sent(seen.specimen_state, seen.sample, lab)
    if seen.sample_of:
        said = label(seen.specimen) or seen.sample
        notes = (reason("specimen-of", sample=said, of=seen.sample_of), *notes)
    if seen.sample_versions:
        named, now = seen.sample_versions
        note = reason("specimen-version", sample=seen.sample, named=named, current=now)
        notes = (*notes, note)
    return notes


def not_sent(state: SpecimenState, sample: str, lab: Lab) -> tuple[Reason, ...]:
    """That a specimen is not known, where it could be one that does not show the lab."""
    if state is SpecimenState.NOT_SENT and lab.wrong_specimens:
        return (reason("specimen-not-sent", sample=sample),)
    return ()


def persons_of(focus: tuple[Focus, ...]) -> tuple[str, ...]:
    """Ids of the other Patients that a measurement is said to be of: a chart knows who is who."""
    return tuple(about.patient for about in focus if about.patient)


def _beside_conditions(focus: tuple[Focus, ...], lab: Lab) -> tuple[Focus, ...]:
    """What it is about beside a condition, if it is one that is asked of conditions."""
    return tuple(it for it in focus if not it.of_condition) if lab.of_conditions else focus


def _focus_problem(focus: tuple[Focus, ...], site: Site, others: Others) -> Problem | None:
    if not focus:
        return None
    focus = tuple(about for about in focus if not about.patient)
    for about in focus:
        said = label(about.what)
        if about.of_another or _means_another(about.what, site, others):
            return reason(Unusable.OTHER_FOCUS, about_what=said), True
    if not focus:
        return None
    maybe = label(focus[0].what)
    return reason(Unusable.OTHER_FOCUS, "unclear-focus", about_what=maybe), False


def _means_another(what: Concept, site: Site, others: Others) -> bool:
    said = (normalise(text).casefold() for text in texts(what))
    return _has(what, others.codes, site) or any(text in others.texts for text in said)


def _has(concept: Concept, codes: frozenset[CodeKey], site: Site) -> bool:
    return not codes.isdisjoint(codes_of(concept, site))


def _state_problem(state: SpecimenState) -> Problem | None:
    """Why nothing that was measured of such a specimen can be used, whatever it is of."""
    match state:
        case SpecimenState.UNSATISFACTORY:
            return reason(Unusable.WRONG_SPECIMEN, "unsatisfactory-specimen"), False
        case SpecimenState.WITHDRAWN:
            return reason(Unusable.WRONG_SPECIMEN, "withdrawn-specimen"), False
        case SpecimenState.SEVERAL:
            return reason(Unusable.WRONG_SPECIMEN, "several-specimens"), False
    return None


def _specimen_problem(specimen: Concept | None, lab: Lab, site: Site) -> Problem | None:
    if specimen is None:
        return None
    if _begin(specimen, lab.wrong_specimens):
        said = label(specimen)
        return reason(Unusable.WRONG_SPECIMEN, specimen=said, lab=lab.title), True
    coded = bool(specimen.codings)
    if _has(specimen, lab.specimens, site) or (coded and not lab.specimens):
        return None
    if not coded and (not lab.specimen_words or _only(specimen, lab.specimen_words)):
        return None
    said = label(specimen)
    return reason(Unusable.WRONG_SPECIMEN, "unknown-specimen", specimen=said, lab=lab.title), False


def _place_problem(place: Concept | None, lab: Lab, site: Site) -> Problem | None:
    """A place that is not known to be one of those that the specimen is drawn from."""
    if place is None or not (lab.drawn_from or lab.drawn_from_words):
        return None
    if _begin(place, lab.wrong_sites):
        return reason(Unusable.WRONG_SITE, place=label(place), lab=lab.title), True
    in_words = _words(place) and _only(place, lab.drawn_from_words)
    if _has(place, lab.drawn_from, site) or in_words:
        return None
    said = label(place)
    return reason(Unusable.WRONG_SITE, "unknown-site", place=said, lab=lab.title), False


def _method_problem(seen: MeasurementSeen, lab: Lab, site: Site) -> Problem | None:
    """A method or a device that is known not to measure the lab; others change no meaning."""
    for said in (seen.method, seen.device):
        if said is None:
            continue
        wrong = _words(said) & lab.wrong_method_words or _has(said, lab.wrong_methods, site)
        if wrong or _begin(said, lab.wrong_specimens):
            return reason(
                Unusable.WRONG_METHOD, "" if said is seen.method else "wrong-device",
                how=label(said), lab=lab.title,
            ), False  # fmt: skip
    return None


def _begin(concept: Concept, beginnings: Collection[str]) -> bool:
    """Whether a word of the concept's texts begins in one of these ways, or a phrase of them."""
    said = " ".join(texts(concept)).casefold()
    return any(re.search(rf"(?<!\w){re.escape(it)}", said) for it in beginnings)


def _only(concept: Concept, known: Collection[str]) -> bool:
    """Whether every word of the concept's texts is one of these."""
    return _words(concept) <= frozenset(known)


def _words(concept: Concept) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(texts(concept)).casefold()))
