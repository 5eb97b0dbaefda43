"""How much of a drug was given, exactly and in its own unit, or why that cannot be told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from refnot_fhir.core.dictionary import Drug
from refnot_fhir.core.exact import product, quotient, shown
from refnot_fhir.core.record import record
from refnot_fhir.core.seen import DoseSeen, Product
from refnot_fhir.core.site import Site, VialStrength
from refnot_fhir.core.translate.drug import texts_of
from refnot_fhir.core.translate.units import agreed, meant, normalise
from refnot_fhir.core.values import Concept, Quantity, Reason, reason
from refnot_fhir.core.vocabulary import Unusable

_UNITY = frozenset({"", "1"})


@record
class Amount:
    """So much in the drug's unit, or why not, with the vials as far as they were said."""

    value: Decimal | None = None
    why_not: Reason | None = None
    vials: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()


@record
class _Unit:
    """A unit understood: one of it is `factor` of the drug's unit, vials or mL, as `kind` says."""

    kind: str
    factor: Decimal
    label: str


def read_amount(
    seen: DoseSeen, drug: Drug, *, protocol_doses: Iterable[Decimal], site: Site
) -> Amount:
    """The amount of a drug whose doses are counted, in its own unit.

    What the drug lists as its units counts by their factors. Vials count when the strength of one
    is said by the product, by the dose's text or by the drug's name, or stated by the hospital for
    the product or for all it has, or only one exists. Millilitres count by the product's strength
    per volume, or because one protocol dose is dissolved in a known volume. Everything else, such
    as a mass of a drug counted in units, is refused: amounts are never guessed, and never read from
    free text.
    """
    dose, lot = seen.dose, _lot(seen)
    if dose is None or dose.value is None:
        return Amount(why_not=_not_said(seen), vials=lot)
    if dose.comparator or dose.value < 0:
        return Amount(why_not=_inexact(f"{dose.comparator}{shown(dose.value)}"), vials=lot)
    unit = _unit(dose, drug, site)
    if isinstance(unit, Reason):
        return Amount(why_not=unit, vials=lot)
    counted = product(dose.value, unit.factor)
    reading = _Reading(seen, drug, frozenset(protocol_doses), site)
    amount = {"units": reading.of_units, "vials": reading.of_vials, "ml": reading.of_volume}[
        unit.kind
    ](counted)
    mapped = _mapping(unit, drug)
    notes = (*mapped, *amount.notes)
    return Amount(_whole(amount.value), amount.why_not, (*amount.vials, *lot), notes)


def told(amount: Decimal, drug: Drug) -> str:
    """An amount as the parameter of a reason: number and UCUM unit."""
    return f"{shown(amount)} {drug.unit}"


