"""(c) Screening lines of resources in one process, against decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from benchmarks import bundles
from benchmarks.report import Report
from refnot_fhir.rulebook.find import folder as mappings
from refnot_fhir.rulebook.load import load
from refnot_fhir.trial.screen import screen
from refnot_fhir.trial.service import DEFAULT_SITE, utc_now


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    patients: int
    rounds: int


FULL = Extent(400, 5)
QUICK = Extent(100, 3)


def measure(report: Report, extent: Extent) -> None:
    """Every line through gate, reading, translation and, once a patient, assessment."""
    rulebook = load(mappings(None, Path.cwd()))
    site = rulebook.sites[DEFAULT_SITE]
    today = utc_now().astimezone(site.zone).date()
    lines = _lines(bundles.templates(today), extent.patients)
    decoder = msgspec.json.Decoder()
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(extent.rounds):
        begun = perf_counter()
        found = sum(1 for _ in screen(lines, site=site, rulebook=rulebook, as_of=today))
        rates[0].append(len(lines) / (perf_counter() - begun))
        if found != extent.patients:
            raise RuntimeError(f"{found} assessments of {extent.patients} patients")
        begun = perf_counter()
        for line in lines:
            decoder.decode(line)
        rates[1].append(len(lines) / (perf_counter() - begun))
        report.rate("screen", "service", rates[0][-1])
        report.rate("screen", "floor", rates[1][-1])
    rate, floor = median(rates[0]), median(rates[1])
    cells = [f"{len(lines):,}", f"{rate:,.0f}", f"{floor:,.0f}", f"{floor / rate:.1f}"]
    report.table("(c) screen, one process", ("lines", "lines/s", "decoded/s", "ratio"), [cells])


def _lines(templates: Sequence[bytes], patients: int) -> list[bytes]:
    parts = [list(bundles.resources(template)) for template in templates]
    return [
        bundles.for_patient(line, bundles.patient_id("screen", number))
        for number in range(patients)
        for line in parts[number % len(parts)]
    ]
