"""The words of a worked patient as facts: read and translated as those of a hospital are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta, tzinfo
from decimal import Decimal

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.facts import (
    Attestation,
    Condition,
    Consent,
    ConsentState,
    Dose,
    Measurement,
    MedicationUse,
    Outcome,
    Person,
    ProcedureDone,
    State,
    Use,
    Verification,
)
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Protocol, Rulebook
from refnot_fhir.core.seen import (
    ConditionSeen,
    ConsentSeen,
    DoseSeen,
    MeasurementSeen,
    ProcedureSeen,
    Product,
    ReferenceRange,
    UseSeen,
    Value,
)
from refnot_fhir.core.site import Site
from refnot_fhir.core.specimen import Focus
from refnot_fhir.core.translate.condition import condition
from refnot_fhir.core.translate.consent import consent
from refnot_fhir.core.translate.dose import dose
from refnot_fhir.core.translate.measurement import measurement
from refnot_fhir.core.translate.medication_use import medication_use
from refnot_fhir.core.translate.procedure import procedure
from refnot_fhir.core.values import Coding, Concept, Quantity, Source, When
from refnot_fhir.core.verdict import Verdict
from refnot_fhir.core.vocabulary import Standing
from refnot_fhir.fhir.dates import BEGINNING, END, day_span, when
from refnot_fhir.rulebook import codes
from refnot_fhir.rulebook.files import MappingFile, Table

_PATIENT = "p1"
_COMPARATORS = ("<=", ">=", "<", ">")


@record
class CaseWords:
    """One case in the words of a hospital, and what is needed to understand them."""

    file: MappingFile
    key: str
    table: Table
    systems: Mapping[str, str]
    rulebook: Rulebook

    def chart(self, protocol: Protocol, site: Site) -> Chart:
        """The chart that the words of the case come to."""
        table = self.table
        person = self._person(site)
        enrolled = table.get("enrolled_on")
        return Chart(
            site=site.name,
            patient=_PATIENT,
            zone=site.zone,
            person=person,
            labs=tuple(self._labs(site, person)),
            doses=tuple(self._doses(site)),
            conditions=tuple(self._conditions(site)),
            medications=tuple(self._uses(site)),
            procedures=tuple(self._procedures(site)),
            consents=tuple(self._consents(site)),
            attestations=tuple(self._attestations(protocol, site)),
            enrolled_on=date.fromisoformat(enrolled) if enrolled else None,
            all_doses=site.administrations,
            arm=table.get("arm", ""),
        )

    def _person(self, site: Site) -> Person:
        birth = self.table.get("birth")
        return Person(
            source=Source(site.name, "Patient", _PATIENT, "1"),
            birth=day_span(birth) if birth else None,
            gender=self.table.get("gender", ""),
            sex_signals=tuple(self.table.get("sex_signals", ())),
            deceased="died" in self.table or "known_dead" in self.table,
            died=when(self.table["died"], zone=site.zone) if "died" in self.table else None,
            dead_by=when(self.table["known_dead"], zone=site.zone).latest
            if "known_dead" in self.table
            else None,
        )

    def _labs(self, site: Site, person: Person) -> Iterator[Measurement]:
        for index, table in enumerate(self.table.get("labs", ())):
            key = f"{self.key}.labs[{index}]"
            seen = MeasurementSeen(
                source=Source(site.name, "Observation", f"o{index}", "1"),
                patient=_PATIENT,
                standing=Standing(table.get("status", Standing.FINAL)),
                code=self._concept(key, table, "loinc"),
                value=self._value(key, table),
                absent=Concept((Coding("", table["absent"]),)) if "absent" in table else None,
                ranges=self._ranges(key, table),
                collected=self._when(table, site.zone),
                issued=when(table["issued"], zone=site.zone) if "issued" in table else None,
                specimen=_said(table, "specimen"),
                method=_said(table, "method"),
                body_site=_said(table, "body_site"),
                device=_said(table, "device"),
                focus=tuple(self._focus(key, table)),
                interpretations=tuple(self._interpretations(key, table)),
                sample=table.get("sample", ""),
            )
            found = measurement(seen, site=site, rulebook=self.rulebook, person=person)
            if found is not None:
                yield found

    def _focus(self, key: str, table: Table) -> Iterator[Focus]:
        if "about_another" in table:
            yield Focus(Concept(text=table["about_another"]), of_another=True)
        if "focus" in table:
            yield Focus(self._coded_or_text(f"{key}.focus", table["focus"]))

    def _interpretations(self, key: str, table: Table) -> Iterator[Concept]:
        if "interpretation" in table:
            yield self._coded_or_text(f"{key}.interpretation", table["interpretation"])

    def _coded_or_text(self, key: str, said: str) -> Concept:
        return Concept((Coding(*self._code(key, said, "")),)) if "|" in said else Concept(text=said)

    def _doses(self, site: Site) -> Iterator[Dose]:
        for index, table in enumerate(self.table.get("doses", ())):
            days = table.get("days_before")
            for number, day in enumerate(days if isinstance(days, list) else [days]):
                one = table if day is None else {**table, "days_before": day}
                seen = self._dose(f"{self.key}.doses[{index}]", f"m{index}-{number}", one, site)
                yield dose(seen, site=site, rulebook=self.rulebook)

    def _consents(self, site: Site) -> Iterator[Consent]:
        for index, table in enumerate(self.table.get("consents", ())):
            key = f"{self.key}.consents[{index}]"
            begins, ends = (
                when(table[name], zone=site.zone) if name in table else None
                for name in ("begins", "ends")
            )
            seen = ConsentSeen(
                source=Source(site.name, "Consent", f"n{index}", "1"),
                patient=_PATIENT,
                state=ConsentState(table.get("status", ConsentState.ACTIVE)),
                permits=table.get("permits"),
                kinds=(Concept((Coding(*self._code(f"{key}.kind", table["kind"], "")),)),),
                studies=tuple(table.get("studies", ())),
                policies=tuple(table.get("policies", ())),
                given=self._when(table, site.zone),
                begins=begins,
                ends=ends,
                doubts=("as the case says",) if table.get("unclear") else (),
            )
            yield consent(seen, site=site)

    def _attestations(self, protocol: Protocol, site: Site) -> Iterator[Attestation]:
        ids = [criterion.id for criterion in protocol.criteria]
        for index, table in enumerate(self.table.get("attestations", ())):
            key = f"{self.key}.attestations[{index}]"
            if table["criterion"] not in ids:
                said = f"{table['criterion']} is no criterion"
                raise self.file.wrong(f"{key}.criterion", said, ids)
            until = table.get("valid_until")
            yield Attestation(
                source=Source(site.name, "QuestionnaireResponse", f"q{index}", "1"),
                patient=_PATIENT,
                protocol=protocol.id,
                criterion=table["criterion"],
                verdict=Verdict(table["verdict"]),
                reason=table["reason"],
                who=table.get("who", "somebody"),
                role=table["role"],
                signed=self._when(table, site.zone),
                verified=table.get("verified", True),
                looked_at=tuple(table.get("looked_at", ())),
                overrules=table.get("overrules", ""),
                valid_until=when(until, zone=site.zone) if until else None,
                retracted=table.get("retracted", False),
            )

    def _dose(self, key: str, id: str, table: Table, site: Site) -> DoseSeen:
        amount, vial = table.get("amount"), table.get("vial")
        return DoseSeen(
            source=Source(site.name, "MedicationAdministration", id, "1"),
            patient=_PATIENT,
            outcome=Outcome(table.get("status", Outcome.GIVEN)),
            reasons=(Concept(text=table["reason"]),) if "reason" in table else (),
            medication=self._medication(key, table),
            unresolved=table.get("unresolved", ""),
            product=Product(Quantity(Decimal(vial["value"]), vial["unit"])) if vial else None,
            given=self._when(table, site.zone),
            ended=_ended(table["until"], site.zone) if "until" in table else None,
            dose=Quantity(Decimal(amount), table.get("unit", "")) if amount else None,
            route=Concept(text=table["route"]) if "route" in table else None,
            body_site=Concept(text=table["body_site"]) if "body_site" in table else None,
            studies=self._studies(table),
        )

    def _uses(self, site: Site) -> Iterator[MedicationUse]:
        for index, table in enumerate(self.table.get("medications", ())):
            key = f"{self.key}.medications[{index}]"
            said = [self._coded_or_text(f"{key}.routes", it) for it in table.get("routes", ())]
            seen = UseSeen(
                source=Source(site.name, "MedicationStatement", f"u{index}", "1"),
                patient=_PATIENT,
                use=Use(table["use"]),
                medication=self._medication(key, table),
                unresolved=table.get("unresolved", ""),
                routes=tuple(route if route.text or route.codings else None for route in said),
                began=self._when(table, site.zone),
                ended=when(table["until"], zone=site.zone) if "until" in table else None,
                is_over=table.get("is_over", False),
                recorded=self._when({"days_before": table["stated"]}, site.zone)
                if "stated" in table
                else None,
                studies=self._studies(table),
            )
            found = medication_use(seen, site=site, rulebook=self.rulebook)
            if found is not None:
                yield found

    def _conditions(self, site: Site) -> Iterator[Condition]:
        for index, table in enumerate(self.table.get("conditions", ())):
            key = f"{self.key}.conditions[{index}]"
            code = self._concept(key, table, "icd10")
            tests = (self._code(f"{key}.tests", said, "snomed") for said in table.get("tests", ()))
            stages = (self._code(f"{key}.stages", it, "snomed") for it in table.get("stages", ()))
            ended = table.get("ended")
            seen = ConditionSeen(
                source=Source(site.name, table.get("type", "Condition"), f"c{index}", "1"),
                patient=_PATIENT,
                codes=(code,) if code.codings or code.text else (),
                state=State(table.get("state", State.ACTIVE)),
                verification=Verification(table.get("verification", Verification.CONFIRMED)),
                abated=when(ended, zone=site.zone) if ended else None,
                recorded=self._when(table, site.zone),
                evidence=tuple(Concept((Coding(*pair),)) for pair in tests),
                stages=tuple(Concept((Coding(*pair),)) for pair in stages),
            )
            found = condition(seen, site=site, rulebook=self.rulebook)
            if found is not None:
                yield found

    def _procedures(self, site: Site) -> Iterator[ProcedureDone]:
        for index, table in enumerate(self.table.get("procedures", ())):
            seen = ProcedureSeen(
                source=Source(site.name, "Procedure", f"x{index}", "1"),
                patient=_PATIENT,
                outcome=Outcome(table.get("status", Outcome.GIVEN)),
                code=self._concept(f"{self.key}.procedures[{index}]", table, "snomed"),
                began=self._when(table, site.zone),
                studies=self._studies(table),
            )
            found = procedure(seen, site=site, rulebook=self.rulebook)
            if found is not None:
                yield found

    def _medication(self, key: str, table: Table) -> Concept | None:
        return None if "unresolved" in table else self._concept(key, table, "atc")

    def _studies(self, table: Table) -> tuple[str, ...]:
        study = self.file.name.split("/")[1]
        return (f"ResearchStudy/{study}",) if table.get("of_study") else ()

    def _concept(self, key: str, table: Table, usual: str) -> Concept:
        named = [part for part in ("code", "also_code") if part in table]
        codings = (self._code(f"{key}.{part}", table[part], usual) for part in named)
        return Concept(tuple(Coding(*pair) for pair in codings), table.get("text", ""))

    def _code(self, key: str, text: str, usual: str) -> CodeKey:
        whole = text if "|" in text else f"{usual}|{text}"
        return codes.code(self.file, key, whole, self.systems)

    def _value(self, key: str, table: Table) -> Value | None:
        if "answer" in table:
            return Concept((Coding(*self._code(f"{key}.answer", table["answer"], "loinc")),))
        if "value" in table:
            return _quantity(table["value"], table.get("unit", ""), table.get("unit_code", ""))
        spoken: str | int | None = table.get("answer_text", table.get("answer_number"))
        return spoken

    def _ranges(self, key: str, table: Table) -> tuple[ReferenceRange, ...]:
        tables = (table, *table.get("more_ranges", ()))
        return tuple(it for one in tables if (it := self._range(key, one)) is not None)

    def _range(self, key: str, table: Table) -> ReferenceRange | None:
        unit, coded = table.get("range_unit", ""), table.get("range_unit_code", "")
        limits = {
            part: _quantity(table[part], unit, coded) for part in ("low", "high") if part in table
        }
        text = table.get("range_text", "")
        if not limits and not text:
            return None
        group = table.get("range_for", "")
        applies_to = (self._coded_or_text(f"{key}.range_for", group),) if group else ()
        return ReferenceRange(limits.get("low"), limits.get("high"), text, applies_to=applies_to)

    def _when(self, table: Table, zone: tzinfo) -> When | None:
        if "date" in table:
            return when(table["date"], zone=zone)
        if "days_before" not in table:
            return None
        as_of = date.fromisoformat(self.table["as_of"])
        return when((as_of - timedelta(days=table["days_before"])).isoformat(), zone=zone)


def _quantity(sent: Decimal | int | str, unit: str, code: str) -> Quantity:
    text = str(sent)
    comparator = next((mark for mark in _COMPARATORS if text.startswith(mark)), "")
    number = Decimal(text.removeprefix(comparator))
    return Quantity(number, unit, code, bool(code), comparator)


def _said(table: Table, part: str) -> Concept | None:
    return Concept(text=table[part]) if part in table else None


def _ended(text: str, zone: tzinfo) -> When:
    if text == "open":
        return When(BEGINNING, END, "")
    return when(text, zone=zone)