@record
class _Reading:
    seen: DoseSeen
    drug: Drug
    protocol_doses: frozenset[Decimal]
    site: Site

    def of_units(self, units: Decimal) -> Amount:
        strength = self._strength("vials")
        if strength is None:
            return Amount(units)
        return Amount(units, vials=(reason("vials-of", strength=told(strength, self.drug)),))

    def of_vials(self, count: Decimal) -> Amount:
        strength, why = self._vial()
        if strength is None:
            vials = reason("vials", "one-vial" if count == 1 else "", count=shown(count))
            return Amount(why_not=why, vials=(vials,))
        held = told(strength, self.drug)
        vials = reason("vials-held", count=shown(count), strength=held)
        return Amount(product(count, strength), vials=(vials,), notes=(why,))

    def of_volume(self, ml: Decimal) -> Amount:
        per_ml = self._strength("ml")
        if per_ml is not None:
            return Amount(product(ml, per_ml), notes=(reason("volume-by-product"),))
        held, volume = self.protocol_doses, self.drug.dissolved_in_ml
        if len(held) != 1 or volume is None:
            return Amount(why_not=reason("volume-unknown"))
        amount = _divided(product(ml, next(iter(held))), volume)
        if amount is None:
            return Amount(why_not=_inexact(f"{shown(ml)} mL"))
        vials = set(filter(None, (self._strength("vials"), *self._in_words())))
        if vials - held:
            return Amount(why_not=_contradiction(vials | held, self.drug))
        return Amount(amount, notes=(reason("volume-dissolved", volume=shown(volume)),))

    def _vial(self) -> tuple[Decimal | None, Reason]:
        """What one vial holds, and who says so; or why that cannot be told."""
        strength, words = self._strength("vials"), self._in_words()
        told = set(words) if strength is None else {strength, *words}
        # A text may state the whole dose: only what agrees with the hospital's stock is a strength.
        stock = self._stock() if strength is None and words else set()
        if len(told | stock) > 1:
            return None, _contradiction(told | stock, self.drug)
        if strength is not None:
            return strength, reason("vials-by-product")
        if words:
            return next(iter(words.items()))
        return self._stated()

    def _in_words(self) -> dict[Decimal, Reason]:
        """The strengths that texts name, each with a note on the first text that does."""
        made = self.seen.product or Product()
        in_words = Concept(text=made.strength_text)
        texts = {
            reason("vials-by-dose-text"): _strengths_in(self.seen.dose_text, self.drug),
            reason("vials-by-product-words"): _strengths_in_name(in_words, self.drug),
            reason("vials-by-name"): _strengths_in_name(self.seen.medication, self.drug),
        }
        found: dict[Decimal, Reason] = {}
        for where, strengths in texts.items():
            for strength in strengths:
                found.setdefault(strength, where)
        return found

    def _stock(self) -> set[Decimal]:
        """What the hospital states that one vial holds, of this product or else of all it has."""
        of_drug = [one for one in self.site.vials if one.drug == self.drug.name]
        of_product = [one for one in of_drug if self._is_product(one)]
        general = [one for one in of_drug if one.code is None and not one.text]
        return {one.holds for one in of_product or general}

    def _stated(self) -> tuple[Decimal | None, Reason]:
        """What one vial holds where the message says nothing: the hospital's own statement."""
        strengths = self._stock()
        if len(strengths) == 1:
            return strengths.pop(), reason("vials-by-hospital")
        if len(self.drug.vial_strengths) == 1 and not strengths:
            return self.drug.vial_strengths[0], reason("vials-by-only-strength")
        return None, reason("strength-unknown")

    def _is_product(self, stated: VialStrength) -> bool:
        medication = self.seen.medication or Concept()
        sent = {(coding.system, coding.code) for coding in medication.codings}
        return stated.code in sent or bool(stated.text and stated.text in texts_of(medication))

    def _strength(self, per_kind: str) -> Decimal | None:
        """What is in one vial, or in one mL, as the product says."""
        made = self.seen.product or Product()
        if made.strength is None or made.strength.value is None:
            return None
        unit = _unit(made.strength, self.drug, self.site)
        if isinstance(unit, Reason) or unit.kind != "units":
            return None
        held = product(made.strength.value, unit.factor)
        per = made.per or Quantity(Decimal(1))
        if per.value is None or per.value <= 0:
            return None
        base = (
            _unit(per, self.drug, self.site) if _has_unit(per) else _Unit("vials", Decimal(1), "")
        )
        if isinstance(base, Reason) or base.kind != per_kind:
            return None
        return _divided(held, product(per.value, base.factor))


def _contradiction(strengths: Iterable[Decimal], drug: Drug) -> Reason:
    return reason("strengths-contradict", strength=[told(one, drug) for one in sorted(strengths)])


def _inexact(amount: str) -> Reason:
    return reason("inexact-amount", amount=amount)


def _lot(seen: DoseSeen) -> tuple[Reason, ...]:
    lot = seen.product.lot if seen.product else ""
    return (reason("lot", lot=lot),) if lot else ()


def _whole(amount: Decimal | None) -> Decimal | None:
    """`400000.0`, which 0.4 million makes, and `4E+5` as `400000`."""
    if amount is None or amount != amount.to_integral_value():
        return amount
    whole = amount.to_integral_value()
    return Decimal(shown(whole))


