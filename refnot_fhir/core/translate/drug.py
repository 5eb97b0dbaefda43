"""Which drug a hospital's words mean, and to which classes of drugs it belongs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from refnot_fhir.core.dictionary import CodeKey, Drug, DrugClass, DrugProduct
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.code_sets import Place, place
from refnot_fhir.core.translate.codes import codes_of, mapped, texts
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.core.values import Coding, Concept, Reason, reason
from refnot_fhir.core.vocabulary import Unlisted

# Marks that change nothing of a name: trade marks, and the hyphens that word processors write.
_MARKS = str.maketrans({"®": "", "™": "", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-"})


@record
class Recognised:
    """A drug as the protocol knows it; see the fields of the same names in `Dose`."""

    drug: Drug | None = None
    classes: tuple[str, ...] = ()
    classified: bool = False
    unclear: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
    several: bool = False
    """That it means more drugs than one."""


def plain(text: str) -> str:
    """A text as mapping files list it: one form of letters, spaces and hyphens, lower case."""
    return normalise(text.translate(_MARKS)).lower()


def texts_of(concept: Concept) -> tuple[str, ...]:
    """The whole texts that a concept is shown as, in their listed form."""
    return tuple(dict.fromkeys(plain(text) for text in texts(concept) if text))


def recognise(concept: Concept, *, site: Site, rulebook: Rulebook) -> Recognised:
    """The drug that a concept means: by its codes, or else by its name.

    A name is the whole text, or has nothing after it but numbers, units, forms, punctuation,
    and in brackets another of its names: `Refnot (TNF-T) 100 000 IU`.

    A class is certain when a code or a name is listed under it, or a code taken out of it. Unless
    the name says it, the class is unclear where the use decides, and every class is where a code of
    no class is too short to tell.
    """
    keys = codes_of(concept, site)
    notes = tuple(
        reason("local-code", sent=sent[1], meant=meant[1], system=meant[0])
        for sent, meant in mapped(concept, site)
    )
    drugs = _by_code(keys, rulebook) or _by_name(concept, rulebook)
    if len(drugs) > 1:
        titles = ", ".join(sorted(drug.title for drug in drugs))
        shared = set.intersection(*(set(drug.classes) for drug in drugs))
        return Recognised(
            None,
            tuple(sorted(shared)),
            notes=(*notes, reason("several-drugs", drugs=titles)),
            several=True,
        )
    drug = drugs[0] if drugs else None
    places = _places(keys, rulebook.drug_classes.values())
    named = drug.classes if drug else _classes_by_name(concept, rulebook)
    classes = {*named, *(name for name, where in places if where is Place.IN)}
    known = drug is not None or bool(named)
    unclear = set() if known else _unclear(keys, places, rulebook)
    told = known or (bool(places) and not unclear)
    if drug is None:
        notes = (*notes, *_unread_names(concept, rulebook))
    return Recognised(drug, tuple(sorted(classes)), told, tuple(sorted(unclear)), notes)


def recognise_product(
    code: Concept | None, ingredients: Sequence[Concept], *, site: Site, rulebook: Rulebook
) -> Recognised:
    """The drug that a product is, by its code and by what it is made of.

    It is of every class of any part, and classified only if every part is. Parts that mean several
    drugs mean none. What a listed code of a product is made of is known from the list.
    """
    said = ingredients if code is None else (code, *ingredients)
    parts = [recognise(one, site=site, rulebook=rulebook) for one in said]
    listed = product_of(code, site=site, rulebook=rulebook)
    if listed is not None:
        if not parts[0].classified and not parts[0].unclear and parts[0].drug is None:
            del parts[0]
        made_of = (Concept((Coding(*one),)) for one in listed.ingredients)
        parts += (recognise(one, site=site, rulebook=rulebook) for one in made_of)
    if len(parts) == 1:
        return parts[0]
    drugs = {part.drug.name: part.drug for part in parts if part.drug}
    sole = len(drugs) == 1 and not any(part.several for part in parts)
    untold = any(not part.classified and not part.unclear for part in parts)
    return Recognised(
        next(iter(drugs.values())) if sole else None,
        tuple(sorted({name for part in parts for name in part.classes})),
        bool(parts) and all(part.classified for part in parts),
        () if untold else tuple(sorted({name for part in parts for name in part.unclear})),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        several=bool(drugs) and not sole,
    )


def product_of(code: Concept | None, *, site: Site, rulebook: Rulebook) -> DrugProduct | None:
    """The listed product that one of the codes names."""
    keys = codes_of(code, site) if code is not None else ()
    return next((found for key in keys if (found := rulebook.products.get(key))), None)


def is_name_of(text: str, drug: Drug, rulebook: Rulebook) -> bool:
    """Whether a text names a drug, with at most amounts, forms and another name after it."""
    return _is_called(plain(text), drug.texts, _amounts_of(drug, rulebook))


def _by_code(keys: Iterable[CodeKey], rulebook: Rulebook) -> list[Drug]:
    return [drug for drug in rulebook.drugs.values() if not drug.codes.isdisjoint(keys)]


def _by_name(concept: Concept, rulebook: Rulebook) -> list[Drug]:
    names = texts_of(concept)
    return [
        drug
        for drug in rulebook.drugs.values()
        if any(is_name_of(name, drug, rulebook) for name in names)
    ]


def _amounts_of(drug: Drug, rulebook: Rulebook) -> Iterable[str]:
    """Words that say how much, or in which form or pack, of a drug; its own units included."""
    own = (*drug.dose_units, *drug.count_units, *drug.volume_units)
    return (*rulebook.amount_words, *(normalise(unit).lower() for unit in own))


def _classes_by_name(concept: Concept, rulebook: Rulebook) -> tuple[str, ...]:
    """The class that every text names: one that is not understood may be of another drug."""
    names = texts_of(concept)
    return tuple(
        one.name
        for one in rulebook.drug_classes.values()
        if names and all(_is_called(name, one.texts, rulebook.amount_words) for name in names)
    )


def _is_called(text: str, known: Collection[str], amounts: Iterable[str]) -> bool:
    """Whether a text is one of these names, with at most amounts and another name after it."""
    if text in known:
        return True
    if not any(map(text.startswith, known)):
        return False
    names, units = _any_of(known), _any_of(amounts, then=r"(?![^\W\d])")
    rest = rf"(?:\(\s*{names}\s*\)|\[\s*{names}\s*\]|{units}|\d|\W)"
    # Possessive: a text cannot be made to take long by being readable in many ways.
    return re.fullmatch(rf"{names}{rest}*+", text) is not None


def _any_of(words: Iterable[str], then: str = r"(?!\w)") -> str:
    """A pattern for any of these as a whole word; for none of them, one that matches nothing."""
    longest_first = sorted(filter(None, words), key=len, reverse=True)
    one = "|".join(map(re.escape, longest_first)) or r"(?!)"
    return rf"(?<![^\W\d])(?:{one}){then}"


def _unread_names(concept: Concept, rulebook: Rulebook) -> Iterable[Reason]:
    """That a text holds the name of a study drug, and more than is understood."""
    studied = {protocol.dosing.drug for protocol in rulebook.protocols.values()}
    names = _any_of(
        n for drug in rulebook.drugs.values() if drug.name in studied for n in drug.texts
    )
    for text in dict.fromkeys(texts(concept)):
        found = re.search(names, plain(text))
        if found:
            yield reason(Unlisted.NAME, text=text, name=found[0])


def _places(keys: Sequence[CodeKey], classes: Iterable[DrugClass]) -> tuple[tuple[str, Place], ...]:
    """(class, place) wherever a code says anything about a class."""
    found = ((one.name, _place(key, one)) for one in classes for key in keys)
    return tuple((name, where) for name, where in found if where is not Place.UNLISTED)


def _unclear(
    keys: Iterable[CodeKey], places: Iterable[tuple[str, Place]], rulebook: Rulebook
) -> set[str]:
    """The classes that it may be of: all of them, if a code is too short and of no class."""
    classes = rulebook.drug_classes.values()
    for key in keys:
        of_key = [_place(key, one) for one in classes]
        reviewed = any(key in one.review for one in classes)
        if Place.UNCLEAR in of_key and Place.IN not in of_key and not reviewed:
            return set(rulebook.drug_classes)
    return {name for name, where in places if where is Place.UNCLEAR}


def _place(key: CodeKey, drug_class: DrugClass) -> Place:
    """Where a code stands to the class; the use decides of those to be reviewed."""
    if key in drug_class.review:
        return Place.UNCLEAR
    return place(key, drug_class, drug_class.review)
