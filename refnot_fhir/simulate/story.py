"""One simulated patient in the making.

Every criterion that data can decide is satisfied until a scenario changes something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from random import Random
from typing import Any

from refnot_fhir.simulate.doses import Given, other_drug, trial_dose
from refnot_fhir.simulate.expectation import Check, Dosing, standing
from refnot_fhir.simulate.hospital import Analyte, Word, hospital
from refnot_fhir.simulate.labs import Row, answered, loinc, measured, series, usual
from refnot_fhir.simulate.limits import Limits
from refnot_fhir.simulate.people import decided

Resource = dict[str, Any]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def criteria(**verdicts: str) -> dict[str, str]:
    """Verdicts by the ids of the criteria that stories give these names."""
    return {hospital().criteria[name]: verdict for name, verdict in verdicts.items()}


@dataclass(slots=True)
class Story:
    """The builder that scenarios change; `patients.py` sets it up and ends it."""

    number: int
    key: str
    """Begins the id of everything that belongs to this patient."""
    limits: Limits
    zone: tzinfo
    rng: Random
    as_of: date
    """The date of assessment that the story is told for."""
    patient: Resource = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    """Verdict by the id of the criterion."""
    shown: list[str] = field(default_factory=list)
    readings: dict[str, list[Resource]] = field(default_factory=dict)
    others: list[Resource] = field(default_factory=list)
    messages: list[tuple[str, list[Resource]]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    decisions: list[Resource] = field(default_factory=list)
    """Batches of a trial management system, delivered after all messages."""
    status: str = ""
    """Where the subject stands at the end; empty: not told."""
    _counted: int = 0

    @property
    def reference(self) -> str:
        """`Patient/sim-1-0007`."""
        return f"Patient/{self.key}"

    def new_key(self, kind: str) -> str:
        """The next id: `sim-1-0007-o12`."""
        self._counted += 1
        return f"{self.key}-{kind}{self._counted}"

    def at(self, days_before: int, clock: time = time(8, 10)) -> datetime:
        """A moment in the hospital, so many days before the date of assessment."""
        day = self.as_of - timedelta(days=days_before)
        return datetime.combine(day, clock, self.zone)

    # Readings

    def newest(self, lab: str) -> Resource:
        """The newest reading of a lab."""
        return self.readings[lab][-1]

    def newest_day(self, lab: str) -> date:
        """The day on which the newest reading of a lab was taken."""
        return datetime.fromisoformat(self.newest(lab)["effectiveDateTime"]).date()

    def usual_row(self, lab: str) -> Row:
        """The newest row of a lab, to be changed."""
        analyte = hospital().analyte(lab)
        return usual(analyte, self.newest(lab)["valueQuantity"]["value"])

    def measure(self, lab: str, row: Row, *, days_before: int | None = None) -> Resource:
        """Put a row in the place of the newest reading, or add it so many days before."""
        if days_before is None:
            old = self.readings[lab].pop()
            at, key = datetime.fromisoformat(old["effectiveDateTime"]), old["id"]
        else:
            at, key = self.at(days_before), self.new_key("o")
        analyte = hospital().analyte(lab)
        resource = measured(key, self.reference, row, analyte=analyte, at=at.astimezone(self.zone))
        self.readings.setdefault(lab, []).append(resource)
        return resource

    def replace_newest(self, lab: str, resource: Resource) -> None:
        """Put a whole resource in the place of the newest reading."""
        self.readings[lab][-1] = resource

    def never_measured(self, *labs: str) -> None:
        """Take every reading of these labs away."""
        for lab in labs:
            self.readings.pop(lab, None)

    def weekly(self, analyte: Analyte, newest_days_before: int) -> None:
        """A reading a week, the last of them so many days before the date of assessment."""
        visits = hospital().visits
        for visit, value in enumerate(series(analyte, visits, self.rng)):
            days = newest_days_before + 7 * (visits - 1 - visit)
            self.measure(analyte.name, usual(analyte, value), days_before=days)

    def who_status(self, score: int, *, days_before: int) -> None:
        """A WHO performance status, as the coded answer of the LOINC answer list."""
        words = hospital().who
        question = loinc(words["question"], words["text"])
        answer = loinc(words["answers"][score], f"WHO {score}")
        self._answer("who-status", question, answer, days_before)

    def be(self, gender: str) -> None:
        """Make the patient a man, or a woman known not to be pregnant."""
        self.patient["gender"] = gender
        self.never_measured("pregnancy-status")
        if gender == "female":
            self.pregnancy("not-pregnant", days_before=2)
        applies = "not-met" if gender == "female" else "not-applicable"
        self.expected |= criteria(pregnancy=applies)

    def pregnancy(self, answer: str, *, days_before: int) -> None:
        """An answer to the question for pregnancy: `pregnant` or `not-pregnant`."""
        words = hospital().pregnancy
        coding = {"system": hospital().codes["snomed"], "code": words[answer]}
        said = {"coding": [coding], "text": answer.replace("-", " ")}
        question = loinc(words["question"], words["text"])
        self._answer("pregnancy-status", question, said, days_before)

    def immunotherapy(self, answer: str, *, days_before: int) -> None:
        """An answer to the question for immunotherapy: `given` or `not-given`."""
        words = hospital().immunotherapy
        said = {"coding": [{"system": hospital().codes["snomed"], "code": words[answer]}]}
        coding = {"system": words["system"], "code": words["question"]}
        question = {"coding": [coding], "text": words["text"]}
        self._answer("immunotherapy-6-weeks", question, said, days_before)

    def _answer(self, lab: str, question: Resource, answer: Resource, days_before: int) -> None:
        key, at = self.new_key("o"), self.at(days_before)
        resource = answered(key, self.reference, question, answer, at=at)
        self.readings.setdefault(lab, []).append(resource)

    # Drugs

    def drug(self, word: Word, *, days_before: int) -> None:
        """Another drug, given so many days before the date of assessment."""
        at = self.at(days_before, time(11, 30))
        self.others.append(other_drug(self.new_key("m"), self.reference, at, word))

    def by_reference(self) -> Resource:
        """Make the last drug given name its product by a reference; returns that Medication."""
        named = self.others[-1].pop("medicationCodeableConcept")
        product = {"resourceType": "Medication", "id": self.new_key("p"), "code": named}
        self.others[-1]["medicationReference"] = {"reference": f"Medication/{product['id']}"}
        return product

    def dose(self, given: Given) -> Resource:
        """One administration of the trial drug."""
        drug = self.limits.rulebook.drugs[self.limits.dosing.drug]
        system, code = min(drug.codes)
        study = f"ResearchStudy/{self.limits.protocol.id}"
        word = Word(drug.title, system, code)
        return trial_dose(self.new_key("m"), self.reference, given, drug=word, study=study)

    # Telling

    def expect(self, **verdicts: str) -> None:
        """What the story is about: criteria, by their names, whose verdict it was built to show."""
        found = criteria(**verdicts)
        self.expected |= found
        self.shown += [id_ for id_ in found if id_ not in self.shown]

    def show_everything(self) -> None:
        """Make the story one about every criterion that it expects anything of."""
        self.shown += [id_ for id_ in self.expected if id_ not in self.shown]

    def send(self, label: str, resources: Sequence[Resource] = ()) -> None:
        """End a message; the first one holds all that is known so far."""
        opening = [] if self.messages else self.opening()
        name = f"{self.number:04d}-{_LETTERS[len(self.messages)]}-{label}"
        self.messages.append((name, opening + list(resources)))

    def decide(self, status: str, on: date, **stated: Any) -> None:
        """A trial management system sets the status of the subject, and states the rest with it."""
        name = f"{self.number:04d}-{_LETTERS[len(self.decisions)]}-{status}"
        protocol = self.limits.protocol
        self.decisions.append(decided(name, self.reference, protocol, status, on, **stated))
        self.status = status

    def day_after(self, days: int) -> date:
        """So many days after the date of assessment."""
        return self.as_of + timedelta(days=days)

    def resend(self, label: str, resource: Resource) -> None:
        """End a message that holds the second version of something sent before."""
        self.send(label, [self.versioned(resource, 2)])

    def versioned(self, resource: Resource, version: int) -> Resource:
        """The resource as its hospital's given version, a day newer for each one."""
        sent = self.at(1 - version, time(18)).isoformat()
        meta = resource.get("meta", {}) | {"versionId": str(version), "lastUpdated": sent}
        return resource | {"meta": meta}

    def opening(self) -> list[Resource]:
        """The patient, and everything recorded before the first message, in order of time."""
        recorded = [row for rows in self.readings.values() for row in rows] + self.others
        dated = sorted(recorded, key=lambda row: (row["effectiveDateTime"], row["id"]))
        return [self.patient, *self.unused(), *dated]

    def unused(self) -> list[Resource]:
        """What a feed sends along and the protocol has no use for."""
        subject = {"reference": self.reference}
        act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
        encounter = {
            "resourceType": "Encounter",
            "id": self.new_key("e"),
            "status": "finished",
            "class": {"system": act, "code": "AMB"},
            "subject": subject,
            "period": {"start": self.at(3).isoformat(), "end": self.at(3, time(9, 40)).isoformat()},
        }
        condition = {
            "resourceType": "Condition",
            "id": self.new_key("c"),
            "code": {"text": "Malignant solid tumour (synthetic)"},
            "subject": subject,
        }
        return [encounter, condition]

    def check(
        self,
        *,
        as_of: date | None = None,
        dosing: Dosing | None = None,
        only: Sequence[str] | None = None,
    ) -> None:
        """State what must hold after the last message sent: every criterion, or only these."""
        ids = self.expected if only is None else [hospital().criteria[name] for name in only]
        told = {id_: self.expected[id_] for id_ in ids}
        self.checks.append(
            Check(
                after=f"{self.messages[-1][0]}.json",
                as_of=as_of or self.as_of,
                criteria=told,
                standing=self._standing(told),
                dosing=dosing,
            )
        )

    def _standing(self, told: dict[str, str]) -> str:
        """What these verdicts come to, unless others that are not told of could change it."""
        found = standing(told, self.limits)
        settled = found == "ineligible" or len(told) == len(self.expected)
        return found if settled else ""