def _mapping(unit: _Unit, drug: Drug) -> tuple[Reason, ...]:
    """`U` is an enzyme unit and ЕД any unit: that they count IU here is a reading worth noting."""
    if unit.kind != "units" or drug.unit.upper() in unit.label.upper():
        return ()
    return (reason("dose-unit-read", unit=unit.label, held=told(unit.factor, drug)),)


def _not_said(seen: DoseSeen) -> Reason:
    if seen.dose is not None:
        return reason("dose-without-number")
    if seen.dose_text:
        return reason("dose-only-text", text=seen.dose_text)
    return reason("no-dose")


def _has_unit(quantity: Quantity) -> bool:
    return quantity.unit not in _UNITY or quantity.code not in _UNITY


def _unit(quantity: Quantity, drug: Drug, site: Site) -> _Unit | Reason:
    """The unit of a quantity, or why it is refused; code and text must not contradict."""
    sent = replace(quantity, unit=_unless_unity(quantity.unit), code=_unless_unity(quantity.code))
    found = agreed(
        sent, partial(_read_unit, drug=drug, site=site), same=lambda it: (it.kind, it.factor)
    )
    if isinstance(found, _Unit):
        return found
    if found.code == Unusable.NO_UNIT and not (quantity.code or quantity.unit):
        return reason("dose-without-unit")
    if found.code == Unusable.UNIT_CONFLICT:
        return reason("dose-unit-conflict", "", found)
    return reason("dose-unit-unknown", unit=quantity.code or quantity.unit, counts=drug.unit)


def _unless_unity(unit: str) -> str:
    return "" if unit in _UNITY else unit


def _read_unit(sent: str, drug: Drug, site: Site) -> _Unit | None:
    text = meant(sent, site.units)
    if text in drug.dose_units:
        return _Unit("units", drug.dose_units[text], sent)
    if text in drug.count_units:
        return _Unit("vials", Decimal(1), sent)
    if text in drug.volume_units:
        return _Unit("ml", drug.volume_units[text], sent)
    return None


def _strengths_in(text: str, drug: Drug) -> set[Decimal]:
    """The strengths of vials that a text names in full: `4 vials of 100 000 ЕД`.

    A number with any unit but single units of activity (`400 тыс. ЕД`) is none.
    """
    names = _any_of(name for name, factor in drug.dose_units.items() if factor == 1)
    pattern = rf"(?<![\d.,])(\d{{1,3}}(?:[ ,.]\d{{3}})+|\d+) ?{names}(?!\w)"
    found = re.findall(pattern, normalise(text))
    strengths = {Decimal(re.sub(r"\D", "", number)) for number in found}
    return strengths & set(drug.vial_strengths) if len(strengths) == 1 else set()


def _strengths_in_name(medication: Concept | None, drug: Drug) -> set[Decimal]:
    """The strength of a vial that the drug's name ends in: `Refnot 100 тыс. ЕД`.

    Nothing if the name states several amounts, or one in a volume.
    """
    shown_as = medication or Concept()
    texts = (shown_as.text, *(coding.display for coding in shown_as.codings))
    units, per = _any_of(drug.dose_units), _any_of(drug.count_units)
    amount = r"(?<![\d.,])(\d{1,3}(?:[ ,.]\d{3})+|\d+(?:[.,]\d+)?)"
    pattern = rf"{amount} ?({units})(?!\w)( ?/(?! ?{per}))?"
    strengths = set()
    for text in texts:
        for number, unit, in_volume in re.findall(pattern, normalise(text)):
            value = product(_number(number), drug.dose_units[unit])
            strengths.add(Decimal(-1) if in_volume else value)
    return strengths & set(drug.vial_strengths) if len(strengths) == 1 else set()


def _any_of(words: Iterable[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})"


def _number(text: str) -> Decimal:
    """`100 000` and `100,000` as thousands, `0,4` and `0.4` as a decimal."""
    if re.fullmatch(r"\d{1,3}(?:[ ,.]\d{3})+", text):
        return Decimal(re.sub(r"\D", "", text))
    return Decimal(text.replace(",", "."))


def _divided(value: Decimal, by: Decimal) -> Decimal | None:
    """The exact quotient, or None when there is none in decimals."""
    result = quotient(value, by)
    return result if product(result, by) == value else None
