"""The bundles that are sent: one patient and 99 laboratory results, every one of use to the trial.

Nothing in a bundle is left out by the service as not retained, which would flatter it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from benchmarks import inside

RESULTS = 99
TOKEN = b"patient-000000000000"
"""Stands for the patient in a template: replaced in every id and reference, in equal length."""

_TEMPLATES = 8
_UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class _Analyte:
    code: str
    display: str
    unit: str
    ucum: str
    low: str
    high: str
    values: tuple[str, ...]


_ANALYTES = (
    _Analyte("20482-6", "Granulocytes [#/volume] in Blood by Automated count", "10*9/L", "10*9/L",
             "1.90", "7.50", ("2.31", "1.87", "3.06", "5.44", "1.49")),
    _Analyte("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", "10*3/uL",
             "4.0", "10.0", ("4.12", "6.80", "5.51", "3.97", "9.10")),
    _Analyte("751-8", "Neutrophils [#/volume] in Blood by Automated count", "10*9/L", "10*9/L",
             "1.8", "7.7", ("2.05", "1.62", "2.80", "4.91", "1.31")),
    _Analyte("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", "10*3/uL",
             "150", "400", ("187", "203", "151", "98", "342")),
    _Analyte("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL",
             "0.60", "1.10", ("0.82", "0.97", "1.31", "1.10", "0.74")),
    _Analyte("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
             "U/L", "U/L", "7", "40", ("23", "41", "88", "35", "19")),
    _Analyte("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
             "U/L", "U/L", "10", "37", ("21", "36", "64", "30", "25")),
    _Analyte("6768-6", "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma",
             "U/L", "U/L", "40", "129", ("77", "102", "131", "64", "90")),
    _Analyte("14682-9", "Creatinine [Moles/volume] in Serum or Plasma", "umol/L", "umol/L",
             "53", "97", ("72.5", "85.7", "115.8", "97.2", "65.4")),
)  # fmt: skip


def templates(today: date) -> tuple[bytes, ...]:
    """Transactions in which `TOKEN` stands for the patient; the newest results are of yesterday."""
    return tuple(_template(today, seed) for seed in range(_TEMPLATES))


def first(template: bytes, entries: int) -> bytes:
    """The same bundle with its first entries only."""
    marked = b'{"fullUrl":'
    parts = template.split(marked)
    return marked.join(parts[: entries + 1]).removesuffix(b",") + b"]}"


def for_patient(template: bytes, patient: str) -> bytes:
    """The bundle of one patient, whose id must be as long as `TOKEN`."""
    name = patient.encode()
    if len(name) != len(TOKEN):
        raise ValueError(f"an id of {len(TOKEN)} characters is expected")
    return template.replace(TOKEN, name)


def for_patients(template: bytes, patients: Sequence[str]) -> bytes:
    """One bundle with the entries of each of these patients."""
    start = template.index(b'{"fullUrl":')
    entries = template[start:].removesuffix(b"]}")
    return template[:start] + b",".join(for_patient(entries, one) for one in patients) + b"]}"


def patient_id(kind: str, number: int) -> str:
    """An id as long as `TOKEN`: eight characters of `kind` and a number."""
    return f"{kind:-<8.8}{number:012}"


def resources(template: bytes) -> Iterator[bytes]:
    """The resources of a template, one line each."""
    return inside.raw_entries(template)


def _template(today: date, seed: int) -> bytes:
    name = TOKEN.decode()
    entries = [_entry(_patient(name, seed))]
    entries += [_entry(_result(name, today, seed, n)) for n in range(RESULTS)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    # Numbers are written as they stand in the table: 1.10 is not 1.1.
    return json.dumps(bundle, separators=(",", ":")).replace('"#', "").replace('#"', "").encode()


def _entry(resource: dict[str, object]) -> dict[str, object]:
    address = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"https://hospital.example.org/fhir/{address}",
        "resource": resource,
        "request": {"method": "PUT", "url": address},
    }


def _patient(name: str, seed: int) -> dict[str, object]:
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": "https://hospital.example.org/mrn", "value": name}],
        "active": True,
        "name": [{"use": "official", "family": "Example", "given": ["Anna", "Maria"]}],
        "telecom": [{"system": "phone", "value": "+7 495 000-00-00", "use": "home"}],
        "gender": ("female", "male")[seed % 2],
        "birthDate": f"19{40 + 5 * seed}-03-2{seed}",
        "address": [{"line": ["1 Example Street"], "city": "Moscow", "country": "RU"}],
    }


def _result(name: str, today: date, seed: int, number: int) -> dict[str, object]:
    draw, which = divmod(number, len(_ANALYTES))
    analyte = _ANALYTES[which]
    day = today - timedelta(days=1 + 5 * draw)
    value = analyte.values[(seed + draw) % len(analyte.values)]
    lab = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": f"{name}-{number:03}",
        "status": "final",
        "category": [{"coding": [{"system": lab, "code": "laboratory", "display": "Laboratory"}]}],
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": analyte.code, "display": analyte.display}
            ],
            "text": analyte.display,
        },
        "subject": {"reference": f"Patient/{name}"},
        "effectiveDateTime": f"{day}T08:{10 + seed}:00+03:00",
        "issued": f"{day}T11:{20 + which}:41.310+03:00",
        "performer": [{"display": "Central laboratory"}],
        "valueQuantity": _quantity(value, analyte),
        "referenceRange": [
            {"low": _quantity(analyte.low, analyte), "high": _quantity(analyte.high, analyte)}
        ],
    }


def _quantity(value: str, analyte: _Analyte) -> dict[str, object]:
    return {"value": f"#{value}#", "unit": analyte.unit, "system": _UCUM, "code": analyte.ucum}
